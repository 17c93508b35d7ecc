//! Who may hold how much memory.
//!
//! An engine has one [`Budget`]. A query counts what it holds in its [`QueryMemory`], and every operator that can hold much and
//! can write it out has a [`Share`]. Half of the budget is set aside, in equal parts, for the shares that have not taken theirs
//! yet; the rest is for whoever asks first. So an early operator never starves a later one, and a larger budget never refuses
//! what a smaller one allowed.
//!
//! A statement that brings a limit of its own has a budget within the engine's.
//!
//! All three are DataFusion memory pools: their reservations can go wherever DataFusion wants one. A holder that writes out what
//! does not fit asks through a [`Room`].

mod budget;
mod room;

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use datafusion::error::{DataFusionError, Result as DataFusionResult};
use datafusion::execution::memory_pool::{
    MemoryConsumer, MemoryLimit, MemoryPool, MemoryReservation,
};

use super::RunContext;
use crate::error::{Error, ErrorKind};

pub(crate) use budget::Budget;
pub(crate) use room::Room;

/// The part of the budget that a share goes on with where others hold all of it.
const LEAST_PART: usize = 64;

/// What one query holds.
#[derive(Debug, Default)]
pub(crate) struct QueryMemory {
    budget: Arc<Budget>,
    usage: Usage,
}

#[derive(Debug, Default)]
struct Usage {
    bytes: AtomicUsize,
    peak: AtomicUsize,
}

impl Usage {
    fn add(&self, bytes: usize) {
        let now = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        self.peak.fetch_max(now, Ordering::Relaxed);
    }

    fn subtract(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}

impl QueryMemory {
    pub(crate) fn new(budget: &Arc<Budget>) -> Arc<Self> {
        Arc::new(QueryMemory {
            budget: Arc::clone(budget),
            usage: Usage::default(),
        })
    }

    pub(crate) fn limit(&self) -> Option<usize> {
        self.budget.limit()
    }

    /// What the query holds now.
    pub(crate) fn held(&self) -> usize {
        self.usage.bytes.load(Ordering::Relaxed)
    }

    /// The most that the query held at once.
    pub(crate) fn peak(&self) -> usize {
        self.usage.peak.load(Ordering::Relaxed)
    }

    /// A share for the operator `name`, counted from now on.
    pub(crate) fn share(self: &Arc<Self>, name: &'static str) -> Arc<Share> {
        Arc::new(Share {
            name,
            number: self.budget.add_share(),
            query: Arc::clone(self),
            usage: Usage::default(),
            holders: AtomicUsize::new(0),
            spilled: AtomicU64::new(0),
        })
    }
}

impl fmt::Display for QueryMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("query")
    }
}

impl MemoryPool for QueryMemory {
    fn name(&self) -> &str {
        "query"
    }

    fn grow(&self, _reservation: &MemoryReservation, bytes: usize) {
        self.budget.take(bytes, None);
        self.usage.add(bytes);
    }

    fn shrink(&self, _reservation: &MemoryReservation, bytes: usize) {
        self.budget.give_back(bytes, None);
        self.usage.subtract(bytes);
    }

    fn try_grow(&self, reservation: &MemoryReservation, bytes: usize) -> DataFusionResult<()> {
        if !self.budget.try_take(bytes, None) {
            return Err(external(limit_reached(
                reservation.consumer().name(),
                self.limit(),
            )));
        }
        self.usage.add(bytes);
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.held()
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.limit()
            .map_or(MemoryLimit::Infinite, MemoryLimit::Finite)
    }
}

/// What one operator of a query holds, over all workers. It is there until the query is over.
#[derive(Debug)]
pub(crate) struct Share {
    name: &'static str,
    number: u64,
    query: Arc<QueryMemory>,
    usage: Usage,
    /// Rooms that are in use.
    holders: AtomicUsize,
    spilled: AtomicU64,
}

impl Share {
    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    pub(crate) fn limit(&self) -> Option<usize> {
        self.query.limit()
    }

    pub(crate) fn peak(&self) -> usize {
        self.usage.peak.load(Ordering::Relaxed)
    }

