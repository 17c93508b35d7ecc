//! Stopping a query: by its caller, or because its time ran out.

use std::fmt;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::error::{Error, ErrorKind, Result};

const GOING: u8 = 0;
const CANCELLED: u8 = 1;
const OUT_OF_TIME: u8 = 2;
/// It ended by itself: nothing is left to stop.
const FAILED: u8 = 3;

/// Stops a query from any thread. Clones stop the same query.
#[derive(Debug, Clone, Default)]
pub(crate) struct CancelToken(Arc<CancelState>);

#[derive(Default)]
struct CancelState {
    state: AtomicU8,
    listeners: Mutex<Vec<Box<dyn FnOnce() + Send>>>,
}

impl fmt::Debug for CancelState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "state {:?}", self.state)
    }
}

impl CancelToken {
    /// Its caller wants no more of it.
    pub(crate) fn cancel(&self) {
        self.stop(CANCELLED);
    }

    /// Its time is over.
    pub(crate) fn time_out(&self) {
        self.stop(OUT_OF_TIME);
    }

    /// A worker failed: the others need not go on.
    pub(crate) fn fail(&self) {
        self.stop(FAILED);
    }

    /// The first reason counts.
    fn stop(&self, reason: u8) {
        let _ = self
            .0
            .state
            .compare_exchange(GOING, reason, Ordering::SeqCst, Ordering::SeqCst);
        let listeners = std::mem::take(
            &mut *self
                .0
                .listeners
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        listeners.into_iter().for_each(|listener| listener());
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.0.state.load(Ordering::Relaxed) != GOING
    }

    /// Somebody else holds this token: the query still runs or is read.
    pub(crate) fn is_shared(&self) -> bool {
        Arc::strong_count(&self.0) > 1
    }

    /// The same query, without keeping anything of it.
    pub(crate) fn weak(&self) -> WeakToken {
        WeakToken(Arc::downgrade(&self.0))
    }

    pub(crate) fn check(&self) -> Result<()> {
        match self.0.state.load(Ordering::Relaxed) {
            GOING => Ok(()),
            OUT_OF_TIME => Err(Error::new(
                ErrorKind::Timeout,
                "TM0512",
                "the query ran longer than its timeout",
            )
            .hint("raise it (--timeout, Builder::timeout), or let the query do less: a filter earlier, fewer rows")),
            _ => Err(Error::new(
                ErrorKind::Cancelled,
                "TM0507",
                "the query was cancelled",
            )),
        }
    }

    /// Calls `listener` when the query is cancelled, so that a parked worker sees it.
    pub(crate) fn on_cancel(&self, listener: impl FnOnce() + Send + 'static) {
        self.0
            .listeners
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Box::new(listener));
        // It may have been cancelled just before.
        if self.is_cancelled() {
            self.stop(CANCELLED);
        }
    }
}

/// A query that may be over.
#[derive(Debug, Clone)]
pub(crate) struct WeakToken(Weak<CancelState>);

impl WeakToken {
    /// The query, if it is still there.
    pub(crate) fn upgrade(&self) -> Option<CancelToken> {
        self.0.upgrade().map(CancelToken)
    }
}
