//! INTERVAL: a length of time, written or computed.

use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;

use super::Binder;
use super::stage::Stage;
use super::typed::Typed;
use super::types::interval;
use crate::catalog::functions::{Unit, interval_of};
use crate::error::{Error, Result, Span};
use crate::lang::ast;

impl Binder<'_> {
    /// `INTERVAL 5 DAY`, `INTERVAL '1 day 2 hours'`, `INTERVAL n DAY` over a column.
    pub(super) fn interval(
        &self,
        value: &ast::Expr,
        part: Option<&ast::Ident>,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Typed> {
        let value = self.expr(value, stage)?;
        let Some(part) = part else {
            let Some(text) = value.text() else {
                return Err(Error::input("TM0404", "INTERVAL needs a unit", span)
                    .hint("write INTERVAL 5 DAY or INTERVAL '5 days'"));
            };
            return parse_interval(text, span);
        };
        let Some((word, factor, unit)) = unit(&part.text) else {
            let message = format!("{} is no unit of time", part.text.to_ascii_uppercase());
            return Err(Error::input("TM0404", message, part.span).available(
                "YEAR, QUARTER, MONTH, WEEK, DAY, HOUR, MINUTE, SECOND, MILLISECOND, MICROSECOND",
            ));
        };
        match &value.expr {
            Expr::Literal(ScalarValue::Int64(Some(count)), _) => {
                let count = count
                    .checked_mul(factor)
                    .ok_or_else(|| Error::input("TM0404", "this interval is too long", span))?;
                parse_interval(&format!("{count} {word}"), span)
            }
            Expr::Literal(ScalarValue::Float64(Some(count)), _) if count.is_finite() => {
                #[expect(clippy::cast_precision_loss, reason = "the factor is 1 or 3")]
                let count = count * factor as f64;
                parse_interval(&format!("{count} {word}"), span)
            }
            Expr::Literal(ScalarValue::Utf8(Some(count)), _) if factor == 1 => {
                parse_interval(&format!("{count} {word}"), span)
            }
            _ if value.data_type.is_integer() || value.is_null() => {
                self.apply(interval_of(unit), vec![value], "INTERVAL", span)
            }
            _ => Err(Error::input(
                "TM0403",
                format!(
                    "the length of an INTERVAL is an INT64, this is {}",
                    value.type_name()
                ),
                value.span,
            )),
        }
    }
}

/// A unit's word, how many of it the written unit is, and the unit itself.
fn unit(written: &str) -> Option<(&'static str, i64, Unit)> {
    let second = 1_000_000_000;
    let written = written.to_ascii_uppercase();
    Some(match written.strip_suffix('S').unwrap_or(&written) {
        "YEAR" => ("YEAR", 1, Unit::Months(12)),
        "QUARTER" => ("MONTH", 3, Unit::Months(3)),
        "MONTH" => ("MONTH", 1, Unit::Months(1)),
        "WEEK" => ("WEEK", 1, Unit::Days(7)),
        "DAY" => ("DAY", 1, Unit::Days(1)),
        "HOUR" => ("HOUR", 1, Unit::Nanoseconds(3600 * second)),
        "MINUTE" => ("MINUTE", 1, Unit::Nanoseconds(60 * second)),
        "SECOND" => ("SECOND", 1, Unit::Nanoseconds(second)),
        "MILLISECOND" => ("MILLISECOND", 1, Unit::Nanoseconds(1_000_000)),
        "MICROSECOND" => ("MICROSECOND", 1, Unit::Nanoseconds(1_000)),
        "NANOSECOND" => ("NANOSECOND", 1, Unit::Nanoseconds(1)),
        _ => return None,
    })
}

fn parse_interval(text: &str, span: Span) -> Result<Typed> {
    ScalarValue::from(text)
        .cast_to(&interval())
        .ok()
        .filter(|value| !value.is_null())
        .map(|value| Typed::literal(value, span))
        .ok_or_else(|| {
            Error::input("TM0404", format!("'{text}' is not a valid INTERVAL"), span)
                .hint("write it as INTERVAL '1 day 2 hours'")
        })
}
