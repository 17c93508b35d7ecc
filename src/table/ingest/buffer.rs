//! The rows of a process that wait: written to the log as they come, moved into segments when there are enough or when they have
//! waited long enough.
//!
//! Whoever adds rows while another is syncing finds, when its turn comes, that its rows were taken along: one sync serves all that
//! came meanwhile. Age needs no further rows: while any wait, a thread waits with them.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;

use super::frame::Body;
use super::log::{IngestLog, Left};
use super::policy::FlushPolicy;
use super::{fits, move_all};
use crate::error::{Error, ErrorKind, Result};
use crate::store::About;
use crate::table::log::TableLog;
use crate::table::promote;
use crate::table::schema::Columns;
use crate::table::snapshot::Snapshot;

/// Warnings that are kept until somebody asks.
const WARNINGS_MAX: usize = 16;

/// Longest wait at one time.
const NAP: Duration = Duration::from_secs(3600);

/// Rows of one table that wait. When it is dropped they wait on.
#[derive(Debug)]
pub(crate) struct Buffer {
    shared: Arc<Shared>,
    /// Moves rows by their age, while there are any.
    timer: Mutex<Option<JoinHandle<()>>>,
}

#[derive(Debug)]
struct Shared {
    name: String,
    log: TableLog,
    /// `None`: as the table says.
    policy: Option<FlushPolicy>,
    /// Rows of those who wait for their turn.
    queue: Mutex<Vec<Ticket>>,
    state: Mutex<State>,
    /// The state is another, for the timer.
    changed: Condvar,
}

#[derive(Debug)]
struct Ticket {
    /// As the table stores them.
    rows: Vec<Body>,
    answer: Arc<OnceLock<Result<()>>>,
}

#[derive(Debug)]
struct State {
    ingest: IngestLog,
    /// The table when it was looked at last, and the file of its last commit: another file is another table.
    known: (Arc<Snapshot>, Option<About>),
    rows: u64,
    bytes: u64,
    first: Option<Instant>,
    warnings: Vec<Error>,
    is_watched: bool,
    is_closed: bool,
}

impl Buffer {
    /// For a table of which a version is known. `policy`: `None` where the table says it.
    pub(crate) fn new(
        name: &str,
        log: TableLog,
        known: Arc<Snapshot>,
        policy: Option<FlushPolicy>,
    ) -> Result<Self> {
        let about = log.about(known.version)?;
        let state = State {
            ingest: IngestLog::new(log.clone()),
            known: (known, about),
            rows: 0,
            bytes: 0,
            first: None,
            warnings: Vec::new(),
            is_watched: false,
            is_closed: false,
        };
        Ok(Buffer {
            shared: Arc::new(Shared {
                name: name.to_string(),
                log,
                policy,
                queue: Mutex::default(),
                state: Mutex::new(state),
                changed: Condvar::new(),
            }),
            timer: Mutex::default(),
        })
    }

    /// The table as it is now. What waits is not read for this.
    pub(crate) fn snapshot(&self) -> Result<Arc<Snapshot>> {
        let mut state = lock(&self.shared.state);
        self.shared.look_again(&mut state)?;
        Ok(Arc::clone(&state.known.0))
    }

    /// Rows of this process that wait.
    pub(crate) fn rows(&self) -> u64 {
        lock(&self.shared.state).rows
    }

    /// What went wrong beside rows that are safe.
    pub(crate) fn warnings(&self) -> Vec<Error> {
        std::mem::take(&mut lock(&self.shared.state).warnings)
    }

    /// Adds rows as the table stores them: all of them are safe and seen when this returns, or none. TM0750 where too much waits
    /// and cannot move.
    pub(crate) fn append(&self, rows: &[RecordBatch]) -> Result<()> {
        let answer = Arc::new(OnceLock::new());
        let rows = rows.iter().map(Body::of).collect::<Result<_>>()?;
        lock(&self.shared.queue).push(Ticket {
            rows,
            answer: Arc::clone(&answer),
        });
        let mut state = lock(&self.shared.state);
        if answer.get().is_none() {
            let tickets = std::mem::take(&mut *lock(&self.shared.queue));
            self.shared.take_in(&mut state, tickets);
        }
        let begins = state.first.is_some() && !state.is_watched;
        state.is_watched |= begins;
        drop(state);
        if begins {
            self.watch();
        }
        let unanswered = || Err(Error::bug("rows were written behind and nobody said so"));
        answer.get().cloned().unwrap_or_else(unanswered)
    }

