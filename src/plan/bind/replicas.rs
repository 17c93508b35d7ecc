//! Rows about the copies of a durable table: `SHOW REPLICAS t`.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, StringArray};

use crate::error::Result;
use crate::route::{Seen, Standing};
use crate::table::database::DurableTable;
use crate::table::mirror::{self, Held};
use crate::table::routes::clock;

/// What is said of one copy.
struct Line {
    path: String,
    mode: &'static str,
    weight: i64,
    available: bool,
    /// How a projection's rows lie.
    projection: Option<String>,
    /// The newest version that it has everything of.
    version: Option<i64>,
    segments: i64,
    missing: i64,
    seen: Seen,
}

/// A row for the table's own directory and one for every replica. Files are looked for, not read.
pub(super) fn replicas(table: &DurableTable) -> Result<Vec<(&'static str, ArrayRef)>> {
    let now = clock();
    let mut lines = Vec::new();
    for (path, replica) in table.copies() {
        let log = match replica {
            None => Some(table.log.clone()),
            Some(replica) => mirror::check(&table.log, &table.snapshot, replica).ok(),
        };
        let mut line = Line {
            mode: replica.map_or("primary", |replica| replica.mode.name()),
            weight: i64::from(replica.map_or(1, |replica| replica.weight)),
            available: log.is_some(),
            projection: replica.and_then(|replica| Some(replica.projection.as_ref()?.text())),
            version: None,
            segments: 0,
            missing: 0,
            seen: table.routes.router.seen(&path, now),
            path,
        };
        if let Some(log) = &log
            && line.projection.is_none()
        {
            line.version = mirror::version(log)?.map(|version| version as i64);
        }
        for segment in table.snapshot.segments() {
            let held = log
                .as_ref()
                .map(|log| mirror::holds(replica, log, segment, false));
            match held.transpose()? {
                Some(Held::Whole) => line.segments += 1,
                _ => line.missing += 1,
            }
        }
        lines.push(line);
    }
    Ok(columns(&lines, table.snapshot.version as i64, now))
}

fn columns(lines: &[Line], newest: i64, now: u64) -> Vec<(&'static str, ArrayRef)> {
    let text = |of: &dyn Fn(&Line) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(lines.iter().map(of)))
    };
    let number = |of: &dyn Fn(&Line) -> Option<i64>| -> ArrayRef {
        Arc::new(Int64Array::from_iter(lines.iter().map(of)))
    };
    let left_alone = |line: &Line| match line.seen.standing {
        Standing::Open { until } => Some(until.saturating_sub(now) as i64),
        Standing::Closed | Standing::HalfOpen => None,
    };
    let milliseconds = |line: &Line| line.seen.latency.map(|micros| micros / 1000.0);
    vec![
        ("replica", text(&|line| line.path.clone())),
        ("mode", text(&|line| line.mode.to_string())),
        (
            "projection",
            Arc::new(StringArray::from_iter(
                lines.iter().map(|line| line.projection.as_deref()),
            )),
        ),
        ("weight", number(&|line| Some(line.weight))),
        (
            "available",
            Arc::new(BooleanArray::from_iter(
                lines.iter().map(|line| Some(line.available)),
            )),
        ),
        ("version", number(&|line| line.version)),
        (
            "versions_behind",
            number(&|line| line.version.map(|version| newest - version)),
        ),
        ("segments", number(&|line| Some(line.segments))),
        ("missing_segments", number(&|line| Some(line.missing))),
        ("breaker", text(&|line| breaker(&line.seen).to_string())),
        ("left_alone_ms", number(&left_alone)),
        (
            "units_served",
            number(&|line| Some(line.seen.units_served as i64)),
        ),
        (
            "bytes_served",
            number(&|line| Some(line.seen.bytes_served as i64)),
        ),
        ("failures", number(&|line| Some(line.seen.failures as i64))),
        (
            "units_in_flight",
            number(&|line| Some(i64::from(line.seen.reading))),
        ),
        (
            "ms_per_mib",
            Arc::new(Float64Array::from_iter(lines.iter().map(milliseconds))),
        ),
    ]
}

fn breaker(seen: &Seen) -> &'static str {
    match seen.standing {
        Standing::Closed => "closed",
        Standing::Open { .. } => "open",
        Standing::HalfOpen => "half open",
    }
}
