//! Text to syntax tree. Knows no table, no column and no Arrow.

pub(crate) mod ast;