    /// Bytes that the operator wrote to disk.
    pub(crate) fn spilled(&self) -> u64 {
        self.spilled.load(Ordering::Relaxed)
    }

    pub(crate) fn count_spilled(&self, bytes: u64) {
        self.spilled.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn reserve(self: &Arc<Self>) -> MemoryReservation {
        let pool: Arc<dyn MemoryPool> = Arc::clone(self) as _;
        MemoryConsumer::new(self.name).register(&pool)
    }

    /// The share as a pool for others to reserve from.
    pub(crate) fn as_pool(self: &Arc<Self>) -> Arc<dyn MemoryPool> {
        Arc::clone(self) as _
    }

    /// The same, which counts but never refuses: for what is small and must go on.
    pub(crate) fn as_pool_without_limit(self: &Arc<Self>) -> Arc<dyn MemoryPool> {
        Arc::new(Unrefused(Arc::clone(self)))
    }

    /// Bytes that one of the share's holders may count on.
    pub(crate) fn fair_part(&self) -> usize {
        let holders = self.holders.load(Ordering::Relaxed).max(1);
        let least = self.limit().map_or(0, |limit| limit / LEAST_PART);
        self.query.budget.within_reach(self.number).max(least) / holders
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.query.budget.remove_share(self.number);
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl MemoryPool for Share {
    fn name(&self) -> &str {
        self.name
    }

    fn grow(&self, _reservation: &MemoryReservation, bytes: usize) {
        self.query.budget.take(bytes, Some(self.number));
        self.query.usage.add(bytes);
        self.usage.add(bytes);
    }

    fn shrink(&self, _reservation: &MemoryReservation, bytes: usize) {
        self.query.budget.give_back(bytes, Some(self.number));
        self.query.usage.subtract(bytes);
        self.usage.subtract(bytes);
    }

    fn try_grow(&self, _reservation: &MemoryReservation, bytes: usize) -> DataFusionResult<()> {
        if !self.query.budget.try_take(bytes, Some(self.number)) {
            return Err(external(limit_reached(self.name, self.limit())));
        }
        self.query.usage.add(bytes);
        self.usage.add(bytes);
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.usage.bytes.load(Ordering::Relaxed)
    }

    fn memory_limit(&self) -> MemoryLimit {
        self.query.memory_limit()
    }
}

/// A share that only counts.
#[derive(Debug)]
struct Unrefused(Arc<Share>);

impl fmt::Display for Unrefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name)
    }
}

impl MemoryPool for Unrefused {
    fn name(&self) -> &str {
        self.0.name
    }

    fn grow(&self, reservation: &MemoryReservation, bytes: usize) {
        self.0.grow(reservation, bytes);
    }

    fn shrink(&self, reservation: &MemoryReservation, bytes: usize) {
        self.0.shrink(reservation, bytes);
    }

    fn try_grow(&self, reservation: &MemoryReservation, bytes: usize) -> DataFusionResult<()> {
        self.0.grow(reservation, bytes);
        Ok(())
    }

    fn reserved(&self) -> usize {
        self.0.reserved()
    }
}

/// Where an operator keeps its share: asked for before anything runs, so that it is set aside from the start.
#[derive(Debug, Default, Clone)]
pub(crate) struct ShareSlot(Arc<OnceLock<Arc<Share>>>);

impl ShareSlot {
    /// The share, which is asked for at the first call.
    pub(crate) fn get(&self, context: &RunContext, name: &'static str) -> &Arc<Share> {
        self.0.get_or_init(|| context.memory.share(name))
    }
}

/// What cannot be written out does not fit.
pub(crate) fn limit_reached(operator: &str, limit: Option<usize>) -> Error {
    let of = limit.map_or(String::new(), |bytes| {
        format!(" of {}", size_text(bytes as u64))
    });
    Error::new(
        ErrorKind::Limit,
        "TM0506",
        format!("the memory limit{of} is reached in {operator}"),
    )
    .hint(MORE_MEMORY)
}

