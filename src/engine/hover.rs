//! What stands at a place of a text, and where it was defined: for an editor.

use super::Engine;
use super::complete::{columns_text, unknown_parameters};
use super::planning::on_planner_stack;
use crate::error::Span;
use crate::file::type_name;
use crate::lang::cursor::{Cursor, Place, cursor};
use crate::lang::outline::{Definition, DefinitionKind, definitions};
use crate::lang::pointed::{Pointed, PointedKind, pointed};
use crate::plan::bind::around::{NamedColumn, Names};

/// What stands at a place. See [`Engine::hover`].
///
/// ```
/// let engine = tidemill::Engine::in_memory()?;
/// let hover = engine.hover("SELECT UPPER('a')", 8).unwrap();
/// assert_eq!((hover.span.start, hover.span.end), (7, 12));
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Hover {
    /// The bytes it is about.
    pub span: Span,
    /// What to show, as lines of plain text.
    pub text: String,
}

impl Engine {
    /// What stands at the byte `offset` of a text: the columns after the pipe operator or the FROM there, the type of the column,
    /// the columns of the table or the signature of the function. Nothing runs.
    ///
    /// ```
    /// use tidemill::Engine;
    /// let engine = Engine::in_memory()?;
    /// let text = "FROM (VALUES (1, 'north')) AS t (amount, region) |> SELECT region |> DISTINCT";
    /// let hover = engine.hover(text, text.find("SELECT").unwrap()).unwrap();
    /// assert_eq!(hover.text, "after SELECT:\n  region STRING");
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn hover(&self, text: &str, offset: usize) -> Option<Hover> {
        let options = self.lang_options();
        let pointed = pointed(text, offset, options)?;
        let found = on_planner_stack(|| {
            let engine = self.as_of(text, pointed.statement);
            Ok(engine.about(text, &pointed))
        });
        let text = found.ok().flatten()?;
        let span = pointed.span;
        Some(Hover { span, text })
    }

    /// Where the name at the byte `offset` of a text is defined in it: a table of WITH, a table, view, function, constant,
    /// variable or parameter that an earlier statement creates or declares. The place is that of the name there.
    ///
    /// ```
    /// use tidemill::Engine;
    /// let engine = Engine::in_memory()?;
    /// let text = "WITH big AS (SELECT 1 AS x) FROM big |> SELECT x";
    /// let place = engine.definition(text, text.rfind("big").unwrap()).unwrap();
    /// assert_eq!(place.start, 5);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn definition(&self, text: &str, offset: usize) -> Option<Span> {
        let options = self.lang_options();
        let pointed = pointed(text, offset, options)?;
        let all = definitions(text, options);
        let usable = all.iter().rev().filter(|one| {
            let place = pointed.span.start;
            let inside = one.scope.start <= place && place < one.scope.end;
            let itself = one.span.start <= offset && offset <= one.span.end;
            (inside || itself) && one.name.eq_ignore_ascii_case(&pointed.name)
        });
        let mut usable = usable.filter(|one| fits(one, pointed.kind));
        usable.next().map(|one| one.span)
    }

    fn about(&self, text: &str, pointed: &Pointed) -> Option<String> {
        let around = |text: &str, offset: usize| -> (Cursor, Names) {
            let cursor = cursor(text, offset, self.lang_options());
            let parameters = unknown_parameters();
            let names = self.surroundings(&parameters).names(&cursor.levels);
            (cursor, names)
        };
        match pointed.kind {
            PointedKind::Step => {
                // The text up to the step's end and one more pipe: what can be named behind that is what the step gives.
                let mut cut = text.get(..pointed.end)?.to_string();
                cut.push_str(" |> ");
                let (_, names) = around(&cut, cut.len());
                let head = format!("after {}:", pointed.name.to_uppercase());
                names.has_table.then(|| listed(&head, &names.columns))
            }
            PointedKind::Function => {
                let parameters = unknown_parameters();
                let functions = self.surroundings(&parameters).functions();
                let mut functions = functions.into_iter();
                let (_, [kind, form, about]) =
                    functions.find(|(name, _)| name.eq_ignore_ascii_case(&pointed.name))?;
                Some(
                    format!("{form}\n{kind} function. {about}")
                        .trim_end()
                        .to_string(),
                )
            }
            PointedKind::Parameter => {
                let session = self.catalog().session();
                let parameter = session.parameter(&pointed.name)?;
                let kind = type_name(&parameter.data_type);
                Some(format!("@{} {kind}", parameter.name))
            }
            PointedKind::Name => {
                let (cursor, names) = around(text, pointed.span.start);
                if cursor.place == Place::Table {
                    let mut tables = names.tables.iter();
                    let table = tables.find(|one| one.name.eq_ignore_ascii_case(&pointed.name));
                    let parameters = unknown_parameters();
                    let columns = match table {
                        Some(table) => table.columns.clone(),
                        None => self.surroundings(&parameters).columns_of(&pointed.name)?,
                    };
                    return Some(listed(&format!("{}:", pointed.name), &columns));
                }
                self.about_name(&names, pointed)
            }
        }
    }

    fn about_name(&self, names: &Names, pointed: &Pointed) -> Option<String> {
        let is = |name: &str| name.eq_ignore_ascii_case(&pointed.name);
        let of_table = pointed.path.first().and_then(|table| {
            let mut ranges = names.ranges.iter();
            ranges.find(|range| range.name.eq_ignore_ascii_case(table))
        });
        let columns = match of_table {
            Some(range) => range.columns.as_slice(),
            None => names.columns.as_slice(),
        };
        let mut all = columns.iter().chain(&names.pseudo).chain(&names.outer);
        if let Some(column) = all.find(|column| is(&column.name)) {
            let kind = type_name(&column.data_type);
            return Some(format!("{} {kind}", column.name));
        }
        if let Some(range) = names.ranges.iter().find(|range| is(&range.name)) {
            let columns = columns_text(&range.columns);
            return Some(format!("{}: {columns}", range.name));
        }
        let session = self.catalog().session();
        let value = session.value(&pointed.name)?;
        let kind = type_name(&value.value.data_type());
        let what = if value.is_constant {
            "constant"
        } else {
            "variable"
        };
        Some(format!("{} {kind}, a {what}", value.name))
    }
}

fn listed(head: &str, columns: &[NamedColumn]) -> String {
    let mut text = head.to_string();
    for column in columns {
        let kind = type_name(&column.data_type);
        text.push_str(&format!("\n  {} {kind}", column.name));
    }
    text
}

/// Whether a name of this kind can be what was pointed at.
fn fits(definition: &Definition, pointed: PointedKind) -> bool {
    match pointed {
        PointedKind::Step => false,
        PointedKind::Parameter => definition.kind == DefinitionKind::Parameter,
        PointedKind::Function => matches!(
            definition.kind,
            DefinitionKind::Function | DefinitionKind::TableFunction
        ),
        PointedKind::Name => definition.kind != DefinitionKind::Parameter,
    }
}
