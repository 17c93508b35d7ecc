//! Queries, WITH and set operations.

use super::{Node, Reader, Rule, has, mismatch, only, parts, too_wide};
use crate::error::{Error, ErrorKind, Result, Span};
use crate::lang::ast::{
    ColumnMatch, CommonTable, Limit, NameMatch, OrderItem, Pipe, Query, QueryBody, SetExpr,
    SetKind, SetOperator, With,
};
use crate::lang::scan::MAX_ITEMS;

/// Queries of one set operation.
const MAX_BRANCHES: usize = 1000;

/// A set operation, ORDER BY, LIMIT and pipes in the order they are met.
#[derive(Default)]
struct Tail {
    order_by: Vec<OrderItem>,
    limit: Option<Limit>,
    pipes: Vec<Pipe>,
}

impl<'t> Reader<'_, 't> {
    pub(super) fn query(&mut self, node: Node<'t>) -> Result<Query> {
        let span = self.span(&node);
        let (mut with, mut from, mut set) = (None, None, None);
        let mut tail = Tail::default();
        for part in parts(node) {
            match part.as_rule() {
                Rule::with => with = Some(self.with(part)?),
                Rule::from_clause => from = Some(self.tables(part)?),
                Rule::set_expr => set = Some(self.set_expr(part)?),
                _ => self.tail_part(&mut tail, part)?,
            }
        }
        let body = match (from, set) {
            (Some(from), _) => QueryBody::From(from),
            (None, Some(set)) => QueryBody::Standard {
                set,
                order_by: tail.order_by,
                limit: tail.limit,
            },
            (None, None) => return Err(mismatch()),
        };
        bounded_pipes(&tail.pipes, span)?;
        Ok(Query {
            with,
            body,
            pipes: tail.pipes,
            span,
        })
    }

    /// A query in parentheses that `first` begins and `node` goes on with.
    pub(super) fn query_tail(
        &mut self,
        mut first: SetExpr,
        node: Node<'t>,
        span: Span,
    ) -> Result<Query> {
        let mut tail = Tail::default();
        let mut rest = Vec::new();
        for part in parts(node) {
            match part.as_rule() {
                Rule::alias => {
                    if let SetExpr::Query { alias, .. } = &mut first {
                        *alias = Some(self.alias(part)?);
                    }
                }
                Rule::order_by | Rule::limit | Rule::pipe => self.tail_part(&mut tail, part)?,
                _ => rest.push(part),
            }
        }
        let set = self.fold(first, rest, span)?;
        bounded_pipes(&tail.pipes, span)?;
        Ok(Query {
            with: None,
            body: QueryBody::Standard {
                set,
                order_by: tail.order_by,
                limit: tail.limit,
            },
            pipes: tail.pipes,
            span,
        })
    }

    fn tail_part(&mut self, tail: &mut Tail, part: Node<'t>) -> Result<()> {
        match part.as_rule() {
            Rule::order_by => tail.order_by = self.order_by(part)?,
            Rule::limit => tail.limit = Some(self.limit(part)?),
            Rule::pipe => tail.pipes.push(self.pipe(part)?),
            _ => return Err(mismatch()),
        }
        Ok(())
    }

    pub(super) fn with(&mut self, node: Node<'t>) -> Result<With> {
        let recursive = has(&node, Rule::kw_recursive);
        let mut tables = Vec::new();
        for table in parts(node) {
            let mut inner = parts(table);
            let name = self.ident(&inner.next().ok_or_else(mismatch)?);
            let (mut columns, mut query) = (Vec::new(), None);
            for part in inner {
                match part.as_rule() {
                    Rule::name_list => columns = self.names(part)?,
                    _ => query = Some(self.query(part)?),
                }
            }
            let query = query.ok_or_else(mismatch)?;
            tables.push(CommonTable {
                name,
                columns,
                query,
            });
        }
        Ok(With { recursive, tables })
    }

    fn set_expr(&mut self, node: Node<'t>) -> Result<SetExpr> {
        let span = self.span(&node);
        let mut inner = parts(node);
        let first = self.set_primary(inner.next().ok_or_else(mismatch)?)?;
        self.fold(first, inner, span)
    }

    /// `first op second op third`, all with the same operator.
    fn fold(
        &mut self,
        first: SetExpr,
        rest: impl IntoIterator<Item = Node<'t>>,
        span: Span,
    ) -> Result<SetExpr> {
        let mut inputs = vec![first];
        let mut operator: Option<SetOperator> = None;
        for part in rest {
            if part.as_rule() != Rule::set_operator {
                inputs.push(self.set_primary(part)?);
                continue;
            }
            let next = self.set_operator(part)?;
            match &operator {
                None => operator = Some(next),
                Some(before) if same(before, &next) => {}
                Some(before) => {
                    let message = "different set operators need parentheses";
                    return Err(Error::input("TM0106", message, next.span)
                        .also(before.span, "the operator before")
                        .hint("put one of the two operations in parentheses, or write it as a pipe step"));
                }
            }
        }
        bounded_branches(inputs.len(), span)?;
        match operator {
            Some(operator) => Ok(SetExpr::Operation {
                operator,
                inputs,
                span,
            }),
            None => inputs.pop().ok_or_else(mismatch),
        }
    }

    fn set_primary(&mut self, node: Node<'t>) -> Result<SetExpr> {
        let span = self.span(&node);
        match node.as_rule() {
            Rule::select => Ok(SetExpr::Select(Box::new(self.select(node)?))),
            Rule::values => {
                let rows = parts(node).map(|row| self.values_row(row));
                let rows = rows.collect::<Result<_>>()?;
                Ok(SetExpr::Values { rows, span })
            }
            Rule::table_query => Ok(SetExpr::Table(self.path(only(node)?)?)),
            Rule::query_paren => {
                let mut inner = parts(node);
                let query = Box::new(self.query(inner.next().ok_or_else(mismatch)?)?);
                let alias = inner.next().map(|alias| self.alias(alias)).transpose()?;
                Ok(SetExpr::Query { query, alias })
            }
            _ => Err(mismatch()),
        }
    }

    pub(super) fn values_row(&mut self, node: Node<'t>) -> Result<Vec<crate::lang::ast::Expr>> {
        let span = self.span(&node);
        let row: Vec<_> = parts(node)
            .map(|expr| self.expr(expr))
            .collect::<Result<_>>()?;
        if row.len() > MAX_ITEMS {
            return Err(too_wide("a row of VALUES holds", span));
        }
        Ok(row)
    }

    pub(super) fn set_operator(&mut self, node: Node<'t>) -> Result<SetOperator> {
        let span = self.span(&node);
        let kind = if has(&node, Rule::kw_union) {
            SetKind::Union
        } else if has(&node, Rule::kw_intersect) {
            SetKind::Intersect
        } else {
            SetKind::Except
        };
        let mode = if has(&node, Rule::kw_full) {
            Some(NameMatch::Full)
        } else if has(&node, Rule::kw_left) {
            Some(NameMatch::Left)
        } else if has(&node, Rule::kw_inner) {
            Some(NameMatch::Inner)
        } else {
            None
        };
        let all = has(&node, Rule::kw_all);
        let columns = match (parts(node).next(), mode) {
            (Some(by), mode) => self.column_match(by, mode)?,
            (None, None) => ColumnMatch::Position,
            (None, Some(_)) => {
                let message = "FULL, LEFT and INNER match columns by name";
                return Err(Error::input("TM0102", message, span).hint("add BY NAME"));
            }
        };
        Ok(SetOperator {
            kind,
            all,
            columns,
            span,
        })
    }

    fn column_match(&mut self, node: Node<'t>, mode: Option<NameMatch>) -> Result<ColumnMatch> {
        let span = self.span(&node);
        let corresponding = node.as_rule() == Rule::corresponding;
        let strict = has(&node, Rule::kw_strict);
        let mode = match (mode, corresponding, strict) {
            (Some(_), _, true) => {
                let message = "STRICT CORRESPONDING takes no FULL, LEFT or INNER";
                return Err(Error::input("TM0102", message, span));
            }
            (Some(mode), ..) => mode,
            (None, true, false) => NameMatch::Inner,
            (None, ..) => NameMatch::Strict,
        };
        let on = parts(node).next().map(|names| self.names(names));
        Ok(ColumnMatch::Name {
            mode,
            on: on.transpose()?,
        })
    }
}

