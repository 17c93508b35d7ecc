//! The cheapest tree of joins, put together from the best trees of smaller parts.

use std::collections::HashMap;
use std::sync::Arc;

use super::super::estimate::{ColumnEstimate, Estimate, share_of_pairs, share_with_partner};
use super::super::join_graph::{Inputs, JoinGraph, Place, Sieve};
use super::MUCH_SMALLER;

/// Up to this many inputs every tree is looked at.
const ALL_TREES: u32 = 10;
/// What a row costs where it is put into a table, looked up, and given. Looking up is the cheapest: most rows that find nothing
/// are left out by the scan.
const BUILD: f64 = 3.0;
const PROBE: f64 = 0.5;
const GIVE: f64 = 1.0;
/// What a byte of a row costs where it is put into a table or given.
const BYTE: f64 = 0.05;
/// What a condition on several inputs lets pass.
const CONDITION: f64 = 0.3;
/// The share of rows that is taken to find no partner, and of those with equal keys that are partners where more is asked.
const SOME: f64 = 0.5;

/// Which inputs are joined to which, the build side first.
#[derive(Debug, Clone)]
pub(super) enum Tree {
    Input(usize),
    Join(Arc<(Tree, Tree)>),
}

/// The best tree found for some inputs.
#[derive(Debug, Clone)]
struct Found {
    tree: Tree,
    rows: f64,
    /// Bytes of a row.
    width: f64,
    cost: f64,
}

pub(super) struct Search<'a> {
    graph: &'a JoinGraph,
    estimates: &'a [Estimate],
    found: HashMap<Inputs, Found>,
}

impl<'a> Search<'a> {
    pub(super) fn new(graph: &'a JoinGraph, estimates: &'a [Estimate]) -> Self {
        let found = estimates.iter().enumerate().map(|(input, estimate)| {
            let found = Found {
                tree: Tree::Input(input),
                rows: estimate.rows,
                width: graph.width(1 << input),
                cost: 0.0,
            };
            (1 << input, found)
        });
        Search {
            graph,
            estimates,
            found: found.collect(),
        }
    }

    pub(super) fn best(mut self) -> Option<Tree> {
        let count = self.estimates.len() as u32;
        let all = (1 << count) - 1;
        if count <= ALL_TREES {
            for inputs in 1..=all {
                self.best_of(inputs);
            }
        } else {
            self.greedy(count);
        }
        self.found.remove(&all).map(|found| found.tree)
    }

    /// Every way to cut `inputs` in two, whose parts are known already: their numbers are smaller.
    fn best_of(&mut self, inputs: Inputs) {
        let mut part = (inputs - 1) & inputs;
        while part > inputs ^ part {
            self.consider(part, inputs ^ part);
            part = (part - 1) & inputs;
        }
    }

    /// Joins next the two parts that give the fewest rows.
    fn greedy(&mut self, count: u32) {
        let mut parts: Vec<Inputs> = (0..count).map(|input| 1 << input).collect();
        while parts.len() > 1 {
            let mut best: Option<(usize, usize, f64)> = None;
            for one in 1..parts.len() {
                for other in 0..one {
                    self.consider(parts[one], parts[other]);
                    let rows = self.found.get(&(parts[one] | parts[other]));
                    if let Some(rows) = rows.map(|found| found.rows)
                        && best.is_none_or(|(_, _, least)| rows < least)
                    {
                        best = Some((one, other, rows));
                    }
                }
            }
            let Some((one, other, _)) = best else { return };
            let part = parts.swap_remove(one);
            parts[other] |= part;
        }
    }

