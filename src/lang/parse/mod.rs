//! What the grammar found, turned into the syntax tree: a file for each area of the grammar.
//!
//! A [`Reader`] walks the nodes of one statement. Every function takes the node of one rule; [`Reader::parts`] gives its
//! inner nodes without the keywords, and a part that no arm expects is a fault of ours, never passed over.

mod call;
mod change;
mod durable;
mod expr;
mod from;
mod matching;
mod operators;
mod pipe;
mod query;
mod resume;
mod script;
mod select;
mod statement;
mod tables;
mod types;
mod worded;

use pest::Parser;
use pest::iterators::{Pair, Pairs};

pub(super) use operators::strength;

use super::ast::{Expr, Ident, Path, Statement, StringLiteral};
use super::literal::{Decoded, decode, decode_name};
use super::scan::MAX_ITEMS;
use super::{diagnose, later};
use crate::error::{Error, ErrorKind, Result, Span};

#[derive(pest_derive::Parser)]
#[grammar = "../grammar/lexical.pest"]
#[grammar = "../grammar/expression.pest"]
#[grammar = "../grammar/pipe.pest"]
#[grammar = "../grammar/statement.pest"]
#[grammar = "../grammar/table.pest"]
#[grammar = "../grammar/match.pest"]
struct Grammar;

type Node<'t> = Pair<'t, Rule>;

/// Names joined by dots.
const MAX_PATH: usize = 100;

/// A script's text and what is counted through all its statements.
pub(super) struct Source<'t> {
    pub text: &'t str,
    pub double_quotes_are_strings: bool,
    /// What the grammar reads: the text without its comments.
    grammar_text: &'t str,
    pub counted: Counted,
}

/// What goes on from one statement to the next.
#[derive(Default, Clone, Copy)]
pub(super) struct Counted {
    /// `?` so far.
    positional: usize,
    first_positional: Option<Span>,
    first_named: Option<Span>,
}

impl<'t> Source<'t> {
    pub fn new(
        text: &'t str,
        grammar_text: &'t str,
        double_quotes_are_strings: bool,
        counted: Counted,
    ) -> Self {
        Source {
            text,
            double_quotes_are_strings,
            grammar_text,
            counted,
        }
    }
}

pub(super) use resume::statement as statement_or_errors;

/// Parses the statement that stands at `span`.
fn statement(source: &mut Source, span: Span) -> Result<Statement> {
    if let Some(error) = later::statement(source, span) {
        return Err(error);
    }
    let text = source.grammar_text;
    let text = text.get(span.start..span.end).unwrap_or("");
    let mut nodes = match Grammar::parse(Rule::statement, text) {
        Ok(nodes) => nodes,
        Err(error) => return Err(failure(source, span, &error)),
    };
    let mut node = nodes.next().ok_or_else(mismatch)?;
    let mut reader = Reader::new(source, span);
    let mut hints = Vec::new();
    if node.as_rule() == Rule::hint {
        hints = reader.hint(node)?;
        node = nodes.next().ok_or_else(mismatch)?;
    }
    let statement = reader.statement(node)?;
    Ok(Statement { hints, ..statement })
}

/// Where the grammar cannot go on in the statement that stands at `span`: `None` where it reads it to its end.
pub(super) fn stops_at(source: &Source, span: Span) -> Option<usize> {
    let text = source.grammar_text;
    let text = text.get(span.start..span.end).unwrap_or("");
    let error = Grammar::parse(Rule::statement, text).err()?;
    Some(span.start + place_of(&error))
}

/// Parses the condition of a script's IF that stands at `span`.
pub(super) fn condition(source: &mut Source, span: Span) -> Result<Expr> {
    let text = source.grammar_text;
    let text = text.get(span.start..span.end).unwrap_or("");
    let mut nodes = match Grammar::parse(Rule::condition, text) {
        Ok(nodes) => nodes,
        Err(error) => return Err(failure(source, span, &error)),
    };
    let node = nodes.next().ok_or_else(mismatch)?;
    Reader::new(source, span).expr(node)
}

/// The grammar's nodes of a text that is known to parse.
pub(super) fn nodes(rule: Rule, text: &str) -> Result<Pairs<'_, Rule>> {
    Grammar::parse(rule, text).map_err(|_| mismatch())
}

/// Whether a word stands for a name without quotes, wherever a name can be.
pub(super) fn is_plain_name(name: &str) -> bool {
    let quoted = name.starts_with(['`', '"']);
    let read = nodes(Rule::ident, name).is_ok_and(|found| found.as_str() == name);
    read && !quoted
}

/// Only the place of the grammar's failure is used; the words for it come from the tokens there.
fn failure(source: &Source, span: Span, error: &pest::error::Error<Rule>) -> Error {
    if let pest::error::ErrorVariant::CustomError { .. } = error.variant {
        return Error::new(
            ErrorKind::Limit,
            "TM0109",
            "the statement is nested too deep",
        )
        .at(span);
    }
    diagnose::unexpected(source, span, span.start + place_of(error))
}

fn place_of(error: &pest::error::Error<Rule>) -> usize {
    match error.location {
        pest::error::InputLocation::Pos(at) | pest::error::InputLocation::Span((at, _)) => at,
    }
}

/// The grammar and its reader disagree.
fn mismatch() -> Error {
    Error::bug("the grammar found what its reader does not know")
}