    /// Moves everything that waits; how many rows of this process there were.
    pub(crate) fn flush(&self) -> Result<u64> {
        let mut state = lock(&self.shared.state);
        self.shared.look_again(&mut state)?;
        self.shared.flush(&mut state)
    }

    fn watch(&self) {
        let shared = Arc::clone(&self.shared);
        let thread = std::thread::Builder::new().name("tidemill-ingest".to_string());
        let started = thread.spawn(move || shared.watch());
        let mut timer = lock(&self.timer);
        match started {
            // The one before has ended, or is about to.
            Ok(started) => *timer = Some(started),
            // The rows are safe; whoever comes next tries again.
            Err(_) => lock(&self.shared.state).is_watched = false,
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        lock(&self.shared.state).is_closed = true;
        self.shared.changed.notify_all();
        // Nobody writes to the table once its engine is gone.
        if let Some(timer) = lock(&self.timer).take() {
            let _ = timer.join();
        }
    }
}

impl Shared {
    fn policy(&self, state: &State) -> FlushPolicy {
        let own = self
            .policy
            .or_else(|| FlushPolicy::of(&state.known.0.metadata));
        own.unwrap_or_default()
    }

    fn look_again(&self, state: &mut State) -> Result<()> {
        let (snapshot, about) = &state.known;
        let newest = match self.log.about(snapshot.version)? {
            Some(now) if Some(now) == *about => self.log.newest_after(Arc::clone(snapshot))?,
            // It was dropped, and perhaps made again; or the log before its checkpoint is gone.
            _ => self.log.latest()?.ok_or_else(|| {
                let message = format!("no table named `{}`", self.name);
                Error::new(ErrorKind::Input, "TM0203", message)
            })?,
        };
        promote::check_home(&self.log, &newest)?;
        let about = self.log.about(newest.version)?;
        state.known = (newest, about);
        Ok(())
    }

    /// Writes the rows of all who wait, and answers each.
    fn take_in(&self, state: &mut State, tickets: Vec<Ticket>) {
        let failure = match self.make_room(state, &tickets) {
            Ok(failure) => failure,
            Err(error) => return answer_all(tickets, &Err(error)),
        };
        let policy = self.policy(state);
        let (mut taken, mut batches) = (Vec::new(), Vec::new());
        let (mut rows, mut bytes) = (0, 0);
        for mut ticket in tickets {
            let size = ticket.bytes();
            let columns = &state.known.0.columns;
            if !ticket
                .rows
                .iter()
                .all(|batch| fits(batch.schema(), columns) && is_whole(batch.schema(), columns))
            {
                let message = "the table's columns were changed meanwhile; nothing was written";
                let error = Error::new(ErrorKind::Busy, "TM0740", message);
                ticket.answer(Err(error.hint("run the statement again")));
            } else if (state.bytes + bytes).saturating_add(size) > policy.bytes_max {
                let waiting = state.bytes + bytes;
                ticket.answer(Err(too_many(waiting, size, failure.as_ref())));
            } else {
                bytes += size;
                rows += ticket.rows.iter().map(Body::rows).sum::<u64>();
                batches.append(&mut ticket.rows);
                taken.push(ticket);
            }
        }
        state.warn(failure);
        if batches.is_empty() {
            return answer_all(taken, &Ok(()));
        }
        let written = state.ingest.append(&batches, &state.known.0);
        // Rows that came beside a promotion may be in no directory that anybody reads.
        let written = written.and_then(|left| self.look_again(state).map(|()| left));
        match written {
            Ok(left) => {
                state.rows += rows;
                state.bytes += bytes;
                state.first.get_or_insert_with(Instant::now);
                answer_all(taken, &Ok(()));
                if let Some(left) = left {
                    state.take_over(left, policy.age);
                    // Programs that add a row and end would never come to it.
                    if state.is_due(&policy) {
                        let failure = self.flush(state).err();
                        state.warn(failure);
                    }
                }
                self.changed.notify_all();
            }
            Err(error) => answer_all(taken, &Err(error)),
        }
    }

