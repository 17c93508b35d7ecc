//! EXPLAIN ROUTE: from which copy each segment of a query would be read, and why not from the others.

use std::any::Any;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use datafusion::physical_plan::ExecutionPlan;
use serde_json::{Value, json};

use super::super::{Engine, query};
use crate::catalog::durable::{ConsideredFile, ReplicatedFile, SegmentRoute};
use crate::catalog::scan::TableScanExec;
use crate::error::Result;
use crate::plan::BoundQuery;
use crate::route::{Candidate, Hedges, Why};
use crate::table::routes::clock;

/// What a reader asks for at once, of which it is told how long it is waited for.
const READ_BYTES: u64 = 1 << 20;

/// A scan of a query.
pub(super) struct ScanRoute {
    /// As EXPLAIN calls the scan.
    name: String,
    policy: &'static str,
    /// The file with what was known of copies could not be read.
    forgot: bool,
    /// What came of asking a second replica where the first took long, and after how long that is done now.
    hedges: Option<(Hedges, Duration)>,
    segments: Vec<Chosen>,
    /// Segments of a table with projections.
    considered: Vec<Considered>,
}

/// Whether a projection of a segment is read, and why no other.
struct Considered {
    segment: String,
    projection: Option<(String, String)>,
    passed_over: Vec<(String, String)>,
}

impl Considered {
    fn of(file: &ConsideredFile) -> Self {
        Considered {
            segment: file.segment.add.path.clone(),
            projection: file.projection.clone(),
            passed_over: file.passed_over.clone(),
        }
    }

    fn lines(&self, number: usize) -> Vec<String> {
        let read = self
            .projection
            .as_ref()
            .map(|(name, why)| format!("  projected segment {number}: {name} ({why})"));
        let passed = self.passed_over.iter();
        let passed = passed.map(|(name, why)| format!("    passed over {name}: {why}"));
        let head = match (&read, self.passed_over.is_empty()) {
            (None, false) => Some(format!("  segment {number} itself, no projection")),
            _ => None,
        };
        read.into_iter().chain(head).chain(passed).collect()
    }
}

