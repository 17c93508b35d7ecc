//! Which copy answers: state machines without files or threads, told the time.
//!
//! [`policy`] puts the copies of a unit into an order, [`breaker`] says who is left alone after failures, and [`Router`] knows of
//! every copy how busy and how fast it is. Times are milliseconds since 1970, so that what is known can be kept ([`health`]) and
//! read by the next process.

mod breaker;
mod health;
mod hedge;
mod policy;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub(crate) use breaker::{Breaker, Outcome, Standing};
pub(crate) use hedge::Hedges;
#[cfg(test)]
pub(crate) use policy::POLICIES;
pub(crate) use policy::Policy;

/// What a moving latency gives to the newest value.
const NEWEST: f64 = 0.3;

/// A latency that was not seen for so long counts half: a copy that was slow is tried again.
const HALF_LIFE_MS: f64 = 10_000.0;

/// So many times slower than the fastest, a read counts as slow.
const SLOW_FACTOR: f64 = 5.0;

/// A read that takes less is never slow.
const SLOW_LEAST_MICROS: u64 = 20_000;

/// Copies that are remembered: those of which nothing was heard for the longest time are forgotten.
const NODES_MAX: usize = 4096;

/// A copy that could answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate<'c> {
    /// What it is called everywhere: its directory.
    pub(crate) name: &'c str,
    pub(crate) weight: u32,
}

/// In which order copies are asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Order {
    /// Positions of the candidates, each once. The first is to be asked; the others if it fails.
    pub(crate) asked: Vec<usize>,
    /// Of each candidate, by position: why it is not the first.
    pub(crate) why: Vec<Why>,
}

/// Why a copy is not the one that is asked first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Why {
    /// It is.
    Chosen,
    /// It is, to see whether it answers again.
    Probed,
    /// It is, since all others are left alone as well.
    LastHope,
    /// Another one was due.
    NotDue,
    /// A read of it takes longer than anybody waits.
    Overdue,
    /// It is left alone until then.
    LeftAlone(u64),
}

/// What is known of one copy.
#[derive(Debug, Clone, Default)]
struct Node {
    /// The table that it is a copy of.
    table: String,
    reading_bytes: u64,
    reading: u32,
    /// Microseconds for a mebibyte, and when that was learned.
    latency: Option<(f64, u64)>,
    breaker: Breaker,
    /// Of smooth weighted round robin.
    credit: i64,
    heard: u64,
    served: u64,
    served_bytes: u64,
    failures: u64,
    times: hedge::Times,
    /// Reads that take longer than anybody waits and have not ended.
    late: u32,
}

/// What people are told of a copy.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Seen {
    pub(crate) standing: Standing,
    pub(crate) units_served: u64,
    pub(crate) bytes_served: u64,
    pub(crate) failures: u64,
    pub(crate) reading: u32,
    /// Microseconds for a mebibyte.
    pub(crate) latency: Option<f64>,
}

/// What is known of every copy, and whose turn it is.
#[derive(Debug, Default)]
pub(crate) struct Router(Mutex<State>);

#[derive(Debug, Clone, Default)]
struct State {
    nodes: BTreeMap<String, Node>,
    /// Of round robin, by table.
    turns: BTreeMap<String, usize>,
    /// What may be asked twice, by table.
    budgets: BTreeMap<String, hedge::Budget>,
    random: u64,
}

impl Router {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which of the candidates is asked for a unit. `key` is the same for the same unit, `table` for all units of a table.
    pub(crate) fn order(
        &self,
        policy: Policy,
        table: &str,
        key: u64,
        candidates: &[Candidate],
        now: u64,
    ) -> Order {
        self.state().order(policy, table, key, candidates, now)
    }

    /// The same as [`Router::order`] would say for these units one after the other, and nothing is changed.
    pub(crate) fn forecast(
        &self,
        policy: Policy,
        table: &str,
        units: &[(u64, Vec<Candidate>)],
        now: u64,
    ) -> Vec<Order> {
        let mut state = self.state().clone();
        let order = |(key, candidates): &(u64, Vec<Candidate>)| {
            state.order(policy, table, *key, candidates, now)
        };
        units.iter().map(order).collect()
    }

    /// A copy is read from now on, about so many bytes.
    pub(crate) fn begin(&self, name: &str, bytes: u64) {
        let mut state = self.state();
        let node = state.node(name);
        node.reading += 1;
        node.reading_bytes += bytes;
    }

