//! Which format a file has: by its first bytes, then by its name.

use std::fmt;
use std::path::Path;

use super::input::Input;
use super::source::{Source, carried};
use crate::error::{Error, ErrorKind, FilePlace, Result};

/// A format that files are read in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Csv,
    /// CSV with tabs.
    Tsv,
    Ndjson,
    Parquet,
    Arrow,
}

/// Every name a format has in a query, and every ending in a file's name.
const NAMES: [(&str, Format); 11] = [
    ("csv", Format::Csv),
    ("tsv", Format::Tsv),
    ("json", Format::Ndjson),
    ("ndjson", Format::Ndjson),
    ("jsonl", Format::Ndjson),
    ("parquet", Format::Parquet),
    ("pq", Format::Parquet),
    ("arrow", Format::Arrow),
    ("arrows", Format::Arrow),
    ("feather", Format::Arrow),
    ("ipc", Format::Arrow),
];

/// Decompressed bytes that tell JSON from CSV.
const HEAD: u64 = 64 * 1024;

/// The formats, for messages.
pub(crate) const FORMATS: &str = "csv, tsv, json, ndjson, parquet, arrow, feather";

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Format::Csv => "csv",
            Format::Tsv => "tsv",
            Format::Ndjson => "ndjson",
            Format::Parquet => "parquet",
            Format::Arrow => "arrow",
        })
    }
}

impl Format {
    /// CSV, TSV and NDJSON are lines of text, which are compressed as a whole.
    pub(crate) fn is_text(self) -> bool {
        matches!(self, Format::Csv | Format::Tsv | Format::Ndjson)
    }

    /// The format of this name, in any case.
    pub(crate) fn of_name(name: &str) -> Option<Format> {
        NAMES
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .map(|(_, format)| *format)
    }

    /// The format that the file's name ends in, `.gz` and `.zst` aside.
    pub(crate) fn of_ending(path: &Path) -> Option<Format> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let name = [".gz", ".zst", ".zstd"]
            .iter()
            .find_map(|packed| name.strip_suffix(packed))
            .unwrap_or(&name);
        Format::of_name(name.rsplit_once('.')?.1)
    }

    /// The format of the file's contents, else of its name.
    pub(crate) fn of_file(source: &Source) -> Result<Format> {
        let path = source.shown();
        let by_content = Format::of_first_bytes(source)?;
        by_content.or_else(|| Format::of_ending(path)).ok_or_else(|| {
            Error::new(
                ErrorKind::Input,
                "TM0704",
                "neither the file's contents nor its name tell its format",
            )
            .in_file(place(path))
            .available(FORMATS)
            .hint("name the format: read_csv('…'), read_json('…'), read_parquet('…') or read_arrow('…')")
        })
    }

    /// The format of contents without a name: what begins as JSON is that, other text is CSV.
    pub(crate) fn of_contents(source: &Source) -> Result<Format> {
        if let Some(format) = Format::of_first_bytes(source)? {
            return Ok(format);
        }
        let input = Input::open(source)?;
        let head = input.head(HEAD)?;
        let text = head.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&head);
        Ok(match text.trim_ascii_start() {
            [b'{' | b'[', ..] => Format::Ndjson,
            _ => Format::Csv,
        })
    }

    /// The format that says so itself.
    fn of_first_bytes(source: &Source) -> Result<Option<Format>> {
        let first = source.open().and_then(|mut file| file.read_at(0, 8));
        let first = first.map_err(|error| {
            carried(&error).unwrap_or_else(|| {
                let place = place(source.shown());
                Error::new(ErrorKind::Io, "TM0701", error.to_string()).in_file(place)
            })
        })?;
        Ok(match first.as_slice() {
            [b'P', b'A', b'R', b'1' | b'E', ..] => Some(Format::Parquet),
            [b'A', b'R', b'R', b'O', b'W', b'1', ..] | [0xff, 0xff, 0xff, 0xff, ..] => {
                Some(Format::Arrow)
            }
            _ => None,
        })
    }
}

fn place(path: &Path) -> FilePlace {
    FilePlace {
        path: path.to_path_buf(),
        ..FilePlace::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn contents_win_over_names() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.csv");
        std::fs::write(&path, b"PAR1....").unwrap();
        assert_eq!(
            Format::of_file(&Source::from(&path)).unwrap(),
            Format::Parquet
        );
        std::fs::write(&path, b"a,b\n").unwrap();
        assert_eq!(Format::of_file(&Source::from(&path)).unwrap(), Format::Csv);
        let path = folder.path().join("x.dat");
        std::fs::write(&path, b"a,b\n").unwrap();
        assert_eq!(
            Format::of_file(&Source::from(&path)).unwrap_err().code(),
            "TM0704"
        );
        assert_eq!(
            Format::of_contents(&Source::from(&path)).unwrap(),
            Format::Csv
        );
        std::fs::write(&path, "\u{feff}\n {\"a\": 1}").unwrap();
        assert_eq!(
            Format::of_contents(&Source::from(&path)).unwrap(),
            Format::Ndjson
        );
        assert_eq!(
            Format::of_ending(Path::new("a/B.JSONL.gz")),
            Some(Format::Ndjson)
        );
    }
}
