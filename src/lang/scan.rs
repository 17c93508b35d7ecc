//! One pass before parsing: statements, and the bounds that keep the parser's work and stack small.
//!
//! What is counted here is counted so that no text, however hostile, reaches the grammar with a deep nesting or a list
//! too wide; the parser counts exactly what the scan only counts roughly.

use super::lex::{Lexer, Token, TokenKind};
use crate::error::{Error, ErrorKind, Span};

/// Brackets, CASE and lambda arrows inside each other.
pub(super) const MAX_DEPTH: usize = 128;
/// Items of a list written by hand, and operands of one AND or OR.
pub(super) const MAX_ITEMS: usize = 10_000;
/// Operators and brackets beside each other without a comma, AND or clause between: the parser allows a quarter of it.
const MAX_LINKS: usize = 4000;
/// Pipe operators, joins or branches of a query: the parser allows half of it.
const MAX_STEPS: usize = 2000;
/// Statements of a script.
const MAX_STATEMENTS: usize = 10_000;

/// One statement of a script, without its semicolon.
#[derive(Debug)]
pub(super) struct Piece {
    pub span: Span,
    pub error: Option<Error>,
}

/// The statements of `source` from `from` on that hold any token. Errors of the scan stand in their statement.
pub(super) fn scan(source: &str, from: usize, double_quotes_are_strings: bool) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut current = Statement::new(from);
    for token in Lexer::new(source, from, double_quotes_are_strings) {
        match token {
            Ok(token) if token.kind == TokenKind::Semicolon => {
                let next = Statement::new(token.span.end);
                current = finish(&mut pieces, current, token.span.start, next);
                if pieces.len() > MAX_STATEMENTS {
                    current.fail(limit("a script holds at most 10000 statements", token.span));
                    break;
                }
            }
            Ok(token) => current.take(source, token),
            Err(error) => current.fail(error),
        }
    }
    let next = Statement::new(source.len());
    finish(&mut pieces, current, source.len(), next);
    pieces
}

/// The text as the grammar reads it, every byte in its place: blanks for comments and, where double quotes hold texts,
/// a mark and blanks for every quoted text.
pub(super) fn grammar_text(source: &str, from: usize, double_quotes_are_strings: bool) -> String {
    let mut bytes = source.as_bytes().to_vec();
    let mut end = from;
    for token in Lexer::new(source, from, double_quotes_are_strings).flatten() {
        let Span { start, end: next } = token.span;
        // Between two tokens there are only whitespace and comments.
        bytes[end..start].fill(b' ');
        end = next;
        if token.kind == TokenKind::Text && double_quotes_are_strings {
            bytes[start..end].fill(b' ');
            (bytes[start], bytes[end - 1]) = (1, 1);
        }
    }
    bytes[end..].fill(b' ');
    // Whole characters were replaced by ASCII, so that the rest is still what it was.
    String::from_utf8_lossy(&bytes).into_owned()
}

fn finish(pieces: &mut Vec<Piece>, mut done: Statement, end: usize, next: Statement) -> Statement {
    if let Some(open) = done.frames.last().filter(|_| done.error.is_none()) {
        let error = Error::input("TM0108", "a bracket is not closed", open.open);
        done.error = Some(error.label("opened here"));
    }
    if done.error.is_some() || !done.empty {
        pieces.push(Piece {
            span: Span::new(done.start, end),
            error: done.error,
        });
    }
    next
}

fn limit(message: &str, span: Span) -> Error {
    Error::new(ErrorKind::Limit, "TM0110", message).at(span)
}

/// What is inside one bracket.
#[derive(Debug, Default)]
struct Frame {
    open: Span,
    close: u8,
    /// Depth beyond the bracket itself: CASE, arrows, angle brackets.
    extra: usize,
    cases: usize,
    angles: usize,
    commas: usize,
    connectives: usize,
    links: usize,
    joins: usize,
    steps: usize,
    after_in: bool,
    values: bool,
    only_literals: bool,
}

struct Statement {
    start: usize,
    empty: bool,
    outer: Frame,
    frames: Vec<Frame>,
    depth: usize,
    previous: Option<Token>,
    error: Option<Error>,
}

impl Statement {
    fn new(start: usize) -> Self {
        Statement {
            start,
            empty: true,
            outer: Frame::default(),
            frames: Vec::new(),
            depth: 0,
            previous: None,
            error: None,
        }
    }

