//! Expressions. An operand that binds weaker than its place allows stands in parentheses.

use super::operators::{AND, CHAIN, NOT, OR, binding};
use super::words::Words;
use crate::lang::ast::{Expr, ExprKind, TypeName};

impl Words {
    pub fn expr(&mut self, expr: &Expr) {
        self.operand(expr, OR);
    }

    pub fn exprs(&mut self, exprs: &[Expr]) {
        self.list(exprs, Self::expr);
    }

    /// An expression where nothing binds weaker than arithmetic.
    pub fn arithmetic(&mut self, expr: &Expr) {
        self.operand(expr, CHAIN);
    }

    pub fn operand(&mut self, expr: &Expr, least: u8) {
        if binding(&expr.kind) < least {
            self.parenthesised(|words| words.bare(expr));
        } else {
            self.bare(expr);
        }
    }

    fn bare(&mut self, expr: &Expr) {
        match expr.kind.as_ref() {
            ExprKind::Or(terms) => self.joined(terms, "OR", AND),
            ExprKind::And(terms) => self.joined(terms, "AND", NOT),
            ExprKind::Unary { .. } => self.unary(expr),
            ExprKind::Binary { .. } => self.chain(expr),
            ExprKind::Cast {
                operand,
                data_type,
                try_: true,
            } => self.try_cast(operand, data_type),
            ExprKind::Cast { try_: false, .. }
            | ExprKind::Field { .. }
            | ExprKind::Subscript { .. } => self.suffixes(expr),
            ExprKind::Call(call) => self.call(call),
            ExprKind::Is {
                operand,
                test,
                negated,
            } => self.is_test(operand, *test, *negated),
            ExprKind::IsDistinctFrom {
                left,
                right,
                negated,
            } => self.is_distinct(left, right, *negated),
            ExprKind::Between {
                operand,
                low,
                high,
                negated,
            } => self.between(operand, low, high, *negated),
            ExprKind::Like {
                operand,
                pattern,
                escape,
                ignore_case,
                negated,
            } => {
                let word = if *ignore_case { "ILIKE" } else { "LIKE" };
                self.like((operand, *negated), word, pattern, escape.as_ref());
            }
            ExprKind::InList {
                operand,
                list,
                negated,
            } => self.in_list(operand, list, *negated),
            ExprKind::InQuery {
                operand,
                query,
                negated,
            } => self.in_query(operand, query, *negated),
            ExprKind::InArray {
                operand,
                array,
                negated,
            } => self.in_array(operand, array, *negated),
            ExprKind::Quantified {
                operand,
                op,
                all,
                query,
            } => self.quantified(operand, *op, *all, query),
            ExprKind::Literal(literal) => self.literal(literal),
            ExprKind::Parameter(parameter) => self.parameter(parameter),
            ExprKind::Setting(name) => self.put(&format!("@@{}", name.text)),
            ExprKind::Default => self.put("DEFAULT"),
            ExprKind::Path(path) => self.path(path),
            ExprKind::Case {
                operand,
                branches,
                otherwise,
            } => self.case(operand.as_ref(), branches, otherwise.as_ref()),
            ExprKind::Extract { part, operand } => self.extract(part, operand),
            ExprKind::Exists(query) => self.query_of("EXISTS", query),
            ExprKind::Subquery(query) => self.parenthesised(|words| words.query(query)),
            ExprKind::ArrayQuery(query) => self.query_of("ARRAY", query),
            ExprKind::Array {
                element_type,
                items,
            } => self.array(element_type.as_ref(), items),
            ExprKind::Struct { fields, types } => self.structure(fields, types),
            ExprKind::Interval { value, part } => self.interval(value, part.as_ref()),
        }
    }

    fn try_cast(&mut self, operand: &Expr, data_type: &TypeName) {
        self.put("TRY_CAST (");
        self.expr(operand);
        self.put("AS");
        self.type_name(data_type);
        self.put(")");
    }
}
