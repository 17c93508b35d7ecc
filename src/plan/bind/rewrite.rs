//! Queries that stand for a statement: what DELETE takes away, by segment, and what it leaves.

use crate::catalog::durable::FILE_NAME;
use crate::error::Span;
use crate::lang::ast::{
    AggregateItem, Argument, ArgumentValue, Call, Expr, ExprKind, FromItem, GroupBy, GroupItem,
    GroupKind, Ident, IsTest, Path, Pipe, PipeOp, Query, QueryBody, TableFactor, TableKind,
};

/// `FROM t` and these steps.
pub(super) fn from(table: &Path, operators: Vec<PipeOp>) -> Query {
    let span = table.span;
    let factor = TableFactor {
        kind: TableKind::Table(table.clone()),
        alias: None,
        with_offset: None,
        hints: Vec::new(),
        sample: None,
        pivot: None,
        matching: None,
        span,
    };
    let item = FromItem {
        table: factor,
        joins: Vec::new(),
    };
    let pipes = operators.into_iter().map(|op| Pipe {
        op,
        span,
        keyword: span,
    });
    Query {
        with: None,
        body: QueryBody::From(vec![item]),
        pipes: pipes.collect(),
        span,
    }
}

/// How many rows of each segment the condition holds for.
pub(super) fn losses(table: &Path, condition: &Expr) -> Query {
    let span = table.span;
    let ident = |text: &str| Ident {
        text: text.to_string(),
        quoted: true,
        span,
    };
    let path = |text: &str| Expr {
        kind: Box::new(ExprKind::Path(Path {
            parts: vec![ident(text)],
            span,
        })),
        span,
    };
    let key = GroupItem {
        kind: GroupKind::Expr {
            expr: path(FILE_NAME),
            alias: None,
            sort: None,
        },
        span,
    };
    let count = AggregateItem {
        expr: count_star(span),
        alias: Some(ident("rows")),
        sort: None,
    };
    let group = GroupBy {
        items: vec![key],
        hints: Vec::new(),
        ordered: false,
        span,
    };
    let steps = vec![
        PipeOp::Where(condition.clone()),
        PipeOp::Aggregate {
            items: vec![count],
            group_by: Some(group),
        },
    ];
    from(table, steps)
}

/// The rows for which the condition does not hold.
pub(super) fn left(table: &Path, condition: &Expr) -> Query {
    from(table, vec![PipeOp::Where(is_not_true(condition.clone()))])
}

fn count_star(span: Span) -> Expr {
    let name = Ident {
        text: "COUNT".to_string(),
        quoted: false,
        span,
    };
    let all = Argument {
        name: None,
        value: ArgumentValue::Star(span),
    };
    let call = Call {
        function: Path {
            parts: vec![name],
            span,
        },
        distinct: false,
        args: vec![all],
        ignore_nulls: None,
        order_by: Vec::new(),
        limit: None,
        filter: None,
        within_group: Vec::new(),
        over: None,
    };
    Expr {
        kind: Box::new(ExprKind::Call(call)),
        span,
    }
}

fn is_not_true(condition: Expr) -> Expr {
    Expr {
        span: condition.span,
        kind: Box::new(ExprKind::Is {
            operand: condition,
            test: IsTest::True,
            negated: true,
        }),
    }
}