struct Chosen {
    route: SegmentRoute,
    /// The copy, and why it and no other.
    copy: Option<(String, &'static str)>,
    passed_over: Vec<(String, String)>,
}

/// Where each scan of the query would read. Scans of tables without replicas have no choice and say so.
pub(super) fn routes(engine: &Engine, query: &BoundQuery) -> Result<Vec<ScanRoute>> {
    let cancel = engine.context()?.0.cancel.clone();
    let physical = query::optimize(engine, query, &cancel)?;
    let mut routes = Vec::new();
    of_plan(&physical, &mut routes);
    Ok(routes)
}

fn of_plan(plan: &Arc<dyn ExecutionPlan>, routes: &mut Vec<ScanRoute>) {
    if let Some(scan) = plan.downcast_ref::<TableScanExec>() {
        let files = scan.files().iter();
        let mut considered = Vec::new();
        let replicated = files.filter_map(|file| {
            let any: &dyn Any = file.data.as_ref();
            let Some(file) = any.downcast_ref::<ConsideredFile>() else {
                return any.downcast_ref::<ReplicatedFile>();
            };
            considered.push(Considered::of(file));
            // What is read of a projection is in no copy of the segment.
            file.inner()
                .downcast_ref::<ReplicatedFile>()
                .filter(|_| file.projection.is_none())
        });
        let replicated: Vec<_> = replicated.collect();
        let mut route = of_scan(
            scan.path(),
            replicated.into_iter().map(ReplicatedFile::route),
        );
        considered.dedup_by(|one, other| one.segment == other.segment);
        route.considered = considered;
        routes.push(route);
    }
    for child in plan.children() {
        of_plan(child, routes);
    }
}

fn of_scan(name: &str, segments: impl Iterator<Item = SegmentRoute>) -> ScanRoute {
    let segments: Vec<SegmentRoute> = segments.collect();
    let first = segments.first();
    ScanRoute {
        name: name.to_string(),
        policy: first.map_or("", |route| route.policy.name()),
        forgot: first.is_some_and(|route| route.routes.is_damaged()),
        hedges: first
            .filter(|route| route.hedged)
            .map(|route| route.routes.router.hedges(&route.table, READ_BYTES)),
        segments: chosen(segments),
        considered: Vec::new(),
    }
}

/// What the router would say if the scan started now.
fn chosen(segments: Vec<SegmentRoute>) -> Vec<Chosen> {
    let now = clock();
    let Some(first) = segments.first() else {
        return Vec::new();
    };
    let units = segments.iter().map(|route| {
        let candidates = route.copies.iter().map(|(name, weight)| Candidate {
            name,
            weight: *weight,
        });
        (route.key, candidates.collect())
    });
    let units: Vec<(u64, Vec<Candidate>)> = units.collect();
    let router = &first.routes.router;
    let orders = router.forecast(first.policy, &first.table, &units, now);
    drop(units);
    segments
        .into_iter()
        .zip(orders)
        .map(|(route, order)| {
            let first = order.asked.first().copied();
            let copy = first.map(|place| {
                let why = match order.why[place] {
                    Why::Probed => "to see whether it answers again",
                    Why::LastHope => "all that have it are left alone after failures",
                    _ => "",
                };
                (route.copies[place].0.clone(), why)
            });
            let others = (0..route.copies.len()).filter(|place| Some(*place) != first);
            let mut passed_over: Vec<(String, String)> = others
                .map(|place| (route.copies[place].0.clone(), reason(order.why[place], now)))
                .collect();
            passed_over.extend(route.without.iter().cloned());
            Chosen {
                route,
                copy,
                passed_over,
            }
        })
        .collect()
}

fn reason(why: Why, now: u64) -> String {
    match why {
        Why::LeftAlone(until) if until > now => {
            let seconds = (until - now).div_ceil(1000);
            format!("left alone for {seconds} s after failures")
        }
        Why::Overdue => "a read of it is overdue".to_string(),
        Why::LeftAlone(_) => "tried by others after failures".to_string(),
        _ => "another is due".to_string(),
    }
}

/// The table's own directory under a word, others by their path.
fn said(route: &SegmentRoute, name: &str) -> String {
    match name == route.table {
        true => "primary".to_string(),
        false => name.to_string(),
    }
}

pub(super) fn text(routes: &[ScanRoute]) -> String {
    let mut lines = Vec::new();
    for scan in routes {
        lines.push(format!("scan {}", scan.name));
        for (place, considered) in scan.considered.iter().enumerate() {
            lines.extend(considered.lines(place + 1));
        }
        if scan.segments.is_empty() {
            if !scan.considered.is_empty() {
                continue;
            }
            lines.push("  nothing to choose: no segment with replicas is read".to_string());
            continue;
        }
        if scan.forgot {
            lines.push("  what earlier runs knew of replicas could not be read".to_string());
        }
        lines.push(format!("  routing {}", scan.policy));
        lines.extend(scan.hedges.as_ref().map(hedging));
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for (number, segment) in scan.segments.iter().enumerate() {
            let copy = segment.copy.as_ref();
            let name = copy.map_or_else(
                || "nobody".to_string(),
                |(name, _)| said(&segment.route, name),
            );
            *counts.entry(name.clone()).or_default() += 1;
            let why = copy.map_or("", |(_, why)| why);
            let why = match why.is_empty() {
                true => String::new(),
                false => format!(" ({why})"),
            };
            lines.push(format!(
                "  segment {} ({}): {name}{why}",
                number + 1,
                segment.route
            ));
            for (name, reason) in &segment.passed_over {
                let name = said(&segment.route, name);
                lines.push(format!("    passed over {name}: {reason}"));
            }
        }
        for (name, count) in counts {
            lines.push(format!("  {count} of {} from {name}", scan.segments.len()));
        }
    }
    lines.join("\n")
}

/// When a second replica is asked for the same, and how often that was done.
fn hedging((hedges, patience): &(Hedges, Duration)) -> String {
    let after = patience.as_micros() as f64 / 1000.0;
    let rule = format!("  a second replica is asked after {after} ms, for 5 of 100 reads at most");
    match hedges.reads {
        0 => rule,
        reads => format!(
            "{rule}; so far {} of {reads}, of which {} helped",
            hedges.asked_twice, hedges.won
        ),
    }
}

pub(super) fn json(routes: &[ScanRoute]) -> Value {
    let segment = |chosen: &Chosen| {
        let passed = chosen
            .passed_over
            .iter()
            .map(|(name, reason)| json!({"replica": said(&chosen.route, name), "reason": reason}));
        let copy = chosen.copy.as_ref();
        json!({
            "segment": chosen.route.segment.add.path,
            "bytes": chosen.route.segment.add.size,
            "replica": copy.map(|(name, _)| said(&chosen.route, name)),
            "why": copy.map(|(_, why)| why).filter(|why| !why.is_empty()),
            "passed_over": passed.collect::<Vec<_>>(),
        })
    };
    let scan = |scan: &ScanRoute| {
        json!({
            "scan": scan.name,
            "routing": (!scan.policy.is_empty()).then_some(scan.policy),
            "hedging": scan.hedges.as_ref().map(|(hedges, patience)| json!({
                "after_ms": patience.as_micros() as f64 / 1000.0,
                "reads": hedges.reads,
                "asked_twice": hedges.asked_twice,
                "won": hedges.won,
                "denied": hedges.denied,
            })),
            "projections": scan.considered.iter().map(|one| json!({
                "segment": one.segment,
                "projection": one.projection.as_ref().map(|(name, _)| name),
                "why": one.projection.as_ref().map(|(_, why)| why),
                "passed_over": one.passed_over.iter()
                    .map(|(name, why)| json!({"replica": name, "reason": why}))
                    .collect::<Vec<_>>(),
            })).collect::<Vec<_>>(),
            "segments": scan.segments.iter().map(segment).collect::<Vec<_>>(),
        })
    };
    json!({"scans": routes.iter().map(scan).collect::<Vec<_>>()})
}
