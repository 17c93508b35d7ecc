//! Functions that the language has and DataFusion calls otherwise.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use super::Binder;
use super::stage::Stage;
use super::translate::operator_types;
use super::typed::Typed;
use crate::error::{Error, Result, Span};
use crate::lang::ast::{self, Argument, ArgumentValue, Call, ExprKind};

/// Functions that are no functions of the catalog: name, form and sentence.
pub(super) const REWRITTEN: &[(&str, &str, &str)] = &[
    (
        "if",
        "IF(BOOL, value, value)",
        "The second argument where the first is TRUE, otherwise the third.",
    ),
    (
        "countif",
        "COUNTIF(BOOL)",
        "The number of rows for which the condition is TRUE.",
    ),
    (
        "logical_and",
        "LOGICAL_AND(BOOL)",
        "TRUE if no value is FALSE.",
    ),
    (
        "logical_or",
        "LOGICAL_OR(BOOL)",
        "TRUE if any value is TRUE.",
    ),
    (
        "div",
        "DIV(integer, integer)",
        "The whole part of a quotient.",
    ),
    (
        "ifnull",
        "IFNULL(value, value)",
        "The second argument where the first is NULL.",
    ),
    (
        "date_add",
        "DATE_ADD(time, INTERVAL)",
        "A time later by an interval; DATETIME_ADD and TIMESTAMP_ADD are the same.",
    ),
    (
        "date_sub",
        "DATE_SUB(time, INTERVAL)",
        "A time earlier by an interval; DATETIME_SUB and TIMESTAMP_SUB are the same.",
    ),
    (
        "date_diff",
        "DATE_DIFF(end, start, part)",
        "How many parts (DAY, MONTH …) begin between two times.",
    ),
    (
        "format_date",
        "FORMAT_DATE(format, time)",
        "A time as text; FORMAT_DATETIME, FORMAT_TIME and FORMAT_TIMESTAMP are the same.",
    ),
    (
        "parse_date",
        "PARSE_DATE(format, STRING)",
        "The DATE that a text says.",
    ),
    (
        "parse_timestamp",
        "PARSE_TIMESTAMP(format, STRING)",
        "The TIMESTAMP that a text says.",
    ),
    (
        "generate_array",
        "GENERATE_ARRAY(first, last[, step])",
        "An array of numbers, both ends among them.",
    ),
    ("generate_uuid", "GENERATE_UUID()", "A random UUID."),
    (
        "byte_length",
        "BYTE_LENGTH(STRING)",
        "The length of a text in bytes.",
    ),
    (
        "regexp_contains",
        "REGEXP_CONTAINS(STRING, pattern)",
        "Whether a pattern is found in a text.",
    ),
    (
        "approx_count_distinct",
        "APPROX_COUNT_DISTINCT(value)",
        "About how many different values there are.",
    ),
    ("version", "VERSION()", "The version of Tidemill."),
    (
        "timestamp_diff",
        "TIMESTAMP_DIFF(end, start, part)",
        "How many whole parts (HOUR, SECOND …) lie between two times.",
    ),
    (
        "format",
        "FORMAT(pattern, value, …)",
        "Values in the places of a pattern, as printf writes them: %d %x %f %e %g %s, %t for any value, %T for a literal.",
    ),
    (
        "to_json_string",
        "TO_JSON_STRING(value[, pretty])",
        "A value as JSON; with TRUE on several lines.",
    ),
    (
        "approx_quantiles",
        "APPROX_QUANTILES(value, n)",
        "The smallest value, n - 1 values that cut the rest into about equal parts, and the largest.",
    ),
    (
        "error",
        "ERROR(STRING)",
        "Stops the query where a row reaches it.",
    ),
];

/// Other names of functions: theirs, ours.
pub(super) const OTHER_NAMES: &[(&str, &str)] = &[
    ("count_if", "countif"),
    ("datetime_add", "date_add"),
    ("datetime_diff", "date_diff"),
    ("datetime_sub", "date_sub"),
    ("datetime_trunc", "date_trunc"),
    ("format_datetime", "format_date"),
    ("format_time", "format_date"),
    ("format_timestamp", "format_date"),
    ("generate_date_array", "generate_array"),
    ("is_nan", "isnan"),
    ("timestamp_add", "date_add"),
    ("timestamp_sub", "date_sub"),
    ("timestamp_trunc", "date_trunc"),
];

