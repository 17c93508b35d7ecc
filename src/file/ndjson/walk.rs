//! JSON, walked over without building anything: where values start and end, and what they are.

use memchr::memchr2;

/// Arrays and objects inside each other.
const DEEPEST: usize = 128;

/// What a value is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Kind {
    /// Not there, or `null`.
    #[default]
    Null,
    Boolean,
    Number,
    /// Text without its quotes, which needs no unescaping.
    String,
    /// Text with its quotes, which does.
    EscapedString,
    Object,
    Array,
}

/// A value, by its place in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Value {
    pub(super) start: u32,
    pub(super) end: u32,
    pub(super) kind: Kind,
}

impl Value {
    fn new(start: usize, end: usize, kind: Kind) -> Value {
        // A window never has more than MAX_RECORD and a piece.
        Value {
            start: start as u32,
            end: end as u32,
            kind,
        }
    }

    /// Its text.
    pub(super) fn raw(self, text: &str) -> &str {
        &text[self.start as usize..self.end as usize]
    }
}

/// Why a value cannot be walked over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// It goes on behind the text.
    Unfinished,
    /// What stands here does not belong here.
    Unexpected {
        at: usize,
    },
    TooDeep {
        at: usize,
    },
}

/// A cursor over text that is JSON, or claims to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Walk<'a> {
    pub(super) text: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Walk<'a> {
    pub(super) fn skip_blanks(&mut self) {
        while matches!(self.text.get(self.at), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// The next byte that is not blank.
    pub(super) fn peek(&mut self) -> Result<u8, Fault> {
        self.skip_blanks();
        self.text.get(self.at).copied().ok_or(Fault::Unfinished)
    }

    fn expect(&mut self, byte: u8) -> Result<(), Fault> {
        if self.peek()? != byte {
            return Err(Fault::Unexpected { at: self.at });
        }
        self.at += 1;
        Ok(())
    }

    /// Whether an array or object goes on behind an item; over the comma or the closing bracket.
    fn goes_on(&mut self, close: u8) -> Result<bool, Fault> {
        let byte = self.peek()?;
        if byte != b',' && byte != close {
            return Err(Fault::Unexpected { at: self.at });
        }
        self.at += 1;
        Ok(byte == b',')
    }

    /// Over an object; `each` gets every key, with its quotes if it needs unescaping, and its value.
    pub(super) fn object<E: From<Fault>>(
        &mut self,
        depth: usize,
        mut each: impl FnMut(Value, Value) -> Result<(), E>,
    ) -> Result<(), E> {
        self.expect(b'{')?;
        if self.peek()? == b'}' {
            self.at += 1;
            return Ok(());
        }
        loop {
            if self.peek()? != b'"' {
                return Err(Fault::Unexpected { at: self.at }.into());
            }
            let key = self.string()?;
            self.expect(b':')?;
            let value = self.value(depth)?;
            each(key, value)?;
            if !self.goes_on(b'}')? {
                return Ok(());
            }
        }
    }

    /// Over an array; `each` gets every element.
    pub(super) fn array(&mut self, depth: usize, mut each: impl FnMut(Value)) -> Result<(), Fault> {
        self.expect(b'[')?;
        if self.peek()? == b']' {
            self.at += 1;
            return Ok(());
        }
        loop {
            each(self.value(depth)?);
            if !self.goes_on(b']')? {
                return Ok(());
            }
        }
    }

    /// Over any value.
    pub(super) fn value(&mut self, depth: usize) -> Result<Value, Fault> {
        let first = self.peek()?;
        let start = self.at;
        if depth > DEEPEST {
            return Err(Fault::TooDeep { at: start });
        }
        let kind = match first {
            b'"' => return self.string(),
            b'{' => {
                self.object(depth + 1, |_, _| Ok::<(), Fault>(()))?;
                Kind::Object
            }
            b'[' => {
                self.array(depth + 1, |_| ())?;
                Kind::Array
            }
            b't' => self.word(b"true", Kind::Boolean)?,
            b'f' => self.word(b"false", Kind::Boolean)?,
            b'n' => self.word(b"null", Kind::Null)?,
            b'-' | b'0'..=b'9' => self.number()?,
            _ => return Err(Fault::Unexpected { at: start }),
        };
        Ok(Value::new(start, self.at, kind))
    }

    fn word(&mut self, word: &[u8], kind: Kind) -> Result<Kind, Fault> {
        let rest = &self.text[self.at..];
        if rest.starts_with(word) {
            self.at += word.len();
            Ok(kind)
        } else if word.starts_with(rest) {
            Err(Fault::Unfinished)
        } else {
            Err(Fault::Unexpected { at: self.at })
        }
    }

    fn string(&mut self) -> Result<Value, Fault> {
        let open = self.at;
        let mut at = open + 1;
        let mut escaped = false;
        loop {
            let rest = self.text.get(at..).ok_or(Fault::Unfinished)?;
            at += memchr2(b'"', b'\\', rest).ok_or(Fault::Unfinished)?;
            if self.text[at] == b'"' {
                break;
            }
            escaped = true;
            at += 2;
        }
        self.at = at + 1;
        Ok(if escaped {
            Value::new(open, at + 1, Kind::EscapedString)
        } else {
            Value::new(open + 1, at, Kind::String)
        })
    }

    fn number(&mut self) -> Result<Kind, Fault> {
        if self.text[self.at] == b'-' {
            self.at += 1;
        }
        match self.text.get(self.at) {
            Some(b'0') => self.at += 1,
            _ => self.digits()?,
        }
        if self.text.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.text.get(self.at) {
            self.at += 1;
            if let Some(b'+' | b'-') = self.text.get(self.at) {
                self.at += 1;
            }
            self.digits()?;
        }
        match self.text.get(self.at) {
            Some(byte) if byte.is_ascii_alphanumeric() => Err(Fault::Unexpected { at: self.at }),
            _ => Ok(Kind::Number),
        }
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let rest = &self.text[self.at..];
        let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        self.at += count;
        match (count, rest.first()) {
            (0, None) => Err(Fault::Unfinished),
            (0, Some(_)) => Err(Fault::Unexpected { at: self.at }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(text: &str) -> Result<(Kind, usize), Fault> {
        let mut walk = Walk {
            text: text.as_bytes(),
            at: 0,
        };
        walk.value(0).map(|value| (value.kind, walk.at))
    }

    #[test]
    fn values_end_where_they_end() {
        assert_eq!(walk(" -1.5e+3 ,"), Ok((Kind::Number, 8)));
        assert_eq!(walk("{\"a\":[1,{}],\"b\":null}x"), Ok((Kind::Object, 21)));
        assert_eq!(walk("\"a\\\"b\""), Ok((Kind::EscapedString, 6)));
        assert_eq!(walk("[]"), Ok((Kind::Array, 2)));
        for wrong in [
            "01",
            "1.x",
            "nul!",
            "{1:2}",
            "[1 2]",
            "{\"a\" 1}",
            "[1,]",
            "+1",
            "1a",
            "-",
        ] {
            assert!(walk(wrong).is_err(), "{wrong}");
        }
        assert_eq!(walk("{\"a\":"), Err(Fault::Unfinished));
        assert_eq!(walk("tru"), Err(Fault::Unfinished));
        let deep = "[".repeat(200);
        assert_eq!(walk(&deep), Err(Fault::TooDeep { at: 129 }));
    }

    /// A program that reads JSON for a living says the same.
    #[test]
    fn agrees_with_another_reader() {
        for text in [
            "0",
            "-0",
            "-0.0e-1",
            "1e5",
            "1.",
            ".5",
            "1e",
            "{}",
            "{\"a\":{}}",
            "{\"a\":}",
            "[[]]",
            "[,]",
            "true",
            "falsee",
            "null",
            "\"x\"",
            "\"\\u0041\"",
            "{\"a\":1,}",
            "",
        ] {
            let other = serde_json::from_str::<serde_json::Value>(text).is_ok();
            let ours = walk(text).is_ok_and(|(_, end)| end == text.len());
            assert_eq!(ours, other, "{text}");
        }
    }
}
