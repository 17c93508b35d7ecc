//! One error for everything. It knows no other module: conversions live beside the import that needs them.

use std::fmt;
use std::path::PathBuf;

/// The result of everything that can fail here.
///
/// ```
/// fn count(engine: &tidemill::Engine) -> tidemill::Result<u64> {
///     Ok(engine.execute("SELECT 1", ())?.rows)
/// }
/// assert_eq!(count(&tidemill::Engine::in_memory()?)?, 1);
/// # Ok::<(), tidemill::Error>(())
/// ```
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A range of bytes in the text of a query: `start` inclusive, `end` exclusive.
///
/// ```
/// let span = tidemill::Span::new(0, 4);
/// assert_eq!(&"FROM t"[span.start..span.end], "FROM");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    /// The bytes from `start` up to, not including, `end`.
    pub fn new(start: usize, end: usize) -> Self {
        Span { start, end }
    }

    /// The line and the column of its first byte in `text`, from 1; columns are counted in characters.
    ///
    /// ```
    /// use tidemill::Span;
    /// assert_eq!(Span::new(9, 10).line_and_column("FROM é\n|> WHERE"), (2, 2));
    /// ```
    pub fn line_and_column(self, text: &str) -> (usize, usize) {
        let start = text.floor_char_boundary(self.start);
        let before = text.get(..start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |position| position + 1);
        let line = before.bytes().filter(|byte| *byte == b'\n').count() + 1;
        (line, before[line_start..].chars().count() + 1)
    }

    /// The smallest range that holds both.
    ///
    /// ```
    /// use tidemill::Span;
    /// assert_eq!(Span::new(2, 4).to(Span::new(8, 9)), Span::new(2, 9));
    /// ```
    #[must_use]
    pub fn to(self, other: Span) -> Span {
        Span {
            start: self.start.min(other.start),
            end: self.end.max(other.end),
        }
    }
}

/// Who acts next when an error arises.
///
/// ```
/// let engine = tidemill::Engine::in_memory()?;
/// let Err(error) = engine.query("SELEC 1", ()) else { panic!("there is no SELEC") };
/// assert_eq!(error.kind(), tidemill::ErrorKind::Input);
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The query, a parameter or a setting is wrong: its author mends it.
    Input,
    /// The query met a value it cannot go on with (overflow, division by zero, a cast that fails).
    Run,
    /// Data is not what it should be: a file's contents, or rows of which ASSERT says more than is true.
    Data,
    /// A file is missing or the operating system refused.
    Io,
    /// Something else answers, or later.
    Unavailable,
    /// Try again later.
    Busy,
    /// A bound was reached: memory, disk, size of a text.
    Limit,
    /// Time ran out.
    Timeout,
    /// The caller stopped it.
    Cancelled,
    /// An earlier failure made this handle unusable.
    Poisoned,
    /// A fault of ours.
    Bug,
}

/// The place in a data file that an error is about.
///
/// ```
/// let folder = tempfile::tempdir().unwrap();
/// let path = folder.path().join("a.csv");
/// std::fs::write(&path, "a,b\n1,2\n3\n").unwrap();
/// let engine = tidemill::Engine::in_memory()?;
/// let rows = engine.query(&format!("FROM '{}'", path.display()), ());
/// let Err(error) = rows.and_then(|rows| rows.collect_batches()) else { panic!("line 3 has one field") };
/// assert_eq!(error.place().and_then(|place| place.line), Some(3));
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FilePlace {
    /// The file, as the user named it or as the glob found it.
    pub path: PathBuf,
    /// Line, from 1, where the file has lines.
    pub line: Option<u64>,
    /// Column of the table, by name.
    pub column: Option<String>,
    /// Byte, from 0, where the file has no lines.
    pub byte: Option<u64>,
}

impl fmt::Display for FilePlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.path.display())?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        if let Some(byte) = self.byte {
            write!(f, ", byte {byte}")?;
        }
        if let Some(column) = &self.column {
            write!(f, ", column {column}")?;
        }
        Ok(())
    }
}

