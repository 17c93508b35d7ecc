//! The tokens of a script, each with the comments around it.

use super::marks::Marks;
use crate::error::{Result, Span};
use crate::lang::lex::{Lexer, Token, TokenKind};
use crate::lang::parse::Rule;
use pest::iterators::Pairs;

/// A comment without the blanks around it.
#[derive(Debug, Clone)]
pub(super) struct Comment {
    pub text: String,
    /// It has its line for itself.
    pub own_line: bool,
    /// An empty line stood before it.
    pub blank_before: bool,
}

impl Comment {
    /// Whether a line ends in it.
    pub fn breaks(&self) -> bool {
        self.own_line || self.ends_line() || self.text.contains('\n')
    }

    /// What follows would be part of it.
    pub fn ends_line(&self) -> bool {
        !self.text.starts_with("/*")
    }
}

#[derive(Debug)]
pub(super) struct FormatToken {
    pub kind: TokenKind,
    pub span: Span,
    /// On lines of their own before it.
    pub leading: Vec<Comment>,
    /// On its line, behind it.
    pub trailing: Vec<Comment>,
    /// An empty line stood before it, or between its comments and it.
    pub blank_before: bool,
    pub marks: Marks,
}

pub(super) struct Tokens<'t> {
    pub text: &'t str,
    pub list: Vec<FormatToken>,
    /// Comments after the last token's line.
    pub rest: Vec<Comment>,
    /// What the grammar reads: blanks for comments, marks for texts in double quotes.
    masked: Vec<u8>,
}

impl<'t> Tokens<'t> {
    /// `modes`: from which byte on double quotes hold texts or names.
    pub fn read(text: &'t str, modes: &[(usize, bool)]) -> Self {
        let mut tokens = Tokens {
            text,
            list: Vec::new(),
            rest: Vec::new(),
            masked: vec![b' '; text.len()],
        };
        let (mut gap, mut end) = (Gap::default(), 0);
        for (index, (from, strings)) in modes.iter().enumerate() {
            let until = modes.get(index + 1).map_or(text.len(), |(next, _)| *next);
            // The text was parsed, so that every token can be read.
            for token in Lexer::new(text, *from, *strings).map_while(Result::ok) {
                if token.span.start >= until {
                    break;
                }
                gap.read(&text[end..token.span.start]);
                end = token.span.end;
                tokens.mask(token, *strings);
                if !tokens.is_empty_statement(token) {
                    tokens.take(token, &mut gap);
                }
            }
        }
        gap.read(&text[end..]);
        tokens.finish(gap);
        tokens
    }

    fn mask(&mut self, token: Token, strings: bool) {
        let Span { start, end } = token.span;
        if token.kind == TokenKind::Text && strings {
            (self.masked[start], self.masked[end - 1]) = (1, 1);
        } else {
            self.masked[start..end].copy_from_slice(&self.text.as_bytes()[start..end]);
        }
    }

    /// A semicolon that ends nothing.
    fn is_empty_statement(&self, token: Token) -> bool {
        token.kind == TokenKind::Semicolon
            && self.list.last().is_none_or(|last| {
                let text = self.text.get(last.span.start..last.span.end).unwrap_or("");
                last.kind == TokenKind::Semicolon
                    || text.eq_ignore_ascii_case("THEN")
                    || text.eq_ignore_ascii_case("ELSE")
            })
    }

    fn take(&mut self, token: Token, gap: &mut Gap) {
        let mut found = FormatToken {
            kind: token.kind,
            span: token.span,
            leading: Vec::new(),
            trailing: Vec::new(),
            blank_before: gap.newlines > 1,
            marks: Marks::default(),
        };
        if token.kind == TokenKind::Semicolon || token.text(self.text) == "," {
            // The comments before it come after it.
            gap.newlines = 0;
        } else {
            let comments = std::mem::take(gap).comments;
            (found.leading, found.blank_before) = self.behind_last(comments, found.blank_before);
        }
        self.list.push(found);
    }