pub(super) fn bounded_branches(queries: usize, span: Span) -> Result<()> {
    if queries > MAX_BRANCHES {
        let message = format!("a set operation joins at most {MAX_BRANCHES} queries");
        return Err(Error::new(ErrorKind::Limit, "TM0110", message).at(span));
    }
    Ok(())
}

pub(super) fn bounded_pipes(pipes: &[Pipe], span: Span) -> Result<()> {
    if pipes.len() > MAX_BRANCHES {
        let message = format!("a query has at most {MAX_BRANCHES} pipe operators");
        return Err(Error::new(ErrorKind::Limit, "TM0110", message).at(span));
    }
    Ok(())
}

/// Whether two operators are the same one, wherever they stand.
fn same(left: &SetOperator, right: &SetOperator) -> bool {
    let columns = match (&left.columns, &right.columns) {
        (ColumnMatch::Position, ColumnMatch::Position) => true,
        (
            ColumnMatch::Name { mode, on },
            ColumnMatch::Name {
                mode: other,
                on: others,
            },
        ) => {
            let texts = |names: &Option<Vec<crate::lang::ast::Ident>>| {
                let names = names.as_ref()?;
                Some(
                    names
                        .iter()
                        .map(|name| name.text.clone())
                        .collect::<Vec<_>>(),
                )
            };
            mode == other && texts(on) == texts(others)
        }
        _ => false,
    };
    left.kind == right.kind && left.all == right.all && columns
}
