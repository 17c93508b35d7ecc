//! The names that can be used at one point of a query, and what they stand for.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::Expr;

use super::names;
use super::types::type_name;
use crate::error::{Error, Result, Span};
use crate::lang::ast::Ident;

/// A column that can be named: a label on an id.
#[derive(Debug, Clone)]
pub(super) struct ScopeColumn {
    /// `None`: anonymous, nothing can refer to it.
    pub(super) name: Option<Arc<str>>,
    /// The field's name in the plan.
    pub(super) id: Arc<str>,
    pub(super) data_type: DataType,
    pub(super) nullable: bool,
    /// How an anonymous column is displayed: its source text.
    pub(super) text: Arc<str>,
    /// The value, where it is the same on every row and known now.
    pub(super) constant: Option<ScalarValue>,
    /// Its value could not be bound: what goes wrong with it was said already. Without a name it stands for any further columns.
    pub(super) unknown: bool,
}

impl ScopeColumn {
    pub(super) fn expr(&self) -> Expr {
        Expr::Column(self.column())
    }

    pub(super) fn column(&self) -> Column {
        Column::new_unqualified(self.id.as_ref())
    }

    pub(super) fn field(&self) -> FieldRef {
        Arc::new(Field::new(
            self.id.as_ref(),
            self.data_type.clone(),
            self.nullable,
        ))
    }

    /// Whether it stands for columns that are not known.
    pub(super) fn is_further(&self) -> bool {
        self.unknown && self.name.is_none()
    }

    /// The name to show: the text of an anonymous column.
    pub(super) fn display(&self) -> &str {
        self.name.as_ref().unwrap_or(&self.text)
    }

    pub(super) fn is_called(&self, name: &str) -> bool {
        self.name
            .as_ref()
            .is_some_and(|own| own.eq_ignore_ascii_case(name))
    }
}

/// A table alias: the columns it had when it was introduced.
#[derive(Debug, Clone)]
pub(super) struct RangeVariable {
    pub(super) name: Arc<str>,
    pub(super) columns: Vec<ScopeColumn>,
    /// Readable as `alias.name`, absent from `alias.*`.
    pub(super) pseudo: Vec<ScopeColumn>,
}

/// A step behind which names are gone: for "was last available before this step".
#[derive(Debug)]
pub(super) struct Lost {
    /// The operator's keyword.
    pub(super) keyword: Span,
    /// Names before the step, with the ids of columns.
    names: Vec<(Arc<str>, Option<Arc<str>>)>,
    before: Option<Arc<Lost>>,
}

/// Everything that can be named.
#[derive(Debug, Clone, Default)]
pub(super) struct Scope {
    pub(super) columns: Vec<ScopeColumn>,
    pub(super) ranges: Vec<RangeVariable>,
    /// Readable by name, absent from `*` and from the result.
    pub(super) pseudo: Vec<ScopeColumn>,
    pub(super) lost: Option<Arc<Lost>>,
}

/// What the first parts of a path stand for.
pub(super) enum Found {
    /// A column, and how many parts of the path name it; the rest are fields.
    Column(ScopeColumn, usize),
    /// A bare range variable: the whole row.
    Row(RangeVariable),
}

impl Scope {
    pub(super) fn new(columns: Vec<ScopeColumn>) -> Self {
        Scope {
            columns,
            ..Scope::default()
        }
    }

    /// Remembers the names of `before`, which the step at `keyword` takes away.
    pub(super) fn after(mut self, before: &Scope, keyword: Span) -> Self {
        let names = before.columns.iter().chain(&before.pseudo);
        let names =
            names.filter_map(|column| Some((column.name.clone()?, Some(Arc::clone(&column.id)))));
        let ranges = before.ranges.iter();
        let ranges = ranges.map(|range| (Arc::clone(&range.name), None));
        self.lost = Some(Arc::new(Lost {
            keyword,
            names: names.chain(ranges).collect(),
            before: before.lost.clone(),
        }));
        self
    }

    /// Whether there may be more columns than those that are known.
    pub(super) fn has_unknown_columns(&self) -> bool {
        self.columns.iter().any(ScopeColumn::is_further)
    }

    /// Puts everything under one alias.
    pub(super) fn under(mut self, alias: &str) -> Self {
        self.ranges = vec![RangeVariable {
            name: alias.into(),
            columns: self.columns.clone(),
            pseudo: self.pseudo.clone(),
        }];
        self
    }

    pub(super) fn range(&self, name: &Ident) -> Option<&RangeVariable> {
        let exact = self
            .ranges
            .iter()
            .find(|range| range.name.as_ref() == name.text.as_str());
        exact.or_else(|| {
            self.ranges
                .iter()
                .find(|range| range.name.eq_ignore_ascii_case(&name.text))
        })
    }

