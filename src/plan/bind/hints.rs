//! Hints: `@{name = value}`. They never change a result: one that is not known is a warning, a wrong value is an error.

use std::time::Duration;

use arrow::datatypes::DataType;

use super::{Binder, names};
use crate::catalog::settings::staleness;
use crate::error::{Error, Result};
use crate::lang::ast::{ExprKind, Literal, OptionSetting};
use crate::lang::parse_size;

/// What a hint may be. None of them changes how a statement runs today; those of a statement's [`Bounds`] say when it ends,
/// and `max_staleness` of which version a lost table is read.
const HINTS: &[(&str, &[&str])] = &[
    ("strategy", &["broadcast", "hash", "sort"]),
    ("partial", &["on", "off"]),
    ("cache", &["use", "refresh", "off"]),
];

impl Binder<'_> {
    pub(super) fn hints(&self, hints: &[OptionSetting]) -> Result<()> {
        for hint in hints {
            self.hint(hint)?;
        }
        Ok(())
    }

    /// Hints of a whole statement.
    pub(super) fn statement_hints(&self, hints: &[OptionSetting]) -> Result<()> {
        for hint in hints {
            match hint.name.text.to_ascii_lowercase().as_str() {
                "timeout_ms" => timeout(hint).map(drop)?,
                "memory" => memory(hint).map(drop)?,
                "max_staleness" => {
                    let most = staleness(&self.option(hint)?);
                    let most =
                        most.ok_or_else(|| wrong_value(hint, "an INTERVAL without months"))?;
                    self.max_staleness.set(Some(most));
                }
                _ => self.hint(hint)?,
            }
        }
        Ok(())
    }

    fn hint(&self, hint: &OptionSetting) -> Result<()> {
        let name = hint.name.text.to_ascii_lowercase();
        let value = self.option(hint)?;
        if matches!(name.as_str(), "cache_ttl" | "max_staleness") {
            return match value.data_type() {
                DataType::Interval(_) => Ok(()),
                _ => Err(wrong_value(hint, "an INTERVAL")),
            };
        }
        let Some((_, values)) = HINTS.iter().find(|(known, _)| *known == name) else {
            let known = HINTS.iter().map(|(known, _)| *known);
            let mut warning = Error::input(
                "TW02",
                format!("no hint is called `{}`: it does nothing", hint.name.text),
                hint.name.span,
            );
            if let Some(near) = names::nearest(&name, known) {
                warning = warning.did_you_mean(near);
            }
            self.warn(warning);
            return Ok(());
        };
        let text = value.try_as_str().flatten().unwrap_or_default();
        if values.iter().any(|known| known.eq_ignore_ascii_case(text)) {
            return Ok(());
        }
        Err(wrong_value(hint, &values.join(", ")))
    }
}

/// What a statement's hints hold it to.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Bounds {
    pub(crate) timeout: Option<Duration>,
    /// Bytes.
    pub(crate) memory: Option<usize>,
}

/// The bounds among these hints. What is wrong with one is told when they are bound.
pub(crate) fn bounds_of(hints: &[OptionSetting]) -> Bounds {
    Bounds {
        timeout: named(hints, "timeout_ms").find_map(|hint| timeout(hint).ok()),
        memory: named(hints, "memory").find_map(|hint| memory(hint).ok()),
    }
}

fn named<'h>(
    hints: &'h [OptionSetting],
    name: &'static str,
) -> impl Iterator<Item = &'h OptionSetting> {
    hints
        .iter()
        .filter(move |hint| hint.name.text.eq_ignore_ascii_case(name))
}

fn timeout(hint: &OptionSetting) -> Result<Duration> {
    let milliseconds = match hint.value.kind.as_ref() {
        ExprKind::Literal(Literal::Integer(digits)) => digits.parse().ok(),
        _ => None,
    };
    match milliseconds {
        Some(milliseconds) if milliseconds > 0 => Ok(Duration::from_millis(milliseconds)),
        _ => Err(wrong_value(hint, "milliseconds from 1 on")),
    }
}

fn memory(hint: &OptionSetting) -> Result<usize> {
    let bytes = match hint.value.kind.as_ref() {
        ExprKind::Literal(Literal::String(text)) => parse_size(text).ok(),
        _ => None,
    };
    bytes
        .and_then(|bytes| usize::try_from(bytes).ok())
        .ok_or_else(|| wrong_value(hint, "a size, such as '2GB' or '512MiB'"))
}

fn wrong_value(hint: &OptionSetting, allowed: &str) -> Error {
    let message = format!("the hint {} cannot have this value", hint.name.text);
    Error::input("TM0603", message, hint.value.span).available(allowed)
}
