//! More functions under GoogleSQL's names: times as counts since 1970, bytes as text, the value beside the largest of another.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator;

use super::Binder;
use super::rewrites::renamed;
use super::stage::Stage;
use super::typed::Typed;
use super::types::{datetime, timestamp};
use crate::error::{Error, Result, Span};
use crate::lang::ast::{
    Argument, ArgumentValue, Call, Expr, ExprKind, IsTest, OrderItem, SortOrder,
};

/// Name, form and what it does; [`Binder::google_call`] has an arm for each that differs in more than its name.
pub(super) const GOOGLESQL: &[(&str, &str, &str)] = &[
    (
        "array_includes",
        "ARRAY_INCLUDES(array, value)",
        "Whether a value is an element of an array.",
    ),
    (
        "array_last",
        "ARRAY_LAST(array)",
        "The last element of an array.",
    ),
    (
        "contains_substr",
        "CONTAINS_SUBSTR(STRING, STRING)",
        "Whether a text is found in another, in any case.",
    ),
    (
        "current_datetime",
        "CURRENT_DATETIME()",
        "The time when the statement began, as a DATETIME in UTC.",
    ),
    (
        "date",
        "DATE(year, month, day) or DATE(time)",
        "A DATE of its parts, or the day of a time.",
    ),
    (
        "date_from_unix_date",
        "DATE_FROM_UNIX_DATE(integer)",
        "The DATE so many days after 1970-01-01.",
    ),
    ("datetime", "DATETIME(time)", "A time as a DATETIME."),
    (
        "edit_distance",
        "EDIT_DISTANCE(STRING, STRING)",
        "How many letters must change to make one text the other.",
    ),
    (
        "euclidean_distance",
        "EUCLIDEAN_DISTANCE(array, array)",
        "The distance of two points.",
    ),
    (
        "from_base64",
        "FROM_BASE64(STRING)",
        "The bytes that a base64 text says.",
    ),
    (
        "from_hex",
        "FROM_HEX(STRING)",
        "The bytes that a hexadecimal text says.",
    ),
    (
        "ieee_divide",
        "IEEE_DIVIDE(number, number)",
        "A quotient as FLOAT64; by zero it is infinite or NaN.",
    ),
    ("is_inf", "IS_INF(number)", "Whether a number is infinite."),
    (
        "last_day",
        "LAST_DAY(date)",
        "The last day of a date's month.",
    ),
    (
        "max_by",
        "MAX_BY(value, by)",
        "The value of the row in which the second argument is largest.",
    ),
    (
        "min_by",
        "MIN_BY(value, by)",
        "The value of the row in which the second argument is smallest.",
    ),
    (
        "mod",
        "MOD(integer, integer)",
        "What a division leaves over, with the sign of the first.",
    ),
    (
        "nullifzero",
        "NULLIFZERO(number)",
        "NULL for 0, otherwise the number.",
    ),
    (
        "parse_datetime",
        "PARSE_DATETIME(format, STRING)",
        "The DATETIME that a text says.",
    ),
    (
        "regexp_extract",
        "REGEXP_EXTRACT(STRING, pattern)",
        "What a pattern's group finds, or the pattern without one.",
    ),
    (
        "regexp_substr",
        "REGEXP_SUBSTR(STRING, pattern)",
        "REGEXP_EXTRACT by another name.",
    ),
    (
        "safe_divide",
        "SAFE_DIVIDE(number, number)",
        "A quotient; NULL where the divisor is zero.",
    ),
    ("sign", "SIGN(number)", "-1, 0 or 1."),
    (
        "split",
        "SPLIT(STRING, STRING)",
        "The parts of a text between a separator.",
    ),
    ("string", "STRING(value)", "A value as text."),
    ("timestamp", "TIMESTAMP(time)", "A time as a TIMESTAMP."),
    (
        "timestamp_micros",
        "TIMESTAMP_MICROS(integer)",
        "The TIMESTAMP so many microseconds after 1970 began.",
    ),
    (
        "timestamp_millis",
        "TIMESTAMP_MILLIS(integer)",
        "The TIMESTAMP so many milliseconds after 1970 began.",
    ),
    (
        "timestamp_seconds",
        "TIMESTAMP_SECONDS(integer)",
        "The TIMESTAMP so many seconds after 1970 began.",
    ),
    ("to_base64", "TO_BASE64(BYTES)", "Bytes as base64."),
    (
        "unicode",
        "UNICODE(STRING)",
        "The number of a text's first character.",
    ),
    (
        "unix_date",
        "UNIX_DATE(date)",
        "How many days a date is after 1970-01-01.",
    ),
    (
        "unix_micros",
        "UNIX_MICROS(time)",
        "How many microseconds a time is after 1970 began.",
    ),
    (
        "unix_millis",
        "UNIX_MILLIS(time)",
        "How many milliseconds a time is after 1970 began.",
    ),
    (
        "unix_seconds",
        "UNIX_SECONDS(time)",
        "How many seconds a time is after 1970 began.",
    ),
    ("variance", "VARIANCE(number)", "The variance of a sample."),
    (
        "zeroifnull",
        "ZEROIFNULL(number)",
        "0 for NULL, otherwise the number.",
    ),
];

