//! The syntax tree: what was written, with the place of every part, and nothing that needs a catalog to know.
//!
//! Chains of one associative operator (`AND`, `OR`, set operations) are flat lists, so that a long chain is wide and not deep.

mod change;
mod expr;
mod from;
mod matching;
mod pipe;
mod query;
mod statement;

pub use change::*;
pub use expr::*;
pub use from::*;
pub use matching::*;
pub use pipe::*;
pub use query::*;
pub use statement::*;

use serde::Serialize;

use super::json::place;
use crate::error::Span;

/// A text of statements separated by `;`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Script {
    pub statements: Vec<Statement>,
}

/// `name = value` in OPTIONS, `name => value` in a call.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OptionSetting {
    pub name: Ident,
    pub value: Expr,
}

/// A name as written. `quoted` when it stood in backticks or double quotes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ident {
    pub text: String,
    pub quoted: bool,
    #[serde(serialize_with = "place")]
    pub span: Span,
}

/// One or more names joined by dots.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Path {
    pub parts: Vec<Ident>,
    #[serde(serialize_with = "place")]
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StringLiteral {
    pub value: String,
    #[serde(serialize_with = "place")]
    pub span: Span,
}

/// A type as written: `DECIMAL(10, 2)`, `ARRAY<INT64>`, `STRUCT<a INT64>`, `MAP<STRING, INT64>`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TypeName {
    #[serde(flatten)]
    pub kind: TypeKind,
    #[serde(serialize_with = "place")]
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "node", content = "of", rename_all = "snake_case")]
pub enum TypeKind {
    /// The name in upper case and its numbers in parentheses.
    Named {
        name: String,
        args: Vec<i64>,
    },
    Array(Box<TypeName>),
    Struct(Vec<(Option<Ident>, TypeName)>),
    Map(Box<TypeName>, Box<TypeName>),
}