    /// Rules (1) and (2) of the resolution of a path; `None` when the names mean nothing here.
    pub(super) fn find(&self, parts: &[Ident]) -> Result<Option<Found>> {
        let Some(first) = parts.first() else {
            return Ok(None);
        };
        if let [_, second, ..] = parts
            && let Some(range) = self.range(first)
        {
            let column = match pick(&range.columns, second)? {
                Some(column) => Some(column),
                None => pick(&range.pseudo, second)?,
            };
            if let Some(column) = column {
                return Ok(Some(Found::Column(column.clone(), 2)));
            }
        }
        let column = self.column(first);
        if let Some(column) = column.map_err(|error| self.with_owners(error, first))? {
            return Ok(Some(Found::Column(column.clone(), 1)));
        }
        if parts.len() == 1
            && let Some(range) = self.range(first)
        {
            return Ok(Some(Found::Row(range.clone())));
        }
        Ok(None)
    }

    /// Says which tables have a column of the ambiguous name.
    fn with_owners(&self, error: Error, name: &Ident) -> Error {
        let has_it = |range: &&RangeVariable| {
            let mut columns = range.columns.iter();
            columns.any(|column| column.is_called(&name.text))
        };
        let owners = self.ranges.iter().filter(has_it);
        let ways: Vec<String> = owners
            .map(|range| format!("`{}.{}`", range.name, name.text))
            .collect();
        match ways.len() {
            2.. => error.label(format!("write {}", ways.join(" or "))),
            _ => error,
        }
    }

    /// The only column or pseudo-column of this name.
    pub(super) fn column(&self, name: &Ident) -> Result<Option<&ScopeColumn>> {
        match pick_among(&self.columns, &self.ranges, name)? {
            Some(column) => Ok(Some(column)),
            None => pick(&self.pseudo, name),
        }
    }

    /// TM0201 for a path that means nothing, with what was meant.
    pub(super) fn unknown(&self, parts: &[Ident]) -> Error {
        let (Some(first), Some(last)) = (parts.first(), parts.last()) else {
            return Error::bug("a path without parts");
        };
        if let [_, second, ..] = parts
            && let Some(range) = self.range(first)
        {
            return unknown_in(range, second);
        }
        let span = first.span.to(last.span);
        let name = &first.text;
        if let [_, second, ..] = parts
            && !self.ranges.is_empty()
            && self.last_seen(name).is_none()
        {
            return self.unknown_alias(first, second, span);
        }
        let mut error = Error::input("TM0201", format!("no column named `{name}` here"), span);
        if let Some(lost) = self.last_seen(name) {
            error = error.also(
                lost.keyword,
                format!(
                    "`{name}` was last available before this step; after it there are: {}",
                    self.list(false)
                ),
            );
            return match self.called_now(name, lost) {
                Some(now) => error.did_you_mean(now),
                None => error,
            };
        }
        let known: Vec<&str> = self.visible_names().collect();
        if let Some(near) = names::nearest(name, known.iter().copied()) {
            error = error.did_you_mean(near);
        }
        let is_unnamed = |column: &&ScopeColumn| {
            column.name.is_none() && column.display().eq_ignore_ascii_case(name)
        };
        if self.columns.iter().any(|column| is_unnamed(&column)) {
            return error.hint("this column has no name yet: write AS and a name where it is made");
        }
        if first.quoted {
            error = error.hint(format!(
                "double quotes quote names, as backticks do; for text write '{name}'"
            ));
        }
        if self.columns.is_empty() && self.ranges.is_empty() {
            return error.hint("there are no columns here: a FROM is missing");
        }
        error.available(self.list(true))
    }

    /// TM0201 for `x.price`, where `x` is neither a table's name nor a column.
    fn unknown_alias(&self, first: &Ident, second: &Ident, span: Span) -> Error {
        let message = format!("no table or column named `{}` here", first.text);
        let error = Error::input("TM0201", message, span);
        let names: Vec<&str> = self
            .ranges
            .iter()
            .map(|range| range.name.as_ref())
            .collect();
        let has_it = |range: &&RangeVariable| {
            let mut columns = range.columns.iter().chain(&range.pseudo);
            columns.any(|column| column.is_called(&second.text))
        };
        let mut owners = self.ranges.iter().filter(has_it);
        let meant = match (owners.next(), owners.next()) {
            (Some(only), None) => Some(only.name.as_ref()),
            _ => names::nearest(&first.text, names.iter().copied()),
        };
        let error = match meant {
            Some(name) => error.did_you_mean_at(first.span, name),
            None => error,
        };
        error.available(names::shorten(
            names.into_iter().map(str::to_string).collect(),
        ))
    }

    /// The name that a column has now which was called `name` before a step.
    fn called_now(&self, name: &str, lost: &Lost) -> Option<&str> {
        let mut names = lost.names.iter();
        let (_, id) = names.find(|(old, _)| old.eq_ignore_ascii_case(name))?;
        let id = id.as_ref()?;
        let mut columns = self.columns.iter();
        columns
            .find(|column| column.id == *id)
            .and_then(|column| column.name.as_deref())
    }

