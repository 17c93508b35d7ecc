//! Queries: bodies, SELECT and the clauses that pipes share with it.

use serde::Serialize;

use super::{Expr, FromItem, Ident, OptionSetting, Path, Pipe, TableFactor, WindowSpec};
use crate::error::Span;
use crate::lang::json::place;

/// A query: a body, then pipe operators.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Query {
    pub with: Option<With>,
    pub body: QueryBody,
    pub pipes: Vec<Pipe>,
    #[serde(serialize_with = "place")]
    pub span: Span,
}

impl Query {
    /// The places of its steps: what stands before the first `|>`, then each pipe operator.
    pub fn steps(&self) -> Vec<Span> {
        let source_end = self
            .pipes
            .first()
            .map_or(self.span.end, |pipe| pipe.span.start);
        let source = Span::new(self.span.start, source_end);
        let pipes = self.pipes.iter().map(|pipe| pipe.span);
        std::iter::once(source).chain(pipes).collect()
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct With {
    pub recursive: bool,
    pub tables: Vec<CommonTable>,
}

/// A common table expression: `name [(columns)] AS (query)`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CommonTable {
    pub name: Ident,
    pub columns: Vec<Ident>,
    pub query: Query,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "node", content = "of", rename_all = "snake_case")]
pub enum QueryBody {
    /// `SHOW TABLES`, `DESCRIBE t`: rows about what there is.
    Catalog(CatalogQuery),
    /// `FROM a, b`
    From(Vec<FromItem>),
    /// Standard SQL: a SELECT, VALUES, TABLE, parenthesised query or set operation, then ORDER BY and LIMIT.
    Standard {
        set: SetExpr,
        order_by: Vec<OrderItem>,
        limit: Option<Limit>,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "node", content = "of", rename_all = "snake_case")]
pub enum CatalogQuery {
    /// In upper case.
    Show(Ident),
    /// `SHOW SHARDS t`
    Shards(Path),
    /// `SHOW REPLICAS t`
    Replicas(Path),
    /// `DESCRIBE t`: a row about each of its columns, without reading any of its rows.
    Describe(Box<TableFactor>),
    /// `SUMMARIZE t`: a row about each of its columns, from all of its rows.
    Summarize(Box<TableFactor>),
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "node", content = "of", rename_all = "snake_case")]
pub enum SetExpr {
    Select(Box<Select>),
    Values {
        rows: Vec<Vec<Expr>>,
        #[serde(serialize_with = "place")]
        span: Span,
    },
    /// `TABLE path`
    Table(Path),
    Query {
        query: Box<Query>,
        alias: Option<Ident>,
    },
    /// `a UNION ALL b UNION ALL c`: folded from the left, all with the same operator.
    Operation {
        operator: SetOperator,
        inputs: Vec<SetExpr>,
        #[serde(serialize_with = "place")]
        span: Span,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SetOperator {
    pub kind: SetKind,
    /// Multiset arithmetic (`ALL`); otherwise rows are made distinct.
    pub all: bool,
    pub columns: ColumnMatch,
    #[serde(serialize_with = "place")]
    pub span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SetKind {
    Union,
    Intersect,
    Except,
}

/// How the columns of a set operation's inputs find each other.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "node", content = "of", rename_all = "snake_case")]
pub enum ColumnMatch {
    Position,
    /// `BY NAME`, `FULL|LEFT|INNER … BY NAME [ON (…)]`; `CORRESPONDING` is `Inner`, `STRICT CORRESPONDING` is `Strict`.
    Name {
        mode: NameMatch,
        on: Option<Vec<Ident>>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NameMatch {
    /// The same set of names on every side.
    Strict,
    /// Only the common columns.
    Inner,
    /// The first input's columns, missing ones NULL.
    Left,
    /// Every column, in order of first sight, missing ones NULL.
    Full,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Select {
    pub distinct: bool,
    pub shape: SelectShape,
    pub items: Vec<SelectItem>,
    pub from: Vec<FromItem>,
    pub filter: Option<Expr>,
    pub group_by: Option<GroupBy>,
    pub having: Option<Expr>,
    pub qualify: Option<Expr>,
    pub windows: Vec<NamedWindow>,
    #[serde(serialize_with = "place")]
    pub span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SelectShape {
    Plain,
    /// `SELECT AS STRUCT`
    Struct,
    /// `SELECT AS VALUE`
    Value,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "node", content = "of", rename_all = "snake_case")]
pub enum SelectItem {
    Expr {
        expr: Expr,
        alias: Option<Ident>,
    },
    /// `*`, or `expr.*` when `of` is given.
    Star {
        of: Option<Expr>,
        except: Vec<Ident>,
        replace: Vec<(Expr, Ident)>,
        #[serde(serialize_with = "place")]
        span: Span,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupBy {
    pub items: Vec<GroupItem>,
    pub hints: Vec<OptionSetting>,
    /// `GROUP AND ORDER BY`
    pub ordered: bool,
    #[serde(serialize_with = "place")]
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct GroupItem {
    #[serde(flatten)]
    pub kind: GroupKind,
    #[serde(serialize_with = "place")]
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "node", content = "of", rename_all = "snake_case")]
pub enum GroupKind {
    Expr {
        expr: Expr,
        alias: Option<Ident>,
        sort: Option<SortOrder>,
    },
    /// `()`
    Empty,
    Rollup(Vec<Vec<Expr>>),
    Cube(Vec<Vec<Expr>>),
    /// `GROUPING SETS (…)`; each element is a set, a ROLLUP or a CUBE.
    Sets(Vec<GroupItem>),
    /// `(a, b)` as an element of GROUPING SETS.
    Set(Vec<Expr>),
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NamedWindow {
    pub name: Ident,
    pub spec: WindowSpec,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OrderItem {
    pub expr: Expr,
    pub order: SortOrder,
}

/// `ASC|DESC [NULLS FIRST|LAST]`. `None` where it was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SortOrder {
    pub descending: Option<bool>,
    pub nulls_first: Option<bool>,
    #[serde(serialize_with = "place")]
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Limit {
    /// `None`: only an OFFSET, or `LIMIT ALL`.
    pub limit: Option<Expr>,
    pub offset: Option<Expr>,
}

/// An expression and the name it is given.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NamedExpr {
    pub expr: Expr,
    pub alias: Option<Ident>,
}
