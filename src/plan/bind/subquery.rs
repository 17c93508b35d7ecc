//! Queries inside expressions: as a value, EXISTS, IN, ARRAY and compared with ANY or ALL.
//!
//! A predicate of a filter becomes a join. Elsewhere (in a SELECT list, under OR) it is computed from counts, which know NULL.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{ScalarValue, Spans};
use datafusion::logical_expr::expr::{AggregateFunction, Exists, InSubquery, Sort as SortKey};
use datafusion::logical_expr::{Aggregate, Case, Distinct, Expr, LogicalPlan, Operator, Subquery};

use super::operators::operator;
use super::predicate::{check_comparable, maybe_not};
use super::relation::{Finished, Relation};
use super::scope::ScopeColumn;
use super::stage::{Calls, Env, Stage, Use};
use super::typed::Typed;
use super::{Binder, shared};
use crate::catalog::functions::single_value;
use crate::error::{Error, Result, Span};
use crate::lang::ast::{self, BinaryOp, PipeOp, QueryBody, SelectShape, SetExpr};

impl Binder<'_> {
    /// A query that sees the names around it.
    fn inner_query(&self, query: &ast::Query, stage: &Stage) -> Result<Relation> {
        let around = stage.around();
        let env = Env {
            ctes: stage.env.ctes.clone(),
            outer: Some(&around),
        };
        self.query(query, &env)
    }

    /// A query of one column; `SELECT AS STRUCT` makes one of many.
    fn inner_column(
        &self,
        query: &ast::Query,
        ordered: bool,
        what: &str,
        stage: &Stage,
    ) -> Result<(Finished, ScopeColumn)> {
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
        let finished = self.finish(relation, ordered)?;
        match finished.columns.as_slice() {
            [only] => {
                let only = only.clone();
                Ok((finished, only))
            }
            columns => Err(Error::input(
                "TM0302",
                format!("{what} needs one column, it has {}", columns.len()),
                query.span,
            )
            .hint("SELECT the column that is wanted, or SELECT AS STRUCT")),
        }
    }

    /// The plan as a part of an expression at `span`; columns of this query that it reads are noted.
    fn subquery(&self, plan: LogicalPlan, span: Span, stage: &mut Stage) -> Result<Subquery> {
        let outer_ref_columns = plan.all_out_ref_exprs();
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
            stage.uses.push(Use {
                id: Arc::clone(&own.id),
                span,
            });
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
        let (finished, column) =
            self.inner_column(query, false, "a subquery used as a value", stage)?;
        let plan = if gives_one_row(&finished.plan) {
            finished.plan
        } else {
            self.aggregated(finished.plan, "value", single_value(), &column, Vec::new())?
        };
        self.scalar(plan, column.data_type, span, stage)
    }

    fn scalar(
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
    fn aggregated(
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

    /// The smallest or largest value of a query's column.
    fn summary(
        &self,
        function: &str,
        plan: &LogicalPlan,
        column: &ScopeColumn,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Typed> {
        let udaf = self.catalog.functions().aggregate(function);
        let udaf = udaf.ok_or_else(|| Error::bug(format!("{function} is missing")))?;
        let plan = self.aggregated(plan.clone(), function, udaf, column, Vec::new())?;
        self.scalar(plan, column.data_type.clone(), span, stage)
    }

    /// Whether a query has rows, as a comparison of their number.
    fn has_rows(&self, plan: LogicalPlan, span: Span, stage: &mut Stage) -> Result<Typed> {
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

    /// `x IN (query)` as a conjunct of a filter.
    pub(super) fn in_query(
        &self,
        operand: &ast::Expr,
        query: &ast::Query,
        negated: bool,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Typed> {
        let operand = self.expr(operand, stage)?;
        let (finished, column) = self.inner_column(query, false, "a query after IN", stage)?;
        check_comparable("IN", &operand, &Typed::column(&column, query.span), span)?;
        let subquery = self.subquery(finished.plan, span, stage)?;
        if negated && !subquery.outer_ref_columns.is_empty() {
            // The join that knows NULL cannot be correlated.
            return self.in_by_counting(operand, &subquery.subquery, &column, negated, span, stage);
        }
        let in_subquery = InSubquery::new(Box::new(operand.expr), subquery, negated);
        Ok(Typed::bool(Expr::InSubquery(in_subquery), span))
    }

    /// `x IN (query)` anywhere else.
    pub(super) fn in_query_value(
        &self,
        operand: &ast::Expr,
        query: &ast::Query,
        negated: bool,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Typed> {
        let operand = self.expr(operand, stage)?;
        let (finished, column) = self.inner_column(query, false, "a query after IN", stage)?;
        check_comparable("IN", &operand, &Typed::column(&column, query.span), span)?;
        self.in_by_counting(operand, &finished.plan, &column, negated, span, stage)
    }

    /// TRUE with a match; else FALSE without rows; else NULL if either side has a NULL; else FALSE.
    fn in_by_counting(
        &self,
        operand: Typed,
        plan: &LogicalPlan,
        column: &ScopeColumn,
        negated: bool,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Typed> {
        let value = Typed::column(column, span);
        let outer = as_outer(operand.expr.clone(), stage)?;
        let outer = Typed {
            expr: outer,
            ..operand.clone()
        };
        let equal = self.operate(value, Operator::Eq, outer, span)?;
        let mut matching = Relation::new(plan.clone(), super::scope::Scope::default());
        matching.filter(equal.expr)?;
        let mut nulls = Relation::new(plan.clone(), super::scope::Scope::default());
        nulls.filter(Expr::IsNull(Box::new(column.expr())))?;
        let matched = self.has_rows(matching.plan, span, stage)?;
        let any = self.has_rows(plan.clone(), span, stage)?;
        let has_null = self.has_rows(nulls.plan, span, stage)?;
        let boolean = |value: Option<bool>| Expr::Literal(ScalarValue::Boolean(value), None);
        let case = Case {
            expr: None,
            when_then_expr: vec![
                (Box::new(matched.expr), Box::new(boolean(Some(true)))),
                (
                    Box::new(Expr::Not(Box::new(any.expr))),
                    Box::new(boolean(Some(false))),
                ),
                (
                    Box::new(Expr::IsNull(Box::new(operand.expr))),
                    Box::new(boolean(None)),
                ),
                (Box::new(has_null.expr), Box::new(boolean(None))),
            ],
            else_expr: Some(Box::new(boolean(Some(false)))),
        };
        Ok(maybe_not(Typed::bool(Expr::Case(case), span), negated))
    }

    /// `x > ANY (query)`: the smallest and the largest value decide.
    pub(super) fn quantified(
        &self,
        operand: &ast::Expr,
        op: BinaryOp,
        all: bool,
        query: &ast::Query,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Typed> {
        match (op, all) {
            (BinaryOp::Equal, false) => {
                return self.in_query_value(operand, query, false, span, stage);
            }
            (BinaryOp::NotEqual, true) => {
                return self.in_query_value(operand, query, true, span, stage);
            }
            _ => {}
        }
        let operand = self.expr(operand, stage)?;
        let word = if all { "ALL" } else { "ANY" };
        let (finished, column) =
            self.inner_column(query, false, "a query after ANY or ALL", stage)?;
        check_comparable(word, &operand, &Typed::column(&column, query.span), span)?;
        let plan = &finished.plan;
        let low = self.summary("min", plan, &column, span, stage)?;
        let high = self.summary("max", plan, &column, span, stage)?;
        let any = self.has_rows(plan.clone(), span, stage)?;
        let mut nulls = Relation::new(plan.clone(), super::scope::Scope::default());
        nulls.filter(Expr::IsNull(Box::new(column.expr())))?;
        let has_null = self.has_rows(nulls.plan, span, stage)?;
        let compare = |this: &Self, bound: &Typed| {
            this.operate(operand.clone(), operator(op), bound.clone(), span)
        };
        let holds = match (op, all) {
            (BinaryOp::Equal | BinaryOp::NotEqual, _) => {
                let (low, high) = (compare(self, &low)?, compare(self, &high)?);
                let joined = if all { Operator::And } else { Operator::Or };
                self.operate(low, joined, high, span)?
            }
            (BinaryOp::Greater | BinaryOp::GreaterEqual, false)
            | (BinaryOp::Less | BinaryOp::LessEqual, true) => compare(self, &low)?,
            _ => compare(self, &high)?,
        };
        let boolean = |value: Option<bool>| Expr::Literal(ScalarValue::Boolean(value), None);
        let decided = if all {
            Expr::Not(Box::new(holds.expr.clone()))
        } else {
            holds.expr.clone()
        };
        let case = Case {
            expr: None,
            when_then_expr: vec![
                (
                    Box::new(Expr::Not(Box::new(any.expr))),
                    Box::new(boolean(Some(all))),
                ),
                (Box::new(decided), Box::new(boolean(Some(!all)))),
                (Box::new(has_null.expr), Box::new(boolean(None))),
            ],
            else_expr: Some(Box::new(holds.expr)),
        };
        Ok(Typed::bool(Expr::Case(case), span))
    }

    /// `ARRAY(query)`: its rows in its order, an empty array without rows.
    pub(super) fn array_query(
        &self,
        query: &ast::Query,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Typed> {
        let (finished, column) = self.inner_column(query, true, "ARRAY(query)", stage)?;
        let udaf = self.catalog.functions().aggregate("array_agg");
        let udaf = udaf.ok_or_else(|| Error::bug("array_agg is missing"))?;
        // The order's columns may not be in the result; then the sorted rows come as they are.
        let order: Vec<SortKey> = finished
            .sorted
            .iter()
            .filter(|key| {
                let schema = finished.plan.schema();
                let mut columns = key.expr.column_refs().into_iter();
                columns.all(|column| schema.has_column(column))
            })
            .cloned()
            .collect();
        let order = if order.len() == finished.sorted.len() {
            order
        } else {
            Vec::new()
        };
        let plan = self.aggregated(finished.plan, "array", udaf, &column, order)?;
        let data_type = plan.schema().field(0).data_type().clone();
        let array = self.scalar(plan, data_type, span, stage)?;
        let empty = super::nested::empty_array(&column.data_type, span);
        self.apply_named("coalesce", vec![array, empty], span)
    }
}

/// Columns of the current query as seen from a subquery of it.
fn as_outer(expr: Expr, stage: &Stage) -> Result<Expr> {
    let columns = all_columns(stage);
    Ok(expr
        .transform(|part| match &part {
            Expr::Column(column) => {
                let own = columns.iter().find(|own| *own.id == column.name);
                Ok(match own {
                    Some(own) => {
                        Transformed::yes(Expr::OuterReferenceColumn(own.field(), column.clone()))
                    }
                    None => Transformed::no(part),
                })
            }
            _ => Ok(Transformed::no(part)),
        })
        .data()?)
}

/// Every column that an expression at this stage can have read.
fn all_columns(stage: &Stage) -> Vec<ScopeColumn> {
    let scope = stage.scope;
    let mut columns: Vec<ScopeColumn> = scope.columns.clone();
    columns.extend(scope.pseudo.iter().cloned());
    for range in &scope.ranges {
        columns.extend(range.columns.iter().cloned());
        columns.extend(range.pseudo.iter().cloned());
    }
    for calls in [&stage.aggregates, &stage.windows] {
        if let Calls::Taken(taken) = calls {
            columns.extend(taken.iter().map(|extracted| extracted.column.clone()));
        }
    }
    columns
}

/// What the last SELECT of a query was written as.
fn last_shape(query: &ast::Query) -> SelectShape {
    match query.pipes.last().map(|pipe| &pipe.op) {
        Some(PipeOp::Select { shape, .. }) => *shape,
        Some(_) => SelectShape::Plain,
        None => match &query.body {
            QueryBody::Standard {
                set: SetExpr::Select(select),
                ..
            } => select.shape,
            QueryBody::Standard {
                set: SetExpr::Query { query, .. },
                ..
            } => last_shape(query),
            _ => SelectShape::Plain,
        },
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