    /// The first error of a statement stands; the rest of it is only passed over.
    fn fail(&mut self, error: Error) {
        self.empty = false;
        self.error.get_or_insert(error);
    }

    fn frame(&mut self) -> &mut Frame {
        self.frames.last_mut().unwrap_or(&mut self.outer)
    }

    fn take(&mut self, source: &str, token: Token) {
        self.empty = false;
        if self.error.is_some() {
            return;
        }
        let text = token.text(source);
        match token.kind {
            TokenKind::Open | TokenKind::Hint => self.open(source, token),
            TokenKind::Close => self.close(token, text),
            TokenKind::Word => self.word(source, token),
            TokenKind::Pipe => {
                self.clause();
                self.frame().values = false;
                self.frame().joins = 0;
                self.step(token);
                self.end_angles();
            }
            TokenKind::Symbol => self.symbol(source, token, text),
            TokenKind::Number | TokenKind::Text => {}
            _ => self.frame().only_literals = false,
        }
        self.previous = Some(token);
        if self.depth > MAX_DEPTH && self.error.is_none() {
            let error = Error::new(
                ErrorKind::Limit,
                "TM0109",
                format!("parentheses are nested more than {MAX_DEPTH} deep"),
            );
            self.error = Some(
                error
                    .at(token.span)
                    .hint("name inner steps in a WITH or in a step before"),
            );
        }
    }

    fn open(&mut self, source: &str, token: Token) {
        let close = match source.as_bytes().get(token.span.end - 1) {
            Some(b'(') => b')',
            Some(b'[') => b']',
            _ => b'}',
        };
        let after_in = self
            .previous
            .is_some_and(|previous| previous.is_word(source, "IN"));
        self.frame().only_literals = false;
        self.link(token);
        self.depth += 1;
        self.frames.push(Frame {
            open: token.span,
            close,
            after_in,
            only_literals: true,
            ..Frame::default()
        });
    }

    fn close(&mut self, token: Token, text: &str) {
        match self.frames.pop() {
            Some(frame) if text.as_bytes() == [frame.close] => self.depth -= 1 + frame.extra,
            Some(frame) => {
                let message = format!("`{text}` does not close this bracket");
                let error = Error::input("TM0108", message, token.span);
                self.fail(error.also(frame.open, "opened here"));
            }
            None => {
                let message = format!("`{text}` closes nothing");
                self.fail(Error::input("TM0108", message, token.span));
            }
        }
    }

    fn word(&mut self, source: &str, token: Token) {
        let after_dot = self
            .previous
            .is_some_and(|previous| previous.text(source) == ".");
        let word = token.text(source);
        let literal = ["NULL", "TRUE", "FALSE", "DATE", "TIMESTAMP", "NUMERIC"]
            .iter()
            .any(|known| word.eq_ignore_ascii_case(known));
        self.frame().only_literals &= literal;
        if after_dot || word.len() > 6 {
            return;
        }
        let is = |name: &str| word.eq_ignore_ascii_case(name);
        if is("CASE") {
            self.frame().cases += 1;
            self.frame().extra += 1;
            self.depth += 1;
        } else if is("END") && self.frame().cases > 0 {
            self.frame().cases -= 1;
            self.frame().extra -= 1;
            self.depth -= 1;
        } else if is("AND") || is("OR") {
            self.end_angles();
            self.frame().links = 0;
            self.frame().connectives += 1;
            // BETWEEN has an AND of its own, so the parser counts exactly and this only keeps the size sane.
            if self.frame().connectives > 2 * MAX_ITEMS + 1 {
                self.fail(limit("AND and OR take at most 10000 operands", token.span));
            }
        } else if is("VALUES") {
            self.frame().values = true;
        } else if is("UNION") || is("SELECT") {
            self.clause();
            self.frame().joins = 0;
            if is("UNION") {
                self.step(token);
            }
        } else if is("JOIN") {
            self.clause();
            self.frame().joins += 1;
            if self.frame().joins > MAX_STEPS {
                self.fail(limit("FROM joins at most 1000 tables", token.span));
            }
        } else if ["FROM", "WHERE", "WHEN", "THEN", "ELSE", "ON"]
            .iter()
            .any(|name| is(name))
        {
            self.clause();
        }
    }

    /// A new clause begins: what is counted up to a comma or a clause begins anew.
    fn clause(&mut self) {
        let frame = self.frame();
        (frame.commas, frame.connectives, frame.links) = (0, 0, 0);
    }

