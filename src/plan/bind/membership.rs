//! Membership: IN over a query, and comparisons with ANY or ALL of its rows.
//!
//! A conjunct of a filter becomes a join. Elsewhere (in a SELECT list, under OR) it is computed from counts, which know NULL.

use arrow::datatypes::DataType;
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
use crate::plan::decorrelate::outer_references;
use crate::plan::shared::{SharedKey, SharedNode};

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
        let outer = Typed {
            expr: as_outer(operand.expr.clone(), stage)?,
            ..operand.clone()
        };
        let equal = self.operate(value, Operator::Eq, outer, span)?;
        if !outer_references(plan)?.is_empty() {
            let found = self.by_rows(plan.clone(), equal.expr, false, span, stage)?;
            return Ok(maybe_not(found, negated));
        }
        let plan = self.read_twice(plan.clone(), stage);
        let mut matching = Relation::new(plan.clone(), Scope::default());
        matching.filter(equal.expr)?;
        let matched = self.has_rows(matching.plan, span, stage)?;
        let unknown = self.is_unknown(&operand, plan, column, span, stage)?;
        let found = verdict(matched.expr, unknown, false);
        Ok(maybe_not(Typed::bool(found, span), negated))
    }

    /// Looks once at every row: TRUE if `holds` for one, else NULL if it is unknown for one, else FALSE. For `all`: FALSE if it does
    /// not hold for one, else NULL, else TRUE.
    ///
    /// What depends on the rows around is read once: each further reading would double the plan, level by level.
    fn by_rows(
        &self,
        plan: LogicalPlan,
        holds: Expr,
        all: bool,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Typed> {
        let decides = match all {
            true => Expr::Not(Box::new(holds.clone())),
            false => holds.clone(),
        };
        let weight = Case {
            expr: None,
            when_then_expr: vec![
                (Box::new(decides), Box::new(number(DECIDED))),
                (
                    Box::new(Expr::IsNull(Box::new(holds))),
                    Box::new(number(UNKNOWN)),
                ),
            ],
            else_expr: Some(Box::new(number(0))),
        };
        let weight = Typed::new(Expr::Case(weight), DataType::Int64, span);
        let heaviest = self.heaviest(plan, weight, span, stage)?;
        let case = Case {
            expr: Some(Box::new(heaviest.expr)),
            when_then_expr: vec![
                (Box::new(number(DECIDED)), Box::new(boolean(Some(!all)))),
                (Box::new(number(UNKNOWN)), Box::new(boolean(None))),
            ],
            else_expr: Some(Box::new(boolean(Some(all)))),
        };
        Ok(Typed::bool(Expr::Case(case), span))
    }

    /// Whether a comparison of `operand` with the rows is unknown where none decides: there is a row, and a NULL on either side.
    fn is_unknown(
        &self,
        operand: &Typed,
        plan: LogicalPlan,
        column: &ScopeColumn,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Expr> {
        let weight = Case {
            expr: None,
            when_then_expr: vec![(
                Box::new(Expr::IsNull(Box::new(column.expr()))),
                Box::new(number(UNKNOWN)),
            )],
            else_expr: Some(Box::new(number(0))),
        };
        let weight = Typed::new(Expr::Case(weight), DataType::Int64, span);
        let heaviest = self.heaviest(plan, weight, span, stage)?;
        let of_operand = Expr::IsNull(Box::new(operand.expr.clone()));
        Ok(Expr::Case(Case {
            expr: Some(Box::new(heaviest.expr)),
            when_then_expr: vec![
                (Box::new(number(UNKNOWN)), Box::new(boolean(Some(true)))),
                (Box::new(number(0)), Box::new(of_operand)),
            ],
            else_expr: Some(Box::new(boolean(Some(false)))),
        }))
    }

    /// The largest `weight` of the rows; NULL without rows.
    fn heaviest(
        &self,
        plan: LogicalPlan,
        weight: Typed,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Typed> {
        let mut relation = Relation::new(plan, Scope::default());
        let weight = self.add_hidden(&mut relation, "weight", weight)?;
        self.summary("max", &relation.plan, &weight, span, stage)
    }

    /// The plan for several readers, which runs once.
    fn read_twice(&self, plan: LogicalPlan, stage: &Stage) -> LogicalPlan {
        let key = SharedKey {
            id: self.fresh("rows"),
            within: stage.env.recursion.clone(),
            is_view: false,
        };
        SharedNode::over(plan, key)
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
        if !outer_references(&plan)?.is_empty() {
            let found = self.by_rows(plan, equal, false, span, stage)?;
            return Ok(maybe_not(found, negated));
        }
        let plan = self.read_twice(plan, stage);
        let mut matching = Relation::new(plan.clone(), Scope::default());
        matching.filter(equal.clone())?;
        let mut unknown = Relation::new(plan, Scope::default());
        unknown.filter(Expr::IsNull(Box::new(equal)))?;
        let matched = self.has_rows(matching.plan, span, stage)?;
        let unknown = self.has_rows(unknown.plan, span, stage)?;
        let found = verdict(matched.expr, unknown.expr, false);
        Ok(maybe_not(Typed::bool(found, span), negated))
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
        if !outer_references(&finished.plan)?.is_empty() {
            let outer = Typed {
                expr: as_outer(operand.expr.clone(), stage)?,
                ..operand
            };
            let inner = Typed::column(&column, query.span);
            let holds = self.operate(outer, operator(op), inner, span)?;
            return self.by_rows(finished.plan, holds.expr, all, span, stage);
        }
        let plan = self.read_twice(finished.plan, stage);
        let mut compare = |function: &str| {
            let bound = self.summary(function, &plan, &column, span, stage)?;
            self.operate(operand.clone(), operator(op), bound, span)
        };
        let holds = match (op, all) {
            (BinaryOp::Equal | BinaryOp::NotEqual, _) => {
                let (low, high) = (compare("min")?, compare("max")?);
                let joined = if all { Operator::And } else { Operator::Or };
                self.operate(low, joined, high, span)?
            }
            (BinaryOp::Greater | BinaryOp::GreaterEqual, false)
            | (BinaryOp::Less | BinaryOp::LessEqual, true) => compare("min")?,
            _ => compare("max")?,
        };
        let decided = match all {
            true => Expr::Not(Box::new(holds.expr)),
            false => holds.expr,
        };
        let unknown = self.is_unknown(&operand, plan, &column, span, stage)?;
        Ok(Typed::bool(verdict(decided, unknown, all), span))
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
        let udaf = self.aggregate_named(function)?;
        let plan = self.aggregated(plan.clone(), function, udaf, column, Vec::new())?;
        self.scalar(plan, column.data_type.clone(), span, stage)
    }
}

/// Weights of rows: one that is compared with the outcome that decides, and one with an unknown outcome. Others have none.
const DECIDED: i64 = 2;
const UNKNOWN: i64 = 1;

fn number(weight: i64) -> Expr {
    Expr::Literal(ScalarValue::from(weight), None)
}

fn boolean(value: Option<bool>) -> Expr {
    Expr::Literal(ScalarValue::Boolean(value), None)
}

/// What the comparisons of all rows come to, when one of them may have `decided` it.
fn verdict(decided: Expr, unknown: Expr, all: bool) -> Expr {
    Expr::Case(Case {
        expr: None,
        when_then_expr: vec![
            (Box::new(decided), Box::new(boolean(Some(!all)))),
            (Box::new(unknown), Box::new(boolean(None))),
        ],
        else_expr: Some(Box::new(boolean(Some(all)))),
    })
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
