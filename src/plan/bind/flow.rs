//! What only the outermost query of a statement can do: give several results, and store rows.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};

use super::default::Defaults;
use super::durable::column;
use super::insert::by_position;
use super::plot::is_plot;
use super::relation::{Relation, project};
use super::scope::{Scope, ScopeColumn};
use super::stage::Env;
use super::statement::{check_names, declared, session_name};
use super::{Binder, Bound, Step, WriteTarget};
use crate::catalog::shared::SharedRows;
use crate::error::{Error, Result, Span};
use crate::lang::ast::{Ident, Pipe, PipeOp, Query, TableTarget};
use crate::plan::BoundQuery;
use crate::plan::shared::share_between;

impl Binder<'_> {
    /// The outermost query of a statement.
    pub(super) fn outermost(&self, query: &Query) -> Result<Bound> {
        let starts = query.pipes.iter().map(|pipe| pipe.keyword.start);
        *self.steps.borrow_mut() = starts.collect();
        let mut env = Env::default();
        if let Some(with) = &query.with {
            env = self.with(with, &env)?;
        }
        let relation = self.body(&query.body, &env)?;
        let mut steps = Vec::new();
        let last = self.flow(relation, &query.pipes, &mut env, &mut steps)?;
        match last {
            Some(relation) if steps.is_empty() => Ok(Bound::Query(self.output(relation)?)),
            Some(relation) => {
                steps.push(Step::Answer(self.output(relation)?));
                self.with_common_rows(steps).map(Bound::Steps)
            }
            None => match (steps.pop(), steps.is_empty()) {
                (Some(Step::Answer(only)), true) => Ok(Bound::Query(only)),
                (last, _) => {
                    steps.extend(last);
                    self.with_common_rows(steps).map(Bound::Steps)
                }
            },
        }
    }

    /// The steps after those that make the rows of tables that several of them read and that must run once.
    fn with_common_rows(&self, mut steps: Vec<Step>) -> Result<Vec<Step>> {
        let mut before = Vec::new();
        let mut plans: Vec<_> = steps
            .iter_mut()
            .map(|step| &mut step.query_mut().plan)
            .collect();
        share_between(&mut plans, &mut |plan| {
            let ids: Vec<String> = (plan.schema().fields().iter())
                .map(|field| field.name().clone())
                .collect();
            let rows = self.kept_rows(plan, &mut before);
            let read = self.scan("shared", None, rows)?;
            let columns = read.scope.columns.iter().zip(ids);
            let exprs = columns.map(|(column, id)| column.expr().alias(id));
            project(read.plan, exprs.collect())
        })?;
        before.append(&mut steps);
        Ok(before)
    }

    /// A table that will hold the rows of a plan, under their ids, and the step that fills it.
    fn kept_rows(&self, plan: LogicalPlan, steps: &mut Vec<Step>) -> Arc<SharedRows> {
        let fields = plan.schema().fields().iter();
        let fields: Vec<Field> = fields
            .map(|field| Field::new(field.name(), field.data_type().clone(), true))
            .collect();
        let output = fields.iter().map(|field| crate::plan::OutputColumn {
            name: field.name().clone(),
            anonymous: false,
        });
        let query = BoundQuery {
            columns: output.collect(),
            plan,
            places: self.places.borrow().clone(),
            sources: self.sources.borrow().clone(),
            chart: None,
        };
        let rows = Arc::new(SharedRows::new(Arc::new(Schema::new(fields))));
        steps.push(Step::Share {
            rows: Arc::clone(&rows),
            query,
        });
        rows
    }

    /// Pipes that may end in an effect: then no table is left.
    fn flow<'e>(
        &self,
        mut relation: Relation,
        mut pipes: &[Pipe],
        env: &mut Env<'e>,
        steps: &mut Vec<Step>,
    ) -> Result<Option<Relation>> {
        while let Some(position) = pipes.iter().position(|pipe| is_flow(&pipe.op)) {
            relation = self.pipes(relation, &pipes[..position], env)?;
            let pipe = &pipes[position];
            pipes = &pipes[position + 1..];
            let moment = self.moment();
            if relation.scope.columns.iter().any(|column| column.unknown) {
                self.meet_unknown();
            }
            match self.flow_step(relation, pipe, env, steps) {
                Ok(Some(next)) => relation = next,
                Err(error) => {
                    self.keep(error, moment)?;
                    return Ok(None);
                }
                Ok(None) => {
                    return match pipes.first() {
                        None => Ok(None),
                        Some(next) => Err(nothing_follows(pipe, next)),
                    };
                }
            }
        }
        self.pipes(relation, pipes, env).map(Some)
    }

    pub(super) fn flow_step<'e>(
        &self,
        relation: Relation,
        pipe: &Pipe,
        env: &mut Env<'e>,
        steps: &mut Vec<Step>,
    ) -> Result<Option<Relation>> {
        match &pipe.op {
            PipeOp::If {
                branches,
                otherwise,
            } => match self.chosen(branches, otherwise.as_deref(), env)? {
                Some(chosen) => self.flow(relation, chosen, env, steps),
                None => Ok(Some(relation)),
            },
            PipeOp::Tee(subpipes) => {
                let shared = self.share(relation, steps)?;
                if subpipes.is_empty() {
                    steps.push(Step::Answer(self.output(self.reread(&shared)?)?));
                }
                for subpipe in subpipes {
                    self.branch(&shared, subpipe, env, steps)?;
                }
                self.reread(&shared).map(Some)
            }
            PipeOp::Fork(subpipes) => {
                let shared = self.share(relation, steps)?;
                for subpipe in subpipes {
                    self.branch(&shared, subpipe, env, steps)?;
                }
                Ok(None)
            }
            PipeOp::Log(subpipe) => {
                let shared = self.share(relation, steps)?;
                let logged = self.reread(&shared)?;
                let mut logged = self.pipes(
                    logged,
                    subpipe.as_deref().unwrap_or_default(),
                    &mut env.clone(),
                )?;
                self.take_first(&mut logged, self.session.settings.log_rows)?;
                steps.push(Step::Log(self.output(logged)?));
                let mut relation = self.reread(&shared)?;
                relation.sorted.clone_from(&shared.relation.sorted);
                Ok(Some(relation))
            }
            PipeOp::CreateTable(target) => {
                let step = self.create_table(relation, target, pipe.keyword)?;
                add_effect(step, target.name.span, steps)?;
                Ok(None)
            }
            PipeOp::Insert(target) => {
                let step = self.insert(relation, target)?;
                add_effect(step, target.name.span, steps)?;
                Ok(None)
            }
            PipeOp::Call {
                function,
                args,
                alias,
            } => {
                // A function of the session comes first, as elsewhere.
                if self.session_table_function(function, env).is_some() {
                    return self.pipe(relation, pipe, env).map(Some);
                }
                if let Some(alias) = alias {
                    let message = "what ends a query takes no alias";
                    return Err(Error::input("TM0325", message, alias.span));
                }
                steps.push(self.plot(relation, function, args)?);
                Ok(None)
            }
            PipeOp::Export(options) => {
                let step = self.export(relation, options, pipe.keyword)?;
                add_effect(step, pipe.keyword, steps)?;
                Ok(None)
            }
            _ => Err(Error::bug("a pipe operator that gives a table")),
        }
    }

    fn branch<'e>(
        &self,
        shared: &Shared,
        subpipe: &[Pipe],
        env: &Env<'e>,
        steps: &mut Vec<Step>,
    ) -> Result<()> {
        let relation = self.reread(shared)?;
        if let Some(relation) = self.flow(relation, subpipe, &mut env.clone(), steps)? {
            steps.push(Step::Answer(self.output(relation)?));
        }
        Ok(())
    }

    fn take_first(&self, relation: &mut Relation, rows: usize) -> Result<()> {
        relation.apply_order();
        let plan = std::mem::take(&mut relation.plan);
        relation.plan = LogicalPlanBuilder::from(plan)
            .limit(0, Some(rows))?
            .build()?;
        Ok(())
    }

    /// Puts the relation aside, to be computed once.
    pub(super) fn share(&self, relation: Relation, steps: &mut Vec<Step>) -> Result<Shared> {
        let mut whole = relation.clone();
        let mut all: Vec<ScopeColumn> = Vec::new();
        for column in every_column(&relation.scope) {
            if !all.iter().any(|other| other.id == column.id) {
                all.push(column.clone());
            }
        }
        whole.scope.columns = all;
        let plan = self.finish(whole, true)?.plan;
        let rows = self.kept_rows(plan, steps);
        Ok(Shared { rows, relation })
    }

    /// The relation that was put aside, read back under new ids.
    pub(super) fn reread(&self, shared: &Shared) -> Result<Relation> {
        let scan = self.scan("shared", None, Arc::clone(&shared.rows) as _)?;
        let ids: HashMap<String, ScopeColumn> = scan
            .scope
            .columns
            .iter()
            .map(|column| (column.display().to_string(), column.clone()))
            .collect();
        let mut scope = shared.relation.scope.clone();
        for column in every_column_mut(&mut scope) {
            if let Some(read) = ids.get(column.id.as_ref()) {
                column.id = Arc::clone(&read.id);
                column.nullable = true;
            }
        }
        Ok(Relation::new(scan.plan, scope))
    }

    pub(super) fn create_table(
        &self,
        relation: Relation,
        target: &TableTarget,
        place: Span,
    ) -> Result<Step> {
        let name = session_name(&target.name)?;
        let mut defaults = Defaults::default();
        let (schema, query) = if target.columns.is_empty() {
            check_names(&relation.scope.columns, place)?;
            let query = self.output(relation)?;
            let schema = crate::plan::output_schema(&query);
            (schema, query)
        } else {
            let schema = declared(&target.columns)?;
            check_key(&target.key, &schema)?;
            defaults = self.declared_defaults(&target.columns, &schema)?;
            let count = relation.scope.columns.len();
            let sources = by_position(count, &schema, &[], target.name.span)?;
            let query = self.stored_as(relation, &schema, &sources, Vec::new(), place)?;
            (schema, query)
        };
        if self.catalog.database().is_some() && !target.temporary {
            let new = self.new_durable(name, target, schema, defaults.texts)?;
            let stored = WriteTarget::CreateDurable(Box::new(new));
            return Ok(Step::Write {
                target: stored,
                query,
                place: target.name.span,
            });
        }
        if !target.layout.is_empty() {
            let message = "a table in memory has no partitions, shards or order";
            let hint =
                "open a database with --db DIRECTORY; TEMP tables are kept in memory there too";
            return Err(Error::input("TM0749", message, target.name.span).hint(hint));
        }
        Ok(Step::Write {
            target: WriteTarget::CreateTable {
                name,
                or_replace: target.or_replace,
                if_not_exists: target.if_not_exists,
                schema,
                defaults: defaults.values,
            },
            query,
            place: target.name.span,
        })
    }
}