    /// The reading that [`Router::begin`] told of has ended. Whether later processes should know.
    pub(crate) fn end(&self, name: &str, bytes: u64, ended: Ended, now: u64) -> bool {
        let mut state = self.state();
        let table = state.node(name).table.clone();
        let fastest = state.fastest(&table, name);
        let node = state.node(name);
        node.reading = node.reading.saturating_sub(1);
        node.reading_bytes = node.reading_bytes.saturating_sub(bytes);
        node.heard = now;
        let outcome = match ended {
            Ended::GivenUp => return node.breaker.give_up(),
            Ended::Failed => {
                node.failures += 1;
                Outcome::Failed
            }
            Ended::Lost { micros } => {
                node.learn(bytes, micros, now);
                match node.late >= hedge::LATE_MOST {
                    true => Outcome::Failed,
                    false => Outcome::Slow,
                }
            }
            Ended::Done { micros } => {
                node.served += 1;
                node.served_bytes += bytes;
                let new = node.learn(bytes, micros, now);
                let slow = fastest.is_some_and(|fastest| new > SLOW_FACTOR * fastest);
                match slow && micros >= SLOW_LEAST_MICROS {
                    true => Outcome::Slow,
                    false => Outcome::Good,
                }
            }
        };
        node.breaker.record(outcome, name, now)
    }

    /// A copy could not be opened. Whether later processes should know.
    pub(crate) fn heard(&self, name: &str, outcome: Outcome, now: u64) -> bool {
        let mut state = self.state();
        let node = state.node(name);
        node.heard = now;
        node.failures += u64::from(outcome == Outcome::Failed);
        node.breaker.record(outcome, name, now)
    }

    /// Nothing bad is known of a copy any more. Whether something was.
    pub(crate) fn forgive(&self, name: &str, now: u64) -> bool {
        let mut state = self.state();
        let node = state.node(name);
        node.heard = now;
        let was = node.breaker.standing(0) != Standing::Closed;
        node.breaker = Breaker::default();
        node.latency = None;
        node.times = hedge::Times::default();
        was
    }

    pub(crate) fn seen(&self, name: &str, now: u64) -> Seen {
        let state = self.state();
        let Some(node) = state.nodes.get(name) else {
            return Seen::default();
        };
        Seen {
            standing: node.breaker.standing(now),
            units_served: node.served,
            bytes_served: node.served_bytes,
            failures: node.failures,
            reading: node.reading,
            latency: node.latency.map(|(latency, _)| latency),
        }
    }
}

/// How a reading ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    Done {
        micros: u64,
    },
    Failed,
    /// It took so long that another copy, asked for the same, was faster.
    Lost {
        micros: u64,
    },
    /// Nobody wanted the rest: nothing is learned.
    GivenUp,
}

impl Node {
    /// Learns how long a read took; the microseconds for a mebibyte that makes.
    fn learn(&mut self, bytes: u64, micros: u64, now: u64) -> f64 {
        let mebibytes = (bytes as f64 / f64::from(1 << 20)).max(1.0 / 16.0);
        let new = micros as f64 / mebibytes;
        let moved = |(old, _): (f64, u64)| old + NEWEST * (new - old);
        self.latency = Some((self.latency.map_or(new, moved), now));
        new
    }
}

impl State {
    fn node(&mut self, name: &str) -> &mut Node {
        if self.nodes.len() >= NODES_MAX && !self.nodes.contains_key(name) {
            let idle = self.nodes.iter().filter(|(_, node)| node.reading == 0);
            let oldest = idle.min_by_key(|(_, node)| node.heard);
            if let Some(oldest) = oldest.map(|(name, _)| name.clone()) {
                self.nodes.remove(&oldest);
            }
        }
        self.nodes.entry(name.to_string()).or_default()
    }

    /// The least latency that is known of a table's copies, without one of them.
    fn fastest(&self, table: &str, without: &str) -> Option<f64> {
        let others = self.nodes.iter().filter(|(name, _)| *name != without);
        let known = others.filter(|(_, node)| node.table == table);
        let known = known.filter_map(|(_, node)| node.latency);
        known.map(|(latency, _)| latency).min_by(f64::total_cmp)
    }
}
