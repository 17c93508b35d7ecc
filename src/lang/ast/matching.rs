//! `MATCH_RECOGNIZE`: patterns over rows.

use serde::Serialize;

use super::{Expr, Ident, OptionSetting, OrderItem};
use crate::error::Span;
use crate::lang::json::place;

/// `MATCH_RECOGNIZE (…) [AS alias]`: a row for each sequence of rows that matches a pattern.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MatchRecognize {
    pub partition_by: Vec<Expr>,
    pub order_by: Vec<OrderItem>,
    pub measures: Vec<(Expr, Ident)>,
    /// The next match may begin in the second row of this one, otherwise after its last.
    pub skip_to_next: bool,
    pub pattern: RowPattern,
    pub define: Vec<(Ident, Expr)>,
    pub options: Vec<OptionSetting>,
    pub alias: Option<Ident>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RowPattern {
    pub kind: RowPatternKind,
    #[serde(serialize_with = "place")]
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "node", content = "of", rename_all = "snake_case")]
pub enum RowPatternKind {
    /// A row for which the condition of the symbol holds.
    Symbol(Ident),
    /// `^`: before the first row of a partition.
    PartitionStart,
    /// `$`: after its last row.
    PartitionEnd,
    /// One after the other; none at all is the empty pattern.
    Sequence(Vec<RowPattern>),
    /// The first that leads to a match.
    Alternatives(Vec<RowPattern>),
    Repeated {
        operand: Box<RowPattern>,
        times: Times,
    },
}

/// How often a part of a pattern may come one after the other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Times {
    pub at_least: Option<Expr>,
    pub at_most: Option<Expr>,
    /// As few as lead to a match, otherwise as many.
    pub reluctant: bool,
    #[serde(serialize_with = "place")]
    pub span: Span,
}
