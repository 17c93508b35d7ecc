//! Bytes of a segment from the copy that is due, or from the next one where that takes long.
//!
//! A read runs on a thread of its own, so that whoever waits can stop waiting. After the router's patience the next copy is asked
//! for the same bytes, if that was not done too often; the first answer counts and the other is dropped when it comes. As both
//! copies are the same file, nothing else changes: no row is read twice. From then on the faster copy is read.

use std::fmt::Debug;
use std::io;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};

use super::replicated::{Parts, Useless};
use crate::error::{Error, ErrorKind};
use crate::file::parquet::ParquetFile;
use crate::route::{Ended, Outcome};
use crate::store::ReadAt;
use crate::table::routes::{Routes, clock};

/// A copy that has said nothing for so long is taken for one that does not answer.
const STALLED: Duration = Duration::from_secs(if cfg!(test) { 2 } else { 10 });

/// Whoever may not ask twice now looks again after so long.
const AGAIN: Duration = Duration::from_millis(20);

/// Copies that were not asked yet, the next one last.
pub(super) type Waiting = Arc<Mutex<Vec<usize>>>;

pub(super) fn next_of(waiting: &Waiting) -> MutexGuard<'_, Vec<usize>> {
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What two copies were asked.
pub(super) struct Question<'q> {
    pub(super) routes: &'q Arc<Routes>,
    pub(super) table: &'q str,
    /// As the router calls them.
    pub(super) first: &'q str,
    pub(super) second: Option<&'q str>,
    /// About how many bytes the answer has.
    pub(super) bytes: u64,
}

/// What came of it.
pub(super) struct Answer<T, E> {
    pub(super) result: Result<T, E>,
    /// The second copy gave it.
    pub(super) second: Option<Overtaken>,
    /// The second copy was asked and failed.
    pub(super) second_failed: Option<E>,
}

/// What is said of a copy that has not answered.
pub(super) trait Silent: Send + 'static {
    fn silent() -> Self;
}

impl Silent for io::Error {
    fn silent() -> Self {
        let message = format!("it has not answered for {} s", STALLED.as_secs());
        io::Error::new(io::ErrorKind::TimedOut, message)
    }
}

impl Silent for Useless {
    fn silent() -> Self {
        let error = io::Error::silent().to_string();
        Useless::Failed(Error::new(ErrorKind::Io, "TM0701", error))
    }
}

/// How the first copy was overtaken.
#[derive(Debug, Clone, Copy)]
pub(super) struct Overtaken {
    /// How long it took by then.
    after: Duration,
    /// So long that it is not worth asking it again.
    stalled: bool,
}

/// A read that is under way, that is later than anybody waits, or that has ended.
const RUNNING: u8 = 0;
const LATE: u8 = 1;
const ENDED: u8 = 2;

/// A read on its way.
struct Asked<T> {
    answer: Receiver<T>,
    state: Arc<AtomicU8>,
}

