//! EXTRACT(part FROM x): whole numbers are INT64.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Operator;

use super::Binder;
use super::convert::cast_to;
use super::stage::Stage;
use super::typed::Typed;
use crate::error::{Error, Result, Span};
use crate::lang::ast;

impl Binder<'_> {
    pub(super) fn extract_part(
        &self,
        part: &ast::Ident,
        operand: &ast::Expr,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Typed> {
        let operand = self.expr(operand, stage)?;
        self.date_part(&part.text, part.span, operand, span)
    }

    /// A part of a date, time or interval, by name.
    pub(super) fn date_part(
        &self,
        part: &str,
        part_span: Span,
        operand: Typed,
        span: Span,
    ) -> Result<Typed> {
        let is_time = matches!(
            operand.data_type,
            DataType::Date32
                | DataType::Date64
                | DataType::Timestamp(_, _)
                | DataType::Time32(_)
                | DataType::Time64(_)
                | DataType::Interval(_)
                | DataType::Duration(_)
        );
        let upper = part.to_ascii_uppercase();
        if !is_time {
            return Err(Error::input(
                "TM0402",
                format!(
                    "EXTRACT takes parts of a DATE, TIME, TIMESTAMP, DATETIME or INTERVAL, this is {}",
                    operand.type_name()
                ),
                operand.span,
            ));
        }
        if upper == "DATE" {
            return cast_to(operand, &DataType::Date32, false, span);
        }
        let Some(name) = part_name(&upper) else {
            return Err(
                Error::input("TM0404", format!("{upper} is no part of a date"), part_span)
                    .available(
                        "YEAR, ISOYEAR, QUARTER, MONTH, WEEK, ISOWEEK, DAY, DAYOFWEEK, DOW, ISODOW, DOY, \
                         HOUR, MINUTE, SECOND, MILLISECOND, MICROSECOND, NANOSECOND, EPOCH, DATE",
                    ),
            );
        };
        let name = Typed::literal(ScalarValue::from(name), part_span);
        let value = self.apply_named("date_part", vec![name, operand], span)?;
        if !value.data_type.is_integer() {
            return Ok(value);
        }
        let value = value.cast(&DataType::Int64);
        if upper == "DAYOFWEEK" {
            // Sunday is 1 here and 0 there.
            let one = Typed::literal(ScalarValue::from(1i64), span);
            return self.operate(value, Operator::Plus, one, span);
        }
        Ok(value)
    }
}

/// DataFusion's name of a part.
fn part_name(upper: &str) -> Option<&'static str> {
    Some(match upper {
        "YEAR" | "YEARS" => "year",
        "ISOYEAR" => "isoyear",
        "QUARTER" => "quarter",
        "MONTH" | "MONTHS" => "month",
        "WEEK" | "ISOWEEK" => "week",
        "DAY" | "DAYS" => "day",
        "DOW" | "DAYOFWEEK" => "dow",
        "ISODOW" => "isodow",
        "DOY" | "DAYOFYEAR" => "doy",
        "HOUR" | "HOURS" => "hour",
        "MINUTE" | "MINUTES" => "minute",
        "SECOND" | "SECONDS" => "second",
        "MILLISECOND" | "MILLISECONDS" => "millisecond",
        "MICROSECOND" | "MICROSECONDS" => "microsecond",
        "NANOSECOND" | "NANOSECONDS" => "nanosecond",
        "EPOCH" => "epoch",
        _ => return None,
    })
}
