//! What the user chose.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use crate::error::{Error, ErrorKind};
use crate::file::on_this_machine;

/// What becomes of a row of a CSV or JSON file that is not as it should be: a field too many or too few, a value that is none of its
/// column's type, bytes that are not UTF-8, a line that is no JSON object.
///
/// ```
/// use tidemill::BadRows;
/// assert_eq!("reject=bad.csv".parse::<BadRows>()?, BadRows::Reject("bad.csv".into()));
/// assert_eq!(BadRows::Skip.to_string(), "skip");
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum BadRows {
    /// The query ends with an error that names the file and the line.
    #[default]
    Fail,
    /// Values that do not fit become NULL, missing fields too. A field too many and a line that is no object are still errors: there
    /// is no value to put in their place.
    Null,
    /// The row is left out and counted.
    Skip,
    /// The row is left out, counted and written to this CSV file, with the place and the reason.
    Reject(PathBuf),
}

impl BadRows {
    /// Whether the row as a whole may be left out.
    pub(crate) fn leaves_out(&self) -> bool {
        matches!(self, BadRows::Skip | BadRows::Reject(_))
    }
}

impl fmt::Display for BadRows {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BadRows::Fail => f.write_str("fail"),
            BadRows::Null => f.write_str("null"),
            BadRows::Skip => f.write_str("skip"),
            BadRows::Reject(path) => write!(f, "reject={}", path.display()),
        }
    }
}

impl FromStr for BadRows {
    type Err = Error;

    /// TM0707 for anything else than `fail`, `null`, `skip` and `reject=FILE`, TM0900 for a file on another machine.
    fn from_str(text: &str) -> Result<Self, Error> {
        match text.to_ascii_lowercase().as_str() {
            "fail" => return Ok(BadRows::Fail),
            "null" => return Ok(BadRows::Null),
            "skip" => return Ok(BadRows::Skip),
            _ => {}
        }
        let path = text.split_once('=').filter(|(word, path)| {
            word.trim_end().eq_ignore_ascii_case("reject") && !path.trim().is_empty()
        });
        match path {
            Some((_, path)) => {
                on_this_machine(path.trim())?;
                Ok(BadRows::Reject(path.trim().into()))
            }
            None => Err(Error::new(
                ErrorKind::Input,
                "TM0707",
                "`bad_rows` takes 'fail', 'null', 'skip' or 'reject=FILE'",
            )
            .hint("for example: read_csv('x.csv', bad_rows => 'reject=bad.csv')")),
        }
    }
}
