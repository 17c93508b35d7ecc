//! What a quoted text or name holds once its quotes, doubled quotes and escapes are read.

use super::lex::TextShape;
use crate::error::{Error, Span};

#[derive(Debug, PartialEq)]
pub(super) enum Decoded {
    Text(String),
    Bytes(Vec<u8>),
}

/// Reads one quoted text, prefix and quotes included. `at` is its place in the script.
pub(super) fn decode(
    written: &str,
    at: usize,
    double_quotes_are_strings: bool,
) -> Result<Decoded, Error> {
    let bug = || Error::bug("a text without quotes");
    let shape = TextShape::of(written.as_bytes(), double_quotes_are_strings).ok_or_else(bug)?;
    let inside = shape.open_length()..written.len().saturating_sub(shape.close_length());
    let start = at + inside.start;
    let content = written.get(inside).ok_or_else(bug)?;
    let mut reader = Reader {
        content,
        start,
        at: 0,
        shape,
        out: Vec::with_capacity(content.len()),
    };
    reader.read()?;
    if shape.bytes {
        return Ok(Decoded::Bytes(reader.out));
    }
    let text = String::from_utf8(reader.out).map_err(|_| Error::bug("a text that is not UTF-8"))?;
    Ok(Decoded::Text(text))
}

/// The name in backticks or double quotes, or the word as it is.
pub(super) fn decode_name(written: &str) -> (String, bool) {
    match written.as_bytes() {
        [quote @ (b'`' | b'"'), _, .., _] => {
            let quote = char::from(*quote);
            let inside = &written[1..written.len() - 1];
            let doubled: String = [quote, quote].iter().collect();
            (inside.replace(&doubled, &quote.to_string()), true)
        }
        _ => (written.to_string(), false),
    }
}

struct Reader<'t> {
    content: &'t str,
    start: usize,
    at: usize,
    shape: TextShape,
    out: Vec<u8>,
}

impl Reader<'_> {
    fn read(&mut self) -> Result<(), Error> {
        while let Some(&byte) = self.content.as_bytes().get(self.at) {
            if byte == b'\\' && self.shape.escapes {
                self.escape()?;
            } else {
                self.out.push(byte);
                // A quote inside stands there twice, except between tripled quotes.
                let doubled = byte == self.shape.quote && !self.shape.triple;
                self.at += if doubled { 2 } else { 1 };
            }
        }
        Ok(())
    }

    fn escape(&mut self) -> Result<(), Error> {
        let plain = match self.content.as_bytes().get(self.at + 1) {
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'r') => b'\r',
            Some(b'0') => 0,
            Some(quote @ (b'\\' | b'\'' | b'"')) => *quote,
            Some(b'x') => return self.code_point(2),
            Some(b'u') => return self.code_point(4),
            Some(b'U') => return self.code_point(8),
            _ => return Err(self.wrong("no such escape")),
        };
        self.out.push(plain);
        self.at += 2;
        Ok(())
    }

    fn code_point(&mut self, digits: usize) -> Result<(), Error> {
        let from = self.at + 2;
        let value = self
            .content
            .get(from..from + digits)
            .filter(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()))
            .and_then(|hex| u32::from_str_radix(hex, 16).ok())
            .ok_or_else(|| self.wrong(&format!("{digits} hexadecimal digits must follow")))?;
        match (self.shape.bytes, u8::try_from(value), char::from_u32(value)) {
            (true, Ok(byte), _) if digits == 2 => self.out.push(byte),
            (false, _, Some(c)) => self.out.extend(c.encode_utf8(&mut [0; 4]).bytes()),
            _ => return Err(self.wrong("no character has this number")),
        }
        self.at = from + digits;
        Ok(())
    }

    fn wrong(&self, why: &str) -> Error {
        let rest = &self.content[self.at..];
        let written: String = rest.chars().take(2).collect();
        let at = self.start + self.at;
        Error::input(
            "TM0104",
            format!("`{written}` is not an escape: {why}"),
            Span::new(at, at + written.len()),
        )
        .hint("escapes are \\n \\t \\r \\\\ \\' \\\" \\0 \\xhh \\uhhhh \\Uhhhhhhhh; in r'…' a backslash is itself")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(written: &str, strings: bool) -> String {
        match decode(written, 0, strings) {
            Ok(Decoded::Text(text)) => text,
            other => panic!("{written}: {other:?}"),
        }
    }

    #[test]
    fn texts() {
        assert_eq!(text("'it''s \\n'", false), "it's \\n");
        assert_eq!(text("''''", false), "'");
        assert_eq!(text("'''a\n'b''c'''", false), "a\n'b''c");
        assert_eq!(text("E'\\t\\x41\\u00e9\\U0001F600\\''", false), "\tAé😀'");
        assert_eq!(text("r'a\\'", false), "a\\");
        assert_eq!(text("\"a\\n'b\"", true), "a\n'b");
        let bytes = decode("b'\\xff\\n'", 0, false).unwrap();
        assert_eq!(bytes, Decoded::Bytes(vec![255, b'\n']));
    }

    #[test]
    fn wrong_escapes_have_their_place() {
        for written in ["E'ab\\q'", "E'ab\\x4'", "E'ab\\ud800'", "b'ab\\u0041'"] {
            let error = decode(written, 10, false).unwrap_err();
            assert_eq!(error.code(), "TM0104", "{written}");
            assert_eq!(error.span(), Some(Span::new(14, 16)), "{written}");
        }
    }

    #[test]
    fn names() {
        assert_eq!(decode_name("`a``b`"), ("a`b".to_string(), true));
        assert_eq!(decode_name("\"a\"\"b\""), ("a\"b".to_string(), true));
        assert_eq!(decode_name("ab"), ("ab".to_string(), false));
    }
}