    fn step(&mut self, token: Token) {
        self.frame().steps += 1;
        if self.frame().steps > MAX_STEPS {
            let message = "a query has at most 1000 pipe operators, and as many branches";
            self.fail(limit(message, token.span));
        }
    }

    fn link(&mut self, token: Token) {
        self.frame().links += 1;
        if self.frame().links > MAX_LINKS {
            let message = "a chain of operators has more than 1000 operands";
            let error = Error::new(ErrorKind::Limit, "TM0109", message).at(token.span);
            self.fail(error.hint("only AND and OR may be longer; use a list or a table"));
        }
    }

    fn symbol(&mut self, source: &str, token: Token, text: &str) {
        self.link(token);
        match text {
            "," => {
                let frame = self.frame();
                frame.commas += 1;
                (frame.connectives, frame.links) = (0, 0);
                let exempt = frame.values || (frame.after_in && frame.only_literals);
                if frame.commas > MAX_ITEMS && !exempt {
                    let error = limit("a list holds at most 10000 items", token.span);
                    self.fail(error.hint("only VALUES and an IN list of literals may be longer; put the items in a file or a table"));
                }
            }
            "->" => {
                self.frame().extra += 1;
                self.depth += 1;
            }
            "<" if self.generic(source) => {
                self.frame().angles += 1;
                self.frame().extra += 1;
                self.depth += 1;
            }
            ">" | ">>" => {
                let closed = text.len().min(self.frame().angles);
                self.frame().angles -= closed;
                self.frame().extra -= closed;
                self.depth -= closed;
            }
            "-" | "+" => {}
            _ => self.frame().only_literals = false,
        }
    }

    /// Whether `<` after the word before opens a type, as in `ARRAY<`.
    fn generic(&self, source: &str) -> bool {
        self.previous.is_some_and(|previous| {
            ["ARRAY", "STRUCT", "MAP"]
                .iter()
                .any(|word| previous.is_word(source, word))
        })
    }

    /// A `map < 3` opened no type after all.
    fn end_angles(&mut self) {
        let open = std::mem::take(&mut self.frame().angles);
        self.frame().extra -= open;
        self.depth -= open;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(source: &str) -> Vec<&'static str> {
        let pieces = scan(source, 0, false);
        pieces
            .iter()
            .filter_map(|piece| piece.error.as_ref().map(Error::code))
            .collect()
    }

    #[test]
    fn splits_at_semicolons_outside_texts() {
        let source = "FROM a; -- no; \n FROM ';' ;; /* ; */ FROM `;`";
        let texts: Vec<_> = scan(source, 0, false)
            .iter()
            .map(|piece| source[piece.span.start..piece.span.end].trim())
            .collect();
        assert_eq!(texts, ["FROM a", "-- no; \n FROM ';'", "/* ; */ FROM `;`"]);
    }

    #[test]
    fn brackets_are_bounded_and_balanced() {
        let deep = |n: usize| format!("SELECT {}1{}", "(".repeat(n), ")".repeat(n));
        assert!(codes(&deep(MAX_DEPTH)).is_empty());
        assert_eq!(codes(&deep(MAX_DEPTH + 1)), ["TM0109"]);
        assert_eq!(codes("SELECT (1; SELECT 1); SELECT [1)"), ["TM0108"; 3]);
    }

    #[test]
    fn case_and_lambda_count_as_nesting() {
        assert_eq!(codes(&"CASE WHEN ".repeat(200)), ["TM0109"]);
        assert_eq!(
            codes(&format!("SELECT f({})", "x -> ".repeat(200))),
            ["TM0109"]
        );
        assert!(codes(&"a.case = b.end AND ".repeat(200)).is_empty());
        assert!(codes(&"CASE WHEN a THEN b END + ".repeat(200)).is_empty());
    }

    #[test]
    fn masking_keeps_every_place() {
        let source = "SELECT \"é;\" || r'\\' || `\"` /* ü */ -- ;";
        let masked = grammar_text(source, 0, true);
        assert_eq!(masked.len(), source.len());
        let shown = masked.trim_end();
        assert_eq!(shown, "SELECT \u{1}   \u{1} || \u{1}  \u{1} || `\"`");
        let plain = grammar_text("SELECT 'a' /* ; */ -- b", 0, false);
        assert_eq!(plain.trim_end(), "SELECT 'a'");
    }
}