    /// Moves rows before more come, where it is time or where these would be too many. What kept them from moving.
    fn make_room(&self, state: &mut State, tickets: &[Ticket]) -> Result<Option<Error>> {
        self.look_again(state)?;
        let policy = self.policy(state);
        let coming: u64 = tickets.iter().map(Ticket::bytes).sum();
        let fits = coming <= policy.bytes_max;
        let full = fits && state.bytes.saturating_add(coming) > policy.bytes_max;
        let due = state.is_due(&policy) || full;
        Ok(due.then(|| self.flush(state).err()).flatten())
    }

    fn flush(&self, state: &mut State) -> Result<u64> {
        let (moved, warnings) = move_all(&self.log, &state.known.0)?;
        state.ingest.moved(&moved)?;
        state.known = (Arc::clone(&moved), self.log.about(moved.version)?);
        state.first = None;
        state.bytes = 0;
        warnings
            .into_iter()
            .for_each(|warning| state.warn(Some(warning)));
        Ok(std::mem::take(&mut state.rows))
    }

    /// Moves rows when the first of them is old enough, until none wait.
    fn watch(&self) {
        let mut state = lock(&self.state);
        while let Some(first) = state.first.filter(|_| !state.is_closed) {
            let left = self.policy(&state).age.saturating_sub(first.elapsed());
            if left.is_zero() {
                let moved = self
                    .look_again(&mut state)
                    .and_then(|()| self.flush(&mut state));
                if let Err(error) = moved {
                    // They are safe where they are, and are tried again after the same time.
                    state.first = Some(Instant::now());
                    let gone = matches!(error.code(), "TM0203" | "TM0755");
                    state.warn(Some(error));
                    if gone {
                        (state.first, state.rows, state.bytes) = (None, 0, 0);
                    }
                }
            } else {
                let woken = self.changed.wait_timeout(state, left.min(NAP));
                state = woken.unwrap_or_else(PoisonError::into_inner).0;
            }
        }
        state.is_watched = false;
    }
}

impl State {
    fn is_due(&self, policy: &FlushPolicy) -> bool {
        let old = self
            .first
            .is_some_and(|first| first.elapsed() >= policy.age);
        self.rows >= policy.rows || self.bytes >= policy.bytes || old
    }

    fn warn(&mut self, warning: Option<Error>) {
        if self.warnings.len() < WARNINGS_MAX {
            self.warnings.extend(warning);
        }
    }

    /// Rows that a writer before has left count as ours, from the time on at which it was seen last.
    fn take_over(&mut self, left: Left, age: Duration) {
        self.rows += left.rows;
        self.bytes += left.bytes;
        let waited = SystemTime::now().duration_since(left.since);
        let waited = waited.unwrap_or_default().min(age);
        self.first = Instant::now().checked_sub(waited).or(self.first);
    }
}

impl Ticket {
    fn bytes(&self) -> u64 {
        self.rows.iter().map(Body::bytes).sum()
    }

    fn answer(&self, answer: Result<()>) {
        // Each is answered once.
        let _ = self.answer.set(answer);
    }
}

/// A column that came meanwhile may have a default that the rows lack.
fn is_whole(schema: &Schema, columns: &Columns) -> bool {
    schema.fields().len() == columns.stored.fields().len()
}

fn answer_all(tickets: Vec<Ticket>, answer: &Result<()>) {
    for ticket in tickets {
        ticket.answer(answer.clone());
    }
}

fn too_many(waiting: u64, more: u64, failure: Option<&Error>) -> Error {
    let message = format!("{waiting} bytes wait for segments, {more} more would be too many");
    let error = Error::new(ErrorKind::Limit, "TM0750", message);
    match failure {
        Some(reason) => error.hint(format!("they cannot move: {}", reason.message())),
        None => error.hint(
            "add fewer rows at once, or raise bytes_max (the option buffer_bytes of a table)",
        ),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