/// Adds a step that stores rows. No two of a statement may store them in one place: nobody would see those of the first.
fn add_effect(step: Step, place: Span, steps: &mut Vec<Step>) -> Result<()> {
    if let Step::Write { target, .. } = &step {
        let mut others = steps.iter().filter_map(|other| match other {
            Step::Write { target, .. } => Some(target),
            Step::Share { .. } | Step::Answer(_) | Step::Log(_) => None,
        });
        if others.any(|other| other.meets(target)) {
            let message = format!("this statement stores rows in `{}` already", target.name());
            return Err(Error::input("TM0702", message, place).hint(
                "give each of them a place of its own, or put the rows together with UNION ALL",
            ));
        }
    }
    steps.push(step);
    Ok(())
}

/// A key tells readers what the rows are; nothing here relies on it.
fn check_key(key: &[Ident], schema: &Schema) -> Result<()> {
    for (place, name) in key.iter().enumerate() {
        column(schema, name)?;
        let same = |other: &Ident| other.text.eq_ignore_ascii_case(&name.text);
        if key[..place].iter().any(same) {
            let message = format!("`{}` is listed twice", name.text);
            return Err(Error::input("TM0301", message, name.span));
        }
    }
    Ok(())
}

/// A relation whose rows will lie in memory.
pub(super) struct Shared {
    rows: Arc<SharedRows>,
    relation: Relation,
}

