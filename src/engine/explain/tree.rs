//! A plan as a tree of lines for people: the output first, below each step what it reads. With figures where it ran.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use super::plan::{Did, Part, Plan, PlanPipeline, PlanStep, StepDid};
use crate::exec::memory::size_text;

/// Cells of a bar that stands for all of the time.
const BAR_CELLS: usize = 10;

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for part in &self.parts {
            let lead = match &part.heading {
                Some(heading) => {
                    writeln!(f, "{heading}")?;
                    "  "
                }
                None => "",
            };
            for line in lines(part) {
                writeln!(f, "{lead}{line}")?;
            }
        }
        Ok(())
    }
}

/// A line of the tree, and the figures of the step that it is about.
struct Line {
    tree: String,
    did: Option<StepDid>,
}

fn lines(part: &Part) -> Vec<String> {
    let tree = Tree::of(part);
    let Some(ran) = part.ran else {
        return tree.lines.into_iter().map(|line| line.tree).collect();
    };
    let total = part.time();
    let mut rows = vec![[
        "time".to_string(),
        "share".to_string(),
        "rows".to_string(),
        "bytes".to_string(),
    ]];
    rows.extend(tree.lines.iter().map(|line| match line.did {
        Some(did) => [
            milliseconds(did.time),
            bar(did.time, total),
            did.rows.to_string(),
            size_text(did.bytes),
        ],
        None => Default::default(),
    }));
    let steps = std::iter::once("step").chain(tree.lines.iter().map(|line| line.tree.as_str()));
    let width = |column: usize| {
        let widths = rows.iter().map(|row| row[column].chars().count());
        widths.max().unwrap_or(0)
    };
    let (time, rows_width, bytes) = (width(0), width(2), width(3));
    let mut lines: Vec<String> = rows
        .iter()
        .zip(steps)
        .map(|(row, step)| {
            format!(
                "{:>time$}  {:<bar$}  {:>rows_width$}  {:>bytes$}  {step}",
                row[0],
                row[1],
                row[2],
                row[3],
                bar = BAR_CELLS + 5,
            )
        })
        .collect();
    let spilled = match ran.spilled_bytes {
        0 => String::new(),
        spilled => format!(", {} written to disk", size_text(spilled)),
    };
    lines.push(format!(
        "query: {} rows in {}, memory at most {}{spilled}",
        ran.rows,
        milliseconds(ran.elapsed),
        size_text(ran.memory_bytes),
    ));
    lines
}

pub(super) fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1e3)
}

/// From 0 to 1.
pub(super) fn share(time: Duration, total: Duration) -> f64 {
    match total.is_zero() {
        true => 0.0,
        false => time.as_secs_f64() / total.as_secs_f64(),
    }
}

/// The share of the time: in percent, then as a bar, to the eighth of a cell.
fn bar(time: Duration, total: Duration) -> String {
    const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let share = share(time, total);
    let eighths = (share * (BAR_CELLS * 8) as f64).round() as usize;
    let (whole, rest) = (eighths / 8, EIGHTHS[eighths % 8]);
    format!("{:>3.0}% {}{rest}", share * 100.0, "█".repeat(whole))
}

/// The tree while it is written.
struct Tree<'p> {
    part: &'p Part,
    lines: Vec<Line>,
    /// Sinks that are in it already.
    shown: BTreeSet<usize>,
}

impl<'p> Tree<'p> {
    fn of(part: &'p Part) -> Self {
        let mut tree = Tree {
            part,
            lines: Vec::new(),
            shown: BTreeSet::new(),
        };
        let read: BTreeSet<usize> = (part.pipelines.iter())
            .flat_map(|pipeline| pipeline.reads.iter().map(|(_, sink)| *sink))
            .collect();
        // The output is the last; whatever nothing leads to is shown all the same.
        let (ends, others): (Vec<usize>, Vec<usize>) = (part.pipelines.iter())
            .rev()
            .map(|pipeline| pipeline.sink)
            .partition(|sink| !read.contains(sink));
        for sink in ends.into_iter().chain(others) {
            if !tree.shown.contains(&sink) {
                tree.sink(sink, "", "");
            }
        }
        tree
    }

