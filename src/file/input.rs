//! Opening a file: what it is compressed with, its bytes from any place on, and errors that name it.
//!
//! Compression is found by the first bytes, never by the name: a gzip file called `x.csv` is read as what it is.

use std::io::{self, Read};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::source::{Source, carried};
use crate::error::{Error, ErrorKind, FilePlace, Result};

/// What the bytes on disk are packed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    /// By the first four bytes of a file.
    pub(crate) fn of(head: &[u8]) -> Compression {
        match head {
            [0x1f, 0x8b, ..] => Compression::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Compression::Zstd,
            _ => Compression::None,
        }
    }
}

/// One file. Every reader opens it anew, so that many files do not hold many handles.
#[derive(Debug, Clone)]
pub(crate) struct Input {
    source: Source,
    compression: Compression,
    length: u64,
    /// Memory of readers that are done, for those to come: fresh memory costs as much as reading.
    spares: Arc<Mutex<Vec<Vec<u8>>>>,
}

/// Memory that is kept for the next reader: so many pieces, none larger than this.
const SPARES: usize = 64;
const SPARE_BYTES: usize = 4 * 1024 * 1024;

impl Input {
    /// Finds the file and what it is compressed with.
    pub(crate) fn open(source: impl Into<Source>) -> Result<Input> {
        let source = source.into();
        let path = source.shown();
        let failed = |error: io::Error| io_error(path, &error);
        let mut file = source.open().map_err(failed)?;
        if file.is_directory().map_err(failed)? {
            return Err(error(
                ErrorKind::Io,
                "TM0701",
                "this is a directory, not a file",
                path,
            )
            .hint("name the files in it: 'directory/*.csv'"));
        }
        let head = file.read_at(0, 4).map_err(failed)?;
        let length = file.length().map_err(failed)?;
        Ok(Input {
            source,
            compression: Compression::of(&head),
            length,
            spares: Arc::default(),
        })
    }

    /// Memory to read into: empty, or what an earlier reader left.
    pub(crate) fn spare(&self) -> Vec<u8> {
        let mut spares = self.spares.lock().unwrap_or_else(PoisonError::into_inner);
        spares.pop().unwrap_or_default()
    }

    /// Takes a reader's memory back.
    pub(crate) fn give_back(&self, memory: Vec<u8>) {
        let mut spares = self.spares.lock().unwrap_or_else(PoisonError::into_inner);
        if spares.len() < SPARES && memory.len() <= SPARE_BYTES {
            spares.push(memory);
        }
    }

    /// What it is called in messages.
    pub(crate) fn path(&self) -> &Path {
        self.source.shown()
    }

    pub(crate) fn source(&self) -> &Source {
        &self.source
    }

    /// The path as a text in a query.
    pub(crate) fn quoted_path(&self) -> String {
        if !self.source.has_path() {
            return "'-'".to_string();
        }
        let path = self.path().display().to_string();
        format!("'{}'", path.replace('\'', "''"))
    }