/// A second place in the text, with a word about it.
///
/// ```
/// let engine = tidemill::Engine::in_memory()?;
/// let Err(error) = engine.query("SELECT (1 + 2] AS a", ()) else { panic!("the brackets differ") };
/// assert_eq!(error.labels()[0].text, "opened here");
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What to say there.
    pub text: String,
}

/// What to write instead, exactly: a program can put it in.
///
/// ```
/// let engine = tidemill::Engine::in_memory()?;
/// let text = "SELECT UPER('a')";
/// let Err(error) = engine.query(text, ()) else { panic!("there is no UPER") };
/// let fix = error.suggested_fix().unwrap();
/// assert_eq!((&text[fix.span.start..fix.span.end], fix.text.as_str()), ("UPER", "UPPER"));
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// What is replaced; an empty range where something is missing.
    pub span: Span,
    /// The text to put there.
    pub text: String,
}

/// Errors of one text that are said; the others are counted.
const SAID: usize = 20;

#[derive(Debug, Clone)]
struct Detail {
    kind: ErrorKind,
    code: &'static str,
    message: String,
    span: Option<Span>,
    /// Said at the caret.
    label: Option<String>,
    labels: Vec<Label>,
    /// `available: …`, `hint: …`: lines below the snippet, each with its word.
    notes: Vec<(&'static str, String)>,
    place: Option<FilePlace>,
    /// Which part of the script it arose in.
    context: Option<String>,
    /// A text for the place, or for the primary one.
    fix: Option<(Option<Span>, String)>,
    /// What else is wrong in the same text.
    others: Vec<Error>,
    /// How many more were found than are kept.
    more: usize,
}

/// What went wrong: a stable code, a message, the place, and what to do.
///
/// ```
/// let engine = tidemill::Engine::in_memory()?;
/// let Err(error) = engine.query("FROM (VALUES (1)) AS t (region)\n|> WHERE regoin = 1", ()) else { panic!("there is no regoin") };
/// assert_eq!((error.code(), error.exit_code()), ("TM0201", 2));
/// assert_eq!(error.message(), "no column named `regoin` here");
/// assert_eq!(error.span_label(), Some("did you mean `region`?"));
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Error(Box<Detail>);

impl Error {
    /// An error of `kind` with a stable `code` such as `TM0201`.
    pub fn new(kind: ErrorKind, code: &'static str, message: impl Into<String>) -> Self {
        Error(Box::new(Detail {
            kind,
            code,
            message: bounded(message.into()),
            span: None,
            label: None,
            labels: Vec::new(),
            notes: Vec::new(),
            place: None,
            context: None,
            fix: None,
            others: Vec::new(),
            more: 0,
        }))
    }

    /// The query is wrong at `span`.
    pub fn input(code: &'static str, message: impl Into<String>, span: Span) -> Self {
        Error::new(ErrorKind::Input, code, message).at(span)
    }

    /// A value met while running.
    pub fn run(code: &'static str, message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Run, code, message)
    }

    /// What ASSERT says is not so.
    pub(crate) fn failed_assert(said: &str) -> Self {
        Error::new(ErrorKind::Data, "TM0500", format!("Assert failed: {said}"))
    }

    /// A fault of ours: a case that the code holds to be impossible.
    pub fn bug(message: impl Into<String>) -> Self {
        Error::new(ErrorKind::Bug, "TM0999", message)
    }

    /// What belongs to the language and is not built yet.
    pub fn not_implemented(what: impl fmt::Display, span: Span) -> Self {
        Error::input("TM0900", format!("{what} is not implemented yet"), span)
    }

