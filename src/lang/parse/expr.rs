//! Values and the forms that begin with a word of their own: CASE, CAST, IN, BETWEEN …

use super::operators::new;
use super::{Node, Reader, Rule, has, mismatch, only, parts, too_wide};
use crate::error::{Error, Result, Span};
use crate::lang::ast::{
    Expr, ExprKind, Ident, IsTest, Literal, Parameter, Query, SetExpr, TypeName, UnaryOp,
};
use crate::lang::literal::Decoded;
use crate::lang::scan::MAX_ITEMS;

/// What stood in parentheses.
enum Paren {
    Query(Box<Query>),
    Exprs(Vec<Expr>),
}

impl<'t> Reader<'_, 't> {
    pub(super) fn primary(&mut self, node: Node<'t>) -> Result<Expr> {
        let span = self.span(&node);
        let kind = match node.as_rule() {
            Rule::number | Rule::signed_number => return Ok(self.number(&node)),
            Rule::text => match self.decoded(node)? {
                Decoded::Text(text) => ExprKind::Literal(Literal::String(text)),
                Decoded::Bytes(bytes) => ExprKind::Literal(Literal::Bytes(bytes)),
            },
            Rule::typed_literal => self.typed_literal(node)?,
            Rule::kw_null => ExprKind::Literal(Literal::Null),
            Rule::kw_true => ExprKind::Literal(Literal::Bool(true)),
            Rule::kw_false => ExprKind::Literal(Literal::Bool(false)),
            Rule::parameter => ExprKind::Parameter(self.parameter(&node)?),
            Rule::setting => ExprKind::Setting(self.setting(&node)),
            Rule::default_word => ExprKind::Default,
            Rule::paren => match self.paren(node)? {
                Paren::Query(query) => ExprKind::Subquery(query),
                Paren::Exprs(exprs) => return Ok(tuple(exprs, span)),
            },
            Rule::case => self.case(node)?,
            Rule::cast => self.cast(node)?,
            Rule::extract => self.extract(node)?,
            Rule::exists => ExprKind::Exists(Box::new(self.query(only(node)?)?)),
            Rule::array_query => ExprKind::ArrayQuery(Box::new(self.query(only(node)?)?)),
            Rule::array => self.array(node)?,
            Rule::struct_value => self.struct_value(node)?,
            Rule::interval => self.interval(node)?,
            _ => return Err(mismatch()),
        };
        Ok(new(kind, span))
    }

    fn number(&self, node: &Node) -> Expr {
        let span = self.span(node);
        let written = self.written(node).trim_end();
        let (minus, digits) = match written.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, written),
        };
        let hexadecimal = digits.starts_with("0x") || digits.starts_with("0X");
        let text = digits.to_string();
        let literal = if hexadecimal {
            Literal::Integer(text)
        } else if digits.contains(['e', 'E']) {
            Literal::Float(text)
        } else if digits.contains('.') {
            Literal::Decimal(text)
        } else {
            Literal::Integer(text)
        };
        let value_span = Span::new(span.end - digits.len(), span.end);
        let value = new(ExprKind::Literal(literal), value_span);
        if !minus {
            return value;
        }
        let op = UnaryOp::Minus;
        new(ExprKind::Unary { op, operand: value }, span)
    }

    fn typed_literal(&mut self, node: Node<'t>) -> Result<ExprKind> {
        let mut inner = parts(node);
        let word = inner.next().ok_or_else(mismatch)?;
        let text = self.text(inner.next().ok_or_else(mismatch)?)?;
        Ok(ExprKind::Literal(Literal::Typed {
            type_name: self.written(&word).to_ascii_uppercase(),
            text: text.value,
        }))
    }

    fn parameter(&mut self, node: &Node) -> Result<Parameter> {
        let span = self.span(node);
        let parameter = match self.written(node).strip_prefix('@') {
            Some(name) => {
                self.source.counted.first_named.get_or_insert(span);
                Parameter::Named(name.trim_end().to_string())
            }
            None => {
                self.source.counted.first_positional.get_or_insert(span);
                self.source.counted.positional += 1;
                Parameter::Positional(self.source.counted.positional - 1)
            }
        };
        match (
            self.source.counted.first_named,
            self.source.counted.first_positional,
        ) {
            (Some(named), Some(positional)) => {
                let message = "a script has either named or positional parameters, not both";
                let first = if named.start < positional.start {
                    named
                } else {
                    positional
                };
                Err(Error::input("TM0603", message, span).also(first, "the other kind"))
            }
            _ => Ok(parameter),
        }
    }

    fn paren(&mut self, node: Node<'t>) -> Result<Paren> {
        let span = self.span(&node);
        let mut exprs = Vec::new();
        let mut only_a_paren = false;
        for part in parts(node) {
            match part.as_rule() {
                Rule::query => return Ok(Paren::Query(Box::new(self.query(part)?))),
                Rule::expr => {
                    only_a_paren = is_only_a_paren(&part);
                    exprs.push(self.expr(part)?);
                }
                Rule::query_tail if part.clone().into_inner().next().is_some() => {
                    let Some(first) = exprs.pop() else {
                        return Err(mismatch());
                    };
                    return match *first.kind {
                        ExprKind::Subquery(query) if only_a_paren => {
                            let first = SetExpr::Query { query, alias: None };
                            let query = self.query_tail(first, part, span)?;
                            Ok(Paren::Query(Box::new(query)))
                        }
                        _ => Err(self.unexpected(&part)),
                    };
                }
                Rule::query_tail => {}
                _ => return Err(mismatch()),
            }
        }
        if exprs.len() > MAX_ITEMS && !exprs.iter().all(is_literal) {
            return Err(too_wide("a list holds", span));
        }
        Ok(Paren::Exprs(exprs))
    }

    fn case(&mut self, node: Node<'t>) -> Result<ExprKind> {
        let (mut operand, mut branches, mut otherwise) = (None, Vec::new(), None);
        let span = self.span(&node);
        for part in parts(node) {
            match part.as_rule() {
                Rule::expr => operand = Some(self.expr(part)?),
                Rule::when => {
                    let mut inner = parts(part);
                    let condition = self.expr(inner.next().ok_or_else(mismatch)?)?;
                    let value = self.expr(inner.next().ok_or_else(mismatch)?)?;
                    branches.push((condition, value));
                }
                Rule::else_branch => otherwise = Some(self.expr(only(part)?)?),
                _ => return Err(mismatch()),
            }
        }
        if branches.len() > MAX_ITEMS {
            return Err(too_wide("a CASE has", span));
        }
        Ok(ExprKind::Case {
            operand,
            branches,
            otherwise,
        })
    }

    fn cast(&mut self, node: Node<'t>) -> Result<ExprKind> {
        let try_ = !has(&node, Rule::kw_cast);
        let mut inner = parts(node);
        Ok(ExprKind::Cast {
            operand: self.expr(inner.next().ok_or_else(mismatch)?)?,
            data_type: self.type_name(inner.next().ok_or_else(mismatch)?)?,
            try_,
        })
    }

    fn extract(&mut self, node: Node<'t>) -> Result<ExprKind> {
        let mut inner = parts(node);
        Ok(ExprKind::Extract {
            part: self.word(&inner.next().ok_or_else(mismatch)?),
            operand: self.expr(inner.next().ok_or_else(mismatch)?)?,
        })
    }

    fn array(&mut self, node: Node<'t>) -> Result<ExprKind> {
        let span = self.span(&node);
        let (mut element_type, mut items) = (None, Vec::new());
        for part in parts(node) {
            match part.as_rule() {
                Rule::type_name => element_type = Some(self.type_name(part)?),
                _ => items.push(self.expr(part)?),
            }
        }
        if items.len() > MAX_ITEMS {
            return Err(too_wide("an array is written with", span));
        }
        Ok(ExprKind::Array {
            element_type,
            items,
        })
    }

    fn struct_value(&mut self, node: Node<'t>) -> Result<ExprKind> {
        let (mut fields, mut types) = (Vec::new(), Vec::new());
        for part in parts(node) {
            match part.as_rule() {
                Rule::struct_field => types.push(self.struct_field(part)?),
                Rule::struct_items => {
                    for item in parts(part) {
                        let mut inner = parts(item);
                        let value = self.expr(inner.next().ok_or_else(mismatch)?)?;
                        let name = inner.next().map(|name| self.ident(&name));
                        fields.push((value, name));
                    }
                }
                _ => return Err(mismatch()),
            }
        }
        Ok(ExprKind::Struct { fields, types })
    }

    fn interval(&mut self, node: Node<'t>) -> Result<ExprKind> {
        let mut inner = parts(node);
        let value = self.expr(inner.next().ok_or_else(mismatch)?)?;
        let part = inner.next().map(|part| self.word(&part));
        Ok(ExprKind::Interval { value, part })
    }

    /// IS, IN, LIKE, BETWEEN after `operand`.
    pub(super) fn predicate(&mut self, operand: Expr, node: Node<'t>) -> Result<Expr> {
        let span = operand.span.to(self.span(&node));
        let negated = has(&node, Rule::kw_not);
        let kind = match node.as_rule() {
            Rule::is_predicate => self.is_predicate(operand, negated, node)?,
            Rule::in_predicate => self.in_predicate(operand, negated, only(node)?)?,
            Rule::like => {
                let ignore_case = has(&node, Rule::kw_ilike);
                let mut inner = parts(node);
                let pattern = self.expr(inner.next().ok_or_else(mismatch)?)?;
                let escape = inner.next().map(|text| self.text(text)).transpose()?;
                ExprKind::Like {
                    operand,
                    pattern,
                    escape,
                    ignore_case,
                    negated,
                }
            }
            Rule::between => {
                let mut inner = parts(node);
                let low = self.expr(inner.next().ok_or_else(mismatch)?)?;
                let high = self.expr(inner.next().ok_or_else(mismatch)?)?;
                ExprKind::Between {
                    operand,
                    low,
                    high,
                    negated,
                }
            }
            _ => return Err(mismatch()),
        };
        Ok(new(kind, span))
    }

    fn is_predicate(&mut self, operand: Expr, negated: bool, node: Node<'t>) -> Result<ExprKind> {
        let test = if has(&node, Rule::kw_null) {
            IsTest::Null
        } else if has(&node, Rule::kw_true) {
            IsTest::True
        } else if has(&node, Rule::kw_false) {
            IsTest::False
        } else {
            let right = self.expr(only(node)?)?;
            return Ok(ExprKind::IsDistinctFrom {
                left: operand,
                right,
                negated,
            });
        };
        Ok(ExprKind::Is {
            operand,
            test,
            negated,
        })
    }

    fn in_predicate(&mut self, operand: Expr, negated: bool, node: Node<'t>) -> Result<ExprKind> {
        let array = match node.as_rule() {
            Rule::literal_list => {
                let list = node.into_inner().map(|item| self.primary(item));
                return Ok(ExprKind::InList {
                    operand,
                    list: list.collect::<Result<_>>()?,
                    negated,
                });
            }
            Rule::in_unnest => self.expr(only(node)?)?,
            Rule::parameter => self.primary(node)?,
            _ => {
                return Ok(match self.paren(node)? {
                    Paren::Query(query) => ExprKind::InQuery {
                        operand,
                        query,
                        negated,
                    },
                    Paren::Exprs(list) => in_exprs(operand, negated, list),
                });
            }
        };
        Ok(ExprKind::InArray {
            operand,
            array,
            negated,
        })
    }

    pub(super) fn struct_field(&mut self, node: Node<'t>) -> Result<(Option<Ident>, TypeName)> {
        let (mut name, mut data_type) = (None, None);
        for part in parts(node) {
            match part.as_rule() {
                Rule::ident => name = Some(self.ident(&part)),
                _ => data_type = Some(self.type_name(part)?),
            }
        }
        Ok((name, data_type.ok_or_else(mismatch)?))
    }
}

