//! Files of rejected rows: gathered without a name while queries run, then written in the order of the files they come from, whole
//! or not at all.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt64Array};
use tempfile::NamedTempFile;

use super::BadRow;
use crate::error::{Error, ErrorKind, FilePlace, Result};
use crate::file::CsvWriter;
use crate::file::input::Input;

/// So many bad rows are a file read in the wrong way. Each is known by 32 bytes in memory.
const MOST: usize = 1_000_000;

/// Rows that are written at once.
const WRITTEN_AT_ONCE: usize = 1024;

/// The files that one engine writes rejected rows to.
#[derive(Debug, Default)]
pub(crate) struct RejectFiles(Mutex<HashMap<PathBuf, Gathered>>);

/// The rows for one file.
#[derive(Debug)]
struct Gathered {
    /// A file without a name: it is gone with its handle.
    texts: File,
    length: u64,
    inputs: Vec<Input>,
    rows: Vec<Row>,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    input: u32,
    /// Where the record starts in its file.
    byte: u64,
    /// Where its texts start in the file of texts.
    at: u64,
}

impl RejectFiles {
    /// Adds rows of `input` for the file at `path`.
    pub(super) fn add(&self, path: &Path, input: &Input, bad: &[BadRow]) -> Result<()> {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let gathered = gathered(&mut files, path)?;
        if gathered.rows.len() + bad.len() > MOST {
            let message = format!("more than {MOST} rows are bad: {}", path.display());
            return Err(Error::new(ErrorKind::Limit, "TM0509", message)
                .hint("so many bad rows mostly are a file read with a wrong delimiter or wrong types; bad_rows => 'skip' has no bound"));
        }
        gathered
            .add(input, bad)
            .map_err(|error| unwritable(path, &error))
    }

    /// Writes all rows for the file at `path`, a row that was met twice once.
    pub(super) fn publish(&self, path: &Path) -> Result<()> {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let gathered = gathered(&mut files, path)?;
        gathered
            .publish(path)
            .map_err(|error| unwritable(path, &error))
    }
}

fn gathered<'f>(
    files: &'f mut HashMap<PathBuf, Gathered>,
    path: &Path,
) -> Result<&'f mut Gathered> {
    if !files.contains_key(path) {
        let texts = tempfile::tempfile().map_err(|error| unwritable(path, &error))?;
        let fresh = Gathered {
            texts,
            length: 0,
            inputs: Vec::new(),
            rows: Vec::new(),
        };
        files.insert(path.to_path_buf(), fresh);
    }
    files
        .get_mut(path)
        .ok_or_else(|| Error::bug("a file of rejected rows is not there"))
}

fn unwritable(path: &Path, error: &io::Error) -> Error {
    let message = format!("the rejected rows cannot be written: {error}");
    Error::new(ErrorKind::Io, "TM0701", message).in_file(FilePlace {
        path: path.to_path_buf(),
        ..FilePlace::default()
    })
}

impl Gathered {
    fn add(&mut self, input: &Input, bad: &[BadRow]) -> io::Result<()> {
        let known = self
            .inputs
            .iter()
            .position(|known| known.path() == input.path());
        let number = known.unwrap_or_else(|| {
            self.inputs.push(input.clone());
            self.inputs.len() - 1
        });
        let mut texts = Vec::new();
        for row in bad {
            self.rows.push(Row {
                input: number as u32,
                byte: row.byte,
                at: self.length + texts.len() as u64,
            });
            let column = row.column.as_deref().unwrap_or_default();
            for text in [column.as_bytes(), row.error.as_bytes(), &row.raw] {
                texts.extend((text.len() as u64).to_le_bytes());
                texts.extend(text);
            }
        }
        self.texts.seek(SeekFrom::Start(self.length))?;
        self.texts.write_all(&texts)?;
        self.length += texts.len() as u64;
        Ok(())
    }

    fn publish(&mut self, path: &Path) -> io::Result<()> {
        let inputs = &self.inputs;
        let place = |row: &Row| (inputs[row.input as usize].path(), row.byte);
        // Of a row that was met again the last is kept: the file may have changed.
        self.rows
            .sort_by(|one, other| place(one).cmp(&place(other)).then(other.at.cmp(&one.at)));
        self.rows.dedup_by(|next, kept| place(next) == place(kept));
        let folder = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let file = tempfile::Builder::new()
            .prefix(".tidemill-")
            .suffix(".part")
            .tempfile_in(folder)?;
        let mut out = BufWriter::new(file);
        self.write(&mut out)?;
        let file = out.into_inner().map_err(io::IntoInnerError::into_error)?;
        as_new_file(&file)?;
        file.as_file().sync_all()?;
        file.persist(path).map(drop).map_err(|error| error.error)
    }

    fn write(&self, out: &mut impl Write) -> Result<(), io::Error> {
        let mut csv = CsvWriter::new(b',', "");
        csv.header(&batch(&[])?.schema(), out)?;
        for of_input in self.rows.chunk_by(|one, next| one.input == next.input) {
            let input = &self.inputs[of_input[0].input as usize];
            let path = input.path().display().to_string();
            let mut lines = input.lines()?;
            for part in of_input.chunks(WRITTEN_AT_ONCE) {
                let written = |row: &Row| {
                    Ok(Written {
                        file: &path,
                        line: lines.of(row.byte)?,
                        byte: row.byte,
                        texts: self.read(row.at)?,
                    })
                };
                let written = part.iter().map(written).collect::<io::Result<Vec<_>>>()?;
                csv.batch(&batch(&written)?, out)?;
            }
        }
        out.flush()
    }

    fn read(&self, at: u64) -> io::Result<[String; 3]> {
        let mut texts = &self.texts;
        texts.seek(SeekFrom::Start(at))?;
        let mut one = || {
            let mut length = [0; 8];
            texts.read_exact(&mut length)?;
            let mut text = Vec::new();
            texts
                .take(u64::from_le_bytes(length))
                .read_to_end(&mut text)?;
            Ok::<String, io::Error>(String::from_utf8_lossy(&text).into_owned())
        };
        Ok([one()?, one()?, one()?])
    }
}

/// One line of the file.
struct Written<'a> {
    file: &'a str,
    line: u64,
    byte: u64,
    /// The column, what is wrong, the record.
    texts: [String; 3],
}

fn batch(rows: &[Written<'_>]) -> io::Result<RecordBatch> {
    let text = |number: usize| {
        let texts = rows.iter().map(move |row| row.texts[number].as_str());
        // A fault of the whole record has no column.
        texts.map(move |text| (number > 0 || !text.is_empty()).then_some(text))
    };
    let number = |of: fn(&Written<'_>) -> u64| rows.iter().map(of);
    let columns: [(&str, ArrayRef); 6] = [
        (
            "file",
            Arc::new(StringArray::from_iter_values(
                rows.iter().map(|row| row.file),
            )),
        ),
        (
            "line",
            Arc::new(UInt64Array::from_iter_values(number(|row| row.line))),
        ),
        (
            "byte",
            Arc::new(UInt64Array::from_iter_values(number(|row| row.byte))),
        ),
        ("column", Arc::new(text(0).collect::<StringArray>())),
        ("error", Arc::new(text(1).collect::<StringArray>())),
        ("raw", Arc::new(text(2).collect::<StringArray>())),
    ];
    RecordBatch::try_from_iter(columns).map_err(io::Error::other)
}

/// A temporary file is private; this one is as any new file is.
#[cfg(unix)]
fn as_new_file(file: &NamedTempFile) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.as_file()
        .set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn as_new_file(_file: &NamedTempFile) -> io::Result<()> {
    Ok(())
}
