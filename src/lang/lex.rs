//! Words, texts and symbols with their places: for the scan before parsing and for the words of an error.
//!
//! The grammar has the same rules once more, in `grammar/lexical.pest`; what must agree is where a text or a comment ends.

use crate::error::{Error, Span};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TokenKind {
    Word,
    Number,
    Text,
    QuotedName,
    /// `@name` or `?`
    Parameter,
    /// `@@name`
    Setting,
    /// `@{`
    Hint,
    /// `|>`
    Pipe,
    Semicolon,
    /// `(`, `[` or `{`
    Open,
    /// `)`, `]` or `}`
    Close,
    Symbol,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub kind: TokenKind,
    pub span: Span,
}

impl Token {
    /// The token as written.
    pub fn text<'t>(&self, source: &'t str) -> &'t str {
        source.get(self.span.start..self.span.end).unwrap_or("")
    }

    /// Whether this is the unquoted `word`, in any case.
    pub fn is_word(&self, source: &str, word: &str) -> bool {
        self.kind == TokenKind::Word && self.text(source).eq_ignore_ascii_case(word)
    }
}

/// How a text begins, and so how it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TextShape {
    /// Letters before the quote.
    pub prefix: usize,
    pub bytes: bool,
    /// Backslash escapes are read.
    pub escapes: bool,
    pub quote: u8,
    pub triple: bool,
}

impl TextShape {
    /// The shape of the text that begins `bytes`, if one does.
    pub fn of(bytes: &[u8], double_quotes_are_strings: bool) -> Option<TextShape> {
        let prefix = bytes
            .iter()
            .take(3)
            .position(|b| matches!(b, b'\'' | b'"'))?;
        let quote = *bytes.get(prefix)?;
        if quote == b'"' && !double_quotes_are_strings {
            return None;
        }
        let (bytes_prefix, raw, escape) = match bytes[..prefix].to_ascii_lowercase().as_slice() {
            b"" => (false, false, false),
            b"e" => (false, false, true),
            b"r" => (false, true, false),
            b"b" => (true, false, true),
            b"rb" | b"br" => (true, true, false),
            _ => return None,
        };
        let run = bytes[prefix..]
            .iter()
            .take(5)
            .take_while(|b| **b == quote)
            .count();
        Some(TextShape {
            prefix,
            bytes: bytes_prefix,
            escapes: !raw && (escape || double_quotes_are_strings),
            quote,
            triple: run == 3 || run == 5,
        })
    }

    /// Bytes before the content.
    pub fn open_length(self) -> usize {
        self.prefix + self.close_length()
    }

    /// Bytes after the content.
    pub fn close_length(self) -> usize {
        if self.triple { 3 } else { 1 }
    }

    /// The length of the whole text that begins `bytes`, or `None` when it never ends.
    fn length(self, bytes: &[u8]) -> Option<usize> {
        let mut at = self.open_length();
        loop {
            let byte = *bytes.get(at)?;
            if byte == b'\\' && self.escapes {
                at += 2;
            } else if byte != self.quote {
                at += 1;
            } else if self.triple {
                if bytes[at..].starts_with(&[self.quote; 3]) {
                    return Some(at + 3);
                }
                at += 1;
            } else if bytes.get(at + 1) == Some(&self.quote) {
                at += 2;
            } else {
                return Some(at + 1);
            }
        }
    }
}

/// Goes through a text token by token; whitespace and comments are passed over.
pub(super) struct Lexer<'t> {
    bytes: &'t [u8],
    at: usize,
    double_quotes_are_strings: bool,
}

impl Iterator for Lexer<'_> {
    type Item = Result<Token, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Err(error) = self.pass_blanks() {
            return Some(Err(error));
        }
        let start = self.at;
        if start >= self.bytes.len() {
            return None;
        }
        Some(self.token().map(|kind| Token {
            kind,
            span: Span::new(start, self.at),
        }))
    }
}

impl<'t> Lexer<'t> {
    pub fn new(source: &'t str, start: usize, double_quotes_are_strings: bool) -> Self {
        Lexer {
            bytes: source.as_bytes(),
            at: start,
            double_quotes_are_strings,
        }
    }

