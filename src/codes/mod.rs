//! Every error code: what it means, how it comes about, what to do, and a text that gives it.
//!
//! A code never changes its meaning. `TM` is an error, `TW` a warning; the first two digits tell the area: `01` the text, `02` names,
//! `03` the query's shape, `04` types, `05` running, `06` parameters and settings, `07` files and tables, `09` limits of this
//! version. `tidemill errors` prints the same pages.
//!
//! ```
//! let engine = tidemill::Engine::in_memory()?;
//! let Err(error) = engine.query("FROM nowhere", ()) else { panic!("there is no such table") };
//! let code = tidemill::codes::find(error.code()).expect("every error's code is in the list");
//! assert_eq!(code.meaning, "there is no table or view of this name");
//! assert_eq!(code.exit_code(), 2);
//! # Ok::<(), tidemill::Error>(())
//! ```

use std::fmt;

use crate::error::{ErrorKind, exit_code};

/// One code of an error or a warning.
///
/// ```
/// let page = tidemill::codes::TM0107.to_string();
/// assert!(page.contains("SELECT 1 < 2 < 3 AS a"));
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Code {
    /// Such as `TM0201`.
    pub code: &'static str,
    /// Who acts next; the first is what it nearly always is.
    pub kinds: &'static [ErrorKind],
    /// What is wrong, in a line.
    pub meaning: &'static str,
    /// How it comes about.
    pub cause: &'static str,
    /// What to do.
    pub remedy: &'static str,
    /// A text that gives it, where a text alone can.
    pub example: Option<Example>,
}

/// A text that gives an error.
///
/// ```
/// let example = tidemill::codes::TM0712.example.unwrap();
/// assert_eq!(example.file, Some(("data.csv", "a,b\n1,2\n3\n")));
/// assert_eq!(example.text, "FROM 'data.csv'");
/// ```
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Example {
    /// A file that lies in the current directory, and what it holds.
    pub file: Option<(&'static str, &'static str)>,
    /// What runs before.
    pub before: Option<&'static str>,
    /// The text.
    pub text: &'static str,
}

impl Code {
    /// Whether it is an error; else what an author should know of a statement that runs all the same.
    ///
    /// ```
    /// assert!(tidemill::codes::TM0101.is_error() && !tidemill::codes::TW03.is_error());
    /// ```
    pub fn is_error(&self) -> bool {
        self.code.starts_with("TM")
    }

    /// The exit code of the binary for it; nothing goes wrong with a warning.
    ///
    /// ```
    /// assert_eq!(tidemill::codes::TM0712.exit_code(), 3);
    /// ```
    pub fn exit_code(&self) -> u8 {
        match self.kinds.first() {
            Some(kind) if self.is_error() => exit_code(*kind),
            _ => 0,
        }
    }
}

impl fmt::Display for Code {
    /// The page of the code.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.is_error() { "error" } else { "warning" };
        writeln!(f, "{what}[{}]: {}", self.code, self.meaning)?;
        writeln!(f, "\n{}\n{}", self.cause, self.remedy)?;
        if let Some(example) = &self.example {
            writeln!(f, "\nexample:")?;
            if let Some((name, contents)) = example.file {
                writeln!(f, "  {name} holds {contents:?}")?;
            }
            if let Some(before) = example.before {
                writeln!(f, "  {before};")?;
            }
            writeln!(f, "  {}", example.text)?;
        }
        match self.is_error() {
            true => write!(f, "\nexit code {}", self.exit_code()),
            false => Ok(()),
        }
    }
}

/// The code of this name, in any case.
///
/// ```
/// use tidemill::codes;
/// assert_eq!(codes::find("tm0502").map(|code| code.code), Some("TM0502"));
/// assert!(codes::find("TM9999").is_none());
/// ```
pub fn find(code: &str) -> Option<&'static Code> {
    CODES.iter().find(|one| one.code.eq_ignore_ascii_case(code))
}

/// Each entry becomes a constant with its page, and a part of [`CODES`].
macro_rules! codes {
    (@example no example) => { None };
    (@example example $text:literal) => {
        Some($crate::codes::Example { file: None, before: None, text: $text })
    };
    (@example run $before:literal example $text:literal) => {
        Some($crate::codes::Example { file: None, before: Some($before), text: $text })
    };
    (@example data $name:literal $contents:literal example $text:literal) => {
        Some($crate::codes::Example { file: Some(($name, $contents)), before: None, text: $text })
    };
    (@doc no example) => { "" };
    (@doc example $text:literal) => { concat!("\n\n```text\n", $text, "\n```") };
    (@doc run $before:literal example $text:literal) => {
        concat!("\n\n```text\n", $before, ";\n", $text, "\n```")
    };
    (@doc data $name:literal $contents:literal example $text:literal) => {
        concat!("\n\nWith a file `", $name, "`:\n\n```text\n", $contents, "\n```\n\n```text\n", $text, "\n```")
    };
    ($($code:ident [$($kind:ident),+] $meaning:literal $cause:literal $remedy:literal $($words:ident $($given:literal)*)+;)+) => {
        $(
            #[doc = concat!("**", $meaning, "**")]
            #[doc = ""]
            #[doc = $cause]
            #[doc = $remedy]
            #[doc = codes!(@doc $($words $($given)*)+)]
            pub const $code: Code = Code {
                code: stringify!($code),
                kinds: &[$(ErrorKind::$kind),+],
                meaning: $meaning,
                cause: $cause,
                remedy: $remedy,
                example: codes!(@example $($words $($given)*)+),
            };
        )+

        /// Every code, in order.
        ///
        /// ```
        /// let errors = tidemill::codes::CODES.iter().filter(|code| code.is_error());
        /// assert!(errors.count() > 90);
        /// ```
        pub const CODES: &[Code] = &[$($code),+];
    };
}

mod list;

pub use list::*;