    /// Several errors of one text: the first, which knows the others. Beyond twenty they are only counted.
    pub fn together(errors: Vec<Error>) -> Self {
        let mut flat: Vec<Error> = Vec::with_capacity(errors.len());
        let mut more = 0;
        for mut error in errors {
            more += std::mem::take(&mut error.0.more);
            let others = std::mem::take(&mut error.0.others);
            flat.push(error);
            flat.extend(others);
        }
        more += flat.len().saturating_sub(SAID);
        flat.truncate(SAID);
        let mut errors = flat.into_iter();
        let Some(mut first) = errors.next() else {
            return Error::bug("a text failed without an error");
        };
        first.0.others = errors.collect();
        first.0.more = more;
        first
    }

    /// The errors that it knows, each by itself.
    pub(crate) fn into_each(mut self) -> Vec<Error> {
        let others = std::mem::take(&mut self.0.others);
        std::iter::once(self).chain(others).collect()
    }

    /// Puts the primary place, if there is none yet.
    #[must_use]
    pub fn at(mut self, span: Span) -> Self {
        self.0.span.get_or_insert(span);
        self
    }

    /// Says that it arose inside of `what`, whose text is not the one that places count in: `place` is where that was asked for.
    #[must_use]
    pub(crate) fn inside(mut self, what: &str, place: Span) -> Self {
        // The innermost place says enough.
        if !self.0.message.starts_with("in the ") {
            self.0.message = format!("in {what}: {}", self.0.message);
        }
        self.0.span = Some(place);
        self.0.label = None;
        self.0.labels.clear();
        self.0.fix = None;
        // They would all stand at the same place.
        self.0.others.clear();
        self.0.more = 0;
        self
    }

    /// Says `text` at the primary place.
    #[must_use]
    pub fn label(mut self, text: impl Into<String>) -> Self {
        self.0.label = Some(bounded(text.into()));
        self
    }

    /// Adds a second place.
    #[must_use]
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Self {
        self.0.labels.push(Label {
            span,
            text: bounded(text.into()),
        });
        self
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, text: impl Into<String>) -> Self {
        self.0.notes.push(("hint", bounded(text.into())));
        self
    }

    /// Lists what there is.
    #[must_use]
    pub fn available(mut self, text: impl Into<String>) -> Self {
        self.0.notes.push(("available", bounded(text.into())));
        self
    }

    /// Says that `name` was meant at the primary place, and offers to write it there.
    #[must_use]
    pub(crate) fn did_you_mean(mut self, name: &str) -> Self {
        self.0.fix = Some((None, quoted_name(name)));
        self.label(format!("did you mean `{name}`?"))
    }

    /// The same, where only the part at `span` is to be written anew.
    #[must_use]
    pub(crate) fn did_you_mean_at(self, span: Span, name: &str) -> Self {
        self.label(format!("did you mean `{name}`?"))
            .fix_at(span, quoted_name(name))
    }

    /// Offers to write `text` at the primary place.
    #[must_use]
    pub(crate) fn fix(mut self, text: impl Into<String>) -> Self {
        self.0.fix = Some((None, bounded(text.into())));
        self
    }

    /// Offers to write `text` at `span`.
    #[must_use]
    pub(crate) fn fix_at(mut self, span: Span, text: impl Into<String>) -> Self {
        self.0.fix = Some((Some(span), bounded(text.into())));
        self
    }

    /// Says which file it is about.
    #[must_use]
    pub fn in_file(mut self, place: FilePlace) -> Self {
        self.0.place = Some(place);
        self
    }

    /// Says which part of the script it arose in, such as `statement 3, step 4 of 7`.
    #[must_use]
    pub(crate) fn during(mut self, context: impl Into<String>) -> Self {
        self.0.context = Some(context.into());
        self
    }

    /// Who acts next.
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The stable code, such as `TM0201`. [`crate::codes`] explains each.
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// One line, without place and code.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// The primary place in the query's text.
    pub fn span(&self) -> Option<Span> {
        self.0.span
    }

    /// What is said at the primary place.
    pub fn span_label(&self) -> Option<&str> {
        self.0.label.as_deref()
    }

    /// Further places in the query's text.
    pub fn labels(&self) -> &[Label] {
        &self.0.labels
    }

