//! Pipe operators.

use super::words::Words;
use crate::lang::ast::{
    AggregateItem, Expr, Ident, OnViolation, Pipe, PipeOp, RecursiveBody, SelectShape, SetOperator,
};

impl Words {
    pub fn pipes(&mut self, pipes: &[Pipe]) {
        for pipe in pipes {
            self.put("|>");
            self.pipe(&pipe.op);
        }
    }

    fn subpipe(&mut self, pipes: &[Pipe]) {
        self.parenthesised(|words| words.pipes(pipes));
    }

    fn pipe(&mut self, op: &PipeOp) {
        match op {
            PipeOp::Where(condition) => {
                self.put("WHERE");
                self.expr(condition);
            }
            PipeOp::Select {
                distinct,
                shape,
                items,
                windows,
            } => {
                self.put("SELECT");
                self.select_list(*distinct, *shape, items);
                self.windows(windows);
            }
            PipeOp::Extend { items, windows } => {
                self.put("EXTEND");
                self.select_list(false, SelectShape::Plain, items);
                self.windows(windows);
            }
            PipeOp::Window(items) => {
                self.put("WINDOW");
                self.list(items, Self::select_item);
            }
            PipeOp::Set(assignments) => {
                self.put("SET");
                self.list(assignments, |words, (name, value)| {
                    words.name(name);
                    words.put("=");
                    words.expr(value);
                });
            }
            PipeOp::Drop(names) => {
                self.put("DROP");
                self.names(names);
            }
            PipeOp::Rename(renames) => {
                self.put("RENAME");
                self.list(renames, |words, (from, to)| {
                    words.name(from);
                    words.alias(Some(to));
                });
            }
            PipeOp::As(name) => self.alias(Some(name)),
            PipeOp::Aggregate { items, group_by } => {
                self.put("AGGREGATE");
                self.list(items, Self::aggregate_item);
                if let Some(group_by) = group_by {
                    self.group_by(group_by);
                }
            }
            PipeOp::Distinct => self.put("DISTINCT"),
            PipeOp::Join(join) => self.join(join),
            PipeOp::OrderBy(items) => self.order_by(items),
            PipeOp::Limit(limit) => self.limit(limit),
            PipeOp::With(with) => self.with(with),
            PipeOp::Sample(sample) => self.sample(sample),
            PipeOp::Pivot(pivot) => self.pivot(pivot),
            PipeOp::Match(matched) => self.match_recognize(matched),
            PipeOp::Describe => self.put("DESCRIBE"),
            PipeOp::StaticDescribe => self.put("STATIC_DESCRIBE"),
            PipeOp::SetOperation { operator, queries } => {
                self.set_operator(operator);
                self.list(queries, |words, query| {
                    words.parenthesised(|words| words.query(query));
                });
            }
            PipeOp::RecursiveUnion {
                operator,
                body,
                alias,
            } => self.recursive_union(operator, body, alias.as_ref()),
            PipeOp::Call {
                function,
                args,
                alias,
            } => {
                self.put("CALL");
                self.function(function);
                self.arguments(args);
                self.alias(alias.as_ref());
            }
            PipeOp::Assert {
                condition,
                payload,
                on_violation,
            } => self.assert_rows(condition, payload, *on_violation),
            PipeOp::Log(pipes) => {
                self.put("LOG");
                if let Some(pipes) = pipes {
                    self.subpipe(pipes);
                }
            }
            PipeOp::If {
                branches,
                otherwise,
            } => self.choice_of_pipes(branches, otherwise.as_deref()),
            PipeOp::Tee(subpipes) => self.branches("TEE", subpipes),
            PipeOp::Fork(subpipes) => self.branches("FORK", subpipes),
            PipeOp::CreateTable(target) => self.create_table(target),
            PipeOp::Insert(target) => self.insert(target),
            PipeOp::Export(options) => {
                self.put("EXPORT DATA");
                self.options(options);
            }
        }
    }

    fn recursive_union(
        &mut self,
        operator: &SetOperator,
        body: &RecursiveBody,
        alias: Option<&Ident>,
    ) {
        self.put("RECURSIVE");
        self.set_operator(operator);
        match body {
            RecursiveBody::Pipes(pipes) => self.subpipe(pipes),
            RecursiveBody::Query(query) => self.parenthesised(|words| words.query(query)),
        }
        self.alias(alias);
    }

    fn choice_of_pipes(&mut self, branches: &[(Expr, Vec<Pipe>)], otherwise: Option<&[Pipe]>) {
        for (index, (condition, pipes)) in branches.iter().enumerate() {
            self.put(if index == 0 { "IF" } else { "ELSEIF" });
            self.expr(condition);
            self.put("THEN");
            self.subpipe(pipes);
        }
        if let Some(pipes) = otherwise {
            self.put("ELSE");
            self.subpipe(pipes);
        }
    }

    fn branches(&mut self, word: &str, subpipes: &[Vec<Pipe>]) {
        self.put(word);
        self.list(subpipes, |words, pipes| words.subpipe(pipes));
    }

    fn aggregate_item(&mut self, item: &AggregateItem) {
        self.expr(&item.expr);
        self.alias(item.alias.as_ref());
        self.sort(item.sort.as_ref());
    }

    fn assert_rows(&mut self, condition: &Expr, payload: &[Expr], on_violation: OnViolation) {
        self.put("ASSERT");
        self.expr(condition);
        for expr in payload {
            self.put(",");
            self.expr(expr);
        }
        match on_violation {
            OnViolation::Fail => {}
            OnViolation::Drop => self.put("ON VIOLATION DROP"),
            OnViolation::Warn => self.put("ON VIOLATION WARN"),
        }
    }
}
