//! WITH: tables that one query defines, also by themselves (WITH RECURSIVE).

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use datafusion::common::{Column, TableReference};
use datafusion::datasource::cte_worktable::CteWorkTable;
use datafusion::datasource::provider_as_source;
use datafusion::logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, RecursiveQuery};

use super::relation::{Finished, Relation, project};
use super::scope::{Scope, ScopeColumn};
use super::set::cast;
use super::stage::Env;
use super::{Binder, shared};
use crate::error::{Error, Result, Span};
use crate::lang::ast::{
    self, ColumnMatch, CommonTable, Ident, NameMatch, Pipe, QueryBody, RecursiveBody, SetExpr,
    SetKind, SetOperator, With,
};
use crate::plan::decorrelate::outer_references;
use crate::plan::shared::{SharedKey, SharedNode};

/// A common table expression in scope.
#[derive(Debug)]
pub(super) struct Cte {
    pub(super) name: String,
    source: Source,
    pub(super) before: Option<Rc<Cte>>,
}

#[derive(Debug)]
enum Source {
    Query {
        /// The plan is that of a [`SharedNode`].
        finished: Finished,
        relations: usize,
        once: Once,
    },
    /// The rows that a recursion added last.
    Recursion {
        table: Arc<str>,
        columns: Vec<ScopeColumn>,
        uses: Cell<usize>,
    },
}

/// Whether a table that gives something else each time can run once.
#[derive(Debug)]
enum Once {
    Yes,
    /// It depends on the row of a query around it: it may be read in one place.
    InOnePlace(Cell<bool>),
}

impl Cte {
    pub(super) fn columns(&self) -> &[ScopeColumn] {
        match &self.source {
            Source::Query { finished, .. } => &finished.columns,
            Source::Recursion { columns, .. } => columns,
        }
    }
}

