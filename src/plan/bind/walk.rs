//! A query step by step: what it is after its source and after each pipe operator. Effects are left out.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};

use super::Binder;
use super::flow::{is_flow, nothing_follows};
use super::relation::Relation;
use super::stage::Env;
use crate::error::{Error, Result, Span};
use crate::lang::ast::{Pipe, PipeOp, Query, Statement};
use crate::plan::BoundQuery;
use crate::plan::lineage::{ColumnLineage, Step, lineage};

/// A query after one of its steps.
#[derive(Debug)]
pub(crate) struct BoundStep {
    pub(crate) span: Span,
    /// Without any after an operator that leaves no table.
    pub(crate) columns: SchemaRef,
    /// The query up to here, where it is to be run.
    pub(crate) query: Option<BoundQuery>,
}

/// A step and the table after it.
pub(super) struct Walked {
    pub(super) span: Span,
    pub(super) relation: Option<Relation>,
    /// Columns that got their ids before the step was over have smaller ones.
    ids_end: usize,
}

impl Binder<'_> {
    /// Every step of a query of which each can be bound.
    pub(super) fn walk(&self, query: &Query) -> Result<Vec<Walked>> {
        let mut env = Env::default();
        if let Some(with) = &query.with {
            env = self.with(with, &env)?;
        }
        let relation = self.body(&query.body, &env)?;
        let mut spans = query.steps().into_iter();
        let mut steps = Vec::with_capacity(query.pipes.len() + 1);
        let mut push = |relation: Option<Relation>| {
            steps.push(Walked {
                span: spans.next().unwrap_or_default(),
                relation,
                ids_end: self.next_id.get(),
            });
        };
        let mut last = Some(relation.clone());
        push(Some(relation));
        let mut pipes = query.pipes.iter();
        while let Some(pipe) = pipes.next() {
            let Some(relation) = last else { break };
            last = self.through(relation, pipe, &mut env)?;
            if let (None, Some(next)) = (&last, pipes.clone().next()) {
                return Err(nothing_follows(pipe, next));
            }
            push(last.clone());
        }
        Ok(steps)
    }

    /// The table after a pipe operator; none where it ends the query.
    pub(super) fn through<'e>(
        &self,
        mut relation: Relation,
        pipe: &Pipe,
        env: &mut Env<'e>,
    ) -> Result<Option<Relation>> {
        match &pipe.op {
            PipeOp::With(with) => {
                *env = self.with(with, env)?;
                Ok(Some(relation))
            }
            PipeOp::If {
                branches,
                otherwise,
            } if is_flow(&pipe.op) => {
                let chosen = self.chosen(branches, otherwise.as_deref(), env)?;
                let mut last = Some(relation);
                for pipe in chosen.unwrap_or_default() {
                    let Some(relation) = last else { break };
                    last = self.through(relation, pipe, env)?;
                }
                Ok(last)
            }
            PipeOp::Tee(_) | PipeOp::Log(_) => {
                self.flow_step(relation.clone(), pipe, env, &mut Vec::new())?;
                if matches!(pipe.op, PipeOp::Tee(_)) {
                    relation.forget_order();
                }
                Ok(Some(relation))
            }
            op if is_flow(op) => self.flow_step(relation, pipe, env, &mut Vec::new()),
            _ => self.pipe(relation, pipe, env).map(Some),
        }
    }

    /// The steps of a statement's query; `to_run`: with the query up to each.
    pub(super) fn steps(&self, statement: &Statement, to_run: bool) -> Result<Vec<BoundStep>> {
        let walked = self.walk(query_of(statement)?)?;
        let steps = walked.into_iter().map(|step| {
            let columns = step.relation.iter();
            let columns = columns.flat_map(|relation| &relation.scope.columns);
            let columns: Vec<Field> = columns
                .map(|column| Field::new(column.display(), column.data_type.clone(), true))
                .collect();
            let relation = step.relation.filter(|_| to_run);
            Ok(BoundStep {
                span: step.span,
                columns: Arc::new(Schema::new(columns)),
                query: relation.map(|relation| self.output(relation)).transpose()?,
            })
        });
        steps.collect()
    }

    /// Where the columns of a statement's query come from.
    pub(super) fn lineage(&self, statement: &Statement) -> Result<Vec<ColumnLineage>> {
        let mut walked = self.walk(query_of(statement)?)?;
        let named = |relation: &Relation| -> Vec<(Arc<str>, Arc<str>)> {
            let columns = relation.scope.columns.iter();
            columns
                .map(|column| (Arc::clone(&column.id), column.display().into()))
                .collect()
        };
        let steps: Vec<Step> = walked
            .iter()
            .map(|step| Step {
                ids_end: step.ids_end,
                names: step.relation.as_ref().map(named).unwrap_or_default(),
            })
            .collect();
        let last = walked.iter().rposition(|step| step.relation.is_some());
        let relation = last.and_then(|last| walked.swap_remove(last).relation);
        let relation = relation.ok_or_else(|| Error::bug("a query without a table"))?;
        lineage(&self.output(relation)?, &steps)
    }
}

fn query_of(statement: &Statement) -> Result<&Query> {
    statement.query().ok_or_else(|| {
        let message = "only a query has steps";
        Error::input("TM0315", message, statement.span)
    })
}