/// `((SELECT 1))` after IN is the query, as in other systems.
fn in_exprs(operand: Expr, negated: bool, mut list: Vec<Expr>) -> ExprKind {
    match list.pop() {
        Some(Expr { kind, span }) if list.is_empty() => match *kind {
            ExprKind::Subquery(query) => {
                return ExprKind::InQuery {
                    operand,
                    query,
                    negated,
                };
            }
            kind => list.push(new(kind, span)),
        },
        last => list.extend(last),
    }
    ExprKind::InList {
        operand,
        list,
        negated,
    }
}

/// One expression in parentheses is itself, with the place of its parentheses; two or more are a STRUCT.
fn tuple(mut exprs: Vec<Expr>, span: Span) -> Expr {
    if exprs.len() == 1
        && let Some(expr) = exprs.pop()
    {
        return Expr { span, ..expr };
    }
    let fields = exprs.into_iter().map(|expr| (expr, None)).collect();
    let types = Vec::new();
    new(ExprKind::Struct { fields, types }, span)
}

/// Whether an `expr` is nothing but one pair of parentheses.
pub(super) fn is_only_a_paren(node: &Node) -> bool {
    let mut inner = node.clone().into_inner();
    let first = inner
        .next()
        .is_some_and(|part| part.as_rule() == Rule::paren);
    first && inner.next().is_none()
}

fn is_literal(expr: &Expr) -> bool {
    match expr.kind.as_ref() {
        ExprKind::Literal(_) => true,
        ExprKind::Unary { operand, .. } => matches!(*operand.kind, ExprKind::Literal(_)),
        _ => false,
    }
}