    fn finish(&mut self, gap: Gap) {
        (self.rest, _) = self.behind_last(gap.comments, false);
    }

    /// Gives the last token what stands on its line, and gives back the others.
    fn behind_last(&mut self, comments: Vec<Comment>, blank: bool) -> (Vec<Comment>, bool) {
        let mut leading = comments;
        if let Some(last) = self.list.last_mut() {
            let behind = leading
                .iter()
                .take_while(|comment| !comment.own_line)
                .count();
            let own = leading.split_off(behind);
            last.trailing.extend(leading);
            leading = own;
        } else {
            leading
                .iter_mut()
                .for_each(|comment| comment.own_line = true);
        }
        (leading, blank)
    }

    /// The semicolon that ends the statement which begins at `from`, or one past the last token.
    pub fn statement_end(&self, from: usize) -> usize {
        (from..self.list.len())
            .find(|at| self.list[*at].kind == TokenKind::Semicolon)
            .unwrap_or(self.list.len())
    }

    /// What the grammar reads of the tokens `from..to`, and where that begins.
    pub fn masked_range(&self, from: usize, to: usize) -> (usize, String) {
        let start = self.list.get(from).map_or(0, |token| token.span.start);
        let last = self.list.get(to.saturating_sub(1));
        let end = last.map_or(start, |token| token.span.end).max(start);
        let bytes = self.masked.get(start..end).unwrap_or(&[]);
        (start, String::from_utf8_lossy(bytes).into_owned())
    }

    pub fn written(&self, at: usize) -> &'t str {
        let span = self
            .list
            .get(at)
            .map_or(Span::default(), |token| token.span);
        self.text.get(span.start..span.end).unwrap_or("")
    }

    pub fn is(&self, at: usize, text: &str) -> bool {
        self.written(at) == text
    }

    pub fn is_word(&self, at: usize, word: &str) -> bool {
        let token = self.list.get(at);
        token.is_some_and(|token| token.kind == TokenKind::Word)
            && self.written(at).eq_ignore_ascii_case(word)
    }

    pub fn upper(&mut self, at: usize) {
        if let Some(token) = self.list.get_mut(at) {
            token.marks.upper = token.kind == TokenKind::Word;
        }
    }

    /// The first token at or after a byte.
    pub fn at(&self, byte: usize) -> usize {
        self.list.partition_point(|token| token.span.start < byte)
    }

    /// Learns from the grammar's nodes what tokens are.
    pub fn mark(&mut self, nodes: Pairs<Rule>, base: usize) -> Result<()> {
        super::marks::align(self, nodes.clone(), base);
        super::marks::mark(self, nodes, base);
        Ok(())
    }
}

/// Comments between two tokens.
#[derive(Default)]
struct Gap {
    comments: Vec<Comment>,
    /// Line ends since the last token or comment.
    newlines: usize,
}

impl Gap {
    fn read(&mut self, text: &str) {
        let bytes = text.as_bytes();
        let mut at = 0;
        while at < bytes.len() {
            let rest = &bytes[at..];
            let length = match rest {
                [b'#', ..] | [b'-', b'-', ..] => memchr::memchr(b'\n', rest).unwrap_or(rest.len()),
                [b'/', b'*', inside @ ..] => {
                    memchr::memmem::find(inside, b"*/").map_or(rest.len(), |end| end + 4)
                }
                [first, ..] => {
                    self.newlines += usize::from(*first == b'\n');
                    at += 1;
                    continue;
                }
                [] => return,
            };
            self.comment(text.get(at..at + length).unwrap_or(""));
            at += length;
        }
    }

    fn comment(&mut self, written: &str) {
        let after_line = self
            .comments
            .last()
            .is_some_and(|before| before.own_line || before.ends_line());
        let lines: Vec<&str> = written.lines().map(str::trim_end).collect();
        self.comments.push(Comment {
            text: lines.join("\n"),
            own_line: after_line || self.newlines > 0,
            blank_before: self.newlines > 1,
        });
        self.newlines = 0;
    }
}