impl Binder<'_> {
    /// The surroundings with these tables.
    pub(super) fn with<'e>(&self, with: &With, env: &Env<'e>) -> Result<Env<'e>> {
        let mut env = env.clone();
        let mut names: Vec<&Ident> = Vec::with_capacity(with.tables.len());
        for table in &with.tables {
            let twice = names
                .iter()
                .any(|name| name.text.eq_ignore_ascii_case(&table.name.text));
            if twice {
                let error = Error::input(
                    "TM0207",
                    format!("two tables of this WITH are called `{}`", table.name.text),
                    table.name.span,
                );
                self.keep(error, self.moment())?;
            }
            names.push(&table.name);
            let around = self.expanded.replace(0);
            let moment = self.moment();
            let finished = match self.defined(with, table, &env) {
                Ok(finished) => finished,
                Err(error) => {
                    self.keep(error, moment)?;
                    self.finish(self.any_table()?, false)?
                }
            };
            self.expanded.set(around);
            let cte = self.table_of(&table.name, finished, &env.ctes, &env)?;
            env.ctes = Some(Rc::new(cte));
        }
        Ok(env)
    }

    fn defined(&self, with: &With, table: &CommonTable, env: &Env) -> Result<Finished> {
        let finished = match recursive_parts(with, table) {
            Some((first, rest, all)) => self.recursive(table, first, rest, all, env)?,
            None => {
                let relation = self.query(&table.query, env)?;
                self.finish(relation, false)?
            }
        };
        renamed(finished, table)
    }

    /// A table for the queries that see its name.
    pub(super) fn table_of(
        &self,
        name: &Ident,
        finished: Finished,
        before: &Option<Rc<Cte>>,
        env: &Env,
    ) -> Result<Cte> {
        let facts = self.named_facts(&finished.plan, &name.text, name.span)?;
        let once = match facts.is_random && !outer_references(&finished.plan)?.is_empty() {
            true => Once::InOnePlace(Cell::new(false)),
            false => Once::Yes,
        };
        let key = SharedKey {
            id: self.fresh(&name.text),
            within: env.recursion.clone(),
            is_view: false,
        };
        self.tables.borrow_mut().insert(key.clone(), facts);
        Ok(Cte {
            name: name.text.clone(),
            source: Source::Query {
                relations: facts.relations,
                finished: Finished {
                    plan: SharedNode::over(finished.plan, key),
                    columns: finished.columns,
                },
                once,
            },
            before: before.clone(),
        })
    }

    /// The common table expression of a name, if it is one.
    pub(super) fn common_table(&self, path: &ast::Path, env: &Env) -> Result<Option<Relation>> {
        let [name] = path.parts.as_slice() else {
            return Ok(None);
        };
        let Some(cte) = find(env, &name.text) else {
            return Ok(None);
        };
        match &cte.source {
            Source::Query {
                finished,
                relations,
                once,
            } => {
                if let Once::InOnePlace(read) = once
                    && read.replace(true)
                {
                    let what = "to read a table twice that is made at random for each row of the query around it";
                    return Err(Error::not_implemented(what, name.span));
                }
                self.expand(*relations, &name.text, name.span)?;
                let (plan, columns) = self.renew(finished.plan.clone(), &finished.columns)?;
                Ok(Some(Relation::new(plan, Scope::new(columns))))
            }
            Source::Recursion {
                table,
                columns,
                uses,
            } => {
                uses.set(uses.get() + 1);
                Ok(Some(self.last_rows(table, columns)?))
            }
        }
    }

    fn recursive(
        &self,
        table: &CommonTable,
        first: &SetExpr,
        rest: &[SetExpr],
        all: bool,
        env: &Env,
    ) -> Result<Finished> {
        let start = self.set_expr(first, env)?;
        let start = renamed(self.finish(start, false)?, table)?;
        let (start_plan, mut columns) = self.renew(start.plan, &start.columns)?;
        for column in &mut columns {
            column.constant = None;
        }
        let name = self.fresh(&table.name.text);
        let recursion = Rc::new(Cte {
            name: table.name.text.clone(),
            source: Source::Recursion {
                table: Arc::clone(&name),
                columns: columns.clone(),
                uses: Cell::new(0),
            },
            before: env.ctes.clone(),
        });
        let inner = Env {
            ctes: Some(Rc::clone(&recursion)),
            recursion: Some(Arc::clone(&name)),
            ..env.clone()
        };
        let span = table.name.span;
        let mut plans = Vec::with_capacity(rest.len());
        for part in rest {
            let relation = self.set_expr(part, &inner)?;
            let step = self.finish(relation, false)?;
            plans.push(like_start(step, &columns, span)?);
        }
        let uses = match &recursion.source {
            Source::Recursion { uses, .. } => uses.get(),
            Source::Query { .. } => 0,
        };
        let plan = match uses {
            0 => {
                plans.insert(0, start_plan);
                super::set::union(plans, all)?
            }
            1 => {
                self.note_recursion(&name, span);
                let step = super::set::union(plans, true)?;
                LogicalPlan::RecursiveQuery(RecursiveQuery::try_new(
                    name.to_string(),
                    shared(start_plan),
                    shared(step),
                    !all,
                )?)
            }
            _ => {
                return Err(Error::input(
                    "TM0324",
                    format!("`{}` reads itself more than once", table.name.text),
                    span,
                )
                .hint("a recursive table may stand once in FROM or JOIN of its own query"));
            }
        };
        Ok(Finished { plan, columns })
    }

    /// `|> RECURSIVE UNION ALL ( … ) AS alias`: the input, then the body over the rows that were added last.
    pub(super) fn recursive_union(
        &self,
        relation: Relation,
        operator: &SetOperator,
        body: &RecursiveBody,
        alias: Option<&Ident>,
        pipe: &Pipe,
        env: &Env,
    ) -> Result<Relation> {
        let (before, span) = (relation.scope.clone(), pipe.keyword);
        let start = self.finish(relation, false)?;
        let (start_plan, mut columns) = self.renew(start.plan, &start.columns)?;
        for column in &mut columns {
            column.constant = None;
            column.nullable = true;
        }
        let written = alias.map_or("recursion", |alias| alias.text.as_str());
        let name = self.fresh(written);
        let step = match body {
            RecursiveBody::Pipes(pipes) => {
                let mut rows = self.last_rows(&name, &columns)?;
                if let Some(alias) = alias {
                    rows.scope = rows.scope.under(&alias.text);
                }
                let mut inner = Env {
                    recursion: Some(Arc::clone(&name)),
                    ..env.clone()
                };
                self.pipes(rows, pipes, &mut inner)?
            }
            RecursiveBody::Query(query) => {
                self.recursive_body(query, &name, &columns, alias, span, env)?
            }
        };
        let step = by_names(self.finish(step, false)?, &columns, operator)?;
        let step = like_start(step, &columns, span)?;
        self.note_recursion(&name, span);
        let plan = LogicalPlan::RecursiveQuery(RecursiveQuery::try_new(
            name.to_string(),
            shared(start_plan),
            shared(step),
            !operator.all,
        )?);
        let mut scope = Scope::new(columns).after(&before, span);
        if let Some(alias) = alias {
            scope = scope.under(&alias.text);
        }
        Ok(Relation::new(plan, scope))
    }

    /// A query that names the rows added last.
    fn recursive_body(
        &self,
        query: &ast::Query,
        table: &Arc<str>,
        columns: &[ScopeColumn],
        alias: Option<&Ident>,
        span: Span,
        env: &Env,
    ) -> Result<Relation> {
        let Some(alias) = alias else {
            return Err(Error::input(
                "TM0324",
                "the query has no name for the rows that were added last",
                span,
            )
            .hint("write RECURSIVE UNION ALL ( … ) AS name and read that name in the query"));
        };
        let recursion = Rc::new(Cte {
            name: alias.text.clone(),
            source: Source::Recursion {
                table: Arc::clone(table),
                columns: columns.to_vec(),
                uses: Cell::new(0),
            },
            before: env.ctes.clone(),
        });
        let inner = Env {
            ctes: Some(Rc::clone(&recursion)),
            recursion: Some(Arc::clone(table)),
            ..env.clone()
        };
        let relation = self.query(query, &inner)?;
        match &recursion.source {
            Source::Recursion { uses, .. } if uses.get() == 1 => Ok(relation),
            _ => Err(Error::input(
                "TM0324",
                format!("the query must read `{}` exactly once", alias.text),
                alias.span,
            )),
        }
    }

    fn last_rows(&self, table: &Arc<str>, columns: &[ScopeColumn]) -> Result<Relation> {
        let fields: Vec<arrow::datatypes::FieldRef> =
            columns.iter().map(ScopeColumn::field).collect();
        let schema = Arc::new(arrow::datatypes::Schema::new(fields));
        let source = provider_as_source(Arc::new(CteWorkTable::new(table, schema)));
        let reference = TableReference::bare(Arc::clone(table));
        let scan = LogicalPlanBuilder::scan(reference.clone(), source, None)?.build()?;
        let mut exprs = Vec::with_capacity(columns.len());
        let mut renewed = Vec::with_capacity(columns.len());
        for column in columns {
            let id = self.fresh(column.display());
            let source = Column::new(Some(reference.clone()), column.id.as_ref());
            exprs.push(Expr::Column(source).alias(id.as_ref()));
            renewed.push(ScopeColumn {
                id,
                ..column.clone()
            });
        }
        Ok(Relation::new(project(scan, exprs)?, Scope::new(renewed)))
    }
}

