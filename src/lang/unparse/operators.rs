//! Operators: how tightly each binds, and chains of them. What stands between a value and what surrounds it.

use super::words::Words;
use crate::lang::ast::{BinaryOp, Expr, ExprKind, Ident, TypeName, UnaryOp};

/// How tightly an expression binds, from OR to a value. What stands between is [`strength`] of an operator.
pub const OR: u8 = 0;
pub const AND: u8 = 1;
pub const NOT: u8 = 2;
const COMPARISON: u8 = 3;
pub const CHAIN: u8 = 4;
pub const SIGN: u8 = 10;
const SUFFIX: u8 = 11;
const VALUE: u8 = 12;

/// How an operator is written, and how tightly it binds.
pub fn operator(op: BinaryOp) -> (&'static str, u8) {
    match op {
        BinaryOp::Equal => ("=", COMPARISON),
        BinaryOp::NotEqual => ("<>", COMPARISON),
        BinaryOp::Less => ("<", COMPARISON),
        BinaryOp::LessEqual => ("<=", COMPARISON),
        BinaryOp::Greater => (">", COMPARISON),
        BinaryOp::GreaterEqual => (">=", COMPARISON),
        BinaryOp::NullSafeEqual => ("<=>", COMPARISON),
        BinaryOp::BitOr => ("|", CHAIN),
        BinaryOp::BitXor => ("^", CHAIN + 1),
        BinaryOp::BitAnd => ("&", CHAIN + 2),
        BinaryOp::ShiftLeft => ("<<", CHAIN + 3),
        BinaryOp::ShiftRight => (">>", CHAIN + 3),
        BinaryOp::Add => ("+", CHAIN + 4),
        BinaryOp::Subtract => ("-", CHAIN + 4),
        BinaryOp::Multiply => ("*", CHAIN + 5),
        BinaryOp::Divide => ("/", CHAIN + 5),
        BinaryOp::Modulo => ("%", CHAIN + 5),
        BinaryOp::Concat => ("||", CHAIN + 5),
    }
}

pub fn binding(kind: &ExprKind) -> u8 {
    match kind {
        ExprKind::Or(_) => OR,
        ExprKind::And(_) => AND,
        ExprKind::Unary {
            op: UnaryOp::Not, ..
        } => NOT,
        ExprKind::Binary { op, .. } => operator(*op).1,
        ExprKind::Is { .. }
        | ExprKind::IsDistinctFrom { .. }
        | ExprKind::Between { .. }
        | ExprKind::Like { .. }
        | ExprKind::InList { .. }
        | ExprKind::InQuery { .. }
        | ExprKind::InArray { .. }
        | ExprKind::Quantified { .. } => COMPARISON,
        ExprKind::Unary {
            op: UnaryOp::Minus | UnaryOp::Plus | UnaryOp::BitNot,
            ..
        } => SIGN,
        ExprKind::Cast { try_: false, .. }
        | ExprKind::Field { .. }
        | ExprKind::Subscript { .. } => SUFFIX,
        // What follows could be its value's or its part.
        ExprKind::Interval { .. } => SIGN,
        ExprKind::Cast { try_: true, .. }
        | ExprKind::Literal(_)
        | ExprKind::Parameter(_)
        | ExprKind::Setting(_)
        | ExprKind::Default
        | ExprKind::Path(_)
        | ExprKind::Case { .. }
        | ExprKind::Extract { .. }
        | ExprKind::Exists(_)
        | ExprKind::Subquery(_)
        | ExprKind::ArrayQuery(_)
        | ExprKind::Array { .. }
        | ExprKind::Struct { .. }
        | ExprKind::Call(_) => VALUE,
    }
}

/// What is written behind a value.
enum Suffix<'e> {
    Field(&'e Ident),
    Subscript(&'e Expr),
    Cast(&'e TypeName),
}

impl Words {
    pub fn joined(&mut self, terms: &[Expr], word: &str, least: u8) {
        for (index, term) in terms.iter().enumerate() {
            self.put_if(index > 0, word);
            self.operand(term, least);
        }
    }

    /// Signs and NOTs before one operand, in a loop: there may be very many.
    pub fn unary(&mut self, expr: &Expr) {
        let mut inner = expr;
        let outermost = binding(&expr.kind);
        while let ExprKind::Unary { op, operand } = inner.kind.as_ref() {
            if binding(&inner.kind) < outermost {
                break;
            }
            self.put(match op {
                UnaryOp::Not => "NOT",
                UnaryOp::Minus => "-",
                UnaryOp::Plus => "+",
                UnaryOp::BitNot => "~",
            });
            inner = operand;
            if outermost == NOT && binding(&inner.kind) != NOT {
                break;
            }
        }
        // INTERVAL binds as a sign does, and may follow one.
        self.operand(inner, if outermost == NOT { NOT } else { SIGN });
    }

    /// `a + b - c` groups left: a loop down its left side.
    pub fn chain(&mut self, expr: &Expr) {
        let (mut first, mut rest) = (expr, Vec::new());
        let mut least = OR;
        while let ExprKind::Binary { op, left, right } = first.kind.as_ref() {
            let (written, strength) = operator(*op);
            if strength < least {
                break;
            }
            let (left_least, right_least) = match strength {
                COMPARISON => (CHAIN, CHAIN),
                _ => (strength, strength + 1),
            };
            rest.push((written, right, right_least));
            (first, least) = (left, left_least);
        }
        self.operand(first, least);
        for (written, right, least) in rest.into_iter().rev() {
            self.put(written);
            self.operand(right, least);
        }
    }

    /// `a[1].b::STRING` in a loop.
    pub fn suffixes(&mut self, expr: &Expr) {
        let (mut base, mut suffixes) = (expr, Vec::new());
        loop {
            let (inner, suffix) = match base.kind.as_ref() {
                ExprKind::Field { base, name } => (base, Suffix::Field(name)),
                ExprKind::Subscript { base, index } => (base, Suffix::Subscript(index)),
                ExprKind::Cast {
                    operand,
                    data_type,
                    try_: false,
                } => (operand, Suffix::Cast(data_type)),
                _ => break,
            };
            suffixes.push(suffix);
            base = inner;
        }
        match (base.kind.as_ref(), suffixes.last()) {
            // `a.b` would be one path.
            (ExprKind::Path(path), Some(Suffix::Field(_))) => {
                self.parenthesised(|words| words.path(path));
            }
            _ => self.operand(base, SUFFIX),
        }
        for suffix in suffixes.into_iter().rev() {
            match suffix {
                Suffix::Field(name) => {
                    self.put(".");
                    self.free_name(name);
                }
                Suffix::Subscript(index) => {
                    self.put("[");
                    self.expr(index);
                    self.put("]");
                }
                Suffix::Cast(data_type) => {
                    self.put("::");
                    self.type_name(data_type);
                }
            }
        }
    }
}