    fn pass_blanks(&mut self) -> Result<(), Error> {
        loop {
            match &self.bytes[self.at.min(self.bytes.len())..] {
                [b' ' | b'\t' | b'\r' | b'\n', ..] => self.at += 1,
                [0xEF, 0xBB, 0xBF, ..] => self.at += 3,
                [b'#', ..] | [b'-', b'-', ..] => {
                    let rest = &self.bytes[self.at..];
                    self.at += memchr::memchr(b'\n', rest).unwrap_or(rest.len());
                }
                [b'/', b'*', rest @ ..] => match memchr::memmem::find(rest, b"*/") {
                    Some(length) => self.at += length + 4,
                    None => return Err(self.unclosed("comment", 2)),
                },
                _ => return Ok(()),
            }
        }
    }

    fn token(&mut self) -> Result<TokenKind, Error> {
        let rest = &self.bytes[self.at..];
        let Some(&first) = rest.first() else {
            return Ok(TokenKind::Symbol);
        };
        if let Some(shape) = TextShape::of(rest, self.double_quotes_are_strings) {
            let Some(length) = shape.length(rest) else {
                return Err(self.unclosed("string", shape.open_length()));
            };
            self.at += length;
            return Ok(TokenKind::Text);
        }
        match first {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                self.at += word_length(rest);
                Ok(TokenKind::Word)
            }
            b'0'..=b'9' => self.number(),
            b'.' if rest.get(1).is_some_and(u8::is_ascii_digit) => self.number(),
            b'"' | b'`' => self.quoted_name(first),
            b'@' => self.at_sign(),
            _ => self.symbol(),
        }
    }

    fn quoted_name(&mut self, quote: u8) -> Result<TokenKind, Error> {
        let shape = TextShape {
            prefix: 0,
            bytes: false,
            escapes: false,
            quote,
            triple: false,
        };
        let rest = &self.bytes[self.at..];
        match shape.length(rest) {
            Some(2) => {
                let span = Span::new(self.at, self.at + 2);
                self.at += 2;
                let error = Error::input("TM0103", "a name cannot be empty", span);
                Err(if quote == b'"' {
                    error.hint("double quotes quote names; an empty text is written ''")
                } else {
                    error
                })
            }
            Some(length) => {
                self.at += length;
                Ok(TokenKind::QuotedName)
            }
            None => Err(self.unclosed("quoted name", 1)),
        }
    }

    fn number(&mut self) -> Result<TokenKind, Error> {
        let start = self.at;
        let rest = &self.bytes[start..];
        self.at += number_length(rest);
        let tail = word_length(&self.bytes[self.at..]);
        if tail == 0 {
            return Ok(TokenKind::Number);
        }
        self.at += tail;
        Err(Error::input(
            "TM0105",
            "a number runs into a word",
            Span::new(start, self.at),
        )
        .hint("numbers are written 42, 0xFF, 1.5 or 1e9; put a space or an operator between a number and a name"))
    }

    fn at_sign(&mut self) -> Result<TokenKind, Error> {
        let (sign, kind) = match &self.bytes[self.at..] {
            [_, b'@', ..] => (2, TokenKind::Setting),
            [_, b'{', ..] => {
                self.at += 2;
                return Ok(TokenKind::Hint);
            }
            _ => (1, TokenKind::Parameter),
        };
        let start = self.at;
        self.at += sign;
        let rest = &self.bytes[self.at..];
        let name = word_length(rest);
        self.at += name;
        if name == 0 || rest[0].is_ascii_digit() {
            return Err(Error::input(
                "TM0103",
                "a name must follow `@`",
                Span::new(start, self.at),
            )
            .hint("a parameter is written @name, or ? without a name"));
        }
        Ok(kind)
    }

    fn symbol(&mut self) -> Result<TokenKind, Error> {
        let rest = &self.bytes[self.at..];
        let (length, kind) = match rest {
            [b'|', b'>', ..] => (2, TokenKind::Pipe),
            [b'<', b'=', b'>', ..] => (3, TokenKind::Symbol),
            [b'=', b'=' | b'>', ..]
            | [b'!' | b'<' | b'>', b'=', ..]
            | [b'<', b'>' | b'<', ..]
            | [b'>', b'>', ..]
            | [b'-', b'>', ..]
            | [b'|', b'|', ..]
            | [b':', b':', ..] => (2, TokenKind::Symbol),
            [b'(' | b'[' | b'{', ..] => (1, TokenKind::Open),
            [b')' | b']' | b'}', ..] => (1, TokenKind::Close),
            [b';', ..] => (1, TokenKind::Semicolon),
            [b'?', ..] => (1, TokenKind::Parameter),
            // The end of a pattern; `$1` and `$name` are another language's parameters.
            [b'$', rest @ ..] if word_length(rest) == 0 => (1, TokenKind::Symbol),
            [
                b',' | b'.' | b'+' | b'-' | b'*' | b'/' | b'%' | b'|' | b'<' | b'>' | b'=' | b'&'
                | b'^' | b'~',
                ..,
            ] => (1, TokenKind::Symbol),
            _ => return Err(self.stray()),
        };
        self.at += length;
        Ok(kind)
    }

    /// A character that begins nothing.
    fn stray(&mut self) -> Error {
        let start = self.at;
        let rest = &self.bytes[start..];
        let length = (1..=rest.len().min(4))
            .find(|end| std::str::from_utf8(&rest[..*end]).is_ok())
            .unwrap_or(1);
        let span = Span::new(start, start + length);
        // A run of the same character is one mistake.
        let stray = &rest[..length];
        let run = rest.chunks(length).take_while(|chunk| *chunk == stray);
        self.at += length * run.count();
        let text = std::str::from_utf8(stray).unwrap_or("?");
        match text.chars().next() {
            Some('\0') => Error::input("TM0103", "a NUL byte stands in the text", span)
                .hint("is this a text file in UTF-8?"),
            Some(c) if c.is_alphabetic() => Error::input(
                "TM0103",
                format!("`{c}` cannot stand in an unquoted name"),
                span,
            )
            .hint("put names with such letters in backticks or double quotes"),
            Some(':') => Error::input("TM0103", "`:` has no meaning here", span)
                .hint("a parameter is written @name, a cast value::TYPE"),
            Some('!') => Error::input("TM0103", "`!` has no meaning here", span)
                .label("write NOT")
                .hint("`not equal` is written <> or !="),
            Some('$') => Error::input("TM0103", "`$` has no meaning here", span)
                .hint("a parameter is written @name or ?"),
            Some(c) if c.is_control() => Error::input(
                "TM0103",
                format!("control character U+{:04X}", u32::from(c)),
                span,
            ),
            Some(c @ ('‘' | '’' | '“' | '”')) => {
                Error::input("TM0103", format!("`{c}` is a typographic quote"), span)
                    .hint("write texts in '…' and names in \"…\" or backticks")
            }
            _ => Error::input("TM0103", format!("`{text}` has no meaning here"), span),
        }
    }

    /// An opening that never closes: everything after it is lost.
    fn unclosed(&mut self, what: &str, length: usize) -> Error {
        let start = self.at;
        self.at = self.bytes.len();
        let span = Span::new(start, (start + length).min(self.at));
        let error = Error::input("TM0101", format!("{what} is not closed"), span);
        let error = error.label("starts here");
        match what {
            "string" => error.hint("a quote inside of a text is written twice: 'it''s'"),
            _ => error,
        }
    }
}

fn word_length(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_')
        .count()
}

fn number_length(bytes: &[u8]) -> usize {
    let digits = |from: usize| {
        bytes[from..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count()
    };
    if let [b'0', b'x' | b'X', rest @ ..] = bytes {
        let hex = rest.iter().take_while(|b| b.is_ascii_hexdigit()).count();
        return if hex == 0 { 1 } else { 2 + hex };
    }
    let mut end = digits(0);
    if bytes.get(end) == Some(&b'.') {
        end += 1 + digits(end + 1);
    }
    if let [b'e' | b'E', rest @ ..] = &bytes[end..] {
        let sign = usize::from(matches!(rest.first(), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        if exponent > 0 {
            end += 1 + sign + exponent;
        }
    }
    end
}
