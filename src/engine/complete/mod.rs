//! What can be written at a place of a text: for an editor or a shell.

mod offer;
mod words;

use std::time::Duration;

use super::Engine;
use super::check::Checker;
use super::planning::on_planner_stack;
use crate::error::Span;
use crate::lang::cursor::cursor;
use crate::plan::Parameters;
use crate::plan::bind::Bounds;
use crate::plan::bind::around::Surroundings;

pub(super) use offer::columns_text;

/// How long files of other machines may take to say which columns they have.
const PATIENCE: Duration = Duration::from_secs(2);

/// What can be written at a place. See [`Engine::complete`].
///
/// ```
/// let engine = tidemill::Engine::in_memory()?;
/// let text = "FROM (VALUES (1)) AS t (region) |> WHERE reg";
/// let completions = engine.complete(text, text.len());
/// assert_eq!(&text[completions.replace.start..completions.replace.end], "reg");
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Completions {
    /// The bytes that what is chosen takes the place of.
    pub replace: Span,
    /// The likeliest first.
    pub items: Vec<Completion>,
}

/// One thing that can be written.
///
/// ```
/// let engine = tidemill::Engine::in_memory()?;
/// let text = "FROM (VALUES (1)) AS t (region) |> WHERE reg";
/// let first = engine.complete(text, text.len()).items.remove(0);
/// assert_eq!((first.text.as_str(), first.detail.as_str()), ("region", "INT64"));
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Completion {
    /// The text to insert.
    pub text: String,
    /// What it is.
    pub kind: CompletionKind,
    /// A column's type, a function's signature, a table's columns.
    pub detail: String,
    /// A sentence about it, where there is one.
    pub about: String,
}

/// What a completion is.
///
/// ```
/// let engine = tidemill::Engine::in_memory()?;
/// let text = "FROM (VALUES (1)) AS t (region) |> WHERE reg";
/// let first = engine.complete(text, text.len()).items.remove(0);
/// assert_eq!(first.kind, tidemill::CompletionKind::Column);
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CompletionKind {
    /// A column, or a field of a struct.
    Column,
    /// The alias of a table in the query.
    RangeVariable,
    /// A script variable or a constant.
    Variable,
    /// `@name`
    Parameter,
    /// `@@name`
    Setting,
    /// A table, a view or a table of WITH.
    Table,
    /// A function.
    Function,
    /// A function that gives a table.
    TableFunction,
    /// A file or directory.
    Path,
    /// A type's name.
    Type,
    /// A pipe operator.
    Operator,
    /// A word of the language.
    Keyword,
}

impl Engine {
    /// What can be written at the byte `offset` of a text: columns with their types as of the last complete pipe operator before
    /// it, range variables, functions, operators, tables, paths, parameters. Nothing runs, and a text that is broken gives what it
    /// can.
    ///
    /// ```
    /// use tidemill::Engine;
    /// let engine = Engine::in_memory()?;
    /// let text = "FROM (VALUES (1, 'north')) AS t (amount, region) |> AGGREGATE SUM(amount) AS total GROUP BY region |> WHERE t";
    /// let completions = engine.complete(text, text.len());
    /// assert_eq!((completions.items[0].text.as_str(), completions.items[0].detail.as_str()), ("total", "INT64"));
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn complete(&self, text: &str, offset: usize) -> Completions {
        let found = on_planner_stack(|| {
            let cursor = cursor(text, offset, self.lang_options());
            let replace = cursor.replace;
            let engine = self.as_of(text, cursor.statement);
            let items = offer::Offer::new(&engine, text, cursor).items();
            Ok(Completions { replace, items })
        });
        found.unwrap_or_default()
    }

    /// An engine that knows what the statements before a place would leave behind. For other machines it waits no longer than a
    /// person does who writes.
    pub(super) fn as_of(&self, text: &str, place: usize) -> Engine {
        let bounds = || Bounds {
            timeout: Some(PATIENCE),
            memory: None,
        };
        let before = text.get(..place).unwrap_or(text);
        let engine = self.within(bounds());
        Checker::new(&engine, before, &Parameters::default())
            .names()
            .within(bounds())
    }

    pub(super) fn surroundings<'a>(&'a self, parameters: &'a Parameters) -> Surroundings<'a> {
        Surroundings {
            catalog: self.catalog(),
            files: self,
            parameters,
        }
    }
}

/// Names count as NULL where a parameter has no value: nothing runs.
pub(super) fn unknown_parameters() -> Parameters {
    Parameters {
        absent_are_null: true,
        ..Parameters::default()
    }
}
