//! MATCH_RECOGNIZE and its patterns.

use super::pipe::bounded;
use super::{Node, Reader, Rule, has, mismatch, only, parts};
use crate::error::{Error, Result, Span};
use crate::lang::ast::{
    Expr, ExprKind, Ident, Literal, MatchRecognize, RowPattern, RowPatternKind, Times,
};

impl<'t> Reader<'_, 't> {
    pub(super) fn match_recognize(&mut self, node: Node<'t>) -> Result<MatchRecognize> {
        let span = self.span(&node);
        let keyword = node.clone().into_inner().next();
        let keyword = keyword.map_or(span, |word| self.span(&word));
        let (mut partition_by, mut order_by) = (Vec::new(), Vec::new());
        let (mut measures, mut define, mut options) = (Vec::new(), Vec::new(), Vec::new());
        let (mut skip_to_next, mut pattern, mut alias) = (false, None, None);
        for part in parts(node) {
            match part.as_rule() {
                Rule::partition_by => {
                    let exprs = parts(part).map(|expr| self.expr(expr));
                    partition_by = exprs.collect::<Result<_>>()?;
                }
                Rule::order_by => order_by = self.order_by(part)?,
                Rule::measures => measures = self.measures(part)?,
                Rule::after_match => skip_to_next = has(&part, Rule::to_next_row),
                Rule::row_pattern => pattern = Some(self.alternatives(only(part)?)?),
                Rule::define => define = self.definitions(part)?,
                Rule::options => options = self.options(part)?,
                Rule::alias => alias = Some(self.alias(part)?),
                _ => return Err(mismatch()),
            }
        }
        bounded(partition_by.len(), "PARTITION BY takes", span)?;
        let clauses = [
            (order_by.is_empty(), "ORDER BY", "rows match in their order"),
            (
                measures.is_empty(),
                "MEASURES",
                "what each match gives, such as COUNT(*) AS n",
            ),
            (pattern.is_none(), "PATTERN", "such as PATTERN (a b+)"),
            (
                define.is_empty(),
                "DEFINE",
                "the condition of each symbol, such as a AS x > 1",
            ),
        ];
        if let Some((_, clause, why)) = clauses.iter().find(|(missing, ..)| *missing) {
            let message = format!("MATCH_RECOGNIZE needs {clause}");
            return Err(Error::input("TM0102", message, keyword)
                .label(*why)
                .hint("its clauses are PARTITION BY, ORDER BY, MEASURES, AFTER MATCH SKIP, PATTERN, DEFINE, OPTIONS, in this order"));
        }
        Ok(MatchRecognize {
            partition_by,
            order_by,
            measures,
            skip_to_next,
            pattern: pattern.ok_or_else(mismatch)?,
            define,
            options,
            alias,
        })
    }

    fn measures(&mut self, node: Node<'t>) -> Result<Vec<(Expr, Ident)>> {
        let span = self.span(&node);
        let mut measures = Vec::new();
        for measure in parts(node) {
            let mut inner = parts(measure);
            let expr = self.expr(inner.next().ok_or_else(mismatch)?)?;
            measures.push((expr, self.ident(&inner.next().ok_or_else(mismatch)?)));
        }
        bounded(measures.len(), "MEASURES holds", span)?;
        Ok(measures)
    }

    fn definitions(&mut self, node: Node<'t>) -> Result<Vec<(Ident, Expr)>> {
        let span = self.span(&node);
        let mut definitions = Vec::new();
        for definition in parts(node) {
            let mut inner = parts(definition);
            let name = self.ident(&inner.next().ok_or_else(mismatch)?);
            definitions.push((name, self.expr(inner.next().ok_or_else(mismatch)?)?));
        }
        bounded(definitions.len(), "DEFINE holds", span)?;
        Ok(definitions)
    }

    fn alternatives(&mut self, node: Node<'t>) -> Result<RowPattern> {
        let span = self.span(&node);
        let sequences = parts(node).map(|sequence| self.sequence(sequence));
        let mut sequences: Vec<RowPattern> = sequences.collect::<Result<_>>()?;
        if sequences.len() > 1 {
            let kind = RowPatternKind::Alternatives(sequences);
            return Ok(RowPattern { kind, span });
        }
        sequences.pop().ok_or_else(mismatch)
    }

    fn sequence(&mut self, node: Node<'t>) -> Result<RowPattern> {
        let span = self.span(&node);
        let mut steps = Vec::new();
        for part in parts(node) {
            let span = self.span(&part);
            steps.push(match part.as_rule() {
                Rule::partition_start => RowPattern {
                    kind: RowPatternKind::PartitionStart,
                    span,
                },
                Rule::partition_end => RowPattern {
                    kind: RowPatternKind::PartitionEnd,
                    span,
                },
                _ => self.repeated(part)?,
            });
        }
        if steps.len() == 1 {
            return steps.pop().ok_or_else(mismatch);
        }
        let kind = RowPatternKind::Sequence(steps);
        Ok(RowPattern { kind, span })
    }

    /// A symbol or a group, and how often it may come.
    fn repeated(&mut self, node: Node<'t>) -> Result<RowPattern> {
        let span = self.span(&node);
        let mut inner = parts(node);
        let operand = inner.next().ok_or_else(mismatch)?;
        let operand = match operand.as_rule() {
            Rule::pattern_group => self.alternatives(only(operand)?)?,
            _ => RowPattern {
                span: self.span(&operand),
                kind: RowPatternKind::Symbol(self.ident(&operand)),
            },
        };
        let Some(quantifier) = inner.next() else {
            return Ok(operand);
        };
        let kind = RowPatternKind::Repeated {
            operand: Box::new(operand),
            times: self.times(quantifier)?,
        };
        Ok(RowPattern { kind, span })
    }

    fn times(&mut self, node: Node<'t>) -> Result<Times> {
        let span = self.span(&node);
        let reluctant = has(&node, Rule::reluctant);
        let count = parts(node).next().ok_or_else(mismatch)?;
        let (at_least, at_most) = match count.as_rule() {
            Rule::many => match self.written(&count).trim_end() {
                "*" => (None, None),
                "+" => (Some(once(span)), None),
                _ => (None, Some(once(span))),
            },
            _ => {
                let exactly = !has(&count, Rule::or_more);
                let (at_least, at_most) = self.bounds(count)?;
                match (exactly, &at_least) {
                    (true, None) => return Err(wrong_times("`{}` says no number", span)),
                    (true, Some(_)) if reluctant => {
                        return Err(wrong_times("an exact number is never reluctant", span));
                    }
                    (true, Some(_)) => (at_least.clone(), at_least),
                    (false, _) => (at_least, at_most),
                }
            }
        };
        Ok(Times {
            at_least,
            at_most,
            reluctant,
            span,
        })
    }

    /// The numbers in braces.
    fn bounds(&mut self, node: Node<'t>) -> Result<(Option<Expr>, Option<Expr>)> {
        let (mut at_least, mut at_most) = (None, None);
        for part in parts(node) {
            let bound = match part.as_rule() {
                Rule::at_least => &mut at_least,
                Rule::at_most => &mut at_most,
                _ => continue,
            };
            let number = self.expr(only(part)?)?;
            let kind = number.kind.as_ref();
            if !matches!(kind, ExprKind::Literal(_) | ExprKind::Parameter(_)) {
                let message = "a quantifier takes a number or a parameter";
                return Err(wrong_times(message, number.span));
            }
            *bound = Some(number);
        }
        Ok((at_least, at_most))
    }
}

fn wrong_times(message: &str, span: Span) -> Error {
    Error::input("TM0102", message, span).label("write `{2}`, `{2,}`, `{,3}` or `{2,3}`")
}

/// The 1 that a `+` or `?` stands for.
fn once(span: Span) -> Expr {
    Expr {
        kind: Box::new(ExprKind::Literal(Literal::Integer("1".to_string()))),
        span,
    }
}
