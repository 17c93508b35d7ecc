//! When rows that wait move into segments, and how a table says so.

use std::time::Duration;

use crate::table::action::{Metadata, Tags};
use crate::table::protocol::setting;

const INGEST: &str = "tidemill.ingest";
const BUFFERED: &str = "buffered";
const ROWS: &str = "tidemill.flush_rows";
const BYTES: &str = "tidemill.flush_bytes";
const AGE_MS: &str = "tidemill.flush_age_ms";
const BYTES_MAX: &str = "tidemill.buffer_bytes";

/// When rows that wait move into segments, all together.
///
/// ```
/// use tidemill::{AppendMode, FlushPolicy};
/// let policy = FlushPolicy { rows: 10_000, ..FlushPolicy::default() };
/// assert_ne!(AppendMode::WriteBehind(policy), AppendMode::WriteBehind(FlushPolicy::default()));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlushPolicy {
    /// So many rows wait when more come.
    pub rows: u64,
    /// They take so many bytes when more come.
    pub bytes: u64,
    /// The first of them has waited so long.
    pub age: Duration,
    /// Where they cannot move, no more than so many bytes may wait.
    pub bytes_max: u64,
}

impl Default for FlushPolicy {
    fn default() -> Self {
        FlushPolicy {
            rows: 1_000_000,
            bytes: 128 << 20,
            age: Duration::from_secs(30),
            bytes_max: 512 << 20,
        }
    }
}

/// What OPTIONS say of a table's ingest; what they leave out stays as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct IngestOptions {
    pub(crate) is_buffered: Option<bool>,
    pub(crate) rows: Option<u64>,
    pub(crate) bytes: Option<u64>,
    pub(crate) age: Option<Duration>,
    pub(crate) bytes_max: Option<u64>,
}

impl IngestOptions {
    /// As the log keeps them.
    pub(crate) fn settings(&self) -> Tags {
        let age = self.age.map(|age| age.as_millis().to_string());
        let ingest = self.is_buffered.map(|buffered| match buffered {
            true => BUFFERED.to_string(),
            false => "direct".to_string(),
        });
        let number = |value: Option<u64>| value.map(|value| value.to_string());
        let settings = [
            (INGEST, ingest),
            (ROWS, number(self.rows)),
            (BYTES, number(self.bytes)),
            (AGE_MS, age),
            (BYTES_MAX, number(self.bytes_max)),
        ];
        let said = settings.into_iter().filter(|(_, value)| value.is_some());
        said.map(|(name, value)| (name.to_string(), value))
            .collect()
    }
}

impl FlushPolicy {
    /// That of a table whose INSERTs go into the buffer; `None` where each is a version of its own.
    pub(crate) fn of(metadata: &Metadata) -> Option<Self> {
        let is_buffered = setting(metadata, INGEST) == Some(BUFFERED);
        let number = |name: &str| setting(metadata, name)?.parse::<u64>().ok();
        let usual = FlushPolicy::default();
        is_buffered.then(|| FlushPolicy {
            rows: number(ROWS).unwrap_or(usual.rows),
            bytes: number(BYTES).unwrap_or(usual.bytes),
            age: number(AGE_MS).map_or(usual.age, Duration::from_millis),
            bytes_max: number(BYTES_MAX).unwrap_or(usual.bytes_max),
        })
    }
}