    /// Lines that help, each with its kind: `hint` or `available`.
    pub fn notes(&self) -> &[(&'static str, String)] {
        &self.0.notes
    }

    /// Which part of the script it arose in, such as `statement 3, step 4 of 7`, where that was noted.
    pub fn context(&self) -> Option<&str> {
        self.0.context.as_deref()
    }

    /// The data file it is about.
    pub fn place(&self) -> Option<&FilePlace> {
        self.0.place.as_ref()
    }

    /// What to write instead, where that is known exactly.
    pub fn suggested_fix(&self) -> Option<Fix> {
        let (span, text) = self.0.fix.as_ref()?;
        Some(Fix {
            span: span.or(self.0.span)?,
            text: text.clone(),
        })
    }

    /// What else is wrong in the same text, in its order: one run tells of all that an author has to mend.
    ///
    /// ```
    /// let engine = tidemill::Engine::in_memory()?;
    /// let text = "FROM (VALUES (1)) AS t (region) |> WHERE regoin = 1 |> SELECT UPER(region)";
    /// let Err(error) = engine.query(text, ()) else { panic!("it is wrong twice") };
    /// let said: Vec<&str> = error.all().map(|error| error.message()).collect();
    /// assert_eq!(said, ["no column named `regoin` here", "no function named `UPER`"]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn others(&self) -> &[Error] {
        &self.0.others
    }

    /// This error and [`Error::others`].
    pub fn all(&self) -> impl Iterator<Item = &Error> {
        std::iter::once(self).chain(&self.0.others)
    }

    /// How many more errors were found than [`Error::all`] gives.
    pub fn more(&self) -> usize {
        self.0.more
    }

    /// The exit code of the binary for this error.
    pub fn exit_code(&self) -> u8 {
        exit_code(self.0.kind)
    }
}

pub(crate) fn exit_code(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Input => 2,
        ErrorKind::Data | ErrorKind::Io => 3,
        ErrorKind::Limit | ErrorKind::Timeout => 4,
        ErrorKind::Unavailable | ErrorKind::Busy => 5,
        ErrorKind::Cancelled => 130,
        ErrorKind::Run | ErrorKind::Poisoned | ErrorKind::Bug => 1,
    }
}

/// The name as a query writes it.
pub(crate) fn quoted_name(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    match plain {
        true => name.to_string(),
        false => format!("`{}`", name.replace('`', "``")),
    }
}

/// The text with the middle of very long words left out: a name can be as long as a script.
fn bounded(text: String) -> String {
    const LONG: usize = 200;
    if text.len() <= LONG {
        return text;
    }
    let shorten = |word: &str| {
        let count = word.chars().count();
        if count <= LONG {
            return word.to_string();
        }
        let head: String = word.chars().take(LONG / 2).collect();
        let tail: String = word.chars().skip(count - LONG / 10).collect();
        format!("{head}…{tail}")
    };
    let words = text.split_inclusive(char::is_whitespace);
    words.map(shorten).collect()
}

impl fmt::Display for Error {
    /// `error[TM0201]: message (file x.csv, line 3)`, one line for each note, then what else is wrong in the text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}]: {}", self.0.code, self.0.message)?;
        if let Some(place) = &self.0.place {
            write!(f, " ({place})")?;
        }
        if let Some(context) = &self.0.context {
            write!(f, " ({context})")?;
        }
        if let Some(label) = &self.0.label {
            write!(f, "\n  = {label}")?;
        }
        for (kind, text) in &self.0.notes {
            write!(f, "\n  = {kind}: {text}")?;
        }
        for other in &self.0.others {
            write!(f, "\n{other}")?;
        }
        match self.0.more {
            0 => Ok(()),
            more => write!(f, "\nand {more} more errors"),
        }
    }
}

impl std::error::Error for Error {}

/// Why the operating system refused something.
pub(crate) fn system_reason(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such folder".to_string(),
        kind => kind.to_string(),
    }
}
