//! Settings of a session: `SET @@name = value`, `SHOW SETTINGS`. The list is the register: every entry has its name, its values,
//! its sentence, and how it is read and written.

use std::time::Duration;

use datafusion::common::ScalarValue;

use crate::file::BadRows;
use crate::route::Policy;

/// Rounds after which a recursion is taken for an endless one.
const MAX_RECURSION: usize = 10_000;
/// Rows that LOG writes.
const LOG_ROWS: usize = 20;

/// What a session runs with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// `"…"` is a text, and not a name.
    pub(crate) double_quotes_are_strings: bool,
    /// `7 / 2` is 3, and not 3.5.
    pub(crate) int_division_truncates: bool,
    /// NULL sorts behind every value, and not before.
    pub(crate) nulls_are_largest: bool,
    /// Integers wrap around where the result is too large, and are no error.
    pub(crate) overflow_wraps: bool,
    pub(crate) max_recursion: usize,
    pub(crate) log_rows: usize,
    /// What becomes of bad rows of text files where the file's options do not say.
    pub(crate) bad_rows: BadRows,
    /// How reads are spread over the replicas of durable tables.
    pub(crate) routing: Policy,
    /// Whether a second replica is asked where the first takes long.
    pub(crate) hedged_reads: bool,
    /// How old the version may be that a query reads from a replica where the newest cannot be read.
    pub(crate) max_staleness: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            double_quotes_are_strings: false,
            int_division_truncates: false,
            nulls_are_largest: false,
            overflow_wraps: false,
            max_recursion: MAX_RECURSION,
            log_rows: LOG_ROWS,
            bad_rows: BadRows::Fail,
            routing: Policy::default(),
            hedged_reads: true,
            max_staleness: Duration::ZERO,
        }
    }
}

/// One entry of [`SETTINGS`].
#[derive(Debug)]
pub(crate) struct Setting {
    pub(crate) name: &'static str,
    /// What it may be, for people.
    pub(crate) values: &'static str,
    /// A sentence.
    pub(crate) about: &'static str,
    pub(crate) get: fn(&Settings) -> ScalarValue,
    /// `false`: the value is none that it may have.
    set: fn(&mut Settings, &ScalarValue) -> bool,
}

pub(crate) const SETTINGS: &[Setting] = &[
    Setting {
        name: "bad_rows",
        values: "'fail', 'null', 'skip', 'reject=FILE'",
        about: "What becomes of rows of CSV and JSON files that do not fit: an error, NULL, left out, left out and written to a file.",
        get: |settings| ScalarValue::from(settings.bad_rows.to_string()),
        set: |settings, value| {
            let text = value.try_as_str().flatten();
            let chosen = text.and_then(|text| text.parse().ok());
            chosen.map(|chosen| settings.bad_rows = chosen).is_some()
        },
    },
    Setting {
        name: "double_quotes",
        values: "'name', 'string'",
        about: "What \"…\" quotes: names, as in standard SQL, or texts with backslash escapes, as in GoogleSQL.",
        get: |settings| word(settings.double_quotes_are_strings, "string", "name"),
        set: |settings, value| {
            choose(
                &mut settings.double_quotes_are_strings,
                value,
                "string",
                "name",
            )
        },
    },
    Setting {
        name: "hedged_reads",
        values: "'on', 'off'",
        about: "Whether a second replica of a durable table is asked for the same bytes where the first takes long: 5 of 100 reads at most.",
        get: |settings| word(settings.hedged_reads, "on", "off"),
        set: |settings, value| choose(&mut settings.hedged_reads, value, "on", "off"),
    },
    Setting {
        name: "int_division",
        values: "'float', 'truncate'",
        about: "What integer / integer is: a FLOAT64, or the whole part of the quotient.",
        get: |settings| word(settings.int_division_truncates, "truncate", "float"),
        set: |settings, value| {
            choose(
                &mut settings.int_division_truncates,
                value,
                "truncate",
                "float",
            )
        },
    },
    Setting {
        name: "log_rows",
        values: "0 to 100000",
        about: "The number of rows that LOG writes.",
        get: |settings| number(settings.log_rows),
        set: |settings, value| in_range(&mut settings.log_rows, value, 0, 100_000),
    },
    Setting {
        name: "max_recursion",
        values: "1 to 1000000",
        about: "The rounds after which a recursion fails as endless.",
        get: |settings| number(settings.max_recursion),
        set: |settings, value| in_range(&mut settings.max_recursion, value, 1, 1_000_000),
    },
    Setting {
        name: "max_staleness",
        values: "an INTERVAL from 0 seconds to 3650 days",
        about: "How old a version a query may read from a replica where the newest cannot be read; none but the newest with 0.",
        get: |settings| ScalarValue::from(seconds(settings.max_staleness)),
        set: |settings, value| {
            let chosen = staleness(value);
            settings.max_staleness = chosen.unwrap_or(settings.max_staleness);
            chosen.is_some()
        },
    },
    Setting {
        name: "null_ordering",
        values: "'nulls_min', 'nulls_max'",
        about: "Whether NULL sorts before every value or behind.",
        get: |settings| word(settings.nulls_are_largest, "nulls_max", "nulls_min"),
        set: |settings, value| {
            choose(
                &mut settings.nulls_are_largest,
                value,
                "nulls_max",
                "nulls_min",
            )
        },
    },
    Setting {
        name: "overflow",
        values: "'error', 'wrap'",
        about: "What +, -, * and SUM of integers do with a result that is too large: an error, or its lower bits.",
        get: |settings| word(settings.overflow_wraps, "wrap", "error"),
        set: |settings, value| choose(&mut settings.overflow_wraps, value, "wrap", "error"),
    },
    Setting {
        name: "routing",
        values: "'least_loaded', 'round_robin', 'weighted', 'least_connections', 'consistent_hash', 'in_order', 'primary'",
        about: "From which replica of a durable table segments are read.",
        get: |settings| ScalarValue::from(settings.routing.name()),
        set: |settings, value| {
            let policy = value.try_as_str().flatten().and_then(Policy::of_name);
            settings.routing = policy.unwrap_or(settings.routing);
            policy.is_some()
        },
    },
];

