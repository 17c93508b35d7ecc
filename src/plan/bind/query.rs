//! Queries: WITH, a source, then pipe operators one after the other.

use datafusion::logical_expr::{EmptyRelation, LogicalPlan};
use std::sync::Arc;

use datafusion::common::DFSchema;

use super::Binder;
use super::list::values_plan;
use super::relation::Relation;
use super::scope::Scope;
use super::stage::{Env, Stage};
use crate::error::{Error, Result};
use crate::lang::ast::{self, ColumnMatch, NamedWindow, Pipe, PipeOp, QueryBody, SetExpr, SetKind};

impl Binder<'_> {
    pub(super) fn query(&self, query: &ast::Query, env: &Env) -> Result<Relation> {
        let mut env = env.clone();
        if let Some(with) = &query.with {
            env = self.with(with, &env)?;
        }
        let relation = self.body(&query.body, &env)?;
        self.pipes(relation, &query.pipes, &mut env)
    }

    /// Pipe operators one after the other.
    pub(super) fn pipes<'e>(
        &self,
        mut relation: Relation,
        mut pipes: &[Pipe],
        env: &mut Env<'e>,
    ) -> Result<Relation> {
        while let Some((pipe, rest)) = pipes.split_first() {
            let unions = unions_in_a_row(pipes);
            if let PipeOp::With(with) = &pipe.op {
                *env = self.with(with, env)?;
                pipes = rest;
                continue;
            }
            relation.narrow()?;
            let (moment, before) = (self.moment(), relation.scope.clone());
            let bound = if unions > 1 {
                let (together, rest) = pipes.split_at(unions);
                pipes = rest;
                self.unions(relation, together, env)
            } else {
                pipes = rest;
                self.pipe(relation, pipe, env)
            };
            let bound = bound.and_then(|next| {
                self.step(next.plan.schema().fields().len(), pipe.keyword)?;
                Ok(next)
            });
            relation = match bound {
                Ok(next) => next,
                Err(error) => self.table_after(error, before, pipe, moment)?,
            };
        }
        Ok(relation)
    }

    /// What a query begins with.
    pub(super) fn body(&self, body: &QueryBody, env: &Env) -> Result<Relation> {
        let moment = self.moment();
        self.table_or_unknown(moment, self.known_body(body, env))
    }

    fn known_body(&self, body: &QueryBody, env: &Env) -> Result<Relation> {
        match body {
            QueryBody::From(items) => self.bind_from(items, env),
            QueryBody::Catalog(query) => self.catalog_query(query, env),
            QueryBody::Standard {
                set: SetExpr::Select(select),
                order_by,
                limit,
            } => {
                let mut relation = self.select(select, order_by, env)?;
                if let Some(limit) = limit {
                    self.limit(&mut relation, limit, env)?;
                }
                Ok(relation)
            }
            QueryBody::Standard {
                set,
                order_by,
                limit,
            } => {
                let mut relation = self.set_expr(set, env)?;
                if !order_by.is_empty() {
                    self.order_by(&mut relation, order_by, env)?;
                }
                if let Some(limit) = limit {
                    self.limit(&mut relation, limit, env)?;
                }
                Ok(relation)
            }
        }
    }

    pub(super) fn set_expr(&self, set: &SetExpr, env: &Env) -> Result<Relation> {
        let moment = self.moment();
        self.table_or_unknown(moment, self.known_set_expr(set, env))
    }

    fn known_set_expr(&self, set: &SetExpr, env: &Env) -> Result<Relation> {
        match set {
            SetExpr::Select(select) => self.select(select, &[], env),
            SetExpr::Values { rows, span } => values_plan(self, rows, *span, env),
            SetExpr::Table(path) => self.table(path, env),
            SetExpr::Query { query, alias } => {
                let mut relation = self.query(query, env)?;
                if let Some(alias) = alias {
                    relation.scope = relation.scope.under(&alias.text);
                }
                Ok(relation)
            }
            SetExpr::Operation {
                operator,
                inputs,
                span,
            } => {
                let mut relations = Vec::with_capacity(inputs.len());
                for input in inputs {
                    relations.push(self.set_expr(input, env)?);
                }
                self.set_operation(operator, relations, &[operator.span], *span)
            }
        }
    }

    /// UNION after UNION of the same kind as one operation, for a node in a node in a node is slow to plan.
    fn unions(&self, relation: Relation, pipes: &[Pipe], env: &Env) -> Result<Relation> {
        let (mut relations, mut places) = (vec![relation], Vec::with_capacity(pipes.len()));
        let mut first = None;
        for pipe in pipes {
            let PipeOp::SetOperation { operator, queries } = &pipe.op else {
                return Err(Error::bug("another operator among UNIONs"));
            };
            first.get_or_insert((operator, pipe.keyword));
            for query in queries {
                relations.push(self.query(query, env)?);
                places.push(operator.span);
            }
        }
        let (operator, keyword) = first.ok_or_else(|| Error::bug("no UNION among UNIONs"))?;
        self.set_operation(operator, relations, &places, keyword)
    }

    /// Binds with window functions allowed and computes those that were found.
    pub(super) fn with_windows<T>(
        &self,
        relation: &mut Relation,
        env: &Env,
        clause: &str,
        named: &[NamedWindow],
        bind: impl FnOnce(&mut Stage) -> Result<T>,
    ) -> Result<T> {
        let scope = relation.scope.clone();
        let mut stage = Stage::plain(&scope, env, clause).with_windows(named);
        let bound = bind(&mut stage)?;
        let windows = stage.take_windows();
        if !windows.is_empty() {
            relation.forget_order();
            relation.plan = self.window_plan(std::mem::take(&mut relation.plan), windows)?;
        }
        Ok(bound)
    }
}

/// The UNIONs by position at the start that all keep equal rows, or that all do not.
fn unions_in_a_row(pipes: &[Pipe]) -> usize {
    let union = |pipe: &Pipe| match &pipe.op {
        PipeOp::SetOperation { operator, .. } => {
            let by_position = operator.columns == ColumnMatch::Position;
            (operator.kind == SetKind::Union && by_position).then_some(operator.all)
        }
        _ => None,
    };
    let Some(all) = pipes.first().and_then(union) else {
        return 0;
    };
    let same = pipes.iter().take_while(|pipe| union(pipe) == Some(all));
    same.count()
}

/// One row without columns: what a SELECT without FROM reads.
pub(super) fn one_row() -> Relation {
    let plan = LogicalPlan::EmptyRelation(EmptyRelation {
        produce_one_row: true,
        schema: Arc::new(DFSchema::empty()),
    });
    Relation::new(plan, Scope::default())
}