    /// The step that took a name away.
    pub(super) fn last_seen(&self, name: &str) -> Option<&Lost> {
        let mut step = self.lost.as_deref();
        while let Some(lost) = step {
            let mut names = lost.names.iter();
            if names.any(|(old, _)| old.eq_ignore_ascii_case(name)) {
                return Some(lost);
            }
            step = lost.before.as_deref();
        }
        None
    }

    fn visible_names(&self) -> impl Iterator<Item = &str> {
        let columns = self.columns.iter().chain(&self.pseudo);
        columns
            .filter_map(|column| column.name.as_deref())
            .chain(self.ranges.iter().map(|range| range.name.as_ref()))
    }

    /// `a (INT64), b (STRING), t.c`: what there is, cut to a readable length.
    pub(super) fn list(&self, with_types: bool) -> String {
        let known = self.columns.iter().filter(|column| !column.is_further());
        let twice = |column: &ScopeColumn| {
            let name = column.name.as_deref();
            let mut same = self.columns.iter();
            name.is_some_and(|name| {
                same.by_ref()
                    .filter(|own| own.is_called(name))
                    .nth(1)
                    .is_some()
            })
        };
        let item = |column: &ScopeColumn| match &column.name {
            Some(name) if with_types && !column.unknown => {
                format!("{name} ({})", type_name(&column.data_type))
            }
            _ => column.display().to_string(),
        };
        if !with_types || self.ranges.len() < 2 {
            return names::shorten(known.map(item).collect());
        }
        let mut items: Vec<String> = known.filter(|column| !twice(column)).map(item).collect();
        for range in &self.ranges {
            let columns = range.columns.iter().filter(|column| twice(column));
            items.extend(columns.map(|column| format!("{}.{}", range.name, column.display())));
        }
        names::shorten(items)
    }
}

fn unknown_in(range: &RangeVariable, name: &Ident) -> Error {
    let known: Vec<&str> = range
        .columns
        .iter()
        .filter_map(|column| column.name.as_deref())
        .collect();
    let message = format!("`{}` has no column named `{}`", range.name, name.text);
    let mut error = Error::input("TM0201", message, name.span);
    if let Some(near) = names::nearest(&name.text, known.iter().copied()) {
        error = error.did_you_mean(near);
    }
    error.available(names::shorten(
        known.into_iter().map(str::to_string).collect(),
    ))
}

/// The only column of this name: a quoted name by its exact case first. Two are TM0202, or TM0206 when their case differs.
pub(super) fn pick<'a>(
    columns: &'a [ScopeColumn],
    name: &Ident,
) -> Result<Option<&'a ScopeColumn>> {
    pick_among(columns, &[], name)
}

/// The same where the tables' names can tell columns of one name apart.
fn pick_among<'a>(
    columns: &'a [ScopeColumn],
    ranges: &[RangeVariable],
    name: &Ident,
) -> Result<Option<&'a ScopeColumn>> {
    if name.quoted {
        let exact: Vec<&ScopeColumn> = columns
            .iter()
            .filter(|column| column.name.as_deref() == Some(name.text.as_str()))
            .collect();
        match exact.as_slice() {
            [] => {}
            [only] => return Ok(Some(only)),
            _ => return Err(ambiguous(name, &exact, ranges)),
        }
    }
    let alike: Vec<&ScopeColumn> = columns
        .iter()
        .filter(|column| column.is_called(&name.text))
        .collect();
    match alike.as_slice() {
        [] => Ok(None),
        [only] => Ok(Some(only)),
        _ => Err(ambiguous(name, &alike, ranges)),
    }
}

fn ambiguous(name: &Ident, found: &[&ScopeColumn], ranges: &[RangeVariable]) -> Error {
    let text = &name.text;
    let differ = found.iter().any(|column| column.name != found[0].name);
    if differ && name.quoted {
        let spellings: Vec<&str> = found.iter().map(|column| column.display()).collect();
        return Error::input(
            "TM0206",
            format!("`{text}` could be `{}`", spellings.join("` or `")),
            name.span,
        )
        .hint("write the name in backticks with its exact case");
    }
    let mut tables: Vec<String> = Vec::new();
    for range in ranges {
        let mut own = range.columns.iter();
        if own.any(|column| found.iter().any(|other| other.id == column.id)) {
            tables.push(format!("`{}.{text}`", range.name));
        }
    }
    let hint = match (differ, tables.is_empty()) {
        (true, _) => "write the name in backticks with its exact case".to_string(),
        (false, true) => "give one of them another name with AS where it is made".to_string(),
        (false, false) => format!("write {}, or another name with AS", tables.join(" or ")),
    };
    Error::input(
        "TM0202",
        format!(
            "`{text}` is ambiguous: {} columns have this name",
            found.len()
        ),
        name.span,
    )
    .hint(hint)
}
