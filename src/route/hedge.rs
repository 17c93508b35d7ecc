//! A second copy is asked for the same bytes where the first takes longer than reads mostly do ("The Tail at Scale").
//!
//! Of every copy the times of its last reads are kept, small and large ones apart. What nearly all reads of the fastest copy stay
//! below is how long anybody waits. Every read saves a twentieth of a second question, and who asks twice needs a whole one: of a
//! hundred reads no more than five are asked for twice, however slow everything is, but for the first five.

use std::time::Duration;

use super::{Ended, Router, State};

/// Times that are kept, of each copy and size.
const TIMES: usize = 64;

/// With fewer nobody knows what is long.
const TIMES_LEAST: usize = 8;

/// Of a hundred reads of the fastest copy so many take longer than is waited. Fewer than can be asked twice: what is left is for
/// copies that are slow today.
const LONGEST_OF_HUNDRED: usize = 2;

/// Anybody waits at least so long, and at most.
const PATIENCE_LEAST: Duration = Duration::from_millis(3);
const PATIENCE_MOST: Duration = Duration::from_secs(1);

/// Where nothing is known.
const PATIENCE_UNKNOWN: Duration = Duration::from_millis(100);

/// What a read saves of a second question.
const SAVED_BY_READ: f64 = 0.05;

/// What can be saved, and what a process starts with.
const SAVED_MOST: f64 = 5.0;

/// Reads that take longer than anybody waits and have not ended: with so many a copy does not answer.
pub(super) const LATE_MOST: u32 = 3;

/// Up to how many bytes a read is small, and middling; others are large.
const SIZES: [u64; 2] = [256 << 10, 2 << 20];

/// How long the last reads of a copy took, by their size, in microseconds.
#[derive(Debug, Clone, Default)]
pub(super) struct Times([Ring; SIZES.len() + 1]);

/// The last few; the oldest is written over.
#[derive(Debug, Clone, Default)]
struct Ring {
    times: Vec<u32>,
    next: usize,
}

fn size(bytes: u64) -> usize {
    SIZES.iter().take_while(|most| bytes > **most).count()
}

impl Times {
    fn add(&mut self, bytes: u64, micros: u64) {
        let Ring { times, next } = &mut self.0[size(bytes)];
        let micros = u32::try_from(micros).unwrap_or(u32::MAX);
        match times.get_mut(*next) {
            Some(oldest) => *oldest = micros,
            None => times.push(micros),
        }
        *next = (*next + 1) % TIMES;
    }

    /// What nearly all reads of this size stay below.
    fn high(&self, bytes: u64) -> Option<u32> {
        let mut times = self.0[size(bytes)].times.clone();
        if times.len() < TIMES_LEAST {
            return None;
        }
        times.sort_unstable();
        times
            .get(times.len() - 1 - times.len() * LONGEST_OF_HUNDRED / 100)
            .copied()
    }
}

/// What a table may still ask twice, and what came of it.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    saved: f64,
    hedges: Hedges,
}

impl Default for Budget {
    fn default() -> Self {
        Budget {
            saved: SAVED_MOST,
            hedges: Hedges::default(),
        }
    }
}

/// Reads of copies, and those that were asked of two.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Hedges {
    pub(crate) reads: u64,
    pub(crate) asked_twice: u64,
    /// Those that the second copy answered first.
    pub(crate) won: u64,
    /// Those that would have been asked twice if that did not come too often.
    pub(crate) denied: u64,
}

impl Router {
    /// How long a read of so many bytes is waited for before another copy is asked. Counts as a read.
    pub(crate) fn patience(&self, table: &str, bytes: u64) -> Duration {
        let mut state = self.state();
        let budget = state.budgets.entry(table.to_string()).or_default();
        budget.hedges.reads += 1;
        budget.saved = (budget.saved + SAVED_BY_READ).min(SAVED_MOST);
        state.patience(table, bytes)
    }

    /// Whether a second copy may be asked now; then it is. `again`: the same read was denied that before.
    pub(crate) fn may_ask_twice(&self, table: &str, again: bool) -> bool {
        let mut state = self.state();
        let budget = state.budgets.entry(table.to_string()).or_default();
        let may = budget.saved >= 1.0;
        if may {
            budget.saved -= 1.0;
            budget.hedges.asked_twice += 1;
        } else {
            budget.hedges.denied += u64::from(!again);
        }
        may
    }

    /// The second copy was faster: it goes on where the first was read, about so many bytes. That one is blamed for being slow.
    /// Whether later processes should know.
    pub(crate) fn second_won(
        &self,
        table: &str,
        (lost, won): (&str, &str),
        bytes: u64,
        micros: u64,
        now: u64,
    ) -> bool {
        {
            let mut state = self.state();
            let budget = state.budgets.entry(table.to_string()).or_default();
            budget.hedges.won += 1;
        }
        self.begin(won, bytes);
        self.end(lost, bytes, Ended::Lost { micros }, now)
    }

    /// A read of a copy has ended, whoever still wanted it.
    pub(crate) fn answered(&self, name: &str, bytes: u64, micros: u64) {
        self.state().node(name).times.add(bytes, micros);
    }

    /// One more read of a copy takes longer than anybody waits; or one of them has ended.
    pub(crate) fn late(&self, name: &str, ended: bool) {
        let mut state = self.state();
        let node = state.node(name);
        node.late = match ended {
            false => node.late.saturating_add(1),
            true => node.late.saturating_sub(1),
        };
    }

    /// What was asked twice of a table's copies, and how long a read of so many bytes is waited for now.
    pub(crate) fn hedges(&self, table: &str, bytes: u64) -> (Hedges, Duration) {
        let state = self.state();
        let budget = state.budgets.get(table);
        let hedges = budget.map(|budget| budget.hedges).unwrap_or_default();
        (hedges, state.patience(table, bytes))
    }

    /// The same of all tables together.
    pub(crate) fn all_hedges(&self) -> Hedges {
        let state = self.state();
        let all = state.budgets.values().map(|budget| budget.hedges);
        all.fold(Hedges::default(), |sum, one| Hedges {
            reads: sum.reads + one.reads,
            asked_twice: sum.asked_twice + one.asked_twice,
            won: sum.won + one.won,
            denied: sum.denied + one.denied,
        })
    }
}

impl State {
    fn patience(&self, table: &str, bytes: u64) -> Duration {
        let copies = self.nodes.values().filter(|node| node.table == table);
        let fastest = copies.filter_map(|node| node.times.high(bytes)).min();
        let high = fastest.map(|micros| Duration::from_micros(u64::from(micros)));
        high.unwrap_or(PATIENCE_UNKNOWN)
            .clamp(PATIENCE_LEAST, PATIENCE_MOST)
    }
}
