//! A plan as one page that needs nothing else: no script, no network, light or dark as its reader has it.

use std::fmt::Write;
use std::time::Duration;

use super::graph;
use super::plan::{Part, Plan, PlanPipeline, PlanStep, StepDid};
use super::tree::{effort, milliseconds, share};
use crate::exec::memory::size_text;

/// Steps that are listed before the reader asks for more.
const SLOWEST: usize = 10;

impl Plan {
    /// The plan as a page in one file: the pipelines drawn, the slowest steps first, each with rows, bytes, time, and what it left
    /// out. Text of the query and its data is escaped.
    ///
    /// ```
    /// use tidemill::{Engine, Explain};
    /// let engine = Engine::in_memory()?;
    /// let plan = engine.explain("SELECT 1 AS `<one>`", Explain::Analyze)?;
    /// let page = plan.to_html();
    /// assert!(page.contains("&lt;one&gt;") && !page.contains("<one>"));
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn to_html(&self) -> String {
        let mut page = String::from(HEAD);
        page.push_str("<h1>Plan of a query</h1>\n<pre class=\"query\">");
        page.push_str(&escaped(self.text.trim()));
        page.push_str("</pre>\n");
        for part in &self.parts {
            section(&mut page, part);
        }
        page.push_str("</main>\n</body>\n</html>\n");
        page
    }
}

const HEAD: &str = concat!(
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\"/>\n",
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n",
    "<title>Plan of a query</title>\n<style>\n",
    include_str!("page.css"),
    "</style>\n</head>\n<body>\n<main>\n",
);

fn section(page: &mut String, part: &Part) {
    let _ = writeln!(page, "<section>");
    if let Some(heading) = &part.heading {
        let heading = escaped(heading.trim_end_matches(':'));
        let _ = writeln!(page, "<h2>{heading}</h2>");
    }
    tiles(page, part);
    if part.ran.is_some() {
        slowest(page, part);
    }
    let _ = writeln!(page, "<h3>Pipelines</h3>");
    let _ = writeln!(page, "<div class=\"wide\">{}</div>", graph::svg(part));
    let _ = writeln!(page, "<h3>Steps of each pipeline</h3>");
    for (position, pipeline) in part.pipelines.iter().enumerate() {
        pipeline_details(page, part, position, pipeline);
    }
    let _ = writeln!(page, "</section>");
}

/// What the query took as a whole.
fn tiles(page: &mut String, part: &Part) {
    let Some(ran) = &part.ran else {
        page.push_str("<p>Planned, not run.</p>\n");
        return;
    };
    let workers = part.pipelines.iter().filter_map(|one| one.did.as_ref());
    let workers = workers.map(|did| did.workers.len()).max().unwrap_or(0);
    let tiles = [
        ("time", milliseconds(ran.elapsed)),
        ("rows out", grouped(ran.rows)),
        ("memory at most", size_text(ran.memory_bytes)),
        ("written to disk", size_text(ran.spilled_bytes)),
        ("workers at most", workers.to_string()),
    ];
    page.push_str("<dl class=\"tiles\">\n");
    for (name, value) in tiles {
        let _ = writeln!(page, "<div><dt>{name}</dt><dd>{value}</dd></div>");
    }
    page.push_str("</dl>\n");
}

fn slowest(page: &mut String, part: &Part) {
    let mut steps: Vec<(usize, &PlanStep, StepDid)> = (part.pipelines.iter().enumerate())
        .flat_map(|(position, pipeline)| pipeline.steps.iter().map(move |step| (position, step)))
        .filter_map(|(position, step)| Some((position, step, step.did?)))
        .collect();
    steps.sort_by_key(|(_, _, did)| std::cmp::Reverse(did.time));
    let total = part.time();
    let (first, rest) = steps.split_at(SLOWEST.min(steps.len()));
    page.push_str("<h3>Slowest steps</h3>\n");
    step_table(page, first, total);
    if !rest.is_empty() {
        let _ = writeln!(page, "<details><summary>{} more</summary>", rest.len());
        step_table(page, rest, total);
        page.push_str("</details>\n");
    }
}

fn step_table(page: &mut String, steps: &[(usize, &PlanStep, StepDid)], total: Duration) {
    page.push_str(
        "<div class=\"wide\"><table>\n<thead><tr><th>time of all workers</th><th>step</th>\
         <th class=\"n\">pipeline</th><th class=\"n\">rows</th><th class=\"n\">batches</th>\
         <th class=\"n\">bytes</th></tr></thead>\n<tbody>\n",
    );
    for (position, step, did) in steps {
        let _ = writeln!(
            page,
            "<tr><td class=\"time\">{}</td><td>{}</td><td class=\"n\">{}</td>{}</tr>",
            time_cell(did.time, total),
            step_cell(step),
            position + 1,
            counts(did),
        );
    }
    page.push_str("</tbody></table></div>\n");
}

fn pipeline_details(page: &mut String, part: &Part, position: usize, pipeline: &PlanPipeline) {
    let total = part.time();
    let _ = write!(
        page,
        "<details><summary>pipeline {}{}",
        position + 1,
        after(pipeline)
    );
    if let Some(did) = &pipeline.did {
        let _ = write!(page, " <span class=\"dim\">{}</span>", effort(did));
    }
    page.push_str("</summary>\n<div class=\"wide\"><table>\n<tbody>\n");
    for step in &pipeline.steps {
        let (time, counts) = match &step.did {
            Some(did) => (time_cell(did.time, total), counts(did)),
            None => Default::default(),
        };
        let _ = writeln!(
            page,
            "<tr><td class=\"time\">{time}</td><td>{}</td>{counts}</tr>",
            step_cell(step)
        );
    }
    page.push_str("</tbody></table></div>\n");
    if let Some(did) = pipeline.did.as_ref().filter(|did| did.workers.len() > 1) {
        page.push_str("<p class=\"dim\">each worker: ");
        let workers = did.workers.iter();
        let workers =
            workers.map(|one| format!("{} for {} rows", milliseconds(one.busy), grouped(one.rows)));
        page.push_str(&workers.collect::<Vec<_>>().join(", "));
        page.push_str("</p>\n");
    }
    page.push_str("</details>\n");
}

pub(super) fn after(pipeline: &PlanPipeline) -> String {
    let after: Vec<String> = (pipeline.after.iter())
        .map(|position| (position + 1).to_string())
        .collect();
    match after.is_empty() {
        true => String::new(),
        false => format!(" after {}", after.join(", ")),
    }
}

fn time_cell(time: Duration, total: Duration) -> String {
    let share = share(time, total) * 100.0;
    format!(
        "<span class=\"bar\"><span style=\"width:{share:.1}%\"></span></span> {} \
         <span class=\"dim\">{share:.0}&#8239;%</span>",
        milliseconds(time)
    )
}

fn step_cell(step: &PlanStep) -> String {
    let mut cell = format!("<code>{}</code>", escaped(&step.what));
    for pruned in &step.pruned {
        let _ = write!(
            cell,
            " <span class=\"tag\">{} {} of {}</span>",
            pruned.what, pruned.left, pruned.all
        );
    }
    cell
}

fn counts(did: &StepDid) -> String {
    format!(
        "<td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>",
        grouped(did.rows),
        grouped(did.batches),
        size_text(did.bytes)
    )
}

/// A number with a narrow blank between its thousands.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// Text as HTML and SVG show it. What no page may hold is shown as such.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\n' | '\t' => out.push(c),
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