fn too_wide(what: &str, span: Span) -> Error {
    let message = format!("{what} at most {MAX_ITEMS} items");
    Error::new(ErrorKind::Limit, "TM0110", message).at(span)
}

/// The keywords stand first and together in the grammar.
pub(super) fn is_keyword(rule: Rule) -> bool {
    (Rule::kw_aggregate..=Rule::kw_within).contains(&rule)
        || (Rule::kt_add..=Rule::kt_weight).contains(&rule)
        || (Rule::km_after..=Rule::km_skip).contains(&rule)
}

/// The words of the grammar, in small letters.
pub(super) fn keywords() -> impl Iterator<Item = String> {
    let rules = Rule::all_rules().iter().filter(|rule| is_keyword(**rule));
    // `kw_select`
    rules.filter_map(|rule| Some(format!("{rule:?}").split_once('_')?.1.to_string()))
}

fn has(node: &Node, rule: Rule) -> bool {
    node.clone().into_inner().any(|part| part.as_rule() == rule)
}

/// The inner nodes of `node` without its keywords.
fn parts<'t>(node: Node<'t>) -> impl Iterator<Item = Node<'t>> + use<'t> {
    node.into_inner().filter(|part| !is_keyword(part.as_rule()))
}

/// The one inner node of `node`.
fn only(node: Node) -> Result<Node> {
    parts(node).next().ok_or_else(mismatch)
}

/// Reads the nodes of one statement.
struct Reader<'s, 't> {
    source: &'s mut Source<'t>,
    /// Where the statement begins in the script.
    base: usize,
    /// Where it ends.
    end: usize,
    /// Expressions around the one being read, each operator counted: what drops and walks of the tree recurse through.
    depth: usize,
}

impl<'s, 't> Reader<'s, 't> {
    fn new(source: &'s mut Source<'t>, span: Span) -> Self {
        Reader {
            source,
            base: span.start,
            end: span.end,
            depth: 0,
        }
    }
}

impl<'t> Reader<'_, 't> {
    fn span(&self, node: &Node) -> Span {
        let span = node.as_span();
        // A rule that ends in optional parts ends after blanks; they are not part of what was written.
        let trimmed = span.as_str().trim_end().len();
        Span::new(self.base + span.start(), self.base + span.start() + trimmed)
    }

    /// What was written there, also where texts are masked.
    fn written(&self, node: &Node) -> &'t str {
        let span = node.as_span();
        self.source
            .text
            .get(self.base + span.start()..self.base + span.end())
            .unwrap_or("")
    }

    /// The node's place is not where the grammar should have accepted it.
    fn unexpected(&self, node: &Node) -> Error {
        let statement = Span::new(self.base, self.end);
        diagnose::unexpected(self.source, statement, self.span(node).start)
    }

    fn ident(&self, node: &Node) -> Ident {
        let (text, quoted) = decode_name(self.written(node));
        Ident {
            text,
            quoted,
            span: self.span(node),
        }
    }

    /// A word among a few that have a meaning there: in upper case, as a keyword is.
    fn word(&self, node: &Node) -> Ident {
        let mut word = self.ident(node);
        if !word.quoted {
            word.text.make_ascii_uppercase();
        }
        word
    }

    /// `AS name` or a bare `name`.
    fn alias(&self, node: Node) -> Result<Ident> {
        Ok(self.ident(&only(node)?))
    }

    fn names(&self, node: Node) -> Result<Vec<Ident>> {
        let span = self.span(&node);
        let names: Vec<_> = parts(node).map(|part| self.ident(&part)).collect();
        if names.len() > MAX_ITEMS {
            return Err(too_wide("a list of names holds", span));
        }
        Ok(names)
    }

    fn path(&self, node: Node) -> Result<Path> {
        let span = self.span(&node);
        let parts: Vec<_> = parts(node).map(|part| self.ident(&part)).collect();
        if parts.len() > MAX_PATH {
            let message = format!("a name has at most {MAX_PATH} parts");
            return Err(Error::new(ErrorKind::Limit, "TM0109", message).at(span));
        }
        Ok(Path { parts, span })
    }

    /// A text that cannot be BYTES: a path, a pattern's escape.
    fn text(&self, node: Node) -> Result<StringLiteral> {
        let span = self.span(&node);
        match self.decoded(node)? {
            Decoded::Text(value) => Ok(StringLiteral { value, span }),
            Decoded::Bytes(_) => Err(Error::input(
                "TM0102",
                "a text is expected, not BYTES",
                span,
            )),
        }
    }

    /// Texts that stand beside each other are one.
    fn decoded(&self, node: Node) -> Result<Decoded> {
        let span = self.span(&node);
        let mut whole = None;
        for part in parts(node) {
            let at = self.base + part.as_span().start();
            let strings = self.source.double_quotes_are_strings;
            let next = decode(self.written(&part), at, strings)?;
            whole = Some(match (whole, next) {
                (None, next) => next,
                (Some(Decoded::Text(left)), Decoded::Text(right)) => Decoded::Text(left + &right),
                (Some(Decoded::Bytes(left)), Decoded::Bytes(right)) => {
                    Decoded::Bytes([left, right].concat())
                }
                _ => {
                    let message = "a text and BYTES cannot be joined";
                    return Err(Error::input("TM0102", message, span));
                }
            });
        }
        whole.ok_or_else(mismatch)
    }
}
