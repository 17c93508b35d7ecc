//! What each part of a pipeline did: rows out and time, counted per batch.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
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
            over: AtomicBool::new(false),
        })
    }

    pub(super) fn operator(&self, position: usize) -> &StepMetrics {
        &self.operators[position]
    }
}

/// How far a query is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ExecutionProgress {
    /// Every pipeline counts the same, whatever its size.
    pub(crate) fraction: f64,
    pub(crate) units_done: u64,
    /// Of the pipelines that have begun.
    pub(crate) units_known: u64,
    /// What was read from files and tables.
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

impl ExecutionProgress {
    /// `pipelines`: each with whether it reads files or tables.
    pub(super) fn of<'a>(pipelines: impl Iterator<Item = (&'a PipelineMetrics, bool)>) -> Self {
        let mut progress = ExecutionProgress {
            fraction: 0.0,
            units_done: 0,
            units_known: 0,
            rows: 0,
            bytes: 0,
        };
        let mut all = 0.0_f64;
        for (metrics, reads_input) in pipelines {
            let units = metrics.units.load(Ordering::Relaxed);
            let is_over = metrics.over.load(Ordering::Relaxed);
            // A limit may have made the rest of no use.
            let done = match is_over {
                true => units,
                false => metrics.units_done.load(Ordering::Relaxed).min(units),
            };
            progress.units_known += units;
            progress.units_done += done;
            progress.fraction += match is_over {
                true => 1.0,
                false => done as f64 / (units + 1) as f64,
            };
            if reads_input {
                progress.rows += metrics.source.rows();
                progress.bytes += metrics.source.bytes();
            }
            all += 1.0;
        }
        progress.fraction /= all.max(1.0);
        progress
    }
}
