//! What may be held together: by an engine's queries, or by one statement within them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the running queries of an engine may hold together.
#[derive(Debug, Default)]
pub(crate) struct Budget {
    limit: Option<usize>,
    held: Mutex<Held>,
    /// Of which this is a part.
    around: Option<Around>,
}

/// The budget around another, to which that is one share.
#[derive(Debug)]
struct Around {
    budget: Arc<Budget>,
    share: u64,
}

#[derive(Debug, Default)]
struct Held {
    total: usize,
    peak: usize,
    /// The most since somebody asked.
    peak_since: usize,
    /// By the share's number.
    shares: BTreeMap<u64, usize>,
    next_share: u64,
}

impl Held {
    /// What each share is sure to get.
    fn assured(&self, limit: usize) -> usize {
        limit / (2 * self.shares.len().max(1))
    }

    /// What is set aside for all shares but `own`.
    fn set_aside(&self, limit: usize, own: Option<u64>) -> usize {
        let assured = self.assured(limit);
        self.shares
            .iter()
            .filter(|(number, _)| Some(**number) != own)
            .map(|(_, held)| assured.saturating_sub(*held))
            .sum()
    }

    /// Bytes that are not held by `share`.
    fn all_but(&self, share: u64) -> usize {
        let own = self.shares.get(&share).copied().unwrap_or_default();
        self.total.saturating_sub(own)
    }

    fn add(&mut self, bytes: usize, share: Option<u64>) {
        self.total += bytes;
        self.peak = self.peak.max(self.total);
        self.peak_since = self.peak_since.max(self.total);
        if let Some(held) = share.and_then(|share| self.shares.get_mut(&share)) {
            *held += bytes;
        }
    }
}

impl Budget {
    pub(crate) fn new(limit: Option<usize>) -> Arc<Self> {
        Arc::new(Budget {
            limit,
            held: Mutex::default(),
            around: None,
        })
    }

    /// A budget of at most `limit` bytes within `around`: what it holds is held there too.
    pub(crate) fn within(around: &Arc<Budget>, limit: usize) -> Arc<Self> {
        let limit = around.limit.map_or(limit, |all| all.min(limit));
        Arc::new(Budget {
            limit: Some(limit),
            held: Mutex::default(),
            around: Some(Around {
                budget: Arc::clone(around),
                share: around.add_share(),
            }),
        })
    }

    /// A number for a share, which holds nothing yet.
    pub(super) fn add_share(&self) -> u64 {
        let mut held = self.held();
        let number = held.next_share;
        held.next_share += 1;
        held.shares.insert(number, 0);
        number
    }

    pub(super) fn remove_share(&self, number: u64) {
        self.held().shares.remove(&number);
    }

    pub(crate) fn limit(&self) -> Option<usize> {
        self.limit
    }

    /// Bytes held now, and the most that ever were.
    pub(crate) fn held_and_peak(&self) -> (usize, usize) {
        let held = self.held();
        (held.total, held.peak)
    }

    /// The most that was held since this was asked last.
    pub(crate) fn peak_since_asked(&self) -> usize {
        let mut held = self.held();
        let total = held.total;
        std::mem::replace(&mut held.peak_since, total)
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn take(&self, bytes: usize, share: Option<u64>) {
        self.held().add(bytes, share);
        if let Some(Around { budget, share }) = &self.around {
            budget.take(bytes, Some(*share));
        }
    }

    pub(super) fn try_take(&self, bytes: usize, share: Option<u64>) -> bool {
        if !self.try_take_here(bytes, share) {
            return false;
        }
        let Some(around) = &self.around else {
            return true;
        };
        let is_taken = around.budget.try_take(bytes, Some(around.share));
        if !is_taken {
            self.give_back_here(bytes, share);
        }
        is_taken
    }

    fn try_take_here(&self, bytes: usize, share: Option<u64>) -> bool {
        let mut held = self.held();
        if let Some(limit) = self.limit
            && held
                .total
                .saturating_add(bytes)
                .saturating_add(held.set_aside(limit, share))
                > limit
        {
            return false;
        }
        held.add(bytes, share);
        true
    }

    pub(super) fn give_back(&self, bytes: usize, share: Option<u64>) {
        self.give_back_here(bytes, share);
        if let Some(Around { budget, share }) = &self.around {
            budget.give_back(bytes, Some(*share));
        }
    }

    fn give_back_here(&self, bytes: usize, share: Option<u64>) {
        let mut held = self.held();
        held.total = held.total.saturating_sub(bytes);
        if let Some(of_share) = share.and_then(|share| held.shares.get_mut(&share)) {
            *of_share = of_share.saturating_sub(bytes);
        }
    }

    /// The most that `share` could hold if it gave back nothing.
    pub(super) fn within_reach(&self, share: u64) -> usize {
        let Some(limit) = self.limit else {
            return usize::MAX;
        };
        let rest_around = self.around.as_ref().map_or(usize::MAX, |around| {
            let others = self.held().all_but(share);
            let reach = around.budget.within_reach(around.share);
            reach.saturating_sub(others)
        });
        let held = self.held();
        limit
            .saturating_sub(held.set_aside(limit, Some(share)))
            .saturating_sub(held.all_but(share))
            .min(rest_around)
    }
}

impl Drop for Budget {
    fn drop(&mut self) {
        if let Some(around) = &self.around {
            around.budget.remove_share(around.share);
        }
    }
}