    /// Bytes on disk when it was opened.
    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// What it is packed with.
    pub(crate) fn compression(&self) -> Option<&'static str> {
        match self.compression {
            Compression::None => None,
            Compression::Gzip => Some("gzip"),
            Compression::Zstd => Some("zstd"),
        }
    }

    /// Whether a reader can start anywhere.
    pub(crate) fn is_plain(&self) -> bool {
        self.compression == Compression::None
    }

    /// The first decompressed bytes, at most `limit`.
    pub(crate) fn head(&self, limit: u64) -> Result<Vec<u8>> {
        let mut head = Vec::new();
        self.reader_until(0, limit)?
            .take(limit)
            .read_to_end(&mut head)
            .map_err(|error| self.io_error(&error))?;
        Ok(head)
    }

    /// The decompressed bytes from `start` on. A compressed file is decompressed from its beginning.
    pub(crate) fn reader(&self, start: u64) -> Result<Box<dyn Read + Send>> {
        self.reader_until(start, u64::MAX)
    }

    /// The same, of which no more is read than up to about `end`.
    pub(crate) fn reader_until(&self, start: u64, end: u64) -> Result<Box<dyn Read + Send>> {
        let failed = |error: io::Error| self.io_error(&error);
        let mut file = self.source.open().map_err(failed)?;
        let now = file.length().map_err(failed)?;
        if now < self.length {
            return Err(error(
                ErrorKind::Io,
                "TM0704",
                format!(
                    "the file changed while it was in use: it had {} bytes and has {now}",
                    self.length
                ),
                self.path(),
            )
            .hint("run the query again when the file is complete"));
        }
        if end == u64::MAX {
            file.seek_for(0, now).map_err(failed)?;
        }
        let mut decompressed: Box<dyn Read + Send> = match self.compression {
            Compression::None => {
                // Nobody waits for all of a long file before its first bytes.
                let until = if end == u64::MAX { start } else { end };
                file.seek_for(start, until).map_err(failed)?;
                return Ok(Box::new(file.take(self.length.saturating_sub(start))));
            }
            Compression::Gzip => Box::new(flate2::read::MultiGzDecoder::new(
                io::BufReader::with_capacity(128 * 1024, file),
            )),
            Compression::Zstd => Box::new(zstd::Decoder::new(file).map_err(failed)?),
        };
        let skipped =
            io::copy(&mut decompressed.by_ref().take(start), &mut io::sink()).map_err(failed)?;
        debug_assert!(skipped <= start);
        Ok(decompressed)
    }

    /// The start of the first line at or behind `start` and before `end`, in a file where every line end ends a record.
    pub(crate) fn first_line(&self, start: u64, end: u64) -> Result<Option<u64>> {
        if start == 0 {
            return Ok(Some(0));
        }
        let mut reader = self.reader_until(start - 1, end)?.take(end - start);
        let mut piece = vec![0; 64 * 1024];
        let mut at = start - 1;
        loop {
            let count = reader
                .read(&mut piece)
                .map_err(|error| self.io_error(&error))?;
            if count == 0 {
                return Ok(None);
            }
            if let Some(found) = memchr::memchr(b'\n', &piece[..count]) {
                return Ok(Some(at + found as u64 + 1));
            }
            at += count as u64;
        }
    }

    /// Counts lines from the beginning of the decompressed bytes. Reads the file again: for what is told of bad places only.
    pub(crate) fn lines(&self) -> io::Result<Lines> {
        let reader = self.reader(0).map_err(io::Error::other)?;
        Ok(Lines {
            reader,
            piece: vec![0; 256 * 1024],
            held: 0..0,
            at: 0,
            ended: 0,
        })
    }

    /// What is wrong with the contents at `offset` of the decompressed bytes, with the line found by counting.
    pub(crate) fn error_at(
        &self,
        code: &'static str,
        message: impl Into<String>,
        offset: u64,
        column: Option<&str>,
    ) -> Error {
        let line = self.lines().and_then(|mut lines| lines.of(offset)).ok();
        Error::new(ErrorKind::Data, code, message).in_file(FilePlace {
            path: self.path().to_path_buf(),
            line,
            column: column.map(str::to_string),
            byte: line.is_none().then_some(offset),
        })
    }

    /// What is wrong with the contents as a whole.
    pub(crate) fn error(&self, code: &'static str, message: impl Into<String>) -> Error {
        error(ErrorKind::Data, code, message, self.path())
    }

    /// The bytes at `offset` are no UTF-8.
    pub(crate) fn not_utf8(&self, offset: u64) -> Error {
        let error = self.error_at("TM0713", "the text is not UTF-8", offset, None);
        let mut place = error.place().cloned().unwrap_or_default();
        place.byte = Some(offset);
        // A mark of UTF-16 stands at the very beginning, and its two bytes begin no other text.
        let from = if offset == 0 {
            "UTF-16"
        } else {
            "WINDOWS-1252"
        };
        let hint = format!("convert the file first, for example: iconv -f {from} -t UTF-8");
        error.in_file(place).hint(hint)
    }

    /// An error of the operating system, or of a decompressor.
    pub(crate) fn io_error(&self, cause: &io::Error) -> Error {
        if let Some(error) = carried(cause) {
            return error;
        }
        let damaged = matches!(
            cause.kind(),
            io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput | io::ErrorKind::UnexpectedEof
        ) || self.compression == Compression::Zstd && cause.raw_os_error().is_none();
        let packed_with = match self.compression {
            Compression::Gzip if damaged => "gzip",
            Compression::Zstd if damaged => "zstd",
            _ => return io_error(self.path(), cause),
        };
        self.error(
            "TM0705",
            format!("the {packed_with} data is damaged or cut off"),
        )
        .hint("copy the file again")
    }
}

/// The lines of a file, counted from its beginning.
pub(crate) struct Lines {
    reader: Box<dyn Read + Send>,
    piece: Vec<u8>,
    /// What was read of the file and not looked at, in `piece`.
    held: std::ops::Range<usize>,
    /// Bytes looked at, and the lines that ended in them.
    at: u64,
    ended: u64,
}

impl Lines {
    /// The line, from 1, of a place that is not before the one asked for last.
    pub(crate) fn of(&mut self, offset: u64) -> io::Result<u64> {
        while self.at < offset {
            if self.held.is_empty() {
                let count = match self.reader.read(&mut self.piece) {
                    Ok(0) => break,
                    Ok(count) => count,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                    Err(error) => return Err(error),
                };
                self.held = 0..count;
            }
            let wanted = usize::try_from(offset - self.at).unwrap_or(usize::MAX);
            let count = wanted.min(self.held.len());
            let seen = &self.piece[self.held.start..self.held.start + count];
            self.ended += memchr::memchr_iter(b'\n', seen).count() as u64;
            self.held.start += count;
            self.at += count as u64;
        }
        Ok(self.ended + 1)
    }
}

fn io_error(path: &Path, cause: &io::Error) -> Error {
    if let Some(error) = carried(cause) {
        return error;
    }
    match cause.kind() {
        io::ErrorKind::NotFound => error(ErrorKind::Io, "TM0703", "no such file", path)
            .hint("a relative path starts at the current directory"),
        io::ErrorKind::PermissionDenied => error(
            ErrorKind::Io,
            "TM0701",
            "no permission to read the file",
            path,
        ),
        _ => error(
            ErrorKind::Io,
            "TM0701",
            format!("the file cannot be read: {cause}"),
            path,
        ),
    }
}

fn error(kind: ErrorKind, code: &'static str, message: impl Into<String>, path: &Path) -> Error {
    Error::new(kind, code, message).in_file(FilePlace {
        path: path.to_path_buf(),
        ..FilePlace::default()
    })
}