/// Operators that [`Binder::flow`] knows and no other query may have.
pub(super) fn is_flow(op: &PipeOp) -> bool {
    let inside = |pipes: &[Pipe]| pipes.iter().any(|pipe| is_flow(&pipe.op));
    match op {
        PipeOp::If {
            branches,
            otherwise,
        } => {
            branches.iter().any(|(_, pipes)| inside(pipes))
                || otherwise.as_ref().is_some_and(|pipes| inside(pipes))
        }
        PipeOp::Tee(_)
        | PipeOp::Fork(_)
        | PipeOp::Log(_)
        | PipeOp::CreateTable(_)
        | PipeOp::Insert(_)
        | PipeOp::Export(_) => true,
        PipeOp::Call { function, .. } => is_plot(function),
        _ => false,
    }
}

/// TM0325: the operator stands in a query inside a statement.
pub(super) fn not_outermost(pipe: &Pipe, text: &str) -> Error {
    Error::input(
        "TM0325",
        format!("{text} can stand only in the outermost query of a statement"),
        pipe.keyword,
    )
    .hint("take the inner query out into a WITH or a table of its own")
}

pub(super) fn nothing_follows(pipe: &Pipe, next: &Pipe) -> Error {
    let message = "nothing can follow the operator that ends the query";
    Error::input("TM0325", message, next.keyword)
        .also(pipe.keyword, "this one leaves no table")
        .hint("to go on with the same rows write `|> TEE ( … )` before")
}

pub(super) fn every_column(scope: &Scope) -> impl Iterator<Item = &ScopeColumn> {
    let ranges = scope.ranges.iter();
    let ranged = ranges.flat_map(|range| range.columns.iter().chain(&range.pseudo));
    scope.columns.iter().chain(&scope.pseudo).chain(ranged)
}

fn every_column_mut(scope: &mut Scope) -> impl Iterator<Item = &mut ScopeColumn> {
    let ranges = scope.ranges.iter_mut();
    let ranged = ranges.flat_map(|range| range.columns.iter_mut().chain(&mut range.pseudo));
    scope
        .columns
        .iter_mut()
        .chain(&mut scope.pseudo)
        .chain(ranged)
}
