//! The pipelines of a plan as a drawing: rows go down, a pipeline stands below those that it waits for.

use std::fmt::Write;
use std::time::Duration;

use super::html::{after, escaped, grouped};
use super::plan::{Part, PlanPipeline, PlanStep};
use super::tree::{milliseconds, share};
use crate::exec::memory::size_text;

const BOX_WIDTH: usize = 340;
const HEADING_HEIGHT: usize = 44;
const STEP_HEIGHT: usize = 46;
const GAP_X: usize = 40;
const GAP_Y: usize = 48;
const MARGIN: usize = 24;

/// How far left of a box arrows go down.
const LANE: usize = 16;

/// Characters of a step that fit beside its time.
const STEP_CHARACTERS: usize = 30;

/// Where a pipeline is drawn.
#[derive(Clone, Copy)]
struct Place {
    x: usize,
    y: usize,
    height: usize,
}

/// The drawing. Colours come from the page.
pub(super) fn svg(part: &Part) -> String {
    let places = places(part);
    let right = places.iter().map(|place| place.x + BOX_WIDTH);
    let bottom = places.iter().map(|place| place.y + place.height);
    let width = right.max().unwrap_or(0) + MARGIN;
    let height = bottom.max().unwrap_or(0) + MARGIN;
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"pipelines of the query\">\n"
    );
    for (position, pipeline) in part.pipelines.iter().enumerate() {
        for waited in &pipeline.after {
            edge(&mut out, part, &places, *waited, position);
        }
    }
    let total = part.time();
    for (position, (pipeline, place)) in part.pipelines.iter().zip(&places).enumerate() {
        draw(&mut out, position, pipeline, *place, total);
    }
    out.push_str("</svg>");
    out
}

/// Layers from top to bottom: a pipeline is one below the lowest that it waits for.
fn places(part: &Part) -> Vec<Place> {
    let mut layers: Vec<usize> = vec![0; part.pipelines.len()];
    // They wait for each other in no circle, so that as many rounds as there are pipelines settle it.
    for _ in 0..part.pipelines.len() {
        for (position, pipeline) in part.pipelines.iter().enumerate() {
            let above = pipeline.after.iter().map(|waited| layers[*waited] + 1);
            layers[position] = above.max().unwrap_or(0);
        }
    }
    let mut places = vec![
        Place {
            x: 0,
            y: 0,
            height: 0
        };
        part.pipelines.len()
    ];
    let mut y = MARGIN;
    for layer in 0..=layers.iter().copied().max().unwrap_or(0) {
        let mut x = MARGIN;
        let mut tallest = 0;
        for (position, pipeline) in part.pipelines.iter().enumerate() {
            if layers[position] != layer {
                continue;
            }
            let height = HEADING_HEIGHT + pipeline.steps.len() * STEP_HEIGHT;
            places[position] = Place { x, y, height };
            x += BOX_WIDTH + GAP_X;
            tallest = tallest.max(height);
        }
        y += tallest + GAP_Y;
    }
    places
}

/// An arrow from the end of `from` to the step of `to` that reads it, or to the top where it only waits. It goes down beside the
/// boxes, where nothing stands.
fn edge(out: &mut String, part: &Part, places: &[Place], from: usize, to: usize) {
    let (start, end) = (places[from], places[to]);
    let (x, y) = (start.x + BOX_WIDTH / 2, start.y + start.height);
    let sink = part.pipelines[from].sink;
    let reads = &part.pipelines[to].reads;
    let step = reads.iter().find(|(_, read)| *read == sink);
    let lane = end.x - LANE;
    let (middle, top) = (end.x + BOX_WIDTH / 2, end.y);
    let (path, tip) = match step {
        Some((step, _)) if *step > 0 => {
            let row = end.y + HEADING_HEIGHT + step * STEP_HEIGHT + STEP_HEIGHT / 2;
            let path = format!("M{x} {y} v12 H{lane} V{row} H{}", end.x);
            (path, format!("M{} {row} l-8 -4 v8 z", end.x))
        }
        _ => {
            let path = match top == y + GAP_Y {
                true => format!("M{x} {y} v{} H{middle} V{top}", GAP_Y / 2),
                false => format!("M{x} {y} v12 H{lane} V{} H{middle} V{top}", top - 16),
            };
            (path, format!("M{middle} {top} l-4 -8 h8 z"))
        }
    };
    let _ = writeln!(
        out,
        "<path class=\"edge\" d=\"{path}\"/><path class=\"tip\" d=\"{tip}\"/>"
    );
}

