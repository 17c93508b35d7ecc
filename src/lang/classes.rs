//! What each word and sign of a text is, for showing it: by words alone, so that a text that is being written has them too.

use std::collections::HashSet;
use std::sync::OnceLock;

use super::lex::{Lexer, Token, TokenKind};
use super::{Options, is_reserved_word, parse, quotes_of};
use crate::error::Span;

/// What a part of a text is.
///
/// ```
/// use tidemill::{Syntax, SyntaxClass};
/// assert_eq!(Syntax::new().parts("SELECT 1")[0].class, SyntaxClass::Keyword);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SyntaxClass {
    /// A word of the language.
    Keyword,
    /// `|>`
    Pipe,
    /// A name that is called.
    Function,
    /// Another name, also in quotes.
    Name,
    /// A text in quotes: a value or a path.
    Text,
    /// A number.
    Number,
    /// `@name`, `@@name` or `?`
    Parameter,
    /// An operator, a bracket, a comma.
    Symbol,
    /// A comment.
    Comment,
    /// Nothing that can be read: a text or comment that is not closed, a sign without a meaning.
    Unreadable,
}

/// The parts of `text` in order; between them there are only blanks.
pub(crate) fn classes(text: &str, options: Options) -> Vec<(Span, SyntaxClass)> {
    let strings = quotes_of(text, options).unwrap_or_default();
    let mut parts = Parts {
        text,
        found: Vec::new(),
        end: 0,
        previous: None,
    };
    for token in Lexer::new(text, 0, strings) {
        match token {
            Ok(token) => parts.take(token),
            Err(error) => {
                let span = error.span().unwrap_or_default();
                // What is not closed goes on to the end of the text.
                let end = if error.code() == "TM0101" {
                    text.len()
                } else {
                    span.end
                };
                parts.unreadable(Span::new(span.start, end));
            }
        }
    }
    parts.comments(text.len());
    parts.found
}

struct Parts<'t> {
    text: &'t str,
    found: Vec<(Span, SyntaxClass)>,
    /// Up to here everything is in `found`.
    end: usize,
    previous: Option<(Token, SyntaxClass)>,
}

impl Parts<'_> {
    fn take(&mut self, token: Token) {
        self.comments(token.span.start);
        let class = match token.kind {
            TokenKind::Word => self.word(token),
            TokenKind::Number => SyntaxClass::Number,
            TokenKind::Text => SyntaxClass::Text,
            TokenKind::QuotedName => SyntaxClass::Name,
            TokenKind::Parameter | TokenKind::Setting => SyntaxClass::Parameter,
            TokenKind::Pipe => SyntaxClass::Pipe,
            TokenKind::Hint
            | TokenKind::Semicolon
            | TokenKind::Open
            | TokenKind::Close
            | TokenKind::Symbol => SyntaxClass::Symbol,
        };
        self.previous = Some((token, class));
        self.found.push((token.span, class));
        self.end = token.span.end;
    }

    fn unreadable(&mut self, span: Span) {
        if span.start >= self.end && span.end > span.start {
            self.comments(span.start);
            self.found.push((span, SyntaxClass::Unreadable));
            self.end = span.end;
        }
    }

    fn word(&self, token: Token) -> SyntaxClass {
        let word = token.text(self.text);
        let after_dot = self
            .previous
            .is_some_and(|(before, _)| before.text(self.text) == ".");
        let is_called = self.text[token.span.end..].trim_start().starts_with('(');
        if after_dot {
            return SyntaxClass::Name;
        }
        if is_reserved_word(word) || (is_keyword(word) && self.stands_for_itself(word)) {
            return SyntaxClass::Keyword;
        }
        match is_called {
            true => SyntaxClass::Function,
            false => SyntaxClass::Name,
        }
    }

    /// A word of the language that may be a name as well: it begins a step, goes on from one that does, or is written in capitals.
    fn stands_for_itself(&self, word: &str) -> bool {
        let capitals = word.len() > 1 && !word.contains(|c: char| c.is_ascii_lowercase());
        match self.previous {
            _ if capitals => true,
            None => true,
            Some((before, class)) => {
                let begins = matches!(before.kind, TokenKind::Pipe | TokenKind::Semicolon);
                begins
                    || (class == SyntaxClass::Keyword && !is_reserved_word(before.text(self.text)))
            }
        }
    }

    /// The comments between the last part and `until`.
    fn comments(&mut self, until: usize) {
        let gap = self.text.get(self.end..until).unwrap_or_default();
        let mut at = 0;
        while let Some(start) = gap[at..].find(|c: char| !c.is_whitespace() && c != '\u{feff}') {
            let start = at + start;
            let rest = &gap[start..];
            let length = match rest.starts_with("/*") {
                true => rest.find("*/").map_or(rest.len(), |end| end + 2),
                false => rest.find('\n').unwrap_or(rest.len()),
            };
            let span = Span::new(self.end + start, self.end + start + length);
            self.found.push((span, SyntaxClass::Comment));
            at = start + length;
        }
        self.end = until.max(self.end);
    }
}

/// Whether the grammar has the word.
fn is_keyword(word: &str) -> bool {
    static WORDS: OnceLock<HashSet<String>> = OnceLock::new();
    let words = WORDS.get_or_init(|| parse::keywords().collect());
    words.contains(&word.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each part as `class:text`.
    fn shown(text: &str) -> Vec<String> {
        let parts = classes(text, Options::default()).into_iter();
        parts
            .map(|(span, class)| format!("{class:?}:{}", &text[span.start..span.end]))
            .collect()
    }

    #[test]
    fn a_query_is_seen_word_by_word() {
        let text = "from 'a.csv' -- all\n|> aggregate sum(x.date) AS `t t` /* y */ group by @k;";
        let expected = [
            "Keyword:from",
            "Text:'a.csv'",
            "Comment:-- all",
            "Pipe:|>",
            "Keyword:aggregate",
            "Function:sum",
            "Symbol:(",
            "Name:x",
            "Symbol:.",
            "Name:date",
            "Symbol:)",
            "Keyword:AS",
            "Name:`t t`",
            "Comment:/* y */",
            "Keyword:group",
            "Keyword:by",
            "Parameter:@k",
            "Symbol:;",
        ];
        assert_eq!(shown(text), expected);
    }

    #[test]
    fn words_that_may_be_names_are_names_among_names() {
        assert_eq!(shown("x, data, DATA").last().unwrap(), "Keyword:DATA");
        assert_eq!(shown("x, data, DATA")[2], "Name:data");
        assert_eq!(shown("|> export data")[2], "Keyword:data");
    }

    #[test]
    fn what_cannot_be_read_is_in_one_part_and_no_byte_is_lost() {
        for text in [
            "FROM 'a |> x",
            "FROM t /* x",
            "a $$ b",
            "é < 'x' ü",
            "`",
            "@",
            "1x 'é",
        ] {
            let parts = classes(text, Options::default());
            let mut end = 0;
            for (span, _) in &parts {
                assert!(
                    span.start >= end && span.end > span.start,
                    "{text}: {parts:?}"
                );
                assert!(text[end..span.start].trim().is_empty(), "{text}: {parts:?}");
                assert!(
                    text.get(span.start..span.end).is_some(),
                    "{text}: {parts:?}"
                );
                end = span.end;
            }
            assert!(text[end..].trim().is_empty(), "{text}: {parts:?}");
        }
        assert_eq!(shown("FROM 'a |> x")[1], "Unreadable:'a |> x");
    }
}
