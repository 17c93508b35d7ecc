//! Functions under GoogleSQL's names, and with its arguments: DATE_ADD, DATE_DIFF, DATE_TRUNC(x, MONTH), FORMAT_DATE …

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator;

use super::Binder;
use super::stage::Stage;
use super::typed::Typed;
use super::types::datetime;
use crate::catalog::functions::{error_function, format_fault};
use crate::error::{Error, Result, Span};
use crate::lang::ast::{self, Call, ExprKind};

/// Functions that differ in their name alone: theirs, ours.
const RENAMED: &[(&str, &str)] = &[
    ("approx_count_distinct", "approx_distinct"),
    ("array_includes", "array_has"),
    ("byte_length", "octet_length"),
    ("edit_distance", "levenshtein"),
    ("euclidean_distance", "array_distance"),
    ("generate_array", "generate_series"),
    ("generate_date_array", "generate_series"),
    ("generate_uuid", "uuid"),
    ("is_nan", "isnan"),
    ("regexp_contains", "regexp_like"),
    ("split", "string_to_array"),
    ("unicode", "ascii"),
    ("variance", "var_samp"),
];

/// Functions of two arguments whose places are exchanged: theirs, ours.
const EXCHANGED: &[(&str, &str)] = &[
    ("format_date", "to_char"),
    ("format_datetime", "to_char"),
    ("format_time", "to_char"),
    ("format_timestamp", "to_char"),
    ("parse_date", "to_date"),
    ("parse_datetime", "to_timestamp"),
    ("parse_timestamp", "to_timestamp"),
];

