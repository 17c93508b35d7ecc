//! An object of another machine, and reading it by ranges.

use std::cell::RefCell;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use ureq::BodyReader;

use super::super::kept::Kept;
use super::super::source::Source;
use super::request::{Answer, Patience, Target, broken, get, place};
use crate::error::{Error, ErrorKind, Result};

/// The first question is for so many bytes, which stay: of many files all, of others what tells their format and columns.
const HEAD: u64 = 64 * 1024;

/// So many bytes at its end stay once one of them was read: there Parquet and Arrow say where everything is.
const TAIL: u64 = 64 * 1024;

/// Bytes that are asked for where nobody said how many are wanted.
const PIECE: u64 = 1024 * 1024;

/// What tells one state of an object from the next.
struct Version {
    length: u64,
    tag: Option<String>,
    modified: Option<String>,
}

impl Version {
    fn of(answer: &Answer, length: u64) -> Self {
        Version {
            length,
            tag: answer.header("etag").map(str::to_string),
            modified: answer.header("last-modified").map(str::to_string),
        }
    }

    /// Whether it may be the same object still. Of times nothing is held where there are tags: the machines of one server differ in them.
    fn is(&self, other: &Version) -> bool {
        let is_tagged = self.tag.is_some() && other.tag.is_some();
        self.length == other.length
            && self.tag == other.tag
            && (is_tagged || self.modified == other.modified)
    }

    /// The tag, where equal ones promise equal bytes.
    fn strong(&self) -> Option<&str> {
        self.tag.as_deref().filter(|tag| tag.starts_with('"'))
    }
}

/// An object as it was when it was found.
pub(crate) struct Object {
    target: Target,
    shown: PathBuf,
    version: Version,
    head: Bytes,
    tail: OnceLock<Bytes>,
}

impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The target may hold what nobody else may know.
        f.debug_struct("Object")
            .field("shown", &self.shown)
            .finish()
    }
}

/// Finds the object. Where its machine gives it only as a whole it is put into `folder`, where it may take `limit` bytes.
pub(super) fn open(
    target: Target,
    shown: PathBuf,
    folder: &Path,
    limit: Option<u64>,
) -> Result<Source> {
    let mut patience = Patience::new();
    loop {
        let mut answer = get(&target, &shown, &[], Some(&(0..HEAD)), None)?;
        let length = answer.whole_length();
        let (length, body) = match (answer.status, length) {
            (206, Some(length)) if answer.start() == Some(0) => (length, &mut answer.body),
            // No byte of an empty object can be asked for.
            (416, _) => {
                let version = Version::of(&answer, 0);
                let head = Bytes::new();
                return Ok(found(target, shown, version, head));
            }
            _ => {
                // It does not know ranges, or not how much there is.
                if answer.status == 206 {
                    answer = get(&target, &shown, &[], None, None)?;
                }
                if answer.status != 200 {
                    return Err(odd(&answer, &shown));
                }
                let name = shown.display().to_string();
                let kept = Kept::copy(&mut answer.body, folder, limit, &name)?;
                return Ok(Source::of_kept(kept, shown));
            }
        };
        let mut head = Vec::new();
        let wanted = HEAD.min(length);
        let read = body.take(wanted).read_to_end(&mut head);
        if head.len() as u64 == wanted {
            let version = Version::of(&answer, length);
            return Ok(found(target, shown, version, head.into()));
        }
        broken(&mut patience, read.err().as_ref(), &shown)?;
    }
}

fn found(target: Target, shown: PathBuf, version: Version, head: Bytes) -> Source {
    let object = Object {
        target,
        shown: shown.clone(),
        version,
        head,
        tail: OnceLock::new(),
    };
    Source::of_object(object, shown)
}

/// An answer that does not fit the question.
fn odd(answer: &Answer, shown: &Path) -> Error {
    let message = format!(
        "the server answered {} where it was asked for the file",
        answer.status
    );
    Error::new(ErrorKind::Input, "TM0761", message)
        .in_file(place(shown))
        .hint("look at the address in another program: curl -I URL")
}

impl Object {
    pub(crate) fn version(&self) -> String {
        let Version {
            length,
            tag,
            modified,
        } = &self.version;
        let part = |text: &Option<String>| text.clone().unwrap_or_default();
        format!("{length} {} {}", part(tag), part(modified))
    }

    /// The body that holds these bytes, of the object as it was found.
    fn range(&self, range: &Range<u64>) -> Result<BodyReader<'static>> {
        let strong = self.version.strong();
        let answer = get(&self.target, &self.shown, &[], Some(range), strong)?;
        let is_same = match (answer.status, answer.whole_length()) {
            (206, Some(length)) => Version::of(&answer, length).is(&self.version),
            // The tag is another, or the object has no such bytes any more.
            (412 | 416, _) => false,
            _ => return Err(odd(&answer, &self.shown)),
        };
        if !is_same {
            let message = "the file changed while it was in use";
            return Err(Error::new(ErrorKind::Io, "TM0704", message)
                .in_file(place(&self.shown))
                .hint("run the query again when the file is complete"));
        }
        if answer.start() != Some(range.start) {
            return Err(odd(&answer, &self.shown));
        }
        Ok(answer.body)
    }

    fn tail_start(&self) -> u64 {
        self.version.length.saturating_sub(TAIL)
    }
}

