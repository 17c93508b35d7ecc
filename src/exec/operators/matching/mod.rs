//! MATCH_RECOGNIZE: which rows of a sorted partition match a pattern.
//!
//! The binder makes a [`Pattern`]; [`Automaton`] compiles it once per query. A [`Matcher`](matcher::Matcher) reads a partition
//! from its last row to its first and notes for every row and state whether a match can still end, then walks forward and finds
//! each match without ever turning back. [`MatchedRows`] gives the rows of the matches with their [`labels`](label_fields), which an
//! ordinary aggregate above makes into one row for each match. [`MatchSource`] does that for many partitions at once.

mod automaton;
mod matcher;
#[cfg(test)]
mod matcher_tests;
mod rows;
mod source;

use arrow::datatypes::{DataType, Field};

pub(crate) use automaton::{Automaton, TIMES_MAX};
pub(crate) use rows::{MatchPlan, MatchedRows};
pub(crate) use source::MatchSource;

/// Symbols are numbers here.
#[derive(Debug, Clone)]
pub(crate) enum Pattern {
    Symbol(u16),
    PartitionStart,
    PartitionEnd,
    /// One after the other; none at all is the empty pattern.
    Sequence(Vec<Pattern>),
    /// The first that leads to a match.
    Alternatives(Vec<Pattern>),
    Repeated {
        operand: Box<Pattern>,
        at_least: usize,
        at_most: Option<usize>,
        /// As few as lead to a match, otherwise as many.
        reluctant: bool,
    },
}

/// What is looked for, and what follows a match.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct MatchRule {
    pub(crate) automaton: std::sync::Arc<Automaton>,
    /// The longest match that begins in a row, otherwise the one that the pattern prefers.
    pub(crate) longest: bool,
    /// The next match may begin in the second row of this one, otherwise after its last.
    pub(crate) skip_to_next: bool,
    /// The pattern as written, for EXPLAIN.
    pub(crate) text: String,
}

/// The names of the columns that matched rows get.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd)]
pub(crate) struct Labels {
    /// No other match of the query has it.
    pub(crate) id: String,
    /// Counts the matches of a partition from 1.
    pub(crate) number: String,
    /// Counts the rows of a match from 1. NULL in the row that stands for a match without rows.
    pub(crate) row_number: String,
    /// The symbol's number. NULL in the row that stands for a match without rows.
    pub(crate) symbol: String,
}

/// The columns that matched rows get.
pub(crate) fn label_fields(labels: &Labels) -> [Field; 4] {
    [
        Field::new(&labels.id, DataType::Int64, false),
        Field::new(&labels.number, DataType::Int64, false),
        Field::new(&labels.row_number, DataType::Int64, true),
        Field::new(&labels.symbol, DataType::Int64, true),
    ]
}
