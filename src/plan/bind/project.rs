//! Lists of columns: SELECT and EXTEND items, `*` with EXCEPT and REPLACE.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::logical_expr::{Distinct, Expr, LogicalPlan};

use super::nested::inferred_name;
use super::relation::{NewColumn, Relation};
use super::scope::{Scope, ScopeColumn, pick};
use super::stage::Stage;
use super::typed::Typed;
use super::{Binder, names, shared};
use crate::error::{Error, Result, Span};
use crate::lang::ast::{self, ExprKind, Ident, SelectItem};

impl Binder<'_> {
    /// The columns of a SELECT or EXTEND list, bound and not yet in the plan.
    pub(super) fn items(&self, items: &[SelectItem], stage: &mut Stage) -> Result<Vec<NewColumn>> {
        stage.siblings = items
            .iter()
            .filter_map(|item| match item {
                SelectItem::Expr { alias, .. } => alias.as_ref().map(|alias| alias.text.clone()),
                SelectItem::Star { .. } => None,
            })
            .collect();
        let mut columns = Vec::with_capacity(items.len());
        for item in items {
            match item {
                SelectItem::Expr { expr, alias } => {
                    columns.push(self.item(expr, alias.as_ref(), stage)?);
                }
                SelectItem::Star {
                    of,
                    except,
                    replace,
                    span,
                } => {
                    let found = self.star(of.as_ref(), *span, stage)?;
                    let found = without(found, except)?;
                    columns.extend(self.replaced(found, replace, stage)?);
                }
            }
        }
        stage.siblings.clear();
        if columns.is_empty() {
            return Err(no_columns(items.first().map(item_span).unwrap_or_default()));
        }
        Ok(columns)
    }

    /// One expression with its name.
    pub(super) fn item(
        &self,
        expr: &ast::Expr,
        alias: Option<&Ident>,
        stage: &mut Stage,
    ) -> Result<NewColumn> {
        let value = self.expr(expr, stage)?;
        let name = match (alias, inferred_name(expr)) {
            (Some(alias), _) => Some(alias.text.as_str().into()),
            (None, Some(written)) => Some(declared_name(written, &value.expr, stage.scope)),
            (None, None) => None,
        };
        Ok(NewColumn {
            name,
            text: self.source(expr.span).into(),
            value,
        })
    }

    fn star(
        &self,
        of: Option<&ast::Expr>,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Vec<NewColumn>> {
        let Some(of) = of else {
            if stage.scope.columns.is_empty() {
                return Err(no_columns(span).hint("there is no FROM, so `*` stands for nothing"));
            }
            return Ok(existing(&stage.scope.columns, span, stage));
        };
        if let ExprKind::Path(path) = of.kind.as_ref()
            && let [name] = path.parts.as_slice()
            && let Some(range) = stage.scope.range(name)
        {
            let is_struct = matches!(
                stage.scope.column(name),
                Ok(Some(column)) if matches!(column.data_type, DataType::Struct(_))
            );
            if !is_struct {
                let columns = range.columns.clone();
                return Ok(existing(&columns, span, stage));
            }
        }
        let value = self.expr(of, stage)?;
        let DataType::Struct(fields) = value.data_type.clone() else {
            return Err(Error::input(
                "TM0403",
                format!(
                    "`.*` needs a table's alias or a STRUCT, this is {}",
                    value.type_name()
                ),
                of.span,
            ));
        };
        fields
            .iter()
            .map(|field| {
                let name = Ident {
                    text: field.name().clone(),
                    quoted: true,
                    span,
                };
                Ok(NewColumn {
                    name: Some(field.name().as_str().into()),
                    text: field.name().as_str().into(),
                    value: self.field(value.clone(), &name)?,
                })
            })
            .collect()
    }

    fn replaced(
        &self,
        mut columns: Vec<NewColumn>,
        replace: &[(ast::Expr, Ident)],
        stage: &mut Stage,
    ) -> Result<Vec<NewColumn>> {
        for (expr, name) in replace {
            let windows = std::mem::replace(&mut stage.windows, super::stage::Calls::Refused);
            let clause = std::mem::replace(&mut stage.clause, "REPLACE");
            let value = self.expr(expr, stage);
            stage.clause = clause;
            stage.windows = windows;
            let value = value?;
            let mut matching = columns.iter_mut().filter(|column| called(column, name));
            match (matching.next(), matching.next()) {
                (Some(only), None) => only.value = value,
                (None, _) => return Err(unknown_name(name, &columns, "REPLACE")),
                (Some(_), Some(_)) => return Err(twice(name)),
            }
        }
        Ok(columns)
    }

    /// Keeps one of equal rows. Only what the result has remains readable.
    pub(super) fn distinct(&self, relation: Relation) -> Result<Relation> {
        let mut scope = relation.scope.clone();
        let finished = self.finish(relation, false)?;
        scope.columns = finished.columns;
        scope.pseudo.clear();
        let kept = |column: &ScopeColumn| scope.columns.iter().any(|own| own.id == column.id);
        for range in &mut scope.ranges {
            range.columns.retain(kept);
            range.pseudo.clear();
        }
        let plan = LogicalPlan::Distinct(Distinct::All(shared(finished.plan)));
        Ok(Relation::new(plan, scope))
    }

    /// A scope of exactly these columns.
    pub(super) fn select_columns(
        &self,
        relation: &mut Relation,
        columns: Vec<NewColumn>,
        keyword: Span,
    ) -> Result<()> {
        let columns = self.add_columns(relation, columns)?;
        relation.scope = Scope::new(columns).after(&relation.scope, keyword);
        Ok(())
    }
}