impl Binder<'_> {
    /// The call in our functions' words, if it is one of these.
    pub(super) fn spelled_call(
        &self,
        name: &str,
        call: &Call,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Option<Typed>> {
        if let Some((_, own)) = RENAMED.iter().find(|(theirs, _)| *theirs == name) {
            return self
                .call(&super::rewrites::renamed(call, own), span, stage)
                .map(Some);
        }
        if let Some((_, own)) = EXCHANGED.iter().find(|(theirs, _)| *theirs == name) {
            let [format, value] = self.plain_arguments(call, span)?;
            let (format, value) = (self.expr(format, stage)?, self.expr(value, stage)?);
            let spelled = self.apply_named(own, vec![value, format], span)?;
            return Ok(Some(match name {
                "parse_timestamp" => spelled.cast(&super::types::timestamp()),
                "parse_datetime" => spelled.cast(&datetime()),
                _ => spelled,
            }));
        }
        Ok(Some(match name {
            "mod" => {
                let [value, divisor] = self.plain_arguments(call, span)?;
                let (value, divisor) = (self.expr(value, stage)?, self.expr(divisor, stage)?);
                self.operate(value, Operator::Modulo, divisor, span)?
            }
            "safe_divide" => {
                let [value, divisor] = self.plain_arguments(call, span)?;
                let (value, divisor) = (self.expr(value, stage)?, self.expr(divisor, stage)?);
                let zero = Typed::literal(ScalarValue::from(0i64), span);
                let divisor = self.apply_named("nullif", vec![divisor, zero], span)?;
                self.operate(value, Operator::Divide, divisor, span)?
            }
            "ieee_divide" => {
                let [value, divisor] = self.plain_arguments(call, span)?;
                let (value, divisor) = (self.expr(value, stage)?, self.expr(divisor, stage)?);
                let float = |value: Typed| value.cast(&DataType::Float64);
                self.operate(float(value), Operator::Divide, float(divisor), span)?
            }
            "date_add" | "datetime_add" | "timestamp_add" => {
                self.moved_in_time(call, Operator::Plus, span, stage)?
            }
            "date_sub" | "datetime_sub" | "timestamp_sub" => {
                self.moved_in_time(call, Operator::Minus, span, stage)?
            }
            "date_diff" | "datetime_diff" | "timestamp_diff" => {
                let [end, start, part] = self.plain_arguments(call, span)?;
                let part_name = part_word(part)?;
                let end = self.expr(end, stage)?;
                let start = self.expr(start, stage)?;
                if name == "timestamp_diff"
                    && let Some(unit) = unit_of(part_name)
                {
                    // Whole units of time, and not how often a new one began.
                    let end = self.counted(end, "MICROSECOND", part.span)?;
                    let start = self.counted(start, "MICROSECOND", part.span)?;
                    let between = self.operate(end, Operator::Minus, start, span)?;
                    let unit = Typed::literal(ScalarValue::from(unit), span);
                    return super::rewrites::int_quotient(between, unit, span).map(Some);
                }
                let end = self.counted(end, part_name, part.span)?;
                let start = self.counted(start, part_name, part.span)?;
                self.operate(end, Operator::Minus, start, span)?
            }
            "date_trunc" | "datetrunc" | "datetime_trunc" | "timestamp_trunc" => {
                let [first, second] = self.plain_arguments(call, span)?;
                if matches!(
                    first.kind.as_ref(),
                    ExprKind::Literal(ast::Literal::String(_))
                ) {
                    // DataFusion's way: the part comes first, as a text.
                    return Ok(None);
                }
                let value = self.expr(first, stage)?;
                self.cut_to_part(value, part_word(second)?, second.span, span)?
            }
            "format" => {
                let function = self.catalog.functions().scalar(name);
                let Some(function) = function else {
                    return Ok(None);
                };
                self.refuse_aggregate_clauses(call, span)?;
                let arguments = self.arguments(call, function.signature(), stage)?;
                self.formatted(arguments, span)?
            }
            "error" => {
                let [message] = self.plain_arguments(call, span)?;
                let message = self.expr(message, stage)?;
                self.apply(error_function(), vec![message], "ERROR", span)?
            }
            _ => return self.google_call(name, call, span, stage),
        }))
    }

    /// FORMAT. A pattern that is known is checked now.
    fn formatted(&self, arguments: Vec<Typed>, span: Span) -> Result<Typed> {
        let Some((pattern, values)) = arguments.split_first() else {
            return Err(Error::input("TM0402", "FORMAT needs a pattern", span)
                .hint("write FORMAT('%d of %s', 3, 'x')"));
        };
        if !pattern.data_type.is_string() && !pattern.is_null() {
            let message = format!(
                "the pattern of FORMAT is a STRING, not {}",
                pattern.type_name()
            );
            return Err(Error::input("TM0402", message, pattern.span));
        }
        let types: Vec<DataType> = values.iter().map(|value| value.data_type.clone()).collect();
        let fault = pattern.text().and_then(|text| format_fault(text, &types));
        if let Some(fault) = fault {
            return Err(Error::input(
                "TM0402",
                format!("FORMAT: {fault}"),
                pattern.span,
            ));
        }
        self.apply_named("format", arguments, span)
    }

    /// `DATE_ADD(x, INTERVAL 1 DAY)`
    fn moved_in_time(
        &self,
        call: &Call,
        operator: Operator,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Typed> {
        let [value, interval] = self.plain_arguments(call, span)?;
        let value = self.expr(value, stage)?;
        let interval = self.expr(interval, stage)?;
        if !matches!(interval.data_type, DataType::Interval(_)) {
            let message = "the second argument is an INTERVAL";
            return Err(Error::input("TM0402", message, interval.span).hint("write INTERVAL 1 DAY"));
        }
        self.operate(value, operator, interval, span)
    }

    /// How many beginnings of a part of time lie before the value: the difference of two counts those between.
    pub(super) fn counted(&self, value: Typed, part: &str, part_span: Span) -> Result<Typed> {
        let span = value.span;
        let number = |number: i64| Typed::literal(ScalarValue::from(number), span);
        let int = |value: Typed| value.cast(&DataType::Int64);
        if !matches!(
            value.data_type,
            DataType::Date32 | DataType::Date64 | DataType::Timestamp(_, _)
        ) && !value.is_null()
        {
            let message = format!("this is {}, and no time", value.type_name());
            return Err(Error::input("TM0402", message, span));
        }
        let days = |value: Typed| int(value.cast(&DataType::Date32).cast(&DataType::Int32));
        let months = |value: Typed| -> Result<Typed> {
            let year = int(self.date_part("year", part_span, value.clone(), span)?);
            let month = int(self.date_part("month", part_span, value, span)?);
            let year = self.operate(year, Operator::Multiply, number(12), span)?;
            let month = self.operate(month, Operator::Minus, number(1), span)?;
            self.operate(year, Operator::Plus, month, span)
        };
        let upper = part.to_ascii_uppercase();
        match upper.as_str() {
            "DAY" => Ok(days(value)),
            // Day 0 is a Thursday; weeks begin on Sunday, ISO's on Monday.
            "WEEK" => self.floored(self.operate(days(value), Operator::Plus, number(4), span)?, 7),
            "ISOWEEK" => {
                self.floored(self.operate(days(value), Operator::Plus, number(3), span)?, 7)
            }
            "MONTH" => months(value),
            "QUARTER" => self.floored(months(value)?, 3),
            "YEAR" => self.floored(months(value)?, 12),
            _ => match unit_of(&upper) {
                Some(unit) => {
                    let moment = value.cast(&datetime());
                    self.floored(int(moment), unit)
                }
                None => Err(Error::input(
                "TM0402",
                format!("`{part}` is no part of time that can be counted"),
                part_span,
            )
            .available("DAY, WEEK, ISOWEEK, MONTH, QUARTER, YEAR, HOUR, MINUTE, SECOND, MILLISECOND, MICROSECOND")),
            },
        }
    }

    /// The beginning of the part of time that the value lies in. GoogleSQL's weeks begin on Sunday, DataFusion's as ISO's.
    pub(super) fn cut_to_part(
        &self,
        value: Typed,
        part: &str,
        place: Span,
        span: Span,
    ) -> Result<Typed> {
        let own = value.data_type.clone();
        let is_week = part.eq_ignore_ascii_case("WEEK");
        let one_day = || {
            let day = ScalarValue::new_interval_mdn(0, 1, 0);
            Typed::literal(day, span)
        };
        let name = match part.to_ascii_uppercase().as_str() {
            "ISOWEEK" => "week".to_string(),
            other => other.to_ascii_lowercase(),
        };
        let name = Typed::literal(ScalarValue::from(name.as_str()), place);
        let value = match is_week {
            true => self.operate(value, Operator::Plus, one_day(), span)?,
            false => value,
        };
        let cut = self.apply_named("date_trunc", vec![name, value], span)?;
        let cut = match is_week {
            true => self.operate(cut, Operator::Minus, one_day(), span)?,
            false => cut,
        };
        Ok(match own {
            DataType::Null => cut,
            own => cut.cast(&own),
        })
    }

    /// The quotient, rounded down for what lies before 1970 too.
    fn floored(&self, value: Typed, unit: i64) -> Result<Typed> {
        let span = value.span;
        let unit = Typed::literal(ScalarValue::from(unit), span);
        let rest = self.operate(value.clone(), Operator::Modulo, unit.clone(), span)?;
        let rest = self.operate(rest, Operator::Plus, unit.clone(), span)?;
        let rest = self.operate(rest, Operator::Modulo, unit.clone(), span)?;
        let whole = self.operate(value, Operator::Minus, rest, span)?;
        super::rewrites::int_quotient(whole, unit, span)
    }
}

/// Microseconds of a part of time that always lasts as long.
fn unit_of(part: &str) -> Option<i64> {
    Some(match part.to_ascii_uppercase().as_str() {
        "DAY" => 86_400_000_000,
        "HOUR" => 3_600_000_000,
        "MINUTE" => 60_000_000,
        "SECOND" => 1_000_000,
        "MILLISECOND" => 1000,
        "MICROSECOND" => 1,
        _ => return None,
    })
}

/// `MONTH` as a bare word, or as a text.
fn part_word(part: &ast::Expr) -> Result<&str> {
    match part.kind.as_ref() {
        ExprKind::Path(path) => {
            if let [word] = path.parts.as_slice() {
                return Ok(&word.text);
            }
        }
        ExprKind::Literal(ast::Literal::String(word)) => return Ok(word),
        _ => {}
    }
    let message = "a part of time stands here";
    Err(Error::input("TM0402", message, part.span).label("such as DAY, MONTH or YEAR"))
}