fn draw(out: &mut String, position: usize, pipeline: &PlanPipeline, place: Place, total: Duration) {
    let Place { x, y, height } = place;
    let _ = writeln!(
        out,
        "<g class=\"pipeline\"><rect class=\"box\" x=\"{x}\" y=\"{y}\" width=\"{BOX_WIDTH}\" height=\"{height}\" rx=\"6\"/>\
         <text class=\"name\" x=\"{}\" y=\"{}\">pipeline {}{}</text>",
        x + 12,
        y + 19,
        position + 1,
        after(pipeline),
    );
    if let Some(did) = &pipeline.did {
        let plural = if did.morsels == 1 { "" } else { "s" };
        let mut line = format!("{} morsel{plural}", did.morsels);
        if let Some(skew) = did.skew() {
            let _ = write!(line, ", {} workers, skew {skew:.1}", did.workers.len());
        }
        if let Some((memory, spilled)) = did.held {
            let _ = write!(line, ", {}", size_text(memory));
            if spilled > 0 {
                let _ = write!(line, ", {} to disk", size_text(spilled));
            }
        }
        let _ = writeln!(
            out,
            "<text class=\"dim\" x=\"{}\" y=\"{}\">{line}</text>",
            x + 12,
            y + 36
        );
    }
    for (row, step) in pipeline.steps.iter().enumerate() {
        draw_step(
            out,
            step,
            (x, y + HEADING_HEIGHT + row * STEP_HEIGHT),
            total,
        );
    }
    out.push_str("</g>\n");
}

fn draw_step(out: &mut String, step: &PlanStep, (x, y): (usize, usize), total: Duration) {
    let (left, right) = (x + 12, x + BOX_WIDTH - 12);
    let _ = write!(
        out,
        "<g><title>{}</title><line x1=\"{x}\" y1=\"{y}\" x2=\"{}\" y2=\"{y}\"/>\
         <text class=\"step\" x=\"{left}\" y=\"{}\">{}</text>",
        escaped(&step.what),
        x + BOX_WIDTH,
        y + 17,
        escaped(&cut(&step.what)),
    );
    let mut facts: Vec<String> = Vec::new();
    if let Some(did) = &step.did {
        let bar = (BOX_WIDTH - 24) as f64;
        let _ = write!(
            out,
            "<text class=\"dim\" x=\"{right}\" y=\"{}\" text-anchor=\"end\">{}</text>\
             <rect class=\"track\" x=\"{left}\" y=\"{}\" width=\"{bar}\" height=\"4\"/>\
             <rect class=\"time\" x=\"{left}\" y=\"{}\" width=\"{:.1}\" height=\"4\"/>",
            y + 17,
            milliseconds(did.time),
            y + 38,
            y + 38,
            bar * share(did.time, total),
        );
        facts.push(format!(
            "{} rows, {}",
            grouped(did.rows),
            size_text(did.bytes)
        ));
    }
    facts.extend(
        (step.pruned.iter())
            .map(|pruned| format!("{} {}/{}", pruned.what, pruned.left, pruned.all)),
    );
    if !facts.is_empty() {
        let _ = write!(
            out,
            "<text class=\"dim\" x=\"{left}\" y=\"{}\">{}</text>",
            y + 33,
            facts.join(", ")
        );
    }
    out.push_str("</g>\n");
}

/// As much of the text as fits.
fn cut(text: &str) -> String {
    match text.char_indices().nth(STEP_CHARACTERS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_string(),
    }
}
