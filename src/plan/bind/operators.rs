//! Operators: arithmetic and comparison, with the rules that differ from DataFusion's.

use arrow::compute::can_cast_types;
use arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::type_coercion::binary::{BinaryTypeCoercer, comparison_coercion};
use datafusion::logical_expr::{BinaryExpr, Expr, Operator};

use super::Binder;
use super::constant;
use super::row::is_row;
use super::special::prepared;
use super::stage::Stage;
use super::translate::operator_types;
use super::typed::{Typed, agree_on_exactness, is_decimal};
use super::unify::mixes_time_and_number;
use crate::catalog::functions::{int_divide, interval_length, wrapping};
use crate::error::{Error, Result, Span};
use crate::lang::ast::{self, BinaryOp, ExprKind, UnaryOp};

/// Times of a day that count in other units, in the finer of the two.
fn as_one_time(left: Typed, right: Typed) -> (Typed, Typed) {
    let is_time =
        |value: &Typed| matches!(value.data_type, DataType::Time32(_) | DataType::Time64(_));
    if left.data_type == right.data_type || !is_time(&left) || !is_time(&right) {
        return (left, right);
    }
    let nanoseconds = DataType::Time64(TimeUnit::Nanosecond);
    (left.cast(&nanoseconds), right.cast(&nanoseconds))
}

impl Binder<'_> {
    /// Intervals by their length: as they are stored, an hour more than a day would be less than one.
    pub(super) fn by_length(&self, value: Typed) -> Result<Typed> {
        match value.data_type {
            DataType::Interval(_) => {
                let span = value.span;
                self.apply(interval_length(), vec![value], "INTERVAL", span)
            }
            _ => Ok(value),
        }
    }

    /// The same of values that are compared with one another.
    pub(super) fn all_by_length<const COUNT: usize>(
        &self,
        values: [Typed; COUNT],
    ) -> Result<[Typed; COUNT]> {
        let interval = super::types::interval();
        let is_length = |value: &Typed| {
            matches!(
                value.data_type,
                DataType::Interval(_) | DataType::Duration(_)
            ) || value.is_null()
        };
        let is_interval = |value: &Typed| matches!(value.data_type, DataType::Interval(_));
        if !values.iter().all(is_length) || !values.iter().any(is_interval) {
            return Ok(values);
        }
        let mut lengths = Vec::with_capacity(COUNT);
        for value in values {
            lengths.push(self.by_length(value.cast(&interval))?);
        }
        <[Typed; COUNT]>::try_from(lengths).map_err(|_| Error::bug("a value was lost"))
    }

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
                if self.session.settings.overflow_wraps && operand.data_type.is_integer() {
                    return self.wrapping_negative(operand, span);
                }
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
        if let Some(wrapped) = self.wrapped(&left, operator, &right, span)? {
            return Ok(wrapped);
        }
        if let Some(folded) = constant::fold(&left, operator, &right, span)? {
            return Ok(folded);
        }
        let (left, right) = prepared(left, operator, right, span)?;
        let (left, right) = as_one_time(left, right);
        let [left, right] = match is_comparison(operator) {
            true => self.all_by_length([left, right])?,
            false => [left, right],
        };
        let right = self.noted(right);
        let truncates = self.session.settings.int_division_truncates;
        if operator == Operator::Divide && !truncates && is_int_division(&left, &right) {
            return self.apply(int_divide(), vec![left, right], "/", span);
        }
        let coercer = BinaryTypeCoercer::new(&left.data_type, &operator, &right.data_type);
        let mixed =
            is_comparison(operator) && mixes_time_and_number(&left.data_type, &right.data_type);
        // Days are added to dates as numbers, by a rule of their own.
        let of_date = [&left, &right]
            .iter()
            .any(|operand| matches!(operand.data_type, DataType::Date32 | DataType::Date64));
        let castable = |(first, second): &(DataType, DataType)| {
            let casts = [(&left.data_type, first), (&right.data_type, second)];
            let mut casts = casts.into_iter();
            casts.all(|(given, taken)| given == taken || can_cast_types(given, taken))
        };
        let fits = of_date
            || coercer
                .get_input_types()
                .is_ok_and(|types| castable(&types));
        let data_type = match coercer.get_result_type() {
            Ok(data_type) if !mixed && fits => data_type,
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

    /// Arithmetic of integers in a session where it wraps around.
    fn wrapped(
        &self,
        left: &Typed,
        operator: Operator,
        right: &Typed,
        span: Span,
    ) -> Result<Option<Typed>> {
        let integers = left.data_type.is_integer() && right.data_type.is_integer();
        if !self.session.settings.overflow_wraps || !integers {
            return Ok(None);
        }
        let coercer = BinaryTypeCoercer::new(&left.data_type, &operator, &right.data_type);
        match (wrapping(operator), coercer.get_result_type()) {
            (Some(function), Ok(data_type)) if data_type.is_integer() => {
                let operands = [left, right].map(|operand| operand.clone().cast(&data_type));
                let shown = symbol(operator);
                self.apply(function, operands.to_vec(), &shown, span)
                    .map(Some)
            }
            _ => Ok(None),
        }
    }

    fn wrapping_negative(&self, operand: Typed, span: Span) -> Result<Typed> {
        let signed = match &operand.data_type {
            data_type if data_type.is_unsigned_integer() => DataType::Int64,
            data_type => data_type.clone(),
        };
        let zero = Typed::literal(ScalarValue::new_zero(&signed)?, span);
        self.operate(zero, Operator::Minus, operand.cast(&signed), span)
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
