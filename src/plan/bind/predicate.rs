//! Predicates: IS, BETWEEN, LIKE and IN over lists and arrays.

use arrow::array::{Scalar, StringArray};
use arrow::compute::like;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::{Between, BinaryExpr, Case, Expr, Like, Operator};

use super::Binder;
use super::chain::balanced;
use super::list::{add_both_zeros, constants, floating_zero, in_constants};
use super::nested::element_type;
use super::operators::is_list;
use super::order::alike;
use super::row::{check_comparable, is_row};
use super::stage::Stage;
use super::translate::operator_types;
use super::typed::{Typed, agree_on_exactness};
use super::types::type_name;
use crate::catalog::functions::{like_pattern, with_backslashes};
use crate::error::{Error, Result, Span};
use crate::lang::ast::{self, ExprKind, IsTest};

impl Binder<'_> {
    pub(super) fn is(
        &self,
        operand: &ast::Expr,
        test: IsTest,
        negated: bool,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Typed> {
        let operand = self.expr(operand, stage)?;
        let operand = match test {
            IsTest::Null => Box::new(operand.expr),
            IsTest::True | IsTest::False => Box::new(operand.condition("IS TRUE or IS FALSE")?),
        };
        // DataFusion's own forms of IS TRUE say of NULL one thing while planned and another when they run.
        let compared = |with: bool, op: Operator| {
            let with = Expr::Literal(ScalarValue::from(with), None);
            Expr::BinaryExpr(BinaryExpr::new(operand.clone(), op, Box::new(with)))
        };
        let expr = match (test, negated) {
            (IsTest::Null, false) => Expr::IsNull(operand),
            (IsTest::Null, true) => Expr::IsNotNull(operand),
            (IsTest::True, false) => compared(true, Operator::IsNotDistinctFrom),
            (IsTest::True, true) => compared(true, Operator::IsDistinctFrom),
            (IsTest::False, false) => compared(false, Operator::IsNotDistinctFrom),
            (IsTest::False, true) => compared(false, Operator::IsDistinctFrom),
        };
        Ok(Typed {
            nullable: false,
            ..Typed::bool(expr, span)
        })
    }

    pub(super) fn between(
        &self,
        operand: &ast::Expr,
        bounds: [&ast::Expr; 2],
        negated: bool,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Typed> {
        let mut values = [
            self.expr(operand, stage)?,
            self.expr(bounds[0], stage)?,
            self.expr(bounds[1], stage)?,
        ];
        agree_on_exactness(&mut values);
        for bound in &values[1..] {
            check_comparable("BETWEEN", &values[0], bound, span)?;
            self.note_readings([&values[0], bound]);
        }
        let [operand, low, high] = self.all_by_length(values)?;
        let between = Between::new(
            Box::new(operand.expr),
            negated,
            Box::new(low.expr),
            Box::new(high.expr),
        );
        Ok(Typed::bool(Expr::Between(between), span))
    }

    pub(super) fn like(&self, expr: &ast::Expr, stage: &mut Stage) -> Result<Typed> {
        let ExprKind::Like {
            operand,
            pattern,
            escape,
            ignore_case,
            negated,
        } = expr.kind.as_ref()
        else {
            return Err(Error::bug("LIKE is not LIKE"));
        };
        let operand = self.expr(operand, stage)?;
        let pattern = self.expr(pattern, stage)?;
        let is_text = |typed: &Typed| typed.data_type.is_string() || typed.is_null();
        let dictionary = |typed: &Typed| type_name(&typed.data_type) == "STRING";
        if ![&operand, &pattern]
            .into_iter()
            .all(|typed| is_text(typed) || dictionary(typed))
        {
            return Err(operator_types("LIKE", &[&operand, &pattern], expr.span));
        }
        let pattern = match escape {
            None => pattern,
            Some(escape) => self.escaped(pattern, escape)?,
        };
        check_length(&pattern)?;
        let text = arrow::datatypes::DataType::Utf8;
        let [operand, pattern] = [operand, pattern].map(|typed| {
            if typed.is_null() {
                typed.cast(&text)
            } else {
                typed
            }
        });
        let like = Like::new(
            *negated,
            Box::new(operand.expr),
            Box::new(pattern.expr),
            None,
            *ignore_case,
        );
        Ok(Typed::bool(Expr::Like(like), expr.span))
    }

    /// The pattern as the kernels escape it.
    fn escaped(&self, pattern: Typed, escape: &ast::StringLiteral) -> Result<Typed> {
        let character = single_character(escape)?;
        let span = pattern.span;
        let Some(text) = pattern.text() else {
            return self.apply(like_pattern(character), vec![pattern], "ESCAPE", span);
        };
        let rewritten = with_backslashes(text, character).ok_or_else(|| {
            Error::input("TM0404", "the pattern ends in its escape character", span)
        })?;
        Ok(Typed::literal(rewritten.as_str().into(), span))
    }

    pub(super) fn in_list(
        &self,
        operand: &ast::Expr,
        list: &[ast::Expr],
        negated: bool,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Typed> {
        let mut values = Vec::with_capacity(list.len() + 1);
        values.push(self.expr(operand, stage)?);
        for item in list {
            values.push(self.expr(item, stage)?);
        }
        agree_on_exactness(&mut values);
        let mut operand = values.remove(0);
        for item in &values {
            check_comparable("IN", &operand, item, item.span)?;
            self.note_readings([&operand, item]);
        }
        self.note_readings_among(&values);
        if is_row(&operand) {
            return self.in_rows_list(&operand, values, negated, span);
        }
        if let Some(zero) = floating_zero(&operand, &values) {
            if values.iter().all(|item| item.value().is_some()) {
                add_both_zeros(&mut values, &zero, span);
            } else {
                operand = alike(operand);
                values = values.into_iter().map(alike).collect();
            }
        }
        if let Some(values) = constants(&values)? {
            return in_constants(operand, values, negated, span);
        }
        let items: Vec<Expr> = values.into_iter().map(|item| item.expr).collect();
        let in_list = InList::new(Box::new(operand.expr), items, negated);
        Ok(Typed::bool(Expr::InList(in_list), span))
    }

    /// Text beside other values of the list is read as those.
    fn note_readings_among(&self, values: &[Typed]) {
        let mut others: Vec<&Typed> = Vec::new();
        for value in values {
            let is_known = |other: &&Typed| other.data_type == value.data_type;
            if !value.data_type.is_string() && !value.is_null() && !others.iter().any(is_known) {
                others.push(value);
            }
        }
        for text in values.iter().filter(|value| value.data_type.is_string()) {
            for other in &others {
                self.note_readings([text, other]);
            }
        }
    }

    /// `(a, b) IN ((1, 2), (3, 4))`
    fn in_rows_list(
        &self,
        operand: &Typed,
        rows: Vec<Typed>,
        negated: bool,
        span: Span,
    ) -> Result<Typed> {
        let mut equal = Vec::with_capacity(rows.len());
        for row in rows {
            let row = row.cast_null(&operand.data_type);
            equal.push(self.compare_rows(operand, Operator::Eq, &row, span)?.expr);
        }
        let any = balanced(Operator::Or, equal);
        let any = any.ok_or_else(|| Error::bug("IN without a list"))?;
        Ok(maybe_not(Typed::bool(any, span), negated))
    }

    /// `x IN UNNEST(array)`: NULL where a match is unknown, as IN over a list. NULL counts as an empty array, which contains nothing.
    pub(super) fn in_array(
        &self,
        operand: &ast::Expr,
        array: &ast::Expr,
        negated: bool,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Typed> {
        let operand = self.expr(operand, stage)?;
        let array = self.list(array, stage)?;
        let boolean = |value: Option<bool>| Expr::Literal(ScalarValue::Boolean(value), None);
        if array.is_null() {
            return Ok(Typed::literal(negated.into(), span));
        }
        let null = Typed::literal(ScalarValue::Null, span).cast(element_type(&array)?.data_type());
        let has = self.apply_named("array_has", vec![array.clone(), operand.clone()], span)?;
        let null_at = self.apply_named("array_position", vec![array.clone(), null], span)?;
        let empty = self.apply_named("empty", vec![array], span)?;
        let not_empty = maybe_not(empty, true);
        let operand_is_null = Typed::bool(Expr::IsNull(Box::new(operand.expr)), span);
        let unknown = self.operate(operand_is_null, Operator::And, not_empty, span)?;
        let case = Case {
            expr: None,
            when_then_expr: vec![
                (Box::new(has.expr), Box::new(boolean(Some(true)))),
                (
                    Box::new(Expr::IsNotNull(Box::new(null_at.expr))),
                    Box::new(boolean(None)),
                ),
                (Box::new(unknown.expr), Box::new(boolean(None))),
            ],
            else_expr: Some(Box::new(boolean(Some(false)))),
        };
        Ok(maybe_not(Typed::bool(Expr::Case(case), span), negated))
    }

    /// `x IN UNNEST(array)` as a conjunct of a filter, to which NULL is as good as FALSE.
    pub(super) fn has_element(
        &self,
        operand: &ast::Expr,
        array: &ast::Expr,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Typed> {
        let operand = self.expr(operand, stage)?;
        let array = self.list(array, stage)?;
        let no = Typed::literal(false.into(), span);
        if array.is_null() {
            return Ok(no);
        }
        let has = self.apply_named("array_has", vec![array, operand], span)?;
        self.apply_named("coalesce", vec![has, no], span)
    }

    fn list(&self, array: &ast::Expr, stage: &mut Stage) -> Result<Typed> {
        let array = self.expr(array, stage)?;
        if array.is_null() || is_list(&array.data_type) {
            return Ok(array);
        }
        Err(Error::input(
            "TM0403",
            format!("IN UNNEST needs an ARRAY, this is {}", array.type_name()),
            array.span,
        ))
    }
}

pub(super) fn maybe_not(condition: Typed, negated: bool) -> Typed {
    if !negated {
        return condition;
    }
    Typed {
        expr: Expr::Not(Box::new(condition.expr)),
        constant: None,
        ..condition
    }
}

/// All conditions together.
pub(super) fn conjunction(conditions: Vec<Expr>) -> Option<Expr> {
    balanced(Operator::And, conditions)
}

fn single_character(escape: &ast::StringLiteral) -> Result<char> {
    let mut characters = escape.value.chars();
    match (characters.next(), characters.next()) {
        (Some(only), None) => Ok(only),
        _ => Err(Error::input(
            "TM0404",
            "ESCAPE needs exactly one character",
            escape.span,
        )),
    }
}

/// Bytes of a pattern that any number of wildcards may be in.
const LONG_PATTERN: usize = 4096;

/// A pattern may be too long for the automaton that it becomes.
fn check_length(pattern: &Typed) -> Result<()> {
    let Some(text) = pattern.text().filter(|text| text.len() > LONG_PATTERN) else {
        return Ok(());
    };
    let tried = like(
        &StringArray::from(vec![""]),
        &Scalar::new(StringArray::from(vec![text])),
    );
    match tried {
        Ok(_) => Ok(()),
        Err(_) => Err(
            Error::input("TM0404", "this LIKE pattern is too long", pattern.span)
                .hint("split it into several that are joined by OR or AND"),
        ),
    }
}
