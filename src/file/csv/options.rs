//! What `read_csv` and `CREATE EXTERNAL TABLE` may say about a file.

use arrow::datatypes::DataType;

use crate::error::{Error, ErrorKind, Result};
use crate::file::BadRows;

/// The value of a named option, as far as files care.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum OptionValue {
    Bool(bool),
    Int(i64),
    Text(String),
    /// `STRUCT<a INT64, b STRING>`.
    Columns(Vec<(String, DataType)>),
}

/// How to read a CSV file. What is `None` is found out.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CsvOptions {
    pub(crate) delimiter: Option<u8>,
    /// Whether the first record has the names.
    pub(crate) header: Option<bool>,
    /// Without it, quotes are ordinary characters.
    pub(crate) quote: Option<u8>,
    /// Inside quotes: the next byte is meant as it is. Without it, a doubled quote is a quote.
    pub(crate) escape: Option<u8>,
    /// The unquoted text that means NULL; an empty field without it.
    pub(crate) null: Option<String>,
    /// Lines that start with it are skipped.
    pub(crate) comment: Option<u8>,
    /// Types of some columns, by name.
    pub(crate) types: Vec<(String, DataType)>,
    /// Records from which types are found; all without it.
    pub(crate) sample_rows: Option<usize>,
    /// What becomes of records that are not as they should be; as the session says without it.
    pub(crate) bad_rows: Option<BadRows>,
}

impl Default for CsvOptions {
    fn default() -> Self {
        CsvOptions {
            delimiter: None,
            header: None,
            quote: Some(b'"'),
            escape: None,
            null: None,
            comment: None,
            types: Vec::new(),
            sample_rows: Some(10_000),
            bad_rows: None,
        }
    }
}

const NAMES: &str = "header, delim, quote, escape, null, comment, types, sample_rows, bad_rows";

impl CsvOptions {
    /// Reads named options; an unknown name or a value of the wrong kind is an error.
    pub(crate) fn from_pairs(pairs: &[(String, OptionValue)]) -> Result<CsvOptions> {
        let mut options = CsvOptions::default();
        for (name, value) in pairs {
            options.set(name, value)?;
        }
        options.check()?;
        Ok(options)
    }

    fn set(&mut self, name: &str, value: &OptionValue) -> Result<()> {
        use OptionValue::{Bool, Columns, Int, Text};
        match (name.to_ascii_lowercase().as_str(), value) {
            ("header", Bool(header)) => self.header = Some(*header),
            ("header", Text(text)) if text.eq_ignore_ascii_case("true") => self.header = Some(true),
            ("header", Text(text)) if text.eq_ignore_ascii_case("false") => {
                self.header = Some(false)
            }
            ("delim" | "delimiter" | "sep", Text(text)) => {
                self.delimiter = one_byte(name, text)?;
                if self.delimiter.is_none() {
                    return Err(wrong(name, "a character"));
                }
            }
            ("quote", Text(text)) => self.quote = one_byte(name, text)?,
            ("escape", Text(text)) => self.escape = one_byte(name, text)?,
            ("comment", Text(text)) => self.comment = one_byte(name, text)?,
            ("null" | "nullstr", Text(text)) => self.null = Some(text.clone()),
            ("types", Columns(types)) => self.types.clone_from(types),
            ("sample_rows" | "sample_size", Int(-1)) => self.sample_rows = None,
            ("sample_rows" | "sample_size", Int(rows)) if *rows > 0 => {
                self.sample_rows = usize::try_from(*rows).ok();
            }
            ("bad_rows", Text(text)) => self.bad_rows = Some(text.parse()?),
            ("bad_rows", _) => return Err(wrong(name, "'fail', 'null', 'skip' or 'reject=FILE'")),
            ("header", _) => return Err(wrong(name, "TRUE or FALSE")),
            ("delim" | "delimiter" | "sep" | "quote" | "escape" | "comment", _) => {
                return Err(wrong(name, "a text of one character"));
            }
            ("null" | "nullstr", _) => return Err(wrong(name, "a text")),
            ("types", _) => return Err(wrong(name, "a type such as STRUCT<id STRING>")),
            ("sample_rows" | "sample_size", _) => {
                return Err(wrong(name, "a number of rows, or -1 for all"));
            }
            _ => {
                return Err(input_error(
                    "TM0706",
                    format!("a CSV file has no option named `{name}`"),
                )
                .available(NAMES));
            }
        }
        Ok(())
    }

    fn check(&mut self) -> Result<()> {
        // A quote that escapes itself is the doubled quote.
        if self.escape == self.quote {
            self.escape = None;
        }
        let roles = [
            ("delim", self.delimiter),
            ("quote", self.quote),
            ("escape", self.escape),
            ("comment", self.comment),
        ];
        for (at, (name, byte)) in roles.iter().enumerate() {
            if matches!(byte, Some(b'\n' | b'\r')) {
                return Err(wrong(name, "a character that does not end a line"));
            }
            for (other, other_byte) in &roles[..at] {
                if byte.is_some() && byte == other_byte {
                    return Err(input_error(
                        "TM0707",
                        format!("the options `{other}` and `{name}` are the same character"),
                    )
                    .hint("choose two different ones"));
                }
            }
        }
        Ok(())
    }
}

/// The single ASCII character of an option; the empty text turns it off.
fn one_byte(name: &str, text: &str) -> Result<Option<u8>> {
    match text.as_bytes() {
        [] => Ok(None),
        b"\\t" => Ok(Some(b'\t')),
        [byte] => Ok(Some(*byte)),
        _ => Err(wrong(name, "a text of one ASCII character")),
    }
}

fn wrong(name: &str, wanted: &str) -> Error {
    input_error("TM0707", format!("the option `{name}` takes {wanted}"))
        .hint("for example: read_csv('x.csv', header => TRUE, delim => ';')")
}

fn input_error(code: &'static str, message: String) -> Error {
    Error::new(ErrorKind::Input, code, message)
}