/// `first UNION [ALL] rest`, if the table may be recursive.
fn recursive_parts<'t>(
    with: &With,
    table: &'t CommonTable,
) -> Option<(&'t SetExpr, &'t [SetExpr], bool)> {
    let plain = with.recursive && table.query.pipes.is_empty() && table.query.with.is_none();
    let QueryBody::Standard {
        set: SetExpr::Operation {
            operator, inputs, ..
        },
        order_by,
        limit: None,
    } = &table.query.body
    else {
        return None;
    };
    let by_position = operator.columns == ColumnMatch::Position;
    let union = operator.kind == SetKind::Union && by_position && order_by.is_empty();
    match inputs.split_first() {
        Some((first, rest)) if plain && union => Some((first, rest, operator.all)),
        _ => None,
    }
}

/// The step's rows as the start's: as many columns, of the same types.
fn like_start(step: Finished, columns: &[ScopeColumn], span: Span) -> Result<LogicalPlan> {
    if step.columns.len() != columns.len() {
        return Err(Error::input(
            "TM0302",
            format!(
                "the recursion starts with {} columns and goes on with {}",
                columns.len(),
                step.columns.len()
            ),
            span,
        ));
    }
    let mut exprs = Vec::with_capacity(columns.len());
    for (own, column) in step.columns.iter().zip(columns) {
        exprs.push(cast(own, &column.data_type)?.alias(column.id.as_ref()));
    }
    project(step.plan, exprs)
}

/// BY NAME: the step's columns in the order of the start's.
fn by_names(step: Finished, columns: &[ScopeColumn], operator: &SetOperator) -> Result<Finished> {
    let ColumnMatch::Name { mode, on } = &operator.columns else {
        return Ok(step);
    };
    if *mode != NameMatch::Strict || on.is_some() {
        let what = "a recursion that matches some of the columns by name";
        return Err(Error::not_implemented(what, operator.span));
    }
    let mut ordered = Vec::with_capacity(columns.len());
    for column in columns {
        let mut named = step
            .columns
            .iter()
            .filter(|own| own.is_called(column.display()));
        match (named.next(), named.next()) {
            (Some(only), None) => ordered.push(only.clone()),
            _ => {
                let message = format!(
                    "the recursion has not one column named `{}`",
                    column.display()
                );
                return Err(Error::input("TM0303", message, operator.span));
            }
        }
    }
    if ordered.len() != step.columns.len() {
        let message = "the recursion has columns that its start has not";
        return Err(Error::input("TM0303", message, operator.span));
    }
    Ok(Finished {
        columns: ordered,
        ..step
    })
}

fn renamed(mut finished: Finished, table: &CommonTable) -> Result<Finished> {
    if table.columns.is_empty() {
        return Ok(finished);
    }
    if table.columns.len() != finished.columns.len() {
        return Err(Error::input(
            "TM0302",
            format!(
                "`{}` has {} columns, {} names are given",
                table.name.text,
                finished.columns.len(),
                table.columns.len()
            ),
            table.name.span,
        ));
    }
    for (column, name) in finished.columns.iter_mut().zip(&table.columns) {
        column.name = Some(name.text.as_str().into());
        column.text = name.text.as_str().into();
    }
    Ok(finished)
}

fn find<'e>(env: &'e Env, name: &str) -> Option<&'e Cte> {
    let chain = || std::iter::successors(env.ctes.as_deref(), |cte| cte.before.as_deref());
    chain()
        .find(|cte| cte.name == name)
        .or_else(|| chain().find(|cte| cte.name.eq_ignore_ascii_case(name)))
}
