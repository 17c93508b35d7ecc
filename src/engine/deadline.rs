//! Timeouts: one thread, started at the first need, stops queries whose time is over. A query that waits for its reader is
//! stopped like any other.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use crate::error::{Error, ErrorKind, Result};
use crate::exec::{CancelToken, WeakToken};

/// The deadlines of an engine's queries.
#[derive(Debug, Default)]
pub(super) struct Deadlines(OnceLock<Sender<Deadline>>);

#[derive(Debug)]
struct Deadline {
    at: Instant,
    query: WeakToken,
}

impl Deadlines {
    /// Stops the query after `timeout`, counted from now.
    pub(super) fn add(&self, query: &CancelToken, timeout: Duration) -> Result<()> {
        let Some(at) = Instant::now().checked_add(timeout) else {
            // Later than the clock can count: never.
            return Ok(());
        };
        let sender = match self.0.get() {
            Some(sender) => sender,
            None => {
                let sender = start()?;
                // Another thread may have been faster; the thread just started ends with its sender.
                self.0.get_or_init(|| sender)
            }
        };
        let query = query.weak();
        // The thread is there for as long as the sender is.
        let _ = sender.send(Deadline { at, query });
        Ok(())
    }
}

fn start() -> Result<Sender<Deadline>> {
    let (sender, receiver) = crossbeam_channel::unbounded();
    std::thread::Builder::new()
        .name("tidemill-deadlines".to_string())
        .spawn(move || watch(&receiver))
        .map_err(|error| {
            Error::new(
                ErrorKind::Io,
                "TM0701",
                format!("no thread could be started: {error}"),
            )
        })?;
    Ok(sender)
}

/// Runs until the engine is gone.
fn watch(added: &Receiver<Deadline>) {
    let mut next: BinaryHeap<Reverse<(Instant, usize)>> = BinaryHeap::new();
    let mut queries: Vec<Option<WeakToken>> = Vec::new();
    loop {
        let received = match next.peek() {
            None => {
                queries.clear();
                added.recv().map_err(|_| RecvTimeoutError::Disconnected)
            }
            Some(Reverse((at, _))) => added.recv_deadline(*at),
        };
        match received {
            Ok(deadline) => {
                next.push(Reverse((deadline.at, queries.len())));
                queries.push(Some(deadline.query));
            }
            Err(RecvTimeoutError::Disconnected) => return,
            Err(RecvTimeoutError::Timeout) => {
                let over = next.pop().and_then(|Reverse((_, number))| {
                    queries.get_mut(number).and_then(Option::take)
                });
                if let Some(query) = over.and_then(|query| query.upgrade()) {
                    query.time_out();
                }
            }
        }
    }
}
