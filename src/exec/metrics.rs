//! What each part of a pipeline did: rows out and time, counted per batch.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Rows and time of one source, operator or sink, over all workers.
#[derive(Debug, Default)]
pub(crate) struct StepMetrics {
    rows: AtomicU64,
    batches: AtomicU64,
    bytes: AtomicU64,
    nanos: AtomicU64,
}

impl StepMetrics {
    pub(super) fn start(&self) -> Instant {
        Instant::now()
    }

    pub(super) fn stop(&self, started: Instant, rows: usize) {
        self.nanos.fetch_add(
            u64::try_from(started.elapsed().as_nanos()).unwrap_or(u64::MAX),
            Ordering::Relaxed,
        );
        if rows > 0 {
            self.rows.fetch_add(rows as u64, Ordering::Relaxed);
            self.batches.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Rows it gave (a sink: took).
    pub(crate) fn rows(&self) -> u64 {
        self.rows.load(Ordering::Relaxed)
    }

    /// Batches it gave.
    pub(crate) fn batches(&self) -> u64 {
        self.batches.load(Ordering::Relaxed)
    }

    pub(super) fn count_bytes(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Bytes of the rows it gave, where they were measured.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Time spent in it, summed over the workers.
    pub(crate) fn time(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Ordering::Relaxed))
    }
}

/// What one worker of a pipeline did.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct WorkerMetrics {
    /// Time in its turns, waiting left out.
    pub(crate) busy: Duration,
    /// Rows it took from the source.
    pub(crate) rows: u64,
}

/// The steps of one pipeline.
#[derive(Debug)]
pub(crate) struct PipelineMetrics {
    pub(crate) source: StepMetrics,
    pub(crate) operators: Vec<StepMetrics>,
    pub(crate) sink: StepMetrics,
    /// Units the source was cut into.
    pub(crate) units: AtomicU64,
    /// Units that were read to their end.
    pub(crate) units_done: AtomicU64,
    /// What each worker did that is done.
    workers: Mutex<Vec<WorkerMetrics>>,
    /// Every worker is done.
    pub(super) over: AtomicBool,
}

impl PipelineMetrics {
    pub(crate) fn new(operators: usize) -> Arc<Self> {
        Arc::new(PipelineMetrics {
            source: StepMetrics::default(),
            operators: std::iter::repeat_with(StepMetrics::default)
                .take(operators)
                .collect(),
            sink: StepMetrics::default(),
            units: AtomicU64::new(0),
            units_done: AtomicU64::new(0),
            workers: Mutex::default(),
            over: AtomicBool::new(false),
        })
    }

    pub(super) fn worker_ended(&self, did: WorkerMetrics) {
        let mut workers = self.workers.lock().unwrap_or_else(PoisonError::into_inner);
        workers.push(did);
    }

    /// What each worker did, in no order.
    pub(crate) fn workers(&self) -> Vec<WorkerMetrics> {
        let workers = self.workers.lock();
        workers.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn operator(&self, position: usize) -> &StepMetrics {
        &self.operators[position]
    }
}

/// How far a query is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ExecutionProgress {
    /// From 0 to 1: a pipeline counts as much as it has to read, see [`PipelineSize`].
    pub(crate) fraction: f64,
    pub(crate) units_done: u64,
    /// Of the pipelines that have begun.
    pub(crate) units_known: u64,
    /// What was read from files and tables.
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

/// How much one pipeline counts in the share that is done.
#[derive(Debug, Clone, Copy)]
pub(super) enum PipelineSize {
    /// It reads from files or tables, about so many bytes.
    Input(u64),
    /// It goes on with what another one left.
    Inner,
}

impl PipelineSize {
    /// What counts beside an input of `all` bytes that counts 1. Sorting or giving out rows takes its time too.
    fn weight(self, all: u64) -> f64 {
        const INNER: f64 = 0.1;
        const LEAST: f64 = 0.02;
        match self {
            PipelineSize::Inner => INNER,
            PipelineSize::Input(_) if all == 0 => 1.0,
            PipelineSize::Input(bytes) => (bytes as f64 / all as f64).max(LEAST),
        }
    }
}

impl ExecutionProgress {
    /// `pipelines`: each with its size.
    pub(super) fn of<'a>(
        pipelines: impl Iterator<Item = (&'a PipelineMetrics, PipelineSize)> + Clone,
    ) -> Self {
        let mut progress = ExecutionProgress {
            fraction: 0.0,
            units_done: 0,
            units_known: 0,
            rows: 0,
            bytes: 0,
        };
        let input = pipelines.clone().map(|(_, size)| match size {
            PipelineSize::Input(bytes) => bytes,
            PipelineSize::Inner => 0,
        });
        let input: u64 = input.sum();
        let mut all = 0.0_f64;
        for (metrics, size) in pipelines {
            let units = metrics.units.load(Ordering::Relaxed);
            let is_over = metrics.over.load(Ordering::Relaxed);
            // A limit may have made the rest of no use.
            let done = match is_over {
                true => units,
                false => metrics.units_done.load(Ordering::Relaxed).min(units),
            };
            progress.units_known += units;
            progress.units_done += done;
            let weight = size.weight(input);
            progress.fraction += match is_over {
                true => weight,
                false => weight * done as f64 / (units + 1) as f64,
            };
            if matches!(size, PipelineSize::Input(_)) {
                progress.rows += metrics.source.rows();
                progress.bytes += metrics.source.bytes();
            }
            all += weight;
        }
        progress.fraction = match all > 0.0 {
            true => progress.fraction / all,
            false => 1.0,
        };
        progress
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_counts_as_much_as_it_has_to_read() {
        let (large, small, inner) = (
            PipelineMetrics::new(0),
            PipelineMetrics::new(0),
            PipelineMetrics::new(0),
        );
        let fraction = || {
            let pipelines = [
                (large.as_ref(), PipelineSize::Input(900)),
                (small.as_ref(), PipelineSize::Input(100)),
                (inner.as_ref(), PipelineSize::Inner),
            ];
            ExecutionProgress::of(pipelines.into_iter()).fraction
        };
        assert_eq!(fraction(), 0.0);
        small.over.store(true, Ordering::Relaxed);
        assert!(fraction() < 0.1, "{}", fraction());
        large.units.store(9, Ordering::Relaxed);
        large.units_done.store(5, Ordering::Relaxed);
        assert!((0.45..0.6).contains(&fraction()), "{}", fraction());
        large.over.store(true, Ordering::Relaxed);
        assert!((0.85..1.0).contains(&fraction()), "{}", fraction());
        inner.over.store(true, Ordering::Relaxed);
        assert_eq!(fraction(), 1.0);
    }
}
