//! Queries inside expressions: as a value, EXISTS and ARRAY.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::{ScalarValue, Spans};
use datafusion::logical_expr::expr::{AggregateFunction, Exists, Sort as SortKey};
use datafusion::logical_expr::{Aggregate, Distinct, Expr, LogicalPlan, Operator, Subquery};

use super::bounds::check_subquery;
use super::predicate::maybe_not;
use super::relation::{Finished, Relation};
use super::scope::ScopeColumn;
use super::stage::{Calls, Env, Stage, Use};
use super::typed::Typed;
use super::{Binder, shared};
use crate::catalog::functions::single_value;
use crate::error::{Error, Result, Span};
use crate::lang::ast::{self, PipeOp, QueryBody, SelectShape, SetExpr};
use crate::plan::decorrelate::outer_references;

impl Binder<'_> {
    /// A query that sees the names around it.
    fn inner_query(&self, query: &ast::Query, stage: &Stage) -> Result<Relation> {
        let around = stage.around();
        let env = Env {
            outer: Some(&around),
            ..stage.env.clone()
        };
        self.query(query, &env)
    }

    /// A query of one column; `SELECT AS STRUCT` makes one of many.
    pub(super) fn inner_column(
        &self,
        query: &ast::Query,
        ordered: bool,
        what: &str,
        stage: &Stage,
    ) -> Result<(Finished, ScopeColumn)> {
        let relation = self.inner_relation(query, stage)?;
        let finished = self.finish(relation, ordered)?;
        let only = only_column(&finished.columns, query, what)?;
        Ok((finished, only))
    }

    /// A query of any number of columns.
    pub(super) fn inner_columns(&self, query: &ast::Query, stage: &Stage) -> Result<Finished> {
        let relation = self.inner_relation(query, stage)?;
        self.finish(relation, false)
    }

    /// A subquery's rows before its columns are cut down to those it gives: what it is ordered by may be among the others.
    fn inner_relation(&self, query: &ast::Query, stage: &Stage) -> Result<Relation> {
        let mut relation = self.inner_query(query, stage)?;
        if last_shape(query) == SelectShape::Struct {
            let fields = relation.scope.columns.iter();
            let fields = fields
                .map(|column| {
                    let value = Typed::column(column, query.span);
                    (column.display().to_string(), value)
                })
                .collect();
            let row = self.named_struct(fields, query.span)?;
            relation.scope.columns = vec![self.add_hidden(&mut relation, "struct", row)?];
        }
        Ok(relation)
    }

    /// The plan as a part of an expression at `span`; columns of this query that it reads are noted.
    pub(super) fn subquery(
        &self,
        plan: LogicalPlan,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Subquery> {
        check_subquery(&plan, span)?;
        self.subqueries.set(self.subqueries.get() + 1);
        self.step(self.subqueries.get(), span)?;
        let outer_ref_columns = outer_references(&plan)?;
        for reference in &outer_ref_columns {
            let Expr::OuterReferenceColumn(_, column) = reference else {
                continue;
            };
            let all = all_columns(stage);
            let Some(own) = all.iter().find(|own| *own.id == column.name) else {
                continue;
            };
            if stage.only_aggregates && stage.inside_aggregate.is_none() {
                return Err(Error::input(
                    "TM0312",
                    format!(
                        "`{}` stands outside of an aggregate function",
                        own.display()
                    ),
                    span,
                )
                .hint("put the subquery into an EXTEND"));
            }
            if stage.in_define() {
                let message = format!(
                    "a subquery in DEFINE cannot read `{}` of the rows that are matched",
                    own.display()
                );
                return Err(Error::input("TM0901", message, span).hint(
                    "compute it in an EXTEND before the MATCH_RECOGNIZE and name its column here",
                ));
            }
            stage.uses.push(Use {
                id: Arc::clone(&own.id),
                span,
            });
        }
        if let (Some(span), false) = (self.in_text(span), outer_ref_columns.is_empty()) {
            let names = outer_ref_columns
                .iter()
                .filter_map(|reference| match reference {
                    Expr::OuterReferenceColumn(_, column) => Some(column.name.clone()),
                    _ => None,
                });
            let names = names.collect();
            self.places.borrow_mut().note_subquery(names, span);
        }
        Ok(Subquery {
            subquery: shared(plan),
            outer_ref_columns,
            spans: Spans::new(),
        })
    }

    pub(super) fn scalar_query(
        &self,
        query: &ast::Query,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Typed> {
        let what = "a subquery used as a value";
        let (finished, column) = self.inner_column(query, false, what, stage)?;
        let plan = if let Some(plan) = self.first_of_correlated(&finished, &column)? {
            plan
        } else if gives_one_row(&finished.plan) {
            finished.plan
        } else {
            let only = single_value(self.in_text(span));
            self.aggregated(finished.plan, "value", only, &column, Vec::new())?
        };
        self.scalar(plan, column.data_type, span, stage)
    }

    /// `… ORDER BY k LIMIT 1` of a correlated query as an aggregate: a limit cannot be computed for all outer rows at once.
    fn first_of_correlated(
        &self,
        finished: &Finished,
        column: &ScopeColumn,
    ) -> Result<Option<LogicalPlan>> {
        let top = match &finished.plan {
            LogicalPlan::Projection(projection)
                if projection
                    .expr
                    .iter()
                    .all(|expr| matches!(expr, Expr::Column(_))) =>
            {
                projection.input.as_ref()
            }
            plan => plan,
        };
        let LogicalPlan::Limit(limit) = top else {
            return Ok(None);
        };
        let one = Expr::Literal(ScalarValue::from(1i64), None);
        let is_one = limit.fetch.as_deref() == Some(&one) && skips_nothing(limit.skip.as_deref());
        if !is_one || outer_references(&finished.plan)?.is_empty() {
            return Ok(None);
        }
        let (input, order) = match limit.input.as_ref() {
            LogicalPlan::Sort(sort) => (sort.input.as_ref(), sort.expr.clone()),
            input => (input, Vec::new()),
        };
        let first = self.catalog.functions().aggregate("first_value");
        let first = first.ok_or_else(|| Error::bug("first_value is missing"))?;
        let plan = self.aggregated(input.clone(), "first", first, column, order)?;
        Ok(Some(plan))
    }

    pub(super) fn scalar(
        &self,
        plan: LogicalPlan,
        data_type: DataType,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Typed> {
        let subquery = self.subquery(plan, span, stage)?;
        Ok(Typed::new(Expr::ScalarSubquery(subquery), data_type, span))
    }

    /// An Aggregate without groups, of one function over one column.
    pub(super) fn aggregated(
        &self,
        plan: LogicalPlan,
        name: &str,
        function: Arc<datafusion::logical_expr::AggregateUDF>,
        column: &ScopeColumn,
        order_by: Vec<SortKey>,
    ) -> Result<LogicalPlan> {
        let call =
            AggregateFunction::new_udf(function, vec![column.expr()], false, None, order_by, None);
        let call = Expr::AggregateFunction(call).alias(self.fresh(name).as_ref());
        let aggregate = Aggregate::try_new(shared(plan), Vec::new(), vec![call])?;
        Ok(LogicalPlan::Aggregate(aggregate))
    }

    /// Whether a query has rows, as a comparison of their number.
    pub(super) fn has_rows(
        &self,
        plan: LogicalPlan,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Typed> {
        let udaf = self.catalog.functions().aggregate("count");
        let udaf = udaf.ok_or_else(|| Error::bug("count is missing"))?;
        let one = Expr::Literal(ScalarValue::from(1i64), None);
        let call = AggregateFunction::new_udf(udaf, vec![one], false, None, Vec::new(), None);
        let call = Expr::AggregateFunction(call).alias(self.fresh("count").as_ref());
        let plan =
            LogicalPlan::Aggregate(Aggregate::try_new(shared(plan), Vec::new(), vec![call])?);
        let count = self.scalar(plan, DataType::Int64, span, stage)?;
        let zero = Typed::literal(ScalarValue::from(0i64), span);
        self.operate(count, Operator::Gt, zero, span)
    }

    pub(super) fn exists(
        &self,
        query: &ast::Query,
        negated: bool,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Typed> {
        let relation = self.inner_query(query, stage)?;
        let becomes_join =
            stage.is_filter && !stage.inside_window && stage.inside_aggregate.is_none();
        if always_has_rows(&relation.plan) {
            // A join or a count would ask for the rows that match, of which an aggregate needs none.
            self.subquery(relation.plan, span, stage)?;
            return Ok(Typed::literal((!negated).into(), span));
        }
        if !becomes_join {
            let has_rows = self.has_rows(relation.plan, span, stage)?;
            return Ok(maybe_not(has_rows, negated));
        }
        let subquery = self.subquery(relation.plan, span, stage)?;
        Ok(Typed {
            nullable: false,
            ..Typed::bool(Expr::Exists(Exists::new(subquery, negated)), span)
        })
    }

    /// `ARRAY(query)`: its rows in its order, an empty array without rows.
    pub(super) fn array_query(
        &self,
        query: &ast::Query,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Typed> {
        let mut relation = self.inner_relation(query, stage)?;
        relation.apply_order();
        let column = only_column(&relation.scope.columns, query, "ARRAY(query)")?;
        let udaf = self.aggregate_named("array_agg")?;
        // What rows are sorted by is still there, unless a later step made other rows of them: those have no order.
        let schema = relation.plan.schema();
        let there = |key: &SortKey| {
            let mut columns = key.expr.column_refs().into_iter();
            columns.all(|column| schema.has_column(column))
        };
        let order = match relation.sorted.iter().all(there) {
            true => relation.sorted.clone(),
            false => Vec::new(),
        };
        let plan = self.aggregated(relation.plan, "array", udaf, &column, order)?;
        let data_type = plan.schema().field(0).data_type().clone();
        let array = self.scalar(plan, data_type, span, stage)?;
        let empty = super::nested::empty_array(&column.data_type, span);
        self.apply_named("coalesce", vec![array, empty], span)
    }
}

/// The one column of a subquery that stands for values.
fn only_column(columns: &[ScopeColumn], query: &ast::Query, what: &str) -> Result<ScopeColumn> {
    match columns {
        [only] => Ok(only.clone()),
        columns => Err(Error::input(
            "TM0302",
            format!("{what} needs one column, it has {}", columns.len()),
            query.span,
        )
        .hint("SELECT the column that is wanted, or SELECT AS STRUCT")),
    }
}

/// Every column that an expression at this stage can have read.
pub(super) fn all_columns(stage: &Stage) -> Vec<ScopeColumn> {
    let scope = stage.scope;
    let mut columns: Vec<ScopeColumn> = scope.columns.clone();
    columns.extend(scope.pseudo.iter().cloned());
    for range in &scope.ranges {
        columns.extend(range.columns.iter().cloned());
        columns.extend(range.pseudo.iter().cloned());
    }
    for calls in [&stage.aggregates, &stage.windows] {
        if let Calls::Taken(taken) = calls {
            let calls = taken.calls().iter();
            columns.extend(calls.map(|extracted| extracted.column.clone()));
        }
    }
    columns
}

/// What the last SELECT of a query was written as. Steps behind it that keep its columns keep its shape.
fn last_shape(query: &ast::Query) -> SelectShape {
    for pipe in query.pipes.iter().rev() {
        match &pipe.op {
            PipeOp::Select { shape, .. } => return *shape,
            PipeOp::Where(_)
            | PipeOp::Distinct
            | PipeOp::OrderBy(_)
            | PipeOp::Limit(_)
            | PipeOp::Sample(_)
            | PipeOp::SetOperation { .. }
            | PipeOp::Assert { .. }
            | PipeOp::As(_)
            | PipeOp::With(_) => {}
            _ => return SelectShape::Plain,
        }
    }
    match &query.body {
        QueryBody::Standard { set, .. } => shape_of(set),
        _ => SelectShape::Plain,
    }
}

fn shape_of(set: &SetExpr) -> SelectShape {
    match set {
        SetExpr::Select(select) => select.shape,
        SetExpr::Query { query, .. } => last_shape(query),
        SetExpr::Operation { inputs, .. } => inputs.first().map_or(SelectShape::Plain, shape_of),
        SetExpr::Values { .. } | SetExpr::Table(_) => SelectShape::Plain,
    }
}

fn skips_nothing(skip: Option<&Expr>) -> bool {
    skip.is_none_or(|skip| matches!(skip, Expr::Literal(ScalarValue::Int64(Some(0)), _)))
}

/// Whether a plan can be seen to have a row, whatever its tables hold.
fn always_has_rows(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        LogicalPlan::EmptyRelation(empty) => empty.produce_one_row,
        LogicalPlan::Values(values) => !values.values.is_empty(),
        LogicalPlan::Projection(node) => always_has_rows(&node.input),
        LogicalPlan::Window(node) => always_has_rows(&node.input),
        LogicalPlan::Sort(node) => node.fetch.is_none() && always_has_rows(&node.input),
        LogicalPlan::Distinct(Distinct::All(input)) => always_has_rows(input),
        LogicalPlan::Union(union) => union.inputs.iter().any(|input| always_has_rows(input)),
        _ => false,
    }
}

/// Whether a plan can be seen to have at most one row.
fn gives_one_row(plan: &LogicalPlan) -> bool {
    match plan {
        LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.is_empty(),
        LogicalPlan::EmptyRelation(_) => true,
        LogicalPlan::Values(values) => values.values.len() == 1,
        LogicalPlan::Projection(node) => gives_one_row(&node.input),
        LogicalPlan::Filter(node) => gives_one_row(&node.input),
        LogicalPlan::Sort(node) => gives_one_row(&node.input),
        LogicalPlan::Distinct(Distinct::All(input)) => gives_one_row(input),
        LogicalPlan::Limit(limit) => {
            let one =
                |fetch: &Expr| matches!(fetch, Expr::Literal(ScalarValue::Int64(Some(0 | 1)), _));
            limit.fetch.as_deref().is_some_and(one) || gives_one_row(&limit.input)
        }
        _ => false,
    }
}
