//! IS, IN, LIKE, BETWEEN and comparisons with queries.

use super::operators::operator;
use super::words::Words;
use crate::lang::ast::{BinaryOp, Expr, ExprKind, IsTest, Query, StringLiteral};

impl Words {
    pub fn is_test(&mut self, operand: &Expr, test: IsTest, negated: bool) {
        self.arithmetic(operand);
        self.put("IS");
        self.put_if(negated, "NOT");
        self.put(match test {
            IsTest::Null => "NULL",
            IsTest::True => "TRUE",
            IsTest::False => "FALSE",
        });
    }

    pub fn is_distinct(&mut self, left: &Expr, right: &Expr, negated: bool) {
        self.arithmetic(left);
        self.put("IS");
        self.put_if(negated, "NOT");
        self.put("DISTINCT FROM");
        self.arithmetic(right);
    }

    pub fn between(&mut self, operand: &Expr, low: &Expr, high: &Expr, negated: bool) {
        self.negatable(operand, negated, "BETWEEN");
        self.arithmetic(low);
        self.put("AND");
        self.arithmetic(high);
    }

    /// `LIKE` or `ILIKE`, with what escapes its marks.
    pub fn like(
        &mut self,
        (operand, negated): (&Expr, bool),
        word: &str,
        pattern: &Expr,
        escape: Option<&StringLiteral>,
    ) {
        self.negatable(operand, negated, word);
        self.arithmetic(pattern);
        if let Some(escape) = escape {
            self.put("ESCAPE");
            self.string(escape);
        }
    }

    pub fn in_list(&mut self, operand: &Expr, list: &[Expr], negated: bool) {
        self.negatable(operand, negated, "IN");
        self.parenthesised(|words| words.exprs(list));
    }

    pub fn in_query(&mut self, operand: &Expr, query: &Query, negated: bool) {
        self.negatable(operand, negated, "IN");
        self.parenthesised(|words| words.query(query));
    }

    pub fn in_array(&mut self, operand: &Expr, array: &Expr, negated: bool) {
        self.negatable(operand, negated, "IN");
        match array.kind.as_ref() {
            ExprKind::Parameter(parameter) => self.parameter(parameter),
            _ => {
                self.put("UNNEST (");
                self.expr(array);
                self.put(")");
            }
        }
    }

    pub fn quantified(&mut self, operand: &Expr, op: BinaryOp, all: bool, query: &Query) {
        self.arithmetic(operand);
        self.put(operator(op).0);
        self.put(if all { "ALL" } else { "ANY" });
        self.parenthesised(|words| words.query(query));
    }

    fn negatable(&mut self, operand: &Expr, negated: bool, word: &str) {
        self.arithmetic(operand);
        self.put_if(negated, "NOT");
        self.put(word);
    }
}
