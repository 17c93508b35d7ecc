//! Values: literals, and what makes arrays, structs and intervals of others.

use super::operators::SIGN;
use super::words::Words;
use crate::lang::ast::{Expr, ExprKind, Ident, Literal, Parameter, Query, TypeName};

impl Words {
    pub fn extract(&mut self, part: &Ident, operand: &Expr) {
        self.put("EXTRACT (");
        self.free_name(part);
        self.put("FROM");
        self.expr(operand);
        self.put(")");
    }

    /// A query behind a word: EXISTS, ARRAY.
    pub fn query_of(&mut self, word: &str, query: &Query) {
        self.put(word);
        self.parenthesised(|words| words.query(query));
    }

    pub fn array(&mut self, element_type: Option<&TypeName>, items: &[Expr]) {
        if let Some(element) = element_type {
            self.put("ARRAY <");
            self.type_name(element);
            self.put(">");
        }
        self.put("[");
        self.exprs(items);
        self.put("]");
    }

    pub fn interval(&mut self, value: &Expr, part: Option<&Ident>) {
        self.put("INTERVAL");
        if is_signed_interval(value) {
            self.parenthesised(|words| words.expr(value));
        } else {
            self.operand(value, SIGN);
        }
        if let Some(part) = part {
            self.put(&part.text);
        }
    }

    /// Two values or more in parentheses, where that is enough to make a STRUCT of them.
    pub fn structure(
        &mut self,
        fields: &[(Expr, Option<Ident>)],
        types: &[(Option<Ident>, TypeName)],
    ) {
        let unnamed = fields.iter().all(|(_, name)| name.is_none());
        if types.is_empty() && unnamed && fields.len() > 1 {
            return self
                .parenthesised(|words| words.list(fields, |words, (value, _)| words.expr(value)));
        }
        self.worded_structure(fields, types);
    }

    /// The items after the word STRUCT: where in parentheses alone they would be something else.
    pub fn worded_structure(
        &mut self,
        fields: &[(Expr, Option<Ident>)],
        types: &[(Option<Ident>, TypeName)],
    ) {
        self.put("STRUCT");
        if !types.is_empty() {
            self.put("<");
            self.fields(types);
            self.put(">");
            if fields.is_empty() {
                return;
            }
        }
        self.parenthesised(|words| {
            words.list(fields, |words, (value, name)| {
                words.expr(value);
                words.alias(name.as_ref());
            });
        });
    }

    /// A body in the parentheses that belong to CREATE FUNCTION.
    pub fn function_body(&mut self, body: &Expr) {
        match body.kind.as_ref() {
            ExprKind::Subquery(query) => self.parenthesised(|words| words.query(query)),
            _ => self.parenthesised(|words| words.expr(body)),
        }
    }

    /// A text or a signed number.
    pub fn label(&mut self, label: &Expr) {
        match label.kind.as_ref() {
            ExprKind::Unary { operand, .. } => match operand.kind.as_ref() {
                ExprKind::Literal(
                    Literal::Integer(digits) | Literal::Decimal(digits) | Literal::Float(digits),
                ) => self.put(&format!("-{digits}")),
                _ => self.expr(label),
            },
            _ => self.expr(label),
        }
    }

    pub fn case(
        &mut self,
        operand: Option<&Expr>,
        branches: &[(Expr, Expr)],
        otherwise: Option<&Expr>,
    ) {
        self.put("CASE");
        if let Some(operand) = operand {
            self.expr(operand);
        }
        for (condition, value) in branches {
            self.put("WHEN");
            self.expr(condition);
            self.put("THEN");
            self.expr(value);
        }
        if let Some(otherwise) = otherwise {
            self.put("ELSE");
            self.expr(otherwise);
        }
        self.put("END");
    }

    pub fn literal(&mut self, literal: &Literal) {
        match literal {
            Literal::Null => self.put("NULL"),
            Literal::Bool(value) => self.put(if *value { "TRUE" } else { "FALSE" }),
            Literal::Integer(digits) | Literal::Decimal(digits) | Literal::Float(digits) => {
                self.put(digits);
            }
            Literal::String(text) => self.text(text),
            Literal::Bytes(bytes) => self.bytes(bytes),
            Literal::Typed { type_name, text } => {
                self.put(type_name);
                self.text(text);
            }
        }
    }

    pub fn parameter(&mut self, parameter: &Parameter) {
        match parameter {
            Parameter::Named(name) => self.put(&format!("@{name}")),
            Parameter::Positional(_) => self.put("?"),
        }
    }
}

/// An interval, perhaps behind signs.
fn is_signed_interval(expr: &Expr) -> bool {
    let mut inner = expr;
    while let ExprKind::Unary { operand, .. } = inner.kind.as_ref() {
        inner = operand;
    }
    matches!(*inner.kind, ExprKind::Interval { .. })
}