impl Question<'_> {
    /// What `ask` gives of the first copy, or of the second where that is faster in the end. `ask(true)` is about the second.
    pub(super) fn ask<T, E>(
        &self,
        ask: impl Fn(bool) -> Result<T, E> + Send + Sync + 'static,
    ) -> Answer<T, E>
    where
        T: Send + 'static,
        E: Silent,
    {
        let only = |result| Answer {
            result,
            second: None,
            second_failed: None,
        };
        let Some(second) = self.second else {
            return only(ask(false));
        };
        let ask = Arc::new(ask);
        let patience = self.routes.router.patience(self.table, self.bytes);
        let started = Instant::now();
        let Some(first) = self.start(self.first, false, &ask) else {
            return only(ask(false));
        };
        if let Ok(result) = first.answer.recv_timeout(patience) {
            return only(result);
        }
        let router = &self.routes.router;
        router.late(self.first, false);
        let is_late =
            first
                .state
                .compare_exchange(RUNNING, LATE, Ordering::SeqCst, Ordering::SeqCst);
        if is_late.is_err() {
            router.late(self.first, true);
        }
        let mut may = router.may_ask_twice(self.table, false);
        while !may && started.elapsed() < STALLED {
            match first.answer.recv_timeout(patience.max(AGAIN)) {
                Ok(result) => return only(result),
                Err(RecvTimeoutError::Timeout) => may = router.may_ask_twice(self.table, true),
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        let of_second = |result, stalled| Answer {
            result,
            second: Some(Overtaken {
                after: started.elapsed(),
                stalled,
            }),
            second_failed: None,
        };
        let Some(other) = self.start(second, true, &ask) else {
            return match first.answer.recv_timeout(STALLED) {
                Ok(result) => only(result),
                Err(_) => of_second(ask(true), true),
            };
        };
        crossbeam_channel::select! {
            // Where the first has failed, whoever asked turns to the second.
            recv(first.answer) -> answer => match answer {
                Ok(result) => only(result),
                Err(_) => of_second(ask(true), true),
            },
            recv(other.answer) -> answer => match answer {
                Ok(Ok(value)) => of_second(Ok(value), false),
                Ok(Err(failed)) => match first.answer.recv_timeout(STALLED) {
                    Ok(result) => Answer {
                        second_failed: Some(failed),
                        ..only(result)
                    },
                    Err(_) => of_second(Err(failed), true),
                },
                Err(_) => of_second(Err(E::silent()), true),
            },
            // Another one may be left, who is asked then.
            default(STALLED) => Answer {
                second_failed: Some(E::silent()),
                ..only(Err(E::silent()))
            },
        }
    }

    /// Asks a copy on a thread; `None` where there is none for it.
    fn start<T, E>(
        &self,
        name: &str,
        is_second: bool,
        ask: &Arc<impl Fn(bool) -> Result<T, E> + Send + Sync + 'static>,
    ) -> Option<Asked<Result<T, E>>>
    where
        T: Send + 'static,
        E: Send + 'static,
    {
        let (tell, answer): (Sender<Result<T, E>>, _) = bounded(1);
        let state = Arc::new(AtomicU8::new(RUNNING));
        let job = {
            let (ask, routes, state) =
                (Arc::clone(ask), Arc::clone(self.routes), Arc::clone(&state));
            let (name, bytes) = (name.to_string(), self.bytes);
            move || {
                let started = Instant::now();
                let result = ask(is_second);
                let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
                if result.is_ok() {
                    routes.router.answered(&name, bytes, micros);
                }
                if state.swap(ENDED, Ordering::SeqCst) == LATE {
                    routes.router.late(&name, true);
                }
                // Nobody may want to know any more.
                let _ = tell.send(result);
            }
        };
        let started = self.routes.readers.run(Box::new(job));
        started.is_ok().then_some(Asked { answer, state })
    }
}

/// The bytes of a segment, from the copy that answers.
#[derive(Debug)]
pub(super) struct HedgedBytes {
    parts: Arc<Parts>,
    waiting: Waiting,
    /// The one that is read.
    place: Mutex<usize>,
    /// Each copy's file, once it was read here.
    files: Arc<Vec<OnceLock<Box<dyn ReadAt>>>>,
    /// What the router counts as being read.
    unit_bytes: u64,
}

impl HedgedBytes {
    pub(super) fn new(
        parts: &Arc<Parts>,
        waiting: &Waiting,
        place: usize,
        unit_bytes: u64,
    ) -> Self {
        HedgedBytes {
            files: Arc::new(parts.copies.iter().map(|_| OnceLock::new()).collect()),
            parts: Arc::clone(parts),
            waiting: Arc::clone(waiting),
            place: Mutex::new(place),
            unit_bytes,
        }
    }

    /// The copy that is read by now.
    pub(super) fn place(&self) -> usize {
        *self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ReadAt for HedgedBytes {
    fn read_at(&self, start: u64, length: u64) -> io::Result<Bytes> {
        let first = self.place();
        let second = self.parts.second(&self.waiting);
        let (parts, files) = (Arc::clone(&self.parts), Arc::clone(&self.files));
        let ask = move |is_second: bool| {
            let place = match second {
                Some(second) if is_second => {
                    // It must be the very same file.
                    parts.copies[second]
                        .open(&parts.segment)
                        .map_err(unusable)?;
                    second
                }
                _ => first,
            };
            let file = match files[place].get() {
                Some(file) => file,
                None => {
                    let opened = parts.store.open_at(&parts.copies[place].path)?;
                    files[place].get_or_init(|| opened)
                }
            };
            file.read_at(start, length)
        };
        let copies = &self.parts.copies;
        let question = Question {
            routes: &self.parts.routes,
            table: &self.parts.table,
            first: &copies[first].name,
            second: second.map(|second| copies[second].name.as_str()),
            bytes: length,
        };
        let answer = question.ask(ask);
        if let Some(second) = second {
            let is_to_blame = |failed: &io::Error| failed.kind() != io::ErrorKind::NotFound;
            let places = (first, second);
            self.parts
                .settle(&self.waiting, places, &answer, self.unit_bytes, is_to_blame);
            if answer.second.is_some() {
                *self.place.lock().unwrap_or_else(PoisonError::into_inner) = second;
            }
        }
        answer.result
    }
}

fn unusable(useless: Useless) -> io::Error {
    match useless {
        Useless::Absent => io::Error::from(io::ErrorKind::NotFound),
        Useless::Failed(error) => io::Error::other(error.message().to_string()),
    }
}

impl Parts {
    /// The first copy from here on that can be opened, of those in `waiting` and `first` before them; the other where it is late.
    pub(super) fn open(
        self: &Arc<Self>,
        first: usize,
        waiting: &Waiting,
    ) -> (usize, Result<Arc<ParquetFile>, Useless>) {
        if let Some(opened) = self.copies[first].opened() {
            return (first, Ok(opened));
        }
        let second = self.second(waiting);
        let parts = Arc::clone(self);
        let ask = move |is_second: bool| {
            let place = second.filter(|_| is_second).unwrap_or(first);
            parts.copies[place].open(&parts.segment)
        };
        let question = Question {
            routes: &self.routes,
            table: &self.table,
            first: &self.copies[first].name,
            second: second.map(|second| self.copies[second].name.as_str()),
            bytes: 0,
        };
        let answer = question.ask(ask);
        let mut place = first;
        if let Some(second) = second {
            // Nothing is counted as being read yet.
            let is_to_blame = |failed: &Useless| matches!(failed, Useless::Failed(_));
            self.routes.router.begin(question.first, 0);
            self.settle(waiting, (first, second), &answer, 0, is_to_blame);
            if answer.second.is_some() {
                place = second;
            }
            let name = &self.copies[place].name;
            self.routes.router.end(name, 0, Ended::GivenUp, clock());
        }
        (place, answer.result)
    }

    /// Learns what an answer says of two copies, of which the second was the next one waiting.
    fn settle<T, E>(
        &self,
        waiting: &Waiting,
        (first, second): (usize, usize),
        answer: &Answer<T, E>,
        unit_bytes: u64,
        is_to_blame: impl Fn(&E) -> bool,
    ) {
        let name = |place: usize| self.copies[place].name.as_str();
        let mut waiting = next_of(waiting);
        if let Some(failed) = &answer.second_failed {
            waiting.retain(|place| *place != second);
            if is_to_blame(failed) {
                self.routes.heard(name(second), Outcome::Failed);
            }
        }
        if let Some(Overtaken { after, stalled }) = answer.second {
            waiting.retain(|place| *place != second);
            // It may still be asked when nobody else is left.
            if !stalled {
                waiting.insert(0, first);
            }
            let micros = u64::try_from(after.as_micros()).unwrap_or(u64::MAX);
            let names = (name(first), name(second));
            self.routes
                .second_won(&self.table, names, unit_bytes, micros);
        }
    }
}
