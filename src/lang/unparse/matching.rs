//! `MATCH_RECOGNIZE` and its patterns.

use super::words::Words;
use crate::lang::ast::{Expr, ExprKind, Literal, MatchRecognize, RowPattern, RowPatternKind, Times};

impl Words {
    pub fn match_recognize(&mut self, matched: &MatchRecognize) {
        self.put("MATCH_RECOGNIZE (");
        if !matched.partition_by.is_empty() {
            self.put("PARTITION BY");
            self.list(&matched.partition_by, Self::expr);
        }
        self.order_by(&matched.order_by);
        self.put("MEASURES");
        self.list(&matched.measures, |words, (expr, name)| {
            words.expr(expr);
            words.alias(Some(name));
        });
        self.put_if(matched.skip_to_next, "AFTER MATCH SKIP TO NEXT ROW");
        self.put("PATTERN (");
        self.alternatives(&matched.pattern);
        self.put(") DEFINE");
        self.list(&matched.define, |words, (symbol, condition)| {
            words.name(symbol);
            words.put("AS");
            words.expr(condition);
        });
        if !matched.options.is_empty() {
            self.options(&matched.options);
        }
        self.put(")");
        self.alias(matched.alias.as_ref());
    }

    fn alternatives(&mut self, pattern: &RowPattern) {
        let RowPatternKind::Alternatives(branches) = &pattern.kind else {
            return self.sequence(pattern);
        };
        for (index, branch) in branches.iter().enumerate() {
            self.put_if(index > 0, "|");
            self.sequence(branch);
        }
    }

    fn sequence(&mut self, pattern: &RowPattern) {
        match &pattern.kind {
            RowPatternKind::Sequence(steps) => steps.iter().for_each(|step| self.step(step)),
            _ => self.step(pattern),
        }
    }

    fn step(&mut self, pattern: &RowPattern) {
        match &pattern.kind {
            RowPatternKind::PartitionStart => self.put("^"),
            RowPatternKind::PartitionEnd => self.put("$"),
            RowPatternKind::Symbol(name) => self.name(name),
            RowPatternKind::Repeated { operand, times } => {
                match operand.kind {
                    RowPatternKind::Symbol(_) => self.step(operand),
                    _ => self.parenthesised(|words| words.alternatives(operand)),
                }
                self.times(times);
            }
            RowPatternKind::Sequence(_) | RowPatternKind::Alternatives(_) => {
                self.parenthesised(|words| words.alternatives(pattern));
            }
        }
    }

    fn times(&mut self, times: &Times) {
        match (&times.at_least, &times.at_most) {
            (None, None) => self.put("*"),
            (Some(least), None) if is_one(least) => self.put("+"),
            (None, Some(most)) if is_one(most) => self.put("?"),
            (least, most) => {
                self.put("{");
                least.iter().for_each(|bound| self.expr(bound));
                self.put(",");
                most.iter().for_each(|bound| self.expr(bound));
                self.put("}");
            }
        }
        self.put_if(times.reluctant, "?");
    }
}

fn is_one(bound: &Expr) -> bool {
    matches!(bound.kind.as_ref(), ExprKind::Literal(Literal::Integer(digits)) if digits == "1")
}
