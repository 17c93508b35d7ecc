//! Expressions, calls and windows.

use serde::Serialize;

use super::{Ident, Limit, OrderItem, Path, Query, StringLiteral, TypeName};
use crate::error::Span;
use crate::lang::json::place;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Expr {
    #[serde(flatten)]
    pub kind: Box<ExprKind>,
    #[serde(serialize_with = "place")]
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "node", content = "of", rename_all = "snake_case")]
#[expect(
    clippy::large_enum_variant,
    reason = "an Expr holds its kind in a box of its own, so the size of the largest is the size of one allocation"
)]
pub enum ExprKind {
    Literal(Literal),
    Parameter(Parameter),
    /// `@@name`
    Setting(Ident),
    /// `DEFAULT` in place of a value that is stored.
    Default,
    /// `a`, `a.b.c`: which part is a table, a column or a field is for the binder to say.
    Path(Path),
    Unary {
        op: UnaryOp,
        operand: Expr,
    },
    Binary {
        op: BinaryOp,
        left: Expr,
        right: Expr,
    },
    /// `a AND b AND c`, flat.
    And(Vec<Expr>),
    /// `a OR b OR c`, flat.
    Or(Vec<Expr>),
    Is {
        operand: Expr,
        test: IsTest,
        negated: bool,
    },
    IsDistinctFrom {
        left: Expr,
        right: Expr,
        negated: bool,
    },
    Between {
        operand: Expr,
        low: Expr,
        high: Expr,
        negated: bool,
    },
    Like {
        operand: Expr,
        pattern: Expr,
        escape: Option<StringLiteral>,
        ignore_case: bool,
        negated: bool,
    },
    InList {
        operand: Expr,
        list: Vec<Expr>,
        negated: bool,
    },
    InQuery {
        operand: Expr,
        query: Box<Query>,
        negated: bool,
    },
    /// `x IN UNNEST(array)` and `x IN @array`.
    InArray {
        operand: Expr,
        array: Expr,
        negated: bool,
    },
    /// `x > ANY (query)`, `x = ALL (query)`.
    Quantified {
        operand: Expr,
        op: BinaryOp,
        all: bool,
        query: Box<Query>,
    },
    Case {
        operand: Option<Expr>,
        branches: Vec<(Expr, Expr)>,
        otherwise: Option<Expr>,
    },
    Cast {
        operand: Expr,
        data_type: TypeName,
        #[serde(rename = "try")]
        try_: bool,
    },
    Extract {
        /// In upper case.
        part: Ident,
        operand: Expr,
    },
    Exists(Box<Query>),
    Subquery(Box<Query>),
    ArrayQuery(Box<Query>),
    Array {
        element_type: Option<TypeName>,
        items: Vec<Expr>,
    },
    /// `STRUCT(1 AS a)`, `STRUCT<a INT64>(1)`, `(1, 2)`.
    Struct {
        fields: Vec<(Expr, Option<Ident>)>,
        types: Vec<(Option<Ident>, TypeName)>,
    },
    Interval {
        value: Expr,
        /// In upper case.
        part: Option<Ident>,
    },
    Call(Call),
    Field {
        base: Expr,
        name: Ident,
    },
    Subscript {
        base: Expr,
        index: Expr,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "node", content = "of", rename_all = "snake_case")]
pub enum Literal {
    Null,
    Bool(bool),
    /// Decimal digits or `0x…`, as written, without a sign.
    Integer(String),
    /// `1.5`, `.5`: exact or FLOAT64 by its neighbours.
    Decimal(String),
    /// `1e9`
    Float(String),
    String(String),
    Bytes(Vec<u8>),
    /// `DATE '…'`, `NUMERIC '…'` …: the type's name in upper case and the text.
    Typed {
        type_name: String,
        text: String,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "node", content = "of", rename_all = "snake_case")]
pub enum Parameter {
    Named(String),
    /// `?`, counted from 0 through the script.
    Positional(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum UnaryOp {
    #[serde(rename = "NOT")]
    Not,
    #[serde(rename = "-")]
    Minus,
    #[serde(rename = "+")]
    Plus,
    #[serde(rename = "~")]
    BitNot,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum BinaryOp {
    #[serde(rename = "+")]
    Add,
    #[serde(rename = "-")]
    Subtract,
    #[serde(rename = "*")]
    Multiply,
    #[serde(rename = "/")]
    Divide,
    #[serde(rename = "%")]
    Modulo,
    #[serde(rename = "||")]
    Concat,
    #[serde(rename = "<<")]
    ShiftLeft,
    #[serde(rename = ">>")]
    ShiftRight,
    #[serde(rename = "&")]
    BitAnd,
    #[serde(rename = "^")]
    BitXor,
    #[serde(rename = "|")]
    BitOr,
    #[serde(rename = "=")]
    Equal,
    #[serde(rename = "<>")]
    NotEqual,
    #[serde(rename = "<")]
    Less,
    #[serde(rename = "<=")]
    LessEqual,
    #[serde(rename = ">")]
    Greater,
    #[serde(rename = ">=")]
    GreaterEqual,
    /// `<=>`: equal, NULLs equal too.
    #[serde(rename = "<=>")]
    NullSafeEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum IsTest {
    Null,
    True,
    False,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Call {
    pub function: Path,
    pub distinct: bool,
    pub args: Vec<Argument>,
    /// `Some(true)` for IGNORE NULLS, `Some(false)` for RESPECT NULLS.
    pub ignore_nulls: Option<bool>,
    pub order_by: Vec<OrderItem>,
    pub limit: Option<Limit>,
    pub filter: Option<Expr>,
    pub within_group: Vec<OrderItem>,
    pub over: Option<Over>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Argument {
    /// `name => value`
    pub name: Option<Ident>,
    pub value: ArgumentValue,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "node", content = "of", rename_all = "snake_case")]
pub enum ArgumentValue {
    Expr(Expr),
    /// `COUNT(*)`
    #[serde(serialize_with = "place")]
    Star(Span),
    /// `TABLE t`, for a table function.
    Table(Path),
    /// `INPUT TABLE`: which table parameter the input of a pipe CALL is for.
    #[serde(serialize_with = "place")]
    InputTable(Span),
    /// `x -> x + 1`, `(x, y) -> x + y`
    Lambda {
        params: Vec<Ident>,
        body: Expr,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "node", content = "of", rename_all = "snake_case")]
pub enum Over {
    Name(Ident),
    Spec(WindowSpec),
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WindowSpec {
    pub base: Option<Ident>,
    pub partition_by: Vec<Expr>,
    pub order_by: Vec<OrderItem>,
    pub frame: Option<Frame>,
    #[serde(serialize_with = "place")]
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Frame {
    pub unit: FrameUnit,
    pub start: FrameBound,
    /// `None`: only a start was written, the end is the current row.
    pub end: Option<FrameBound>,
    #[serde(serialize_with = "place")]
    pub span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FrameUnit {
    Rows,
    Range,
    Groups,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "node", content = "of", rename_all = "snake_case")]
pub enum FrameBound {
    UnboundedPreceding,
    Preceding(Expr),
    CurrentRow,
    Following(Expr),
    UnboundedFollowing,
}
