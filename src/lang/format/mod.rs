//! A script laid out anew: the same tokens and comments in the same order, only blanks, line ends and the case of keywords change.
//!
//! The walk: [`tokens`] reads tokens with the comments beside them; the grammar's nodes say which words are keywords and what stands
//! close together ([`marks`]) and where lines may break ([`layout`]); [`render`] chooses among those places. As no token is made or
//! dropped but the `;` of an empty statement, the text means what it meant; that is looked at before anybody gets it.
//!
//! Comments stay beside their neighbour: one that follows something on its line stays behind that, one on a line of its own goes with
//! what comes next. Only a comma or semicolon passes over the comments before it.

mod layout;
mod marks;
mod render;
mod tokens;

use super::ast::{Expr, Script, Statement, StatementKind};
use super::parse::{self, Rule};
use super::{Options, json, parse_modes};
use crate::error::{Error, Result};
use layout::{Item, Layout};
use render::Page;
use tokens::Tokens;

/// What the first line of a script may be.
const DIRECTIVE: &str = "#!double_quotes=";
/// Spaces before the statements of an IF.
const BLOCK: usize = 2;

/// The canonical layout of `text` in lines of about `width` characters.
pub(crate) fn format(text: &str, options: Options, width: usize) -> Result<String, Vec<Error>> {
    let parsed = parse_modes(text, options)?;
    let written = write(text, &parsed.script, &parsed.modes, width);
    written
        .and_then(|written| unchanged(&parsed.script, written, options))
        .map_err(|error| vec![error])
}

/// Nobody's script is replaced by one that means something else.
fn unchanged(script: &Script, written: String, options: Options) -> Result<String> {
    let again = parse_modes(&written, options)
        .map_err(|_| Error::bug("the formatted text does not parse"))?;
    if json::shape(script)? != json::shape(&again.script)? {
        return Err(Error::bug("the formatted text means something else"));
    }
    Ok(written)
}

fn write(text: &str, script: &Script, modes: &[(usize, bool)], width: usize) -> Result<String> {
    let mut writer = Writer {
        tokens: Tokens::read(text, modes),
        page: Page::new(width),
        next: 0,
    };
    writer.statements(&script.statements, 0)?;
    let rest = std::mem::take(&mut writer.tokens.rest);
    writer.page.own_lines(&rest, 0);
    let mut out = writer.page.finish();
    // In another line than the first it was only a comment.
    if out.starts_with(DIRECTIVE) && !text.starts_with(DIRECTIVE) {
        out.insert(0, '\n');
    }
    Ok(out)
}

/// Writes a script statement by statement.
struct Writer<'t> {
    tokens: Tokens<'t>,
    page: Page,
    /// The token that comes next.
    next: usize,
}

impl Writer<'_> {
    fn statements(&mut self, statements: &[Statement], indent: usize) -> Result<()> {
        for (index, statement) in statements.iter().enumerate() {
            self.begin(indent, index == 0);
            match &statement.kind {
                StatementKind::If {
                    branches,
                    otherwise,
                } => self.choice(branches, otherwise, indent)?,
                _ => self.plain(indent)?,
            }
            self.semicolon();
            self.page.end_line();
        }
        Ok(())
    }

    /// The comments above what begins with the next token, and the empty lines before them.
    fn begin(&mut self, indent: usize, first: bool) {
        let Some(token) = self.tokens.list.get(self.next) else {
            return;
        };
        if first {
            self.page.begin_block();
        }
        self.page.own_lines(&token.leading, indent);
        if token.blank_before {
            self.page.empty_line();
        }
    }

    fn plain(&mut self, indent: usize) -> Result<()> {
        let end = self.tokens.statement_end(self.next);
        let (base, text) = self.tokens.masked_range(self.next, end);
        let nodes = parse::nodes(Rule::statement, &text)?;
        self.tokens.mark(nodes.clone(), base)?;
        let mut layout = Layout::new(&self.tokens, self.next, base);
        layout.statement(nodes);
        let items = layout.finish();
        self.print(items, indent);
        Ok(())
    }

    fn print(&mut self, (items, next): (Vec<Item>, usize), indent: usize) {
        self.page.print(&self.tokens, &items, indent);
        self.next = next;
    }

    fn semicolon(&mut self) {
        if self.tokens.is(self.next, ";") {
            self.page.print_token(&self.tokens, self.next);
            self.next += 1;
        }
    }

    /// `IF … THEN … END IF`
    fn choice(
        &mut self,
        branches: &[(Expr, Vec<Statement>)],
        otherwise: &[Statement],
        indent: usize,
    ) -> Result<()> {
        for (index, (condition, statements)) in branches.iter().enumerate() {
            if index > 0 {
                self.dedent(indent);
            }
            self.condition(condition, indent)?;
            self.page.end_line();
            self.statements(statements, indent + BLOCK)?;
        }
        if self.tokens.is_word(self.next, "ELSE") {
            self.dedent(indent);
            self.words(1, indent);
            self.page.end_line();
            self.statements(otherwise, indent + BLOCK)?;
        }
        self.dedent(indent);
        self.words(2, indent);
        Ok(())
    }

    /// Comments before a word that ends a block stand inside of it.
    fn dedent(&mut self, indent: usize) {
        if let Some(token) = self.tokens.list.get(self.next) {
            self.page.own_lines(&token.leading, indent + BLOCK);
        }
    }

    /// Words that belong to no statement.
    fn words(&mut self, count: usize, indent: usize) {
        for word in self.next..self.next + count {
            self.tokens.upper(word);
        }
        let mut layout = Layout::new(&self.tokens, self.next, 0);
        layout.words(count);
        let items = layout.finish();
        self.print(items, indent);
    }

    /// `IF condition THEN`, `ELSEIF condition THEN`
    fn condition(&mut self, condition: &Expr, indent: usize) -> Result<()> {
        let then = (self.next..self.tokens.list.len())
            .find(|at| self.tokens.list[*at].span.start >= condition.span.end)
            .filter(|at| self.tokens.is_word(*at, "THEN"))
            .ok_or_else(|| Error::bug("a condition without THEN"))?;
        let (base, text) = self.tokens.masked_range(self.next + 1, then);
        let nodes = parse::nodes(Rule::condition, &text)?;
        self.tokens.mark(nodes.clone(), base)?;
        self.tokens.upper(self.next);
        self.tokens.upper(then);
        let mut layout = Layout::new(&self.tokens, self.next, base);
        layout.condition(nodes);
        let items = layout.finish();
        self.print(items, indent);
        Ok(())
    }
}
