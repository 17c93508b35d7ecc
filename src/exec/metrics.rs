//! What each part of a pipeline did: rows out and time, counted per batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Rows and time of one source, operator or sink, over all workers.
#[derive(Debug, Default)]
pub(crate) struct StepMetrics {
    rows: AtomicU64,
    batches: AtomicU64,
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

    /// Time spent in it, summed over the workers.
    pub(crate) fn time(&self) -> Duration {
        Duration::from_nanos(self.nanos.load(Ordering::Relaxed))
    }
}

/// The steps of one pipeline.
#[derive(Debug)]
pub(crate) struct PipelineMetrics {
    pub(crate) source: StepMetrics,
    pub(crate) operators: Vec<StepMetrics>,
    pub(crate) sink: StepMetrics,
    /// Units the source was cut into.
    pub(crate) units: AtomicU64,
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
        })
    }

    pub(super) fn operator(&self, position: usize) -> &StepMetrics {
        &self.operators[position]
    }
}