impl Setting {
    pub(crate) fn find(name: &str) -> Option<&'static Setting> {
        let mut settings = SETTINGS.iter();
        settings.find(|setting| setting.name.eq_ignore_ascii_case(name))
    }

    /// Whether the setting can have the value; then it has.
    pub(crate) fn set(&self, settings: &mut Settings, value: &ScalarValue) -> bool {
        (self.set)(settings, value)
    }
}

fn word(yes: bool, on: &str, off: &str) -> ScalarValue {
    ScalarValue::from(if yes { on } else { off })
}

fn choose(field: &mut bool, value: &ScalarValue, on: &str, off: &str) -> bool {
    let Some(text) = value.try_as_str().flatten() else {
        return false;
    };
    *field = text.eq_ignore_ascii_case(on);
    *field || text.eq_ignore_ascii_case(off)
}

fn number(value: usize) -> ScalarValue {
    ScalarValue::Int64(i64::try_from(value).ok())
}

/// The longest staleness that can be asked for.
const STALENESS_MOST: Duration = Duration::from_secs(3650 * 24 * 60 * 60);

/// The time that an INTERVAL without months is, if it may be a staleness.
pub(crate) fn staleness(value: &ScalarValue) -> Option<Duration> {
    let nanoseconds = match value {
        ScalarValue::IntervalMonthDayNano(Some(interval)) if interval.months == 0 => {
            let days = i128::from(interval.days) * 24 * 60 * 60 * 1_000_000_000;
            days + i128::from(interval.nanoseconds)
        }
        ScalarValue::IntervalDayTime(Some(interval)) => {
            let days = i128::from(interval.days) * 24 * 60 * 60 * 1000;
            (days + i128::from(interval.milliseconds)) * 1_000_000
        }
        _ => return None,
    };
    let nanoseconds = u64::try_from(nanoseconds).ok()?;
    let found = Duration::from_nanos(nanoseconds);
    (found <= STALENESS_MOST).then_some(found)
}

/// As people read it.
fn seconds(duration: Duration) -> String {
    format!("{} s", duration.as_secs_f64())
}

fn in_range(field: &mut usize, value: &ScalarValue, low: usize, high: usize) -> bool {
    let ScalarValue::Int64(Some(number)) = value else {
        return false;
    };
    match usize::try_from(*number) {
        Ok(number) if (low..=high).contains(&number) => {
            *field = number;
            true
        }
        _ => false,
    }
}