impl Binder<'_> {
    /// The call in other words, if it is one of these.
    pub(super) fn rewrite_call(
        &self,
        name: &str,
        call: &Call,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Option<Typed>> {
        Ok(Some(match name {
            "if" => {
                let [condition, then, otherwise] = self.plain_arguments(call, span)?;
                let branches = [(condition.clone(), then.clone())];
                self.case(None, &branches, Some(otherwise), span, stage)?
            }
            "countif" | "count_if" => {
                let [condition] = self.plain_arguments(call, span)?;
                let counted = count_where(call, condition, span);
                self.call(&counted, span, stage)?
            }
            "logical_and" => self.call(&renamed(call, "bool_and"), span, stage)?,
            "logical_or" => self.call(&renamed(call, "bool_or"), span, stage)?,
            "div" => {
                let [dividend, divisor] = self.plain_arguments(call, span)?;
                let dividend = self.expr(dividend, stage)?;
                let divisor = self.expr(divisor, stage)?;
                self.noted(int_quotient(dividend, divisor, span)?)
            }
            "ifnull" => {
                let [value, otherwise] = self.plain_arguments(call, span)?;
                let arguments = vec![self.expr(value, stage)?, self.expr(otherwise, stage)?];
                self.apply_named("coalesce", arguments, span)?
            }
            "array_length" if call.args.len() == 1 => {
                let [array] = self.plain_arguments(call, span)?;
                let array = self.expr(array, stage)?;
                let length = self.apply_named("array_length", vec![array], span)?;
                length.cast(&DataType::Int64)
            }
            "version" => {
                let [] = self.plain_arguments(call, span)?;
                let version = concat!("Tidemill ", env!("CARGO_PKG_VERSION"));
                Typed::literal(ScalarValue::from(version), span)
            }
            "date_part" | "datepart" => {
                let [part, operand] = self.plain_arguments(call, span)?;
                let part = self.expr(part, stage)?;
                let Some(name) = part.text().map(str::to_string) else {
                    return Err(Error::input(
                        "TM0402",
                        "the first argument of DATE_PART is the part's name",
                        part.span,
                    )
                    .hint("write DATE_PART('year', x), or EXTRACT(YEAR FROM x)"));
                };
                let operand = self.expr(operand, stage)?;
                self.date_part(&name, part.span, operand, span)?
            }
            _ => return self.spelled_call(name, call, span, stage),
        }))
    }

    /// Exactly `N` arguments without names, lambdas or `*`.
    pub(super) fn plain_arguments<'c, const N: usize>(
        &self,
        call: &'c Call,
        span: Span,
    ) -> Result<[&'c ast::Expr; N]> {
        let arguments: Vec<&ast::Expr> = call
            .args
            .iter()
            .filter_map(|argument| match argument {
                Argument {
                    name: None,
                    value: ArgumentValue::Expr(expr),
                } => Some(expr),
                _ => None,
            })
            .collect();
        let given = call.args.len();
        match <[&ast::Expr; N]>::try_from(arguments) {
            Ok(arguments) if given == N => Ok(arguments),
            _ => Err(Error::input(
                "TM0402",
                match N {
                    0 => format!("{} takes no arguments", super::call::function_name(call)),
                    1 => format!("{} takes 1 argument", super::call::function_name(call)),
                    _ => format!("{} takes {N} arguments", super::call::function_name(call)),
                },
                span,
            )),
        }
    }
}

pub(super) fn renamed(call: &Call, name: &str) -> Call {
    let mut call = call.clone();
    if let Some(last) = call.function.parts.last_mut() {
        last.text = name.to_string();
    }
    call
}

/// `COUNTIF(x)` is `COUNT(*) FILTER (WHERE x)`.
fn count_where(call: &Call, condition: &ast::Expr, span: Span) -> Call {
    let mut counted = renamed(call, "count");
    let filter = match counted.filter.take() {
        None => condition.clone(),
        Some(filter) => ast::Expr {
            kind: Box::new(ExprKind::And(vec![filter, condition.clone()])),
            span,
        },
    };
    counted.filter = Some(filter);
    counted.args = vec![Argument {
        name: None,
        value: ArgumentValue::Star(span),
    }];
    counted
}

/// `DIV(a, b)`: the whole part of the quotient.
pub(super) fn int_quotient(dividend: Typed, divisor: Typed, span: Span) -> Result<Typed> {
    let is_int = |typed: &Typed| typed.data_type.is_integer() || typed.is_null();
    if !is_int(&dividend) || !is_int(&divisor) {
        return Err(operator_types("DIV", &[&dividend, &divisor], span));
    }
    let zero = divisor.value().is_some_and(|value| {
        ScalarValue::new_zero(&value.data_type()).is_ok_and(|zero| zero == *value)
    });
    if zero {
        return Err(Error::run("TM0502", "division by zero")
            .at(span)
            .hint("guard the divisor with NULLIF(x, 0)"));
    }
    let int = DataType::Int64;
    let nullable = dividend.nullable || divisor.nullable;
    let quotient = BinaryExpr::new(
        Box::new(dividend.cast(&int).expr),
        Operator::Divide,
        Box::new(divisor.cast(&int).expr),
    );
    Ok(Typed {
        nullable,
        ..Typed::new(Expr::BinaryExpr(quotient), int, span)
    })
}
