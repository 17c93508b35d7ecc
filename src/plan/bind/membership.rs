//! Membership: IN over a query, and comparisons with ANY or ALL of its rows.
//!
//! A conjunct of a filter becomes a join. Elsewhere (in a SELECT list, under OR) it is computed from counts, which know NULL.

use datafusion::common::ScalarValue;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::logical_expr::expr::{Exists, InSubquery};
use datafusion::logical_expr::{Case, Expr, LogicalPlan, Operator};

use super::Binder;
use super::operators::operator;
use super::predicate::maybe_not;
use super::relation::{Finished, Relation, project};
use super::row::{check_comparable, is_row};
use super::scope::{Scope, ScopeColumn};
use super::stage::Stage;
use super::subquery::all_columns;
use super::typed::Typed;
use crate::error::{Error, Result, Span};
use crate::lang::ast::{self, BinaryOp};

impl Binder<'_> {
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
        if is_row(&operand) {
            let (plan, equal) = self.row_matches(&operand, query, span, stage)?;
            if negated {
                return self.row_membership(plan, equal, true, span, stage);
            }
            let mut matching = Relation::new(plan, Scope::default());
            matching.filter(equal)?;
            let subquery = self.subquery(matching.plan, span, stage)?;
            return Ok(Typed::bool(
                Expr::Exists(Exists::new(subquery, false)),
                span,
            ));
        }
        let (finished, column) = self.inner_column(query, false, "a query after IN", stage)?;
        check_comparable("IN", &operand, &Typed::column(&column, query.span), span)?;
        // DataFusion looks for the column in a projection, which the rows of VALUES have none of.
        let plan = project(finished.plan, vec![column.expr()])?;
        let subquery = self.subquery(plan, span, stage)?;
        let names_nothing = operand.expr.column_refs().is_empty();
        if negated && (names_nothing || !subquery.outer_ref_columns.is_empty()) {
            // The join that knows NULL needs a key of the rows around, and cannot be correlated.
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
        if is_row(&operand) {
            let (plan, equal) = self.row_matches(&operand, query, span, stage)?;
            return self.row_membership(plan, equal, negated, span, stage);
        }
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
        let mut matching = Relation::new(plan.clone(), Scope::default());
        matching.filter(equal.expr)?;
        let mut nulls = Relation::new(plan.clone(), Scope::default());
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

    /// The rows of `query`, and whether one of them equals `operand`: as many columns as it has fields, or one that is a row.
    fn row_matches(
        &self,
        operand: &Typed,
        query: &ast::Query,
        span: Span,
        stage: &mut Stage,
    ) -> Result<(LogicalPlan, Expr)> {
        let Finished { plan, columns } = self.inner_columns(query, stage)?;
        let inner = match columns.as_slice() {
            [only] => Typed::column(only, query.span),
            several => {
                let fields = several.iter().map(|column| {
                    let value = Typed::column(column, query.span);
                    (column.display().to_string(), value)
                });
                self.named_struct(fields.collect(), query.span)?
            }
        };
        check_comparable("IN", operand, &inner, span)?;
        // As columns, which a join can compare.
        let mut relation = Relation::new(plan, Scope::default());
        let mut fields = Vec::new();
        for field in self.fields_of(&inner)? {
            let column = self.add_hidden(&mut relation, "field", field)?;
            fields.push((
                format!("c{}", fields.len()),
                Typed::column(&column, query.span),
            ));
        }
        let inner = self.named_struct(fields, query.span)?;
        let outer = Typed {
            expr: as_outer(operand.expr.clone(), stage)?,
            ..operand.clone()
        };
        let equal = self.operate(inner, Operator::Eq, outer, span)?;
        Ok((relation.plan, equal.expr))
    }

    /// TRUE with a row that matches; else NULL with one of which that is unknown; else FALSE.
    fn row_membership(
        &self,
        plan: LogicalPlan,
        equal: Expr,
        negated: bool,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Typed> {
        let mut matching = Relation::new(plan.clone(), Scope::default());
        matching.filter(equal.clone())?;
        let mut unknown = Relation::new(plan, Scope::default());
        unknown.filter(Expr::IsNull(Box::new(equal)))?;
        let matched = self.has_rows(matching.plan, span, stage)?;
        let unknown = self.has_rows(unknown.plan, span, stage)?;
        let boolean = |value: Option<bool>| Expr::Literal(ScalarValue::Boolean(value), None);
        let case = Case {
            expr: None,
            when_then_expr: vec![
                (Box::new(matched.expr), Box::new(boolean(Some(true)))),
                (Box::new(unknown.expr), Box::new(boolean(None))),
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
        if is_row(&operand) {
            return Err(Error::not_implemented(
                format!("a row compared with {word} of a query"),
                span,
            ));
        }
        let plan = &finished.plan;
        let low = self.summary("min", plan, &column, span, stage)?;
        let high = self.summary("max", plan, &column, span, stage)?;
        let any = self.has_rows(plan.clone(), span, stage)?;
        let mut nulls = Relation::new(plan.clone(), Scope::default());
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
