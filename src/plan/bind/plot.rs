//! `|> CALL PLOT(…)`: the end of a query that says how its rows are to be drawn. The rows stay what they are.

use super::relation::Relation;
use super::scope::Found;
use super::{Binder, Step, names};
use crate::error::{Error, Result, Span};
use crate::lang::ast::{Argument, ArgumentValue, Expr, ExprKind, Ident, Path};
use crate::plan::{Chart, ChartKind};

/// What PLOT takes besides the kind.
const ARGUMENTS: [&str; 4] = ["kind", "x", "y", "by"];

/// How it is written.
const FORM: &str = "write CALL PLOT('bar', x => column, y => column)";

impl Binder<'_> {
    /// The last step of a query whose rows are to be drawn.
    pub(super) fn plot(
        &self,
        relation: Relation,
        function: &Path,
        args: &[Argument],
    ) -> Result<Step> {
        let (mut kind, mut x, mut y, mut by) = (None, None, Vec::new(), None);
        for (number, argument) in args.iter().enumerate() {
            let ArgumentValue::Expr(value) = &argument.value else {
                let message = "PLOT takes a kind and columns";
                return Err(Error::input("TM0402", message, function.span).hint(FORM));
            };
            let name = match &argument.name {
                Some(name) => argument_name(name)?,
                None if number == 0 => "kind",
                None => {
                    let message = "what follows the kind in PLOT has a name";
                    return Err(Error::input("TM0402", message, value.span).hint(FORM));
                }
            };
            let is_twice = match name {
                "kind" => kind.replace(self.chart_kind(value)?).is_some(),
                "x" => x.replace(column(&relation, value)?).is_some(),
                "by" => by.replace(column(&relation, value)?).is_some(),
                _ => !std::mem::replace(&mut y, numbers(&relation, value)?).is_empty(),
            };
            if is_twice {
                let message = format!("PLOT is told {name} twice");
                return Err(Error::input("TM0402", message, value.span));
            }
        }
        let Some(kind) = kind else {
            let message = "PLOT needs the kind of the chart";
            return Err(Error::input("TM0402", message, function.span).hint(FORM));
        };
        if let (Some(_), [_, second, ..]) = (by, y.as_slice()) {
            let name = relation.scope.columns[*second].display();
            let message = format!("with by PLOT draws one y, and `{name}` is a second");
            return Err(Error::input("TM0402", message, function.span));
        }
        let mut query = self.output(relation)?;
        query.chart = Some(Chart { kind, x, y, by });
        Ok(Step::Answer(query))
    }

    fn chart_kind(&self, value: &Expr) -> Result<ChartKind> {
        let given = self.constant_value(value, "the kind of a chart")?;
        let given = given.try_as_str().flatten().unwrap_or_default();
        match given.to_ascii_lowercase().as_str() {
            "bar" => Ok(ChartKind::Bar),
            "line" => Ok(ChartKind::Line),
            _ => Err(Error::input(
                "TM0402",
                "a chart is 'bar' or 'line'",
                value.span,
            )),
        }
    }
}

/// Whether a call is of the language's PLOT.
pub(super) fn is_plot(function: &Path) -> bool {
    matches!(function.parts.as_slice(), [name] if name.text.eq_ignore_ascii_case("plot"))
}

/// An argument's name as it is called here.
fn argument_name(name: &Ident) -> Result<&'static str> {
    let known = ARGUMENTS.iter().copied();
    let found = known
        .clone()
        .find(|known| name.text.eq_ignore_ascii_case(known));
    found.ok_or_else(|| {
        let message = format!("PLOT has no argument `{}`", name.text);
        let error = Error::input("TM0402", message, name.span);
        match names::nearest(&name.text, known) {
            Some(near) => error.did_you_mean(near),
            None => error.available(ARGUMENTS.join(", ")),
        }
    })
}

/// The columns of `y => qty` or `y => [qty, price]`.
fn numbers(relation: &Relation, value: &Expr) -> Result<Vec<usize>> {
    let items = match value.kind.as_ref() {
        ExprKind::Array { items, .. } => items.iter().collect(),
        _ => vec![value],
    };
    let one = |item: &Expr| {
        let position = column(relation, item)?;
        let found = &relation.scope.columns[position];
        if found.data_type.is_numeric() || found.data_type.is_null() {
            return Ok(position);
        }
        let kind = super::types::type_name(&found.data_type);
        let message = format!("y needs numbers; `{}` is {kind}", found.display());
        Err(Error::input("TM0402", message, item.span))
    };
    items.into_iter().map(one).collect()
}

/// The position of a column of the rows.
fn column(relation: &Relation, value: &Expr) -> Result<usize> {
    let ExprKind::Path(path) = value.kind.as_ref() else {
        return Err(
            Error::input("TM0402", "PLOT takes columns by their names", value.span)
                .hint("compute values before: |> EXTEND price * qty AS revenue"),
        );
    };
    let scope = &relation.scope;
    let found = match scope.find(&path.parts)? {
        Some(Found::Column(found, used)) if used == path.parts.len() => found,
        Some(_) => return Err(no_column(value.span)),
        None => return Err(scope.unknown(&path.parts)),
    };
    let mut columns = scope.columns.iter();
    let position = columns.position(|column| column.id == found.id);
    position.ok_or_else(|| no_column(value.span))
}

fn no_column(place: Span) -> Error {
    let message = "PLOT takes columns of the rows as they are here";
    Error::input("TM0402", message, place).hint("put it among them before: |> EXTEND … AS name")
}