    /// A sink and below it the pipelines that feed it. `lead` is before its line, `below` before those that follow.
    fn sink(&mut self, sink: usize, lead: &str, below: &str) {
        let part = self.part;
        let feeding = part.pipelines.iter().enumerate();
        let feeding: Vec<(usize, &PlanPipeline)> = feeding
            .filter(|(_, pipeline)| pipeline.sink == sink)
            .collect();
        if !self.shown.insert(sink) {
            let numbers: Vec<String> = feeding
                .iter()
                .map(|(position, _)| (position + 1).to_string())
                .collect();
            let line = format!("{lead}what pipeline {} gave", numbers.join(", "));
            self.put(line, None);
            return;
        }
        let ends = feeding
            .iter()
            .filter_map(|(_, pipeline)| pipeline.steps.last());
        if let Some(end) = ends.clone().next() {
            let did = ends.filter_map(|end| end.did).reduce(added);
            self.put(format!("{lead}{}", end.what), did);
        }
        let last = feeding.len().saturating_sub(1);
        for (place, (position, pipeline)) in feeding.into_iter().enumerate() {
            self.put(format!("{below}{}", heading(position, pipeline)), None);
            self.pipeline(pipeline, below, place == last);
        }
    }

    /// The steps before a pipeline's sink, from its end to its source.
    fn pipeline(&mut self, pipeline: &PlanPipeline, below: &str, is_last: bool) {
        let steps = pipeline.steps.len() - 1;
        for (position, step) in pipeline.steps[..steps].iter().enumerate().rev() {
            let ends_here = is_last && position == 0;
            let (mark, bar) = if ends_here {
                ("└ ", "  ")
            } else {
                ("├ ", "│ ")
            };
            self.put(format!("{below}{mark}{}", told(step)), step.did);
            let inner = format!("{below}{bar}");
            let read = pipeline
                .reads
                .iter()
                .filter(|(reader, _)| *reader == position);
            let read: Vec<usize> = read.map(|(_, sink)| *sink).collect();
            for (place, sink) in read.iter().enumerate() {
                let is_last = place + 1 == read.len();
                let (mark, bar) = if is_last {
                    ("└ ", "  ")
                } else {
                    ("├ ", "│ ")
                };
                self.sink(*sink, &format!("{inner}{mark}"), &format!("{inner}{bar}"));
            }
        }
    }

    fn put(&mut self, tree: String, did: Option<StepDid>) {
        self.lines.push(Line { tree, did });
    }
}

fn added(a: StepDid, b: StepDid) -> StepDid {
    StepDid {
        rows: a.rows + b.rows,
        batches: a.batches + b.batches,
        bytes: a.bytes + b.bytes,
        time: a.time + b.time,
    }
}

/// A step, and what it left out unless it says so itself.
fn told(step: &PlanStep) -> String {
    let mut text = step.what.clone();
    for pruned in &step.pruned {
        let said = format!("{} {} of {}", pruned.what, pruned.left, pruned.all);
        if !text.contains(&said) {
            text += &format!("; {said}");
        }
    }
    text
}

/// `pipeline 3 after 1, 2 (12 morsels, 2 workers, the busiest 1.2 times the average; memory at most 2.0 MiB)`
fn heading(position: usize, pipeline: &PlanPipeline) -> String {
    let mut text = format!("pipeline {}", position + 1);
    let after: Vec<String> = (pipeline.after.iter())
        .map(|position| (position + 1).to_string())
        .collect();
    if !after.is_empty() {
        text += &format!(" after {}", after.join(", "));
    }
    if let Some(did) = &pipeline.did {
        text += &format!(" ({})", effort(did));
    }
    text
}

/// What a pipeline took, in words.
pub(super) fn effort(did: &Did) -> String {
    let some = |count: u64, one: &str| match count {
        1 => format!("1 {one}"),
        count => format!("{count} {one}s"),
    };
    let mut text = some(did.morsels, "morsel");
    if let Some(skew) = did.skew() {
        let workers = some(did.workers.len() as u64, "worker");
        text += &format!(", {workers}, the busiest {skew:.1} times the average");
    }
    if let Some((memory, spilled)) = did.held {
        text += &format!("; memory at most {}", size_text(memory));
        if spilled > 0 {
            text += &format!(", {} written to disk", size_text(spilled));
        }
    }
    text
}
