//! What changes rows of a durable table: UPDATE and MERGE.

use serde::Serialize;

use super::{Expr, Ident, Path, TableFactor};
use crate::error::Span;
use crate::lang::json::place;

/// `UPDATE t AS a SET c = e WHERE condition`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Update {
    pub alias: Option<Ident>,
    pub changes: Vec<Change>,
    pub condition: Expr,
}

/// `c = e` or `t.c = e`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    pub column: Path,
    pub value: Expr,
}

/// `MERGE INTO t AS a USING source ON condition WHEN …`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Merge {
    pub alias: Option<Ident>,
    pub source: TableFactor,
    pub on: Expr,
    pub clauses: Vec<MergeClause>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MergeClause {
    pub rows: MergeRows,
    pub condition: Option<Expr>,
    pub action: MergeAction,
    #[serde(serialize_with = "place")]
    pub span: Span,
}

/// Which rows a clause is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MergeRows {
    /// Rows of the table that have a partner in the source.
    Matched,
    /// Rows of the source that have none in the table.
    NotMatched,
    /// Rows of the table that have none in the source.
    NotMatchedBySource,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "node", content = "of", rename_all = "snake_case")]
pub enum MergeAction {
    Update(Vec<Change>),
    /// `UPDATE SET *`: every column that the source has, by name.
    UpdateAll,
    Delete,
    Insert {
        columns: Vec<Ident>,
        values: Vec<Expr>,
        #[serde(serialize_with = "place")]
        span: Span,
    },
    /// `INSERT *`
    InsertAll,
}
