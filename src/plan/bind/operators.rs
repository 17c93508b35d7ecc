//! Operators: arithmetic, comparison, AND/OR chains and CASE, with the rules that differ from DataFusion's.

use std::collections::HashMap;

use arrow::datatypes::DataType;
use datafusion::common::{Column, ScalarValue};
use datafusion::logical_expr::expr::InList;
use datafusion::logical_expr::type_coercion::binary::{
    BinaryTypeCoercer, comparison_coercion, type_union_resolution,
};
use datafusion::logical_expr::{BinaryExpr, Case, Expr, Operator};

use super::Binder;
use super::constant;
use super::row::is_row;
use super::special::prepared;
use super::stage::Stage;
use super::translate::operator_types;
use super::typed::{Typed, agree_on_exactness, is_decimal};
use super::types::type_name;
use crate::catalog::functions::int_divide;
use crate::error::{Error, Result, Span};
use crate::lang::ast::{self, BinaryOp, ExprKind, UnaryOp};

impl Binder<'_> {
    pub(super) fn unary(
        &self,
        op: UnaryOp,
        operand: &ast::Expr,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Typed> {
        match op {
            UnaryOp::Not => self.not(operand, span, stage),
            UnaryOp::Minus => {
                if let Some(literal) = self.negative_literal(operand, span) {
                    return literal;
                }
                let operand = self.expr(operand, stage)?;
                Ok(self.noted(negative(operand, span)?))
            }
            UnaryOp::Plus => {
                let operand = self.expr(operand, stage)?;
                if operand.data_type.is_numeric() || operand.is_null() {
                    return Ok(operand);
                }
                Err(operator_types("+", &[&operand], span))
            }
            UnaryOp::BitNot => {
                let operand = self.expr(operand, stage)?;
                bit_not(operand, span)
            }
        }
    }

    fn not(&self, operand: &ast::Expr, span: Span, stage: &mut Stage) -> Result<Typed> {
        if let ExprKind::Exists(query) = operand.kind.as_ref() {
            return self.exists(query, true, span, stage);
        }
        let operand = self.expr(operand, stage)?;
        let nullable = operand.nullable;
        let condition = operand.condition("NOT")?;
        Ok(Typed {
            nullable,
            ..Typed::bool(Expr::Not(Box::new(condition)), span)
        })
    }

    pub(super) fn binary(
        &self,
        op: BinaryOp,
        left: &ast::Expr,
        right: &ast::Expr,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Typed> {
        let left = self.expr(left, stage)?;
        let right = self.expr(right, stage)?;
        if op == BinaryOp::Concat {
            return self.concat(left, right, span);
        }
        self.operate(left, operator(op), right, span)
    }

    /// `left operator right`, its types checked.
    pub(super) fn operate(
        &self,
        left: Typed,
        operator: Operator,
        right: Typed,
        span: Span,
    ) -> Result<Typed> {
        let mut operands = [left, right];
        agree_on_exactness(&mut operands);
        let [left, right] = operands;
        if is_row(&left) && is_row(&right) && is_comparison(operator) {
            return self.compare_rows(&left, operator, &right, span);
        }
        if let Some(folded) = constant::fold(&left, operator, &right, span)? {
            return Ok(folded);
        }
        let (left, right) = prepared(left, operator, right, span)?;
        let right = self.noted(right);
        let truncates = self.session.settings.int_division_truncates;
        if operator == Operator::Divide && !truncates && is_int_division(&left, &right) {
            return self.apply(int_divide(), vec![left, right], "/", span);
        }
        let coercer = BinaryTypeCoercer::new(&left.data_type, &operator, &right.data_type);
        let mixed =
            is_comparison(operator) && mixes_time_and_number(&left.data_type, &right.data_type);
        let data_type = match coercer.get_result_type() {
            Ok(data_type) if !mixed => data_type,
            _ => return Err(operator_types(&symbol(operator), &[&left, &right], span)),
        };
        if is_comparison(operator) {
            self.note_readings([&left, &right]);
        }
        let never_null = matches!(
            operator,
            Operator::IsDistinctFrom | Operator::IsNotDistinctFrom
        );
        let nullable = !never_null && (left.nullable || right.nullable);
        let expr = Expr::BinaryExpr(BinaryExpr::new(
            Box::new(left.expr),
            operator,
            Box::new(right.expr),
        ));
        Ok(self.noted(Typed {
            nullable,
            ..Typed::new(expr, data_type, span)
        }))
    }

    /// Text that is compared with something else is read as that: notes where reading it can fail.
    pub(super) fn note_readings(&self, operands: [&Typed; 2]) {
        let [left, right] = operands;
        let Some(common) = comparison_coercion(&left.data_type, &right.data_type) else {
            return;
        };
        for operand in operands {
            if operand.data_type.is_string() && !common.is_string() {
                self.noted(operand.clone().cast(&common));
            }
        }
    }

    fn concat(&self, left: Typed, right: Typed, span: Span) -> Result<Typed> {
        let function = match (is_list(&left.data_type), is_list(&right.data_type)) {
            (true, true) => "array_concat",
            (true, false) => "array_append",
            (false, true) => "array_prepend",
            (false, false) => {
                let is_text = |typed: &Typed| {
                    typed.data_type.is_string() || typed.data_type.is_binary() || typed.is_null()
                };
                if !is_text(&left) && !is_text(&right) {
                    return Err(operator_types("||", &[&left, &right], span)
                        .hint("|| joins text: CAST(x AS STRING)"));
                }
                return self.operate(left, Operator::StringConcat, right, span);
            }
        };
        self.apply_named(function, vec![left, right], span)
    }

    /// `a AND b AND …`, as a balanced tree: ten thousand operands are a dozen levels.
    pub(super) fn chain(
        &self,
        operator: Operator,
        operands: &[ast::Expr],
        span: Span,
        stage: &mut Stage,
    ) -> Result<Typed> {
        let word = if operator == Operator::And {
            "AND"
        } else {
            "OR"
        };
        let mut conditions = Vec::with_capacity(operands.len());
        for operand in operands {
            conditions.push(self.expr(operand, stage)?.condition(word)?);
        }
        if operator == Operator::Or {
            conditions = equalities_to_lists(conditions);
        }
        let tree =
            balanced(operator, conditions).ok_or_else(|| Error::bug("a chain without operands"))?;
        Ok(Typed::bool(tree, span))
    }

    pub(super) fn case(
        &self,
        operand: Option<&ast::Expr>,
        branches: &[(ast::Expr, ast::Expr)],
        otherwise: Option<&ast::Expr>,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Typed> {
        let operand = operand
            .map(|operand| self.expr(operand, stage))
            .transpose()?;
        let mut whens = Vec::with_capacity(branches.len());
        let mut values = Vec::with_capacity(branches.len() + 1);
        for (when, then) in branches {
            let when = self.expr(when, stage)?;
            whens.push(match &operand {
                // `CASE x WHEN y` compares; doing it here gives the comparison's own type rules and messages.
                Some(operand) => {
                    let place = when.span;
                    self.operate(operand.clone(), Operator::Eq, when, place)?
                        .expr
                }
                None => when.condition("WHEN")?,
            });
            values.push(self.expr(then, stage)?);
        }
        let has_else = otherwise.is_some();
        if let Some(otherwise) = otherwise {
            values.push(self.expr(otherwise, stage)?);
        }
        let nullable = !has_else || values.iter().any(|value| value.nullable);
        let data_type = unify(&mut values, "the branches of CASE", span)?;
        let mut values = values
            .into_iter()
            .map(|value| Box::new(value.cast(&data_type).expr));
        let when_then_expr = whens
            .into_iter()
            .map(Box::new)
            .zip(values.by_ref())
            .collect();
        let case = Case {
            expr: None,
            when_then_expr,
            else_expr: values.next(),
        };
        Ok(Typed {
            nullable,
            ..Typed::new(Expr::Case(case), data_type, span)
        })
    }
}

/// The type that all values can have; numbers with a point are read exactly beside a DECIMAL.
pub(super) fn unify(values: &mut [Typed], what: &str, span: Span) -> Result<DataType> {
    agree_on_exactness(values);
    let types: Vec<DataType> = values
        .iter()
        .map(|value| value.data_type.clone())
        .filter(|data_type| *data_type != DataType::Null)
        .collect();
    let Some(first) = types.first() else {
        return Ok(DataType::Null);
    };
    if types.iter().all(|data_type| data_type == first) {
        return Ok(first.clone());
    }
    let mixed = types
        .iter()
        .any(|other| mixes_time_and_number(first, other) || mixes_text_and_number(first, other));
    let common = type_union_resolution(&types).filter(|_| !mixed);
    common.ok_or_else(|| {
        let mut names: Vec<String> = types.iter().map(type_name).collect();
        names.dedup();
        Error::input(
            "TM0403",
            format!("{what} have no common type: {}", names.join(", ")),
            span,
        )
        .hint("cast them to one type")
    })
}

/// Joins conditions into a tree of logarithmic depth.
pub(super) fn balanced(operator: Operator, mut conditions: Vec<Expr>) -> Option<Expr> {
    while conditions.len() > 1 {
        let mut joined = Vec::with_capacity(conditions.len().div_ceil(2));
        let mut rest = conditions.into_iter();
        while let Some(left) = rest.next() {
            joined.push(match rest.next() {
                Some(right) => {
                    Expr::BinaryExpr(BinaryExpr::new(Box::new(left), operator, Box::new(right)))
                }
                None => left,
            });
        }
        conditions = joined;
    }
    conditions.pop()
}

/// `x = 1 OR x = 2 OR …` is `x IN (1, 2, …)`, which is looked up instead of tried one by one.
fn equalities_to_lists(conditions: Vec<Expr>) -> Vec<Expr> {
    const WORTH_IT: usize = 4;
    let mut lists: HashMap<(Column, DataType), Vec<Expr>> = HashMap::new();
    for condition in &conditions {
        if let Some((column, value)) = column_equals_literal(condition) {
            let key = (column.clone(), value.data_type());
            let literal = Expr::Literal(value.clone(), None);
            lists.entry(key).or_default().push(literal);
        }
    }
    lists.retain(|_, values| values.len() >= WORTH_IT);
    if lists.is_empty() {
        return conditions;
    }
    let mut kept = Vec::new();
    for condition in conditions {
        let key = column_equals_literal(&condition)
            .map(|(column, value)| (column.clone(), value.data_type()));
        match key {
            // An emptied list stands for one that has taken its place already.
            Some(key) if lists.contains_key(&key) => {
                let values = lists.get_mut(&key).map(std::mem::take).unwrap_or_default();
                if !values.is_empty() {
                    let column = Box::new(Expr::Column(key.0));
                    kept.push(Expr::InList(InList::new(column, values, false)));
                }
            }
            _ => kept.push(condition),
        }
    }
    kept
}

fn column_equals_literal(condition: &Expr) -> Option<(&Column, &ScalarValue)> {
    let Expr::BinaryExpr(BinaryExpr { left, op, right }) = condition else {
        return None;
    };
    match (left.as_ref(), op, right.as_ref()) {
        (Expr::Column(column), Operator::Eq, Expr::Literal(value, None)) => Some((column, value)),
        _ => None,
    }
}

/// A day or a moment beside a number: DataFusion would take the number for days or ticks since 1970.
pub(super) fn mixes_time_and_number(left: &DataType, right: &DataType) -> bool {
    let number = |data_type: &DataType| data_type.is_numeric() || is_decimal(data_type);
    let time = |data_type: &DataType| data_type.is_temporal();
    (number(left) && time(right)) || (time(left) && number(right))
}

/// Text beside a number: DataFusion would read the text as a number, row by row.
pub(super) fn mixes_text_and_number(left: &DataType, right: &DataType) -> bool {
    if let (DataType::List(left), DataType::List(right)) = (left, right) {
        return mixes_text_and_number(left.data_type(), right.data_type());
    }
    let number = |data_type: &DataType| data_type.is_numeric() || is_decimal(data_type);
    (number(left) && right.is_string()) || (left.is_string() && number(right))
}

pub(super) fn is_list(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::List(_)
            | DataType::LargeList(_)
            | DataType::FixedSizeList(_, _)
            | DataType::ListView(_)
            | DataType::LargeListView(_)
    )
}

fn is_int_division(left: &Typed, right: &Typed) -> bool {
    let is_int = |typed: &Typed| typed.data_type.is_integer() || typed.is_null();
    is_int(left) && is_int(right)
}

fn negative(operand: Typed, span: Span) -> Result<Typed> {
    if let Some(folded) = constant::negate(&operand, span)? {
        return Ok(folded);
    }
    let data_type = operand.data_type.clone();
    let nullable = operand.nullable;
    let (expr, data_type) = if data_type.is_integer() {
        // A subtraction is checked for overflow, a negation is not.
        let signed = if data_type.is_unsigned_integer() {
            DataType::Int64
        } else {
            data_type
        };
        let zero = Expr::Literal(ScalarValue::new_zero(&signed)?, None);
        let subtraction = BinaryExpr::new(
            Box::new(zero),
            Operator::Minus,
            Box::new(operand.cast(&signed).expr),
        );
        (Expr::BinaryExpr(subtraction), signed)
    } else if data_type.is_floating()
        || is_decimal(&data_type)
        || matches!(data_type, DataType::Interval(_))
    {
        (Expr::Negative(Box::new(operand.expr)), data_type)
    } else if operand.is_null() {
        return Ok(operand);
    } else {
        return Err(operator_types("-", &[&operand], span));
    };
    Ok(Typed {
        nullable,
        ..Typed::new(expr, data_type, span)
    })
}

/// `~x` is `x ^ -1`: every bit turned.
fn bit_not(operand: Typed, span: Span) -> Result<Typed> {
    let ones = match &operand.data_type {
        DataType::UInt8 => ScalarValue::from(u8::MAX),
        DataType::UInt16 => ScalarValue::from(u16::MAX),
        DataType::UInt32 => ScalarValue::from(u32::MAX),
        DataType::UInt64 => ScalarValue::from(u64::MAX),
        signed if signed.is_signed_integer() => ScalarValue::from(-1i64).cast_to(signed)?,
        _ => return Err(operator_types("~", &[&operand], span)),
    };
    let data_type = operand.data_type.clone();
    let nullable = operand.nullable;
    let expr = Expr::BinaryExpr(BinaryExpr::new(
        Box::new(operand.expr),
        Operator::BitwiseXor,
        Box::new(Expr::Literal(ones, None)),
    ));
    Ok(Typed {
        nullable,
        ..Typed::new(expr, data_type, span)
    })
}

fn is_comparison(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
            | Operator::IsDistinctFrom
            | Operator::IsNotDistinctFrom
    )
}

