//! Hints: `@{name = value}`. They never change a result: one that is not known is a warning, a wrong value is an error.

use std::time::Duration;

use arrow::datatypes::DataType;

use super::{Binder, names};
use crate::error::{Error, Result};
use crate::lang::ast::{ExprKind, Literal, OptionSetting};

/// What a hint may be. None of them changes how a statement runs today; `timeout_ms` says when it ends.
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
        let is_timeout = |hint: &OptionSetting| hint.name.text.eq_ignore_ascii_case("timeout_ms");
        for hint in hints {
            match is_timeout(hint) {
                true => timeout(hint).map(drop)?,
                false => self.hint(hint)?,
            }
        }
        Ok(())
    }

    fn hint(&self, hint: &OptionSetting) -> Result<()> {
        let name = hint.name.text.to_ascii_lowercase();
        if name == "memory" {
            return Err(Error::not_implemented("the hint memory", hint.name.span));
        }
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

/// How long a statement with these hints may run.
pub(crate) fn timeout_of(hints: &[OptionSetting]) -> Option<Duration> {
    let mut timeouts = hints
        .iter()
        .filter(|hint| hint.name.text.eq_ignore_ascii_case("timeout_ms"));
    timeouts.find_map(|hint| timeout(hint).ok())
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

fn wrong_value(hint: &OptionSetting, allowed: &str) -> Error {
    let message = format!("the hint {} cannot have this value", hint.name.text);
    Error::input("TM0603", message, hint.value.span).available(allowed)
}
