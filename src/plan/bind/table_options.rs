//! OPTIONS of a table: how its rows come in.

use std::time::Duration;

use datafusion::common::ScalarValue;

use super::{Binder, names};
use crate::error::{Error, Result};
use crate::lang::ast::OptionSetting;
use crate::table::ingest::IngestOptions;

/// Every option that a table takes.
const OPTIONS: &[&str] = &[
    "ingest",
    "flush_rows",
    "flush_bytes",
    "flush_age",
    "buffer_bytes",
];

/// Longest time that rows may be asked to wait.
const AGE_MAX: Duration = Duration::from_secs(7 * 24 * 60 * 60);

impl Binder<'_> {
    pub(super) fn table_options(&self, options: &[OptionSetting]) -> Result<IngestOptions> {
        let mut found = IngestOptions::default();
        for (place, option) in options.iter().enumerate() {
            let name = option.name.text.to_ascii_lowercase();
            let same = |other: &OptionSetting| other.name.text.eq_ignore_ascii_case(&name);
            if options[..place].iter().any(same) {
                let message = format!("the option `{name}` is given twice");
                return Err(Error::input("TM0703", message, option.name.span));
            }
            match name.as_str() {
                "ingest" => found.is_buffered = Some(self.is_buffered(option)?),
                "flush_rows" => found.rows = Some(self.count_option(option)?),
                "flush_bytes" => found.bytes = Some(self.count_option(option)?),
                "flush_age" => found.age = Some(self.age_option(option)?),
                "buffer_bytes" => found.bytes_max = Some(self.count_option(option)?),
                _ => {
                    let message = format!("a table has no option `{name}`");
                    let error = Error::input("TM0703", message, option.name.span);
                    return Err(match names::nearest(&name, OPTIONS.iter().copied()) {
                        Some(near) => error.did_you_mean(near),
                        None => error.available(OPTIONS.join(", ")),
                    });
                }
            }
        }
        Ok(found)
    }

    fn is_buffered(&self, option: &OptionSetting) -> Result<bool> {
        let value = self.option(option)?;
        let word = value.try_as_str().flatten().map(str::to_ascii_lowercase);
        match word.as_deref() {
            Some("buffered") => Ok(true),
            Some("direct") => Ok(false),
            _ => Err(wrong_value(option, "'buffered' or 'direct'")),
        }
    }

    fn count_option(&self, option: &OptionSetting) -> Result<u64> {
        let value = self.option(option)?;
        let count = match value.cast_to(&arrow::datatypes::DataType::Int64) {
            Ok(ScalarValue::Int64(count)) if value.data_type().is_integer() => count,
            _ => None,
        };
        let count = count.and_then(|count| u64::try_from(count).ok());
        let count = count.filter(|count| *count > 0);
        count.ok_or_else(|| wrong_value(option, "a whole number from 1 on"))
    }

    fn age_option(&self, option: &OptionSetting) -> Result<Duration> {
        let age = match self.option(option)? {
            ScalarValue::IntervalMonthDayNano(Some(value)) if value.months == 0 => {
                let days =
                    Duration::from_secs(24 * 60 * 60) * u32::try_from(value.days).unwrap_or(0);
                let rest = Duration::from_nanos(u64::try_from(value.nanoseconds).unwrap_or(0));
                let positive = value.days >= 0 && value.nanoseconds >= 0;
                Some(days + rest).filter(|_| positive)
            }
            _ => None,
        };
        let age = age.filter(|age| (Duration::from_millis(1)..=AGE_MAX).contains(age));
        age.ok_or_else(|| wrong_value(option, "an interval of up to a week, as INTERVAL 30 SECOND"))
    }
}

fn wrong_value(option: &OptionSetting, wanted: &str) -> Error {
    let message = format!("the option `{}` takes {wanted}", option.name.text);
    Error::input("TM0703", message, option.value.span)
}
