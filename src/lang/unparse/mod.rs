//! The text of a syntax tree: every part written the one canonical way, with as few parentheses as its tree allows.
//!
//! Tokens come out with a blank between any two; where lines end is for [`format`](super::format) to say. Parsing the text gives the
//! same tree again, its places aside. Texts and names are quoted so that they read the same whether or not double quotes hold texts.

mod call;
mod change;
mod expr;
mod from;
mod matching;
mod operators;
mod order;
mod pipe;
mod predicate;
mod query;
mod statement;
mod table;
mod value;
mod words;

use super::ast::{Expr, Script};
use words::Words;

/// The text of `script`.
pub(crate) fn unparse(script: &Script) -> String {
    let mut words = Words::default();
    for statement in &script.statements {
        words.statement(statement);
        words.put(";");
    }
    words.finish()
}

/// The text of an expression.
pub(crate) fn expression(expr: &Expr) -> String {
    let mut words = Words::default();
    words.expr(expr);
    words.finish()
}