/// The name as it was declared: a reference may have been written in other letters.
pub(super) fn declared_name(written: &Ident, value: &Expr, scope: &Scope) -> Arc<str> {
    let declared = match value {
        Expr::Column(column) => {
            let ranges = scope.ranges.iter();
            let ranged = ranges.flat_map(|range| range.columns.iter().chain(&range.pseudo));
            let mut columns = scope.columns.iter().chain(&scope.pseudo).chain(ranged);
            columns
                .find(|own| *own.id == column.name && own.is_called(&written.text))
                .and_then(|own| own.name.clone())
        }
        Expr::ScalarFunction(call) if call.func.name() == "get_field" => match call.args.last() {
            Some(Expr::Literal(name, _)) => name.try_as_str().flatten().map(Arc::from),
            _ => None,
        },
        _ => None,
    };
    declared.unwrap_or_else(|| written.text.as_str().into())
}

/// Columns that are there already, as items of a list.
fn existing(columns: &[ScopeColumn], span: Span, stage: &mut Stage) -> Vec<NewColumn> {
    columns
        .iter()
        .map(|column| {
            stage.uses.push(super::stage::Use {
                id: Arc::clone(&column.id),
                span,
            });
            NewColumn {
                name: column.name.clone(),
                text: Arc::clone(&column.text),
                value: Typed::column(column, span),
            }
        })
        .collect()
}

fn without(columns: Vec<NewColumn>, except: &[Ident]) -> Result<Vec<NewColumn>> {
    for name in except {
        if !columns.iter().any(|column| called(column, name)) {
            return Err(unknown_name(name, &columns, "EXCEPT"));
        }
    }
    Ok(columns
        .into_iter()
        .filter(|column| !except.iter().any(|name| called(column, name)))
        .collect())
}

fn called(column: &NewColumn, name: &Ident) -> bool {
    let own = column.name.as_deref();
    own.is_some_and(|own| own.eq_ignore_ascii_case(&name.text))
}

fn unknown_name(name: &Ident, columns: &[NewColumn], clause: &str) -> Error {
    let known: Vec<&str> = columns
        .iter()
        .filter_map(|column| column.name.as_deref())
        .collect();
    let message = format!("no column named `{}` for {clause}", name.text);
    let mut error = Error::input("TM0201", message, name.span);
    if let Some(near) = names::nearest(&name.text, known.iter().copied()) {
        error = error.did_you_mean(near);
    }
    error.available(names::shorten(
        known.into_iter().map(str::to_string).collect(),
    ))
}

fn twice(name: &Ident) -> Error {
    Error::input(
        "TM0202",
        format!("`{}` is ambiguous: two columns have this name", name.text),
        name.span,
    )
    .hint("give one of them another name with RENAME")
}

/// The only column of a name that a step changes: TM0201, TM0202.
pub(super) fn only_column(scope: &Scope, name: &Ident) -> Result<usize> {
    let Some(found) = pick(&scope.columns, name)? else {
        return Err(scope.unknown(std::slice::from_ref(name)));
    };
    scope
        .columns
        .iter()
        .position(|column| std::ptr::eq(column, found))
        .ok_or_else(|| Error::bug("a column that was found is not there"))
}

pub(super) fn no_columns(span: Span) -> Error {
    Error::input("TM0304", "this leaves no columns", span)
}

fn item_span(item: &SelectItem) -> Span {
    match item {
        SelectItem::Expr { expr, .. } => expr.span,
        SelectItem::Star { span, .. } => *span,
    }
}