/// What to do where memory ends.
pub(super) const MORE_MEMORY: &str = "raise the limit (--memory-limit, Builder::memory_limit), or let the query need less: fewer columns, a filter earlier";

/// Bytes as people say them.
pub(crate) fn size_text(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut number = bytes as f64;
    let mut unit = 0;
    while number >= 1024.0 && unit + 1 < UNITS.len() {
        number /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes} B"),
        _ => format!("{number:.1} {}", UNITS[unit]),
    }
}

fn external(error: Error) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn query(limit: usize) -> Arc<QueryMemory> {
        QueryMemory::new(&Budget::new(Some(limit)))
    }

    #[test]
    fn an_early_share_leaves_a_late_one_its_part() {
        let query = query(1000);
        let (first, second) = (query.share("first"), query.share("second"));
        let (early, late) = (first.reserve(), second.reserve());
        assert!(early.try_grow(751).is_err());
        early.try_grow(750).unwrap();
        late.try_grow(250).unwrap();
        assert!(late.try_grow(1).is_err());
        drop(late);
        drop(second);
        early.try_grow(250).unwrap();
        assert_eq!((query.reserved(), query.peak()), (1000, 1000));
        drop(early);
        assert_eq!(query.reserved(), 0);
        assert_eq!(query.budget.held_and_peak(), (0, 1000));
    }

    #[test]
    fn a_budget_within_another_is_held_to_both() {
        let all = Budget::new(Some(1000));
        let statement = QueryMemory::new(&Budget::within(&all, 600));
        let share = statement.share("sort");
        let inner = share.reserve();
        assert!(inner.try_grow(601).is_err());
        inner.try_grow(600).unwrap();
        assert_eq!(all.held_and_peak(), (600, 600));

        let other = QueryMemory::new(&all);
        let others = other.share("join").reserve();
        assert!(others.try_grow(401).is_err());
        others.try_grow(400).unwrap();
        inner.shrink(100);
        others.try_grow(100).unwrap();
        assert!(inner.try_grow(100).is_err());
        assert_eq!(all.held_and_peak(), (1000, 1000));
        assert_eq!(statement.held(), 500);

        drop(inner);
        drop((share, statement));
        assert_eq!(all.held_and_peak().0, 500);
        // Nothing is set aside any more for a statement that is over.
        others.try_grow(500).unwrap();
    }

    #[test]
    fn a_statement_may_not_hold_more_than_its_engine() {
        let statement = Budget::within(&Budget::new(Some(1000)), 5000);
        assert_eq!(statement.limit(), Some(1000));
        assert_eq!(Budget::within(&Budget::new(None), 5000).limit(), Some(5000));
    }

    #[test]
    fn the_error_names_the_operator_and_the_limit() {
        let query = query(2 << 20);
        let share = query.share("sort");
        let error = Error::from(share.reserve().try_grow(3 << 20).unwrap_err());
        assert_eq!(error.code(), "TM0506");
        assert_eq!(
            error.message(),
            "the memory limit of 2.0 MiB is reached in sort"
        );
    }

    #[test]
    fn holders_of_a_share_divide_it_and_an_empty_one_always_gets_room() {
        let query = query(1000);
        let share = query.share("sort");
        let (first, second) = (Room::new(&share), Room::new(&share));
        assert!(first.try_grow(500).unwrap());
        assert!(!first.try_grow(100).unwrap());
        assert!(second.try_grow(500).unwrap());
        second.empty();
        assert!(second.try_grow(900).unwrap());
        second.empty();
        assert!(second.try_grow(1001).is_err());
        drop((first, second));
        assert_eq!(query.reserved(), 0);
    }

    #[test]
    fn without_a_limit_all_is_counted_and_nothing_refused() {
        let query = QueryMemory::new(&Budget::new(None));
        let share = query.share("sort");
        let room = Room::new(&share);
        assert!(room.try_grow(1 << 40).unwrap());
        assert_eq!(query.peak(), 1 << 40);
    }

    #[test]
    fn sizes_read_well() {
        assert_eq!(size_text(17), "17 B");
        assert_eq!(size_text(3 << 19), "1.5 MiB");
    }
}
