//! INSERT: the table that takes the rows, and which column of the query goes where.

use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;

use super::relation::{Relation, project};
use super::script::assign;
use super::stage::Env;
use super::typed::Typed;
use super::{Binder, Step, WriteTarget, names};
use crate::catalog::durable::SnapshotTable;
use crate::catalog::{Entry, rows_in_memory};
use crate::error::{Error, Result, Span};
use crate::lang::ast::{ExprKind, Insert, InsertTarget, Query, QueryBody, SetExpr};
use crate::plan::BoundQuery;
use crate::table::database::DurableTable;

/// A table that takes rows.
struct Taker {
    name: String,
    durable: Option<DurableTable>,
    schema: SchemaRef,
    provider: Arc<dyn TableProvider>,
}

impl Taker {
    /// The default of each column that has one.
    fn defaults(&self, binder: &Binder, place: Span) -> Result<Vec<Option<Typed>>> {
        match &self.durable {
            Some(table) => binder.kept_defaults(&table.snapshot.columns, place),
            None => Ok(binder.defaults_in_memory(&self.provider, &self.schema, place)),
        }
    }
}

impl Binder<'_> {
    /// The query of an INSERT. Its VALUES may hold the word DEFAULT.
    pub(super) fn inserted_rows(&self, insert: &Insert) -> Result<Relation> {
        if let Some(width) = width_with_default(&insert.query) {
            let taker = self.taker(&insert.target)?;
            let span = insert.target.name.span;
            let sources = sources(width, &taker.schema, &[], &insert.target)?;
            let mut defaults = vec![Typed::literal(ScalarValue::Null, span); width];
            let wanted = taker.defaults(self, span)?.into_iter().zip(sources);
            for (default, source) in wanted {
                if let (Some(default), Some(index)) = (default, source) {
                    defaults[index] = default;
                }
            }
            *self.row_defaults.borrow_mut() = Some(defaults);
        }
        self.query(&insert.query, &Env::default())
    }

    pub(super) fn insert(&self, relation: Relation, target: &InsertTarget) -> Result<Step> {
        let span = target.name.span;
        let taker = self.taker(target)?;
        let mut relation = relation;
        let mut overwritten = None;
        let mut given: Vec<(usize, usize)> = Vec::new();
        match (&target.overwrite, &taker.durable) {
            (None, _) => {}
            (Some(overwrite), Some(table)) => {
                let (found, values) = self.overwritten(table, overwrite)?;
                given = self.add_given(&mut relation, values)?;
                overwritten = Some(found);
            }
            (Some(_), None) => {
                let what = "INSERT OVERWRITE of a table that is not kept in a database";
                return Err(
                    Error::not_implemented(what, span).hint("write CREATE OR REPLACE TABLE … AS …")
                );
            }
        }
        let count = relation.scope.columns.len() - given.len();
        let sources = sources(count, &taker.schema, &given, target)?;
        let defaults = match sources.contains(&None) {
            true => taker.defaults(self, span)?,
            false => Vec::new(),
        };
        let query = self.stored_as(relation, &taker.schema, &sources, defaults, span)?;
        let target = match (taker.durable, overwritten) {
            (Some(table), Some(overwritten)) => WriteTarget::OverwriteDurable(table, overwritten),
            (Some(table), None) => WriteTarget::InsertDurable(table),
            (None, _) => WriteTarget::Insert {
                name: taker.name,
                schema: taker.schema,
            },
        };
        Ok(Step::Write {
            target,
            query,
            place: span,
        })
    }

    /// The table that rows are for.
    fn taker(&self, target: &InsertTarget) -> Result<Taker> {
        let name = super::macros::joined(&target.name);
        let span = target.name.span;
        if target.overwrite.is_some() && self.is_durable(&name)? {
            self.settled(&target.name)?;
        }
        let found = self.entry(&name).map_err(|error| error.at(span))?;
        let provider = match found {
            Some(Entry::Table(provider)) => Some(provider),
            Some(Entry::View(_)) => None,
            None => return Err(self.unknown_table(&name, span, &Env::default())),
        };
        let durable = provider.as_ref().and_then(|provider| {
            let kept = provider.downcast_ref::<SnapshotTable>()?;
            Some(kept.table.clone())
        });
        let schema = match (&durable, &provider) {
            (Some(table), _) => Some(Arc::clone(&table.snapshot.columns.seen)),
            (None, Some(provider)) => rows_in_memory(provider).map(|(schema, _)| schema),
            (None, None) => None,
        };
        match (schema, provider) {
            (Some(schema), Some(provider)) => Ok(Taker {
                name,
                durable,
                schema,
                provider,
            }),
            _ => {
                let message = format!("`{name}` takes no rows: it is a view or is read from files");
                Err(Error::input("TM0319", message, span)
                    .hint("to write files end the query with `|> EXPORT DATA`"))
            }
        }
    }

    /// The rows as a table stores them; a column without a source has its default, or is NULL.
    pub(super) fn stored_as(
        &self,
        mut relation: Relation,
        schema: &SchemaRef,
        sources: &[Option<usize>],
        mut defaults: Vec<Option<Typed>>,
        place: Span,
    ) -> Result<BoundQuery> {
        relation.apply_order();
        let (mut exprs, mut columns) = (Vec::new(), Vec::new());
        defaults.resize(schema.fields().len(), None);
        let fields = schema.fields().iter().zip(sources);
        for ((field, source), default) in fields.zip(defaults) {
            let null = || Typed::literal(ScalarValue::Null, place);
            let value = match source {
                Some(index) => Typed::column(&relation.scope.columns[*index], place),
                None => default.unwrap_or_else(null),
            };
            let value = assign(value, field.data_type())
                .map_err(|error| error.inside(&format!("the column `{}`", field.name()), place))?;
            let value = self.noted(value);
            let id = self.fresh(field.name());
            exprs.push(value.expr.alias(id.as_ref()));
            columns.push(crate::plan::OutputColumn {
                name: field.name().clone(),
                anonymous: false,
            });
        }
        Ok(BoundQuery {
            plan: project(relation.plan, exprs)?,
            columns,
            places: self.places.borrow().clone(),
            sources: self.sources.borrow().clone(),
            chart: None,
        })
    }
}

