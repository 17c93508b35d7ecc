//! A segment of which there are copies: each unit is read from one of them, and from the next where that fails.
//!
//! A copy is the same file byte for byte, so it does not matter from which one rows come. A reader tells the row before which it
//! has given everything; where it fails, the rest of the unit is another copy's. So no row comes twice and none is missing.
//!
//! A copy counts only if the very file is there. One that is not there is passed over without blame: a replica may lag. One that
//! is damaged or does not answer is blamed with its breaker.

use std::fmt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::hedged::{HedgedBytes, Waiting, next_of};
use crate::error::{Error, ErrorKind, FilePlace, Result};
use crate::file::parquet::{Copied, ParquetFile};
use crate::file::{BatchIterator, Bounds, DataFile, ReadRequest, Unit};
use crate::route::{Candidate, Ended, Outcome, Policy, Standing};
use crate::store::{ReadAt, Store};
use crate::table::action::hash;
use crate::table::database::DurableTable;
use crate::table::replica::Replica;
use crate::table::routes::{Routes, clock};
use crate::table::snapshot::Segment;

/// Reasons that an error lists.
const REASONS: usize = 4;

/// A segment with its copies.
#[derive(Debug, Clone)]
pub(crate) struct ReplicatedFile {
    parts: Arc<Parts>,
    /// The one that opened first: all say the same.
    first: Arc<ParquetFile>,
}

#[derive(Debug)]
pub(super) struct Parts {
    pub(super) table: String,
    pub(super) segment: Arc<Segment>,
    pub(super) routes: Arc<Routes>,
    pub(super) store: Store,
    policy: Policy,
    /// Whether a second copy is asked where the first takes long.
    hedged: bool,
    /// The table's own first.
    pub(super) copies: Vec<Copy>,
}

#[derive(Debug)]
pub(super) struct Copy {
    /// As the router calls it.
    pub(super) name: String,
    is_own: bool,
    pub(super) path: PathBuf,
    weight: u32,
    opened: Mutex<Opened>,
}

#[derive(Debug, Clone, Default)]
enum Opened {
    #[default]
    Not,
    Is(Arc<ParquetFile>),
    /// The file is not there.
    Absent,
}

/// Why a copy is of no use.
pub(super) enum Useless {
    Absent,
    Failed(Error),
}

impl Useless {
    fn text(&self) -> String {
        match self {
            Useless::Absent => "does not have it".to_string(),
            Useless::Failed(error) => error.message().to_string(),
        }
    }
}

/// What EXPLAIN ROUTE tells of a segment.
#[derive(Debug, Clone)]
pub(crate) struct SegmentRoute {
    pub(crate) table: String,
    pub(crate) policy: Policy,
    pub(crate) hedged: bool,
    pub(crate) segment: Arc<Segment>,
    /// Copies that have it, as the router calls them.
    pub(crate) copies: Vec<(String, u32)>,
    /// Copies that do not, and why.
    pub(crate) without: Vec<(String, String)>,
    pub(crate) routes: Arc<Routes>,
    pub(crate) key: u64,
}

impl ReplicatedFile {
    /// Opens the segment from the first copy that can, `check`ed as the table's own would be.
    pub(super) fn open(table: &DurableTable, segment: &Arc<Segment>) -> Result<Self> {
        let (below, policy) = (segment.file()?, table.policy);
        let copies = table.copies().into_iter();
        let is_copy =
            |replica: &Option<&Replica>| replica.is_none_or(|replica| replica.projection.is_none());
        let copies = copies.filter(|(_, replica)| is_copy(replica));
        let copies = copies.map(|(name, replica)| Copy {
            path: match replica {
                Some(replica) => replica.path.join(&below),
                None => table.log.directory.join(&below),
            },
            name,
            is_own: replica.is_none(),
            weight: replica.map_or(1, |replica| replica.weight),
            opened: Mutex::default(),
        });
        let copies: Vec<Copy> = copies.collect();
        let parts = Arc::new(Parts {
            table: copies_of(&copies),
            segment: Arc::clone(segment),
            routes: Arc::clone(&table.routes),
            store: table.log.store.apart(),
            policy,
            hedged: table.hedged,
            copies,
        });
        let unit = (parts.key(), candidates(&parts.copies));
        let order = parts
            .routes
            .router
            .forecast(policy, &parts.table, std::slice::from_ref(&unit), clock())
            .pop();
        let asked = order.map(|order| order.asked).unwrap_or_default();
        let waiting: Waiting = Arc::new(Mutex::new(asked.into_iter().rev().collect()));
        let mut reasons = Vec::new();
        loop {
            let Some(place) = next_of(&waiting).pop() else {
                return Err(nobody_answers(&parts.copies, segment, &reasons));
            };
            match parts.open(place, &waiting) {
                (_, Ok(first)) => return Ok(ReplicatedFile { parts, first }),
                (place, Err(useless)) => {
                    if let Useless::Failed(_) = useless {
                        parts
                            .routes
                            .heard(&parts.copies[place].name, Outcome::Failed);
                    }
                    reasons.push((place, useless.text()));
                }
            }
        }
    }

