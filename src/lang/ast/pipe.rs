//! Pipe operators.

use serde::Serialize;

use super::{
    Argument, Expr, GroupBy, Ident, InsertTarget, Join, Limit, NamedWindow, OptionSetting,
    OrderItem, Path, Pivot, Query, SelectItem, SelectShape, SetOperator, SortOrder, TableSample,
    TableTarget, With,
};
use crate::error::Span;
use crate::lang::json::place;

/// One `|>` and its operator.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pipe {
    #[serde(flatten)]
    pub op: PipeOp,
    /// From the `|>` to the operator's end.
    #[serde(serialize_with = "place")]
    pub span: Span,
    /// The operator's keyword alone.
    #[serde(serialize_with = "place")]
    pub keyword: Span,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "node", content = "of", rename_all = "snake_case")]
pub enum PipeOp {
    Where(Expr),
    Select {
        distinct: bool,
        shape: SelectShape,
        items: Vec<SelectItem>,
        windows: Vec<NamedWindow>,
    },
    Extend {
        items: Vec<SelectItem>,
        windows: Vec<NamedWindow>,
    },
    Set(Vec<(Ident, Expr)>),
    Drop(Vec<Ident>),
    Rename(Vec<(Ident, Ident)>),
    As(Ident),
    Aggregate {
        items: Vec<AggregateItem>,
        group_by: Option<GroupBy>,
    },
    Distinct,
    Join(Box<Join>),
    OrderBy(Vec<OrderItem>),
    Limit(Limit),
    SetOperation {
        operator: SetOperator,
        queries: Vec<Query>,
    },
    With(With),
    /// `CALL f(7) AS t`
    Call {
        function: Path,
        args: Vec<Argument>,
        alias: Option<Ident>,
    },
    Sample(TableSample),
    Pivot(Pivot),
    RecursiveUnion {
        operator: SetOperator,
        body: RecursiveBody,
        alias: Option<Ident>,
    },
    Assert {
        condition: Expr,
        payload: Vec<Expr>,
        on_violation: OnViolation,
    },
    Describe,
    StaticDescribe,
    Log(Option<Vec<Pipe>>),
    /// `IF c THEN (…) ELSEIF c THEN (…) ELSE (…)`
    If {
        branches: Vec<(Expr, Vec<Pipe>)>,
        otherwise: Option<Vec<Pipe>>,
    },
    /// Without any subpipe the input itself is the extra result.
    Tee(Vec<Vec<Pipe>>),
    Fork(Vec<Vec<Pipe>>),
    CreateTable(TableTarget),
    Insert(InsertTarget),
    Export(Vec<OptionSetting>),
    /// Deprecated: EXTEND with window functions.
    Window(Vec<SelectItem>),
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "node", content = "of", rename_all = "snake_case")]
pub enum RecursiveBody {
    Pipes(Vec<Pipe>),
    Query(Box<Query>),
}

/// What ASSERT does with a row that it does not hold for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OnViolation {
    Fail,
    Drop,
    Warn,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AggregateItem {
    pub expr: Expr,
    pub alias: Option<Ident>,
    pub sort: Option<SortOrder>,
}