/// How many values each row has, where the query is VALUES and one of them is the word DEFAULT.
fn width_with_default(query: &Query) -> Option<usize> {
    let QueryBody::Standard {
        set: SetExpr::Values { rows, .. },
        ..
    } = &query.body
    else {
        return None;
    };
    let mut values = rows.iter().flatten();
    let has = values.any(|value| *value.kind == ExprKind::Default);
    has.then(|| rows.first().map_or(0, Vec::len))
}

fn sources(
    count: usize,
    schema: &SchemaRef,
    given: &[(usize, usize)],
    target: &InsertTarget,
) -> Result<Vec<Option<usize>>> {
    match target.columns.is_empty() {
        true => by_position(count, schema, given, target.name.span),
        false => by_list(count, schema, given, target),
    }
}

/// Which column of the query each column of the table takes; `given` are those that have one already.
pub(super) fn by_position(
    count: usize,
    schema: &SchemaRef,
    given: &[(usize, usize)],
    span: Span,
) -> Result<Vec<Option<usize>>> {
    let wanted = schema.fields().len() - given.len();
    if count != wanted {
        let message = format!("the table has {wanted} columns, the query {count}");
        return Err(Error::input("TM0302", message, span)
            .hint("list the columns that are given: INSERT INTO t (a, b) …"));
    }
    let mut next = 0..count;
    let all = 0..schema.fields().len();
    Ok(all
        .map(|position| source_of(given, position).or_else(|| next.next()))
        .collect())
}

fn source_of(given: &[(usize, usize)], position: usize) -> Option<usize> {
    let mut given = given.iter();
    given
        .find(|(column, _)| *column == position)
        .map(|(_, source)| *source)
}

fn by_list(
    count: usize,
    schema: &SchemaRef,
    given: &[(usize, usize)],
    target: &InsertTarget,
) -> Result<Vec<Option<usize>>> {
    let list = &target.columns;
    if count != list.len() {
        let message = format!("{} columns are listed, the query has {count}", list.len());
        return Err(Error::input("TM0302", message, target.name.span));
    }
    let all = 0..schema.fields().len();
    let mut sources: Vec<_> = all.map(|position| source_of(given, position)).collect();
    for (index, name) in list.iter().enumerate() {
        let mut fields = schema.fields().iter();
        let position = fields.position(|field| field.name().eq_ignore_ascii_case(&name.text));
        let Some(position) = position else {
            let known: Vec<&str> = schema.fields().iter().map(|f| f.name().as_str()).collect();
            let message = format!("the table has no column named `{}`", name.text);
            let error = Error::input("TM0201", message, name.span);
            return Err(match names::nearest(&name.text, known.iter().copied()) {
                Some(near) => error.did_you_mean(near),
                None => error.available(known.join(", ")),
            });
        };
        if sources[position].replace(index).is_some() {
            let message = format!("`{}` is listed twice", name.text);
            return Err(Error::input("TM0301", message, name.span));
        }
    }
    Ok(sources)
}