    /// For EXPLAIN ROUTE. Looks whether the files are there.
    pub(crate) fn route(&self) -> SegmentRoute {
        let parts = &self.parts;
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for copy in &parts.copies {
            let seen = parts.routes.router.seen(&copy.name, clock());
            if matches!(seen.standing, Standing::Open { .. }) {
                // It is not asked, not even for this.
                with.push((copy.name.clone(), copy.weight));
                continue;
            }
            match copy.open(&parts.segment) {
                Ok(_) => with.push((copy.name.clone(), copy.weight)),
                Err(useless) => without.push((copy.name.clone(), useless.text())),
            }
        }
        SegmentRoute {
            table: parts.table.clone(),
            policy: parts.policy,
            hedged: parts.hedged,
            segment: Arc::clone(&parts.segment),
            copies: with,
            without,
            routes: Arc::clone(&parts.routes),
            key: parts.key(),
        }
    }
}

/// The table's own directory stands for the table.
fn copies_of(copies: &[Copy]) -> String {
    copies
        .first()
        .map(|own| own.name.clone())
        .unwrap_or_default()
}

fn candidates(copies: &[Copy]) -> Vec<Candidate<'_>> {
    let candidates = copies.iter().map(|copy| Candidate {
        name: &copy.name,
        weight: copy.weight,
    });
    candidates.collect()
}

/// TM0505: no copy of a segment can be read.
fn nobody_answers(copies: &[Copy], segment: &Segment, reasons: &[(usize, String)]) -> Error {
    let message = format!(
        "no replica answers for the segment {}: {}",
        segment.add.path,
        reasons
            .iter()
            .take(REASONS)
            .map(|(place, reason)| format!("{} {reason}", copies[*place].said()))
            .collect::<Vec<_>>()
            .join("; ")
    );
    let place = copies.first().map(|own| FilePlace {
        path: own.path.clone(),
        ..FilePlace::default()
    });
    let error = Error::new(ErrorKind::Unavailable, "TM0505", message);
    let error = match place {
        Some(place) => error.in_file(place),
        None => error,
    };
    error.hint("ALTER TABLE … REPAIR makes copies again from those that are whole")
}

/// Whether a copy is to blame, and another one may do better.
fn is_of_copy(error: &Error) -> bool {
    match error.kind() {
        ErrorKind::Io => true,
        ErrorKind::Data => matches!(error.code(), "TM0731" | "TM0748"),
        _ => false,
    }
}

impl Copy {
    fn said(&self) -> String {
        match self.is_own {
            true => "the table's own directory:".to_string(),
            false => format!("{}:", self.name),
        }
    }

    pub(super) fn opened(&self) -> Option<Arc<ParquetFile>> {
        match &*self.opened.try_lock().ok()? {
            Opened::Is(file) => Some(Arc::clone(file)),
            Opened::Absent | Opened::Not => None,
        }
    }

    pub(super) fn open(&self, segment: &Segment) -> Result<Arc<ParquetFile>, Useless> {
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        match &*opened {
            Opened::Is(file) => return Ok(Arc::clone(file)),
            Opened::Absent => return Err(Useless::Absent),
            Opened::Not => {}
        }
        match super::segment::open_copy(&self.path, segment) {
            Ok(file) => {
                let file = Arc::new(file);
                *opened = Opened::Is(Arc::clone(&file));
                Ok(file)
            }
            Err(_) if !self.path.exists() => {
                *opened = Opened::Absent;
                Err(Useless::Absent)
            }
            Err(error) => Err(Useless::Failed(error)),
        }
    }
}

impl Parts {
    /// The copy that would be asked next, if another one may be asked at the same time.
    pub(super) fn second(&self, waiting: &Waiting) -> Option<usize> {
        let waiting = next_of(waiting);
        waiting.last().copied().filter(|_| self.hedged)
    }

    fn key(&self) -> u64 {
        hash(self.segment.add.path.as_bytes())
    }
}

impl DataFile for ReplicatedFile {
    fn schema(&self) -> &SchemaRef {
        self.first.schema()
    }

    fn units(&self, request: &ReadRequest, threads: usize) -> Result<Vec<Unit>> {
        self.first.units(request, threads)
    }

    fn read(&self, unit: &Unit, request: &ReadRequest) -> Result<BatchIterator> {
        let (first, rows) = self.first.rows_of(unit);
        let all = self.first.row_count().unwrap_or(rows).max(1);
        let share = (rows as f64 / all as f64).min(1.0);
        Ok(Box::new(Reading {
            file: Arc::clone(&self.parts),
            unit: unit.clone(),
            end: first + rows,
            bytes: (self.first.byte_count() as f64 * share) as u64,
            request: request.clone(),
            done: Arc::new(AtomicU64::new(first)),
            waiting: None,
            reasons: Vec::new(),
            from: None,
            ended: false,
        }))
    }

    fn row_count(&self) -> Option<u64> {
        self.first.row_count()
    }

    fn byte_count(&self) -> u64 {
        self.first.byte_count()
    }

