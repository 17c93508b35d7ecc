//! The circuit breaker of one copy: after failures it is left alone for a while, then asked again carefully.
//!
//! Closed, everything is asked of it. So many failures in a row, or a large share of failed or slow reads among the last ones,
//! open it. Open, nothing is asked of it until its time is up. Then it is half open: a few reads may try, and as they go it closes
//! or opens for longer.

use serde::{Deserialize, Serialize};

/// Reads that are remembered.
const WINDOW: u32 = 32;

/// Failures in a row that open it.
const IN_A_ROW: u32 = 3;

/// From so many reads on, a share of bad ones opens it: half failed, or four of five slow.
const READS_LEAST: u32 = 10;

/// How long it is open at first, and at most.
const OPEN_MS: u64 = 30_000;
const OPEN_MS_MAX: u64 = 10 * 60 * 1000;

/// Reads that may try at the same time, and those that must succeed.
const PROBES: u32 = 2;
const PROVED: u32 = 2;

/// How a read went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Good,
    Slow,
    Failed,
}

/// What a breaker says of its copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Standing {
    #[default]
    Closed,
    Open {
        until: u64,
    },
    HalfOpen,
}

/// The breaker of one copy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Breaker {
    /// Of the last reads, the newest in the lowest bit.
    failed: u32,
    slow: u32,
    reads: u32,
    in_a_row: u32,
    /// Until when it is open; half open after that.
    open_until: Option<u64>,
    /// When it last failed.
    failed_at: Option<u64>,
    /// Openings without a good read between.
    openings: u32,
    #[serde(skip)]
    probes: u32,
    proved: u32,
}

impl Breaker {
    pub(crate) fn standing(&self, now: u64) -> Standing {
        match self.open_until {
            None => Standing::Closed,
            Some(until) if now < until => Standing::Open { until },
            Some(_) => Standing::HalfOpen,
        }
    }

    /// Whether a read may try whether the copy is well again; then it counts as one of those that try.
    pub(super) fn probe(&mut self, now: u64) -> bool {
        let may = self.standing(now) == Standing::HalfOpen && self.probes < PROBES;
        self.probes += u32::from(may);
        may
    }

    /// A read ended that said nothing about the copy. Nothing opened or closed.
    pub(super) fn give_up(&mut self) -> bool {
        self.probes = self.probes.saturating_sub(1);
        false
    }

    /// Learns of a read. Whether later processes should know: it opened or closed, or there are more or fewer failures in a row.
    pub(super) fn record(&mut self, outcome: Outcome, name: &str, now: u64) -> bool {
        let was = self.standing(now);
        if was != Standing::Closed {
            self.probes = self.probes.saturating_sub(1);
        }
        match (was, outcome) {
            (Standing::Closed, _) => {
                let before = self.in_a_row;
                self.remember(outcome, now);
                let changed = self.in_a_row != before;
                let opens = self.is_bad();
                if opens {
                    self.open(name, now);
                }
                opens || changed
            }
            // Asked as the last hope, and it answered; or a read that began before.
            (Standing::Open { .. }, _) => false,
            (Standing::HalfOpen, Outcome::Good) => {
                self.proved += 1;
                let closes = self.proved >= PROVED;
                if closes {
                    *self = Breaker::default();
                }
                closes
            }
            (Standing::HalfOpen, Outcome::Slow | Outcome::Failed) => {
                self.open(name, now);
                true
            }
        }
    }

    fn remember(&mut self, outcome: Outcome, now: u64) {
        if outcome == Outcome::Failed {
            self.failed_at = Some(now);
        }
        self.failed = self.failed << 1 | u32::from(outcome == Outcome::Failed);
        self.slow = self.slow << 1 | u32::from(outcome == Outcome::Slow);
        self.reads = (self.reads + 1).min(WINDOW);
        self.in_a_row = match outcome {
            Outcome::Failed => self.in_a_row + 1,
            Outcome::Good | Outcome::Slow => 0,
        };
    }

    fn is_bad(&self) -> bool {
        let (failed, slow) = (self.failed.count_ones(), self.slow.count_ones());
        let many = self.reads >= READS_LEAST;
        self.in_a_row >= IN_A_ROW
            || (many && failed * 2 >= self.reads)
            || (many && (slow + failed) * 5 >= self.reads * 4)
    }

    fn open(&mut self, name: &str, now: u64) {
        let wait = OPEN_MS << self.openings.min(10);
        let wait = wait.min(OPEN_MS_MAX);
        // Copies that failed together do not come back together: up to a fifth more or less.
        let spread = super::policy::rendezvous(u64::from(self.openings), name) % 401;
        let wait = wait * (800 + spread) / 1000;
        *self = Breaker {
            open_until: Some(now + wait),
            openings: self.openings.saturating_add(1),
            failed_at: self.failed_at,
            ..Breaker::default()
        };
    }

    /// What another process said, whose clock may have been another.
    pub(super) fn within_reach(mut self, now: u64) -> Self {
        let most = now + 2 * OPEN_MS_MAX;
        self.open_until = self.open_until.map(|until| until.min(most));
        self.failed_at = self.failed_at.map(|failed| failed.min(now));
        self
    }

    /// Up to when something was known to be wrong with it; nothing where nothing was.
    pub(super) fn bad_until(&self) -> Option<u64> {
        let failing = self.failed_at.filter(|_| self.in_a_row > 0);
        self.open_until.max(failing)
    }
}
