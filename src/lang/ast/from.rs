//! What a query reads: tables, joins and what can follow a table.

use serde::Serialize;

use super::{
    Argument, AsOf, Expr, Ident, MatchRecognize, NamedExpr, OptionSetting, Path, Query,
    StringLiteral,
};
use crate::error::Span;
use crate::lang::json::{place, with_offset};

/// A table, then its joins from left to right.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FromItem {
    pub table: TableFactor,
    pub joins: Vec<Join>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Join {
    pub kind: JoinKind,
    pub right: TableFactor,
    pub constraint: JoinConstraint,
    pub hints: Vec<OptionSetting>,
    #[serde(serialize_with = "place")]
    pub span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JoinKind {
    Cross,
    Inner,
    Left,
    Right,
    Full,
    LeftSemi,
    LeftAnti,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "node", content = "of", rename_all = "snake_case")]
pub enum JoinConstraint {
    None,
    On(Expr),
    Using(Vec<Ident>),
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TableFactor {
    #[serde(flatten)]
    pub kind: TableKind,
    pub alias: Option<TableAlias>,
    /// `WITH OFFSET [AS name]`, only after UNNEST. The inner `None` means the default name `offset`.
    #[serde(serialize_with = "with_offset")]
    pub with_offset: Option<Option<Ident>>,
    pub hints: Vec<OptionSetting>,
    pub sample: Option<TableSample>,
    pub pivot: Option<Pivot>,
    pub matching: Option<Box<MatchRecognize>>,
    #[serde(serialize_with = "place")]
    pub span: Span,
}

/// `TABLESAMPLE BERNOULLI (10 PERCENT) REPEATABLE (7)`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TableSample {
    /// BERNOULLI, SYSTEM or RESERVOIR, in upper case.
    pub method: Ident,
    pub size: Expr,
    /// The size is a share, otherwise a number of rows.
    pub percent: bool,
    pub seed: Option<Expr>,
    #[serde(serialize_with = "place")]
    pub span: Span,
}

/// `PIVOT (…) [AS alias]`, `UNPIVOT (…) [AS alias]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Pivot {
    #[serde(flatten)]
    pub kind: PivotKind,
    pub alias: Option<Ident>,
    #[serde(serialize_with = "place")]
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "node", content = "of", rename_all = "snake_case")]
pub enum PivotKind {
    Columns {
        aggregates: Vec<NamedExpr>,
        key: Expr,
        values: Vec<NamedExpr>,
    },
    Rows {
        include_nulls: bool,
        /// The columns of values.
        values: Vec<Ident>,
        /// The column that says where a value comes from.
        name: Ident,
        sources: Vec<UnpivotSource>,
    },
}

/// `(q1, q2) AS 'first half'` in UNPIVOT
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct UnpivotSource {
    pub columns: Vec<Ident>,
    pub label: Option<Expr>,
    #[serde(serialize_with = "place")]
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TableAlias {
    pub name: Ident,
    pub columns: Vec<Ident>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "node", content = "of", rename_all = "snake_case")]
pub enum TableKind {
    Table(Path),
    /// `t FOR VERSION AS OF n`
    TableAt {
        path: Path,
        as_of: AsOf,
    },
    /// `FROM 'path'`: a file, directory or glob.
    File(StringLiteral),
    /// `read_csv('x', header => TRUE)` and other table functions.
    Function {
        path: Path,
        args: Vec<Argument>,
        lateral: bool,
    },
    Unnest(Expr),
    Subquery {
        query: Box<Query>,
        lateral: bool,
    },
    /// `( a JOIN b … )`
    Nested(Box<FromItem>),
}