/// Reads an object from any place on. What is read for long is asked for in pieces, and a connection that breaks is made anew.
#[derive(Debug)]
pub(crate) struct ObjectReader {
    object: Arc<Object>,
    at: u64,
    /// Where what is wanted ends, if somebody said so.
    wanted: u64,
    body: Option<Part>,
}

/// What is left of an answer.
struct Part {
    body: BodyReader<'static>,
    end: u64,
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "up to {}", self.end)
    }
}

impl ObjectReader {
    pub(crate) fn new(object: &Arc<Object>) -> Self {
        ObjectReader {
            object: Arc::clone(object),
            at: 0,
            wanted: 0,
            body: None,
        }
    }

    pub(crate) fn length(&self) -> u64 {
        self.object.version.length
    }

    /// What is read from now on ends about there.
    pub(crate) fn expect_until(&mut self, end: u64) {
        self.wanted = end;
    }

    /// The bytes at the place that need no question, none if there are none.
    fn held(&mut self) -> Result<Bytes> {
        let object = Arc::clone(&self.object);
        let from = |held: &Bytes, start: u64| held.slice((self.at - start) as usize..);
        if self.at < object.head.len() as u64 {
            return Ok(from(&object.head, 0));
        }
        let start = object.tail_start();
        // Somebody who reads on to the end is already being answered.
        if self.at < start || self.body.is_some() {
            return Ok(Bytes::new());
        }
        if let Some(tail) = object.tail.get() {
            return Ok(from(tail, start));
        }
        let mut reader = ObjectReader {
            at: start.max(object.head.len() as u64),
            wanted: object.version.length,
            ..ObjectReader::new(&object)
        };
        let mut tail = object
            .head
            .slice(object.head.len().min(start as usize)..)
            .to_vec();
        reader.fill(&mut tail)?;
        Ok(from(object.tail.get_or_init(|| tail.into()), start))
    }

    /// The rest of what is wanted, to the end of `into`.
    fn fill(&mut self, into: &mut Vec<u8>) -> Result<()> {
        let mut piece = vec![0; TAIL as usize];
        while self.at < self.wanted {
            let count = self.ask(&mut piece)?;
            into.extend_from_slice(&piece[..count]);
        }
        Ok(())
    }

    /// The next bytes of an answer, at least one.
    fn ask(&mut self, into: &mut [u8]) -> Result<usize> {
        let mut patience = Patience::new();
        loop {
            let mut part = match self.body.take() {
                Some(part) => part,
                None => {
                    let end = match self.wanted > self.at {
                        true => self.wanted,
                        false => self.at + PIECE,
                    };
                    let end = end.min(self.length());
                    Part {
                        body: self.object.range(&(self.at..end))?,
                        end,
                    }
                }
            };
            let most = into.len().min((part.end - self.at) as usize);
            match part.body.read(&mut into[..most]) {
                Ok(0) => broken(&mut patience, None, &self.object.shown)?,
                Ok(count) => {
                    self.at += count as u64;
                    if self.at < part.end {
                        self.body = Some(part);
                    } else {
                        // Who hears the end of an answer can use the connection again.
                        let _ = part.body.read(&mut [0]);
                    }
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => self.body = Some(part),
                Err(error) => broken(&mut patience, Some(&error), &self.object.shown)?,
            }
        }
    }

    fn next_bytes(&mut self, into: &mut [u8]) -> Result<usize> {
        if into.is_empty() || self.at >= self.length() {
            return Ok(0);
        }
        let held = self.held()?;
        if held.is_empty() {
            return self.ask(into);
        }
        let count = held.len().min(into.len());
        into[..count].copy_from_slice(&held[..count]);
        self.at += count as u64;
        self.body = None;
        Ok(count)
    }
}

impl Read for ObjectReader {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        self.next_bytes(into).map_err(|error| {
            FAILURE.with(|failure| *failure.borrow_mut() = Some(error.clone()));
            io::Error::other(error)
        })
    }
}

impl Seek for ObjectReader {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.length().checked_add_signed(by),
        };
        let at = at.ok_or(io::ErrorKind::InvalidInput)?;
        if at != self.at {
            (self.at, self.body) = (at, None);
        }
        self.wanted = 0;
        Ok(at)
    }
}

thread_local! {
    /// Decoders keep of an error only its text, and call the file damaged: what really happened on their thread.
    static FAILURE: RefCell<Option<Error>> = const { RefCell::new(None) };
}

/// Takes why the last read on this thread failed, if it did.
pub(crate) fn failure() -> Option<Error> {
    FAILURE.with(|failure| failure.borrow_mut().take())
}