    fn bytes_wanted(&self, request: &ReadRequest) -> Result<Option<u64>> {
        self.first.bytes_wanted(request)
    }

    fn distinct_values(&self, column: usize) -> Option<u64> {
        self.first.distinct_values(column)
    }

    fn with_bounds(&self, look: &mut dyn FnMut(&dyn Bounds)) {
        self.first.with_bounds(look);
    }
}

/// A unit on its way from one copy or, where that fails, several.
struct Reading {
    file: Arc<Parts>,
    /// What is still to be read.
    unit: Unit,
    /// The unit's end within its row group.
    end: u64,
    /// About how many bytes it has.
    bytes: u64,
    request: ReadRequest,
    /// The row before which everything was given.
    done: Arc<AtomicU64>,
    /// Nothing before the first is asked.
    waiting: Option<Waiting>,
    reasons: Vec<(usize, String)>,
    from: Option<Asked>,
    ended: bool,
}

/// The copy that is read.
struct Asked {
    /// Which one that is may change while it is read. The router counts the unit's bytes for it until the reading ends.
    bytes_of: Arc<HedgedBytes>,
    batches: BatchIterator,
    spent: Duration,
}

impl Reading {
    /// The next copy, opened; TM0505 where none is left.
    fn turn(&mut self) -> Result<Asked> {
        loop {
            let file = &self.file;
            let waiting = self.waiting.get_or_insert_with(|| {
                let candidates = candidates(&file.copies);
                let router = &file.routes.router;
                let key = file.key();
                let order = router.order(file.policy, &file.table, key, &candidates, clock());
                Arc::new(Mutex::new(order.asked.into_iter().rev().collect()))
            });
            let Some(place) = next_of(waiting).pop() else {
                return Err(nobody_answers(&file.copies, &file.segment, &self.reasons));
            };
            let started = Instant::now();
            let (place, opened) = file.open(place, waiting);
            let opened = match opened {
                Ok(opened) => opened,
                Err(Useless::Failed(error)) if !is_of_copy(&error) => return Err(error),
                Err(useless) => {
                    if let Useless::Failed(_) = useless {
                        file.routes.heard(&file.copies[place].name, Outcome::Failed);
                    }
                    self.reasons.push((place, useless.text()));
                    continue;
                }
            };
            file.routes
                .router
                .begin(&file.copies[place].name, self.bytes);
            let bytes_of = Arc::new(HedgedBytes::new(file, waiting, place, self.bytes));
            let copied = Copied {
                bytes_of: Arc::clone(&bytes_of) as Arc<dyn ReadAt>,
                done: Arc::clone(&self.done),
            };
            match opened.read_copied(&self.unit, &self.request, copied) {
                Ok(batches) => {
                    return Ok(Asked {
                        bytes_of,
                        batches,
                        spent: started.elapsed(),
                    });
                }
                Err(error) => {
                    let place = bytes_of.place();
                    let is_of_copy = is_of_copy(&error);
                    let ended = match is_of_copy {
                        true => Ended::Failed,
                        false => Ended::GivenUp,
                    };
                    file.routes.end(&file.copies[place].name, self.bytes, ended);
                    if !is_of_copy {
                        return Err(error);
                    }
                    self.reasons.push((place, error.message().to_string()));
                }
            }
        }
    }

    /// The reading from a copy has ended.
    fn leave(&mut self, how: impl FnOnce(&Asked) -> Ended) {
        if let Some(from) = self.from.take() {
            let name = &self.file.copies[from.bytes_of.place()].name;
            self.file.routes.end(name, self.bytes, how(&from));
        }
    }

    fn advance(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if self.from.is_none() {
                let turn = self.turn()?;
                self.from = Some(turn);
            }
            let Some(from) = &mut self.from else {
                return Err(Error::bug("a copy was opened and is gone"));
            };
            let started = Instant::now();
            let next = from.batches.next();
            from.spent += started.elapsed();
            match next {
                Some(Ok(batch)) => return Ok(Some(batch)),
                None => {
                    self.leave(|from| Ended::Done {
                        micros: u64::try_from(from.spent.as_micros()).unwrap_or(u64::MAX),
                    });
                    return Ok(None);
                }
                Some(Err(error)) if is_of_copy(&error) => {
                    let reason = error.message().to_string();
                    self.reasons.push((from.bytes_of.place(), reason));
                    self.leave(|_| Ended::Failed);
                    let done = self.done.load(Ordering::Relaxed);
                    if done >= self.end {
                        return Ok(None);
                    }
                    self.unit.rows = Some((done, self.end - done));
                }
                Some(Err(error)) => {
                    self.leave(|_| Ended::GivenUp);
                    return Err(error);
                }
            }
        }
    }
}

impl Iterator for Reading {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.advance().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.leave(|_| Ended::GivenUp);
    }
}

impl fmt::Display for SegmentRoute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.segment.add.size)?;
        if let Some((first, last)) = self.segment.buckets() {
            write!(f, ", buckets {first} to {last}")?;
        }
        Ok(())
    }
}