    fn consider(&mut self, one: Inputs, other: Inputs) {
        let (Some(left), Some(right)) = (self.found.get(&one), self.found.get(&other)) else {
            return;
        };
        let (left_sieve, right_sieve) = (self.graph.sieve(one), self.graph.sieve(other));
        let rows = match (left_sieve, right_sieve) {
            (None, None) => self
                .share(one, other, left.rows, right.rows)
                .map(|share| left.rows * right.rows * share),
            (Some(sieve), None) => self
                .share_left(sieve, other)
                .map(|share| right.rows * share),
            (None, Some(sieve)) => self.share_left(sieve, one).map(|share| left.rows * share),
            (Some(_), Some(_)) => None,
        };
        let Some(rows) = rows else { return };
        let known = self.found.get(&(one | other));
        // Whatever the order, the rows are the same: the first guess stands.
        let (rows, width) = match known {
            Some(known) => (known.rows, known.width),
            None => (rows.max(1.0), self.graph.width(one | other)),
        };
        // Rows of the build side wait for the last probe row, where it is they that are given.
        let wait = |sieve: Option<&Sieve>| if sieve.is_some() { MUCH_SMALLER } else { 1.0 };
        let with = |build: &Found, probe: &Found, wait: f64| {
            let build = (BUILD + BYTE * build.width) * build.rows / wait;
            build + PROBE * probe.rows + (GIVE + BYTE * width) * rows
        };
        let (left_builds, right_builds) = (
            with(left, right, wait(right_sieve)),
            with(right, left, wait(left_sieve)),
        );
        let (build, probe, own) = match left_builds <= right_builds {
            true => (left, right, left_builds),
            false => (right, left, right_builds),
        };
        let cost = left.cost + right.cost + own;
        if known.is_none_or(|known| cost < known.cost) {
            let tree = Tree::Join(Arc::new((build.tree.clone(), probe.tree.clone())));
            let found = Found {
                tree,
                rows,
                width,
                cost,
            };
            self.found.insert(one | other, found);
        }
    }

    /// The share of the rows of `outer` that the sieve leaves; none where it cannot look at them yet.
    fn share_left(&self, sieve: &Sieve, outer: Inputs) -> Option<f64> {
        if !self.graph.can_sift(sieve, outer) {
            return None;
        }
        if sieve.anti {
            return Some(SOME);
        }
        let of = |place: Place| self.estimates[place.input].columns[place.column];
        let own = &self.estimates[sieve.input];
        let keys: Vec<(ColumnEstimate, ColumnEstimate)> = sieve
            .keys
            .iter()
            .map(|(place, column)| (of(*place), own.columns[*column]))
            .collect();
        let by_condition = sieve.condition.as_ref().map_or(1.0, |_| SOME);
        Some(share_with_partner(&keys, own.rows) * by_condition)
    }

    /// The share of pairs of rows that match; none where no column of the one must equal one of the other.
    fn share(&self, one: Inputs, other: Inputs, one_rows: f64, other_rows: f64) -> Option<f64> {
        let column = |place: &Place| self.estimates[place.input].columns[place.column];
        let first = |class: &[Place], inputs| {
            let mut own = class
                .iter()
                .filter(|place| place.inputs() & inputs != 0)
                .map(column);
            let first = own.next()?;
            // Where more columns are equal already, the smallest number of values is left.
            Some(
                own.fold(first, |least, next| match next.distinct < least.distinct {
                    true => next,
                    false => least,
                }),
            )
        };
        let keys: Vec<_> = self
            .graph
            .classes
            .iter()
            .filter_map(|class| first(class, one).zip(first(class, other)))
            .collect();
        if keys.is_empty() {
            return None;
        }
        let conditions = self
            .graph
            .conditions
            .iter()
            .filter(|condition| crosses(condition.inputs(), one, other));
        let by_conditions = CONDITION.powi(conditions.count() as i32);
        Some(share_of_pairs(&keys, one_rows, other_rows) * by_conditions)
    }
}

/// Whether both parts together have what neither has alone.
pub(super) fn crosses(needed: Inputs, one: Inputs, other: Inputs) -> bool {
    needed & !(one | other) == 0 && needed & !one != 0 && needed & !other != 0
}