pub(super) fn operator(op: BinaryOp) -> Operator {
    match op {
        BinaryOp::Add => Operator::Plus,
        BinaryOp::Subtract => Operator::Minus,
        BinaryOp::Multiply => Operator::Multiply,
        BinaryOp::Divide => Operator::Divide,
        BinaryOp::Modulo => Operator::Modulo,
        BinaryOp::Concat => Operator::StringConcat,
        BinaryOp::ShiftLeft => Operator::BitwiseShiftLeft,
        BinaryOp::ShiftRight => Operator::BitwiseShiftRight,
        BinaryOp::BitAnd => Operator::BitwiseAnd,
        BinaryOp::BitXor => Operator::BitwiseXor,
        BinaryOp::BitOr => Operator::BitwiseOr,
        BinaryOp::Equal => Operator::Eq,
        BinaryOp::NotEqual => Operator::NotEq,
        BinaryOp::Less => Operator::Lt,
        BinaryOp::LessEqual => Operator::LtEq,
        BinaryOp::Greater => Operator::Gt,
        BinaryOp::GreaterEqual => Operator::GtEq,
        BinaryOp::NullSafeEqual => Operator::IsNotDistinctFrom,
    }
}

/// The operator as the language writes it.
pub(super) fn symbol(operator: Operator) -> String {
    match operator {
        Operator::BitwiseXor => "^".into(),
        other => other.to_string(),
    }
}