impl Binder<'_> {
    /// The call in our functions' words, if it is one of these.
    pub(super) fn google_call(
        &self,
        name: &str,
        call: &Call,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Option<Typed>> {
        let number = |number: i64| Typed::literal(ScalarValue::from(number), span);
        let text = |text: &str| Typed::literal(ScalarValue::from(text), span);
        Ok(Some(match name {
            "max_by" | "min_by" => self.beside(call, name == "max_by", span, stage)?,
            "date" if call.args.len() == 3 => {
                let parts = self.plain_arguments::<3>(call, span)?;
                let parts = parts.map(|part| self.expr(part, stage));
                let parts = parts.into_iter().collect::<Result<_>>()?;
                self.apply_named("make_date", parts, span)?
            }
            "current_datetime" => {
                let [] = self.plain_arguments(call, span)?;
                self.apply_named("now", Vec::new(), span)?.cast(&datetime())
            }
            "contains_substr" | "regexp_extract" | "regexp_substr" => {
                let [value, part] = self.plain_arguments(call, span)?;
                let (value, part) = (self.expr(value, stage)?, self.expr(part, stage)?);
                if name == "contains_substr" {
                    let small = |value| self.apply_named("lower", vec![value], span);
                    let place =
                        self.apply_named("strpos", vec![small(value)?, small(part)?], span)?;
                    self.operate(place, Operator::Gt, number(0), span)?
                } else {
                    let found = self.apply_named("regexp_match", vec![value, part], span)?;
                    self.apply_named("array_element", vec![found, number(1)], span)?
                }
            }
            "array_last"
            | "date"
            | "date_from_unix_date"
            | "datetime"
            | "from_base64"
            | "from_hex"
            | "is_inf"
            | "last_day"
            | "nullifzero"
            | "sign"
            | "string"
            | "timestamp"
            | "timestamp_micros"
            | "timestamp_millis"
            | "timestamp_seconds"
            | "to_base64"
            | "unix_date"
            | "unix_micros"
            | "unix_millis"
            | "unix_seconds"
            | "zeroifnull" => {
                let [value] = self.plain_arguments(call, span)?;
                let value = self.expr(value, stage)?;
                match name {
                    "array_last" => {
                        self.apply_named("array_element", vec![value, number(-1)], span)?
                    }
                    "date" => self.as_time(value, &DataType::Date32, span)?,
                    "datetime" => self.as_time(value, &datetime(), span)?,
                    "timestamp" => self.as_time(value, &timestamp(), span)?,
                    "string" => super::convert::cast_to(value, &DataType::Utf8, false, span)?,
                    "date_from_unix_date" => {
                        let days = super::script::assign(value, &DataType::Int32)?;
                        days.cast(&DataType::Date32)
                    }
                    "from_base64" => {
                        self.apply_named("decode", vec![value, text("base64pad")], span)?
                    }
                    "from_hex" => self.apply_named("decode", vec![value, text("hex")], span)?,
                    "to_base64" => {
                        self.apply_named("encode", vec![value, text("base64pad")], span)?
                    }
                    "is_inf" => {
                        let size = self.apply_named("abs", vec![value], span)?;
                        let infinite = Typed::literal(ScalarValue::from(f64::INFINITY), span);
                        self.operate(size.cast(&DataType::Float64), Operator::Eq, infinite, span)?
                    }
                    "last_day" => self.last_day(value, span)?,
                    "nullifzero" => self.apply_named("nullif", vec![value, number(0)], span)?,
                    "zeroifnull" => self.apply_named("coalesce", vec![value, number(0)], span)?,
                    "sign" => {
                        let own = value.data_type.clone();
                        let sign = self.apply_named("signum", vec![value], span)?;
                        match own {
                            DataType::Null => sign,
                            own => sign.cast(&own),
                        }
                    }
                    "timestamp_micros" => self.since_1970(value, "to_timestamp_micros", span)?,
                    "timestamp_millis" => self.since_1970(value, "to_timestamp_millis", span)?,
                    "timestamp_seconds" => self.since_1970(value, "to_timestamp_seconds", span)?,
                    "unix_date" => self.counted(value, "DAY", span)?,
                    "unix_micros" => self.counted(value, "MICROSECOND", span)?,
                    "unix_millis" => self.counted(value, "MILLISECOND", span)?,
                    _ => self.counted(value, "SECOND", span)?,
                }
            }
            _ => return Ok(None),
        }))
    }

    fn as_time(&self, value: Typed, kind: &DataType, span: Span) -> Result<Typed> {
        if value.data_type.is_numeric() {
            let message = format!("a number is no time: this is {}", value.type_name());
            return Err(Error::input("TM0402", message, value.span)
                .hint("write TIMESTAMP_SECONDS(x), or DATE_FROM_UNIX_DATE(x)"));
        }
        super::convert::cast_to(value, kind, false, span)
    }

    fn since_1970(&self, value: Typed, function: &str, span: Span) -> Result<Typed> {
        if !value.data_type.is_integer() && !value.is_null() {
            let message = format!("this must be an integer, it is {}", value.type_name());
            return Err(Error::input("TM0402", message, value.span));
        }
        let moment = self.apply_named(function, vec![value], span)?;
        Ok(moment.cast(&timestamp()))
    }

    fn last_day(&self, value: Typed, span: Span) -> Result<Typed> {
        let day = self.as_time(value, &DataType::Date32, span)?;
        let month = self.cut_to_part(day, "MONTH", span, span)?;
        let interval = |months: i32, days: i32| {
            Typed::literal(ScalarValue::new_interval_mdn(months, days, 0), span)
        };
        let next = self.operate(month, Operator::Plus, interval(1, 0), span)?;
        self.operate(next, Operator::Minus, interval(0, 1), span)
    }

    /// `MAX_BY(x, y)` is `FIRST_VALUE(x ORDER BY y DESC) FILTER (WHERE y IS NOT NULL)`.
    fn beside(&self, call: &Call, largest: bool, span: Span, stage: &mut Stage) -> Result<Typed> {
        let [value, by] = self.plain_arguments(call, span)?;
        let (value, by) = (value.clone(), by.clone());
        if !call.order_by.is_empty() {
            let message = "the second argument says the order already";
            return Err(Error::input("TM0402", message, span));
        }
        let mut first = renamed(call, "first_value");
        let known = Expr {
            kind: Box::new(ExprKind::Is {
                operand: by.clone(),
                test: IsTest::Null,
                negated: true,
            }),
            span: by.span,
        };
        first.filter = Some(match first.filter.take() {
            None => known,
            Some(filter) => Expr {
                kind: Box::new(ExprKind::And(vec![filter, known])),
                span,
            },
        });
        first.order_by = vec![OrderItem {
            order: SortOrder {
                descending: Some(largest),
                nulls_first: None,
                span: by.span,
            },
            expr: by,
        }];
        first.args = vec![Argument {
            name: None,
            value: ArgumentValue::Expr(value),
        }];
        self.call(&first, span, stage)
    }
}
