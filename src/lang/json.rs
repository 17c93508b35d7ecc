//! The syntax tree as JSON, for programs in other languages.
//!
//! `{"version": 1, "statements": […]}`, a statement on each line. What can be several things says which one it is in `node` and holds
//! its parts in `of`; a place is `{"start", "end", "line", "column"}`: bytes from 0, lines and characters from 1. What was not written
//! is `null` or an empty list, so that every node of a kind has the same members.

use std::cell::RefCell;
use std::rc::Rc;

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use super::ast::{Ident, Script};
use crate::error::{Error, Result, Span};

/// Rises when a member changes its meaning or goes away.
const VERSION: u32 = 1;

thread_local! {
    /// Of the text whose tree is being written. serde gives a node's writer nothing but the node.
    static LINES: RefCell<Rc<Lines>> = RefCell::default();
}

/// The tree of `text`.
pub(crate) fn json(script: &Script, text: &str) -> Result<String> {
    LINES.set(Rc::new(Lines::of(text)));
    let written = statements(script);
    LINES.take();
    written.map_err(unwritten)
}

fn statements(script: &Script) -> serde_json::Result<String> {
    let mut out = format!("{{\"version\": {VERSION}, \"statements\": [").into_bytes();
    for (index, statement) in script.statements.iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"\n" } else { b",\n" });
        serde_json::to_writer(&mut out, statement)?;
    }
    out.extend_from_slice(b"\n]}\n");
    Ok(String::from_utf8_lossy(&out).into_owned())
}

/// The tree without its places: two texts that mean the same have the same shape.
pub(crate) fn shape(script: &Script) -> Result<String> {
    statements(script).map_err(unwritten)
}

fn unwritten(error: serde_json::Error) -> Error {
    Error::bug(format!("the syntax tree cannot be written: {error}"))
}

/// A place with its line and column.
pub(super) fn place<S: Serializer>(
    span: &Span,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    let lines = LINES.with_borrow(Rc::clone);
    if lines.starts.is_empty() {
        return serializer.serialize_unit();
    }
    let (line, column) = lines.place(span.start);
    let mut object = serializer.serialize_struct("Span", 4)?;
    object.serialize_field("start", &span.start)?;
    object.serialize_field("end", &span.end)?;
    object.serialize_field("line", &line)?;
    object.serialize_field("column", &column)?;
    object.end()
}

/// `WITH OFFSET` without a name is not the same as nothing.
pub(super) fn with_offset<S: Serializer>(
    offset: &Option<Option<Ident>>,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct WithOffset<'a> {
        alias: &'a Option<Ident>,
    }
    match offset {
        None => serializer.serialize_none(),
        Some(alias) => WithOffset { alias }.serialize(serializer),
    }
}

/// Where the lines of a text begin, and how many characters stand before each block of it.
#[derive(Default)]
struct Lines {
    text: String,
    starts: Vec<usize>,
    /// Characters before byte `n * BLOCK`.
    characters: Vec<usize>,
}

const BLOCK: usize = 128;

impl Lines {
    fn of(text: &str) -> Self {
        let mut starts = vec![0];
        starts.extend(memchr::memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1));
        let (mut characters, mut count) = (Vec::with_capacity(text.len() / BLOCK + 1), 0);
        for block in text.as_bytes().chunks(BLOCK) {
            characters.push(count);
            count += begun(block);
        }
        characters.push(count);
        Lines {
            text: text.to_string(),
            starts,
            characters,
        }
    }

    /// Line and column of a byte, both from 1.
    fn place(&self, at: usize) -> (usize, usize) {
        let line = self.starts.partition_point(|start| *start <= at);
        let start = self
            .starts
            .get(line.saturating_sub(1))
            .copied()
            .unwrap_or(0);
        (line.max(1), self.before(at) - self.before(start) + 1)
    }

    fn before(&self, at: usize) -> usize {
        let at = at.min(self.text.len());
        let block = at / BLOCK;
        let rest = self.text.as_bytes().get(block * BLOCK..at).unwrap_or(&[]);
        self.characters.get(block).copied().unwrap_or(0) + begun(rest)
    }
}

/// How many characters begin in these bytes.
fn begun(bytes: &[u8]) -> usize {
    bytes.iter().filter(|byte| **byte & 0xC0 != 0x80).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lang::{Options, parse_with};

    fn tree(text: &str) -> serde_json::Value {
        let script = parse_with(text, Options::default()).unwrap();
        serde_json::from_str(&json(&script, text).unwrap()).unwrap()
    }

    #[test]
    fn places_count_characters() {
        let text = format!("-- é\nFROM 'ü' |> WHERE '{}' = a", "ß".repeat(200));
        let lines = Lines::of(&text);
        for (at, _) in text.char_indices() {
            let before = &text[..at];
            let line = before.matches('\n').count() + 1;
            let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
            assert_eq!(lines.place(at), (line, column));
        }
    }

    #[test]
    fn a_node_says_what_it_is() {
        let tree = tree("FROM t\n|> WHERE a + 1 > 2");
        let pipe = &tree["statements"][0]["of"]["pipes"][0];
        assert_eq!(pipe["node"], "where");
        assert_eq!(pipe["of"]["node"], "binary");
        assert_eq!(pipe["of"]["of"]["op"], ">");
        let keyword = serde_json::json!({"start": 10, "end": 15, "line": 2, "column": 4});
        assert_eq!(pipe["keyword"], keyword);
    }

    #[test]
    fn an_offset_without_a_name_is_not_nothing() {
        let offset = |text: &str| {
            let tree = tree(text);
            tree["statements"][0]["of"]["body"]["of"][0]["table"]["with_offset"].clone()
        };
        assert_eq!(offset("FROM UNNEST(x) AS y"), serde_json::Value::Null);
        assert_eq!(
            offset("FROM UNNEST(x) AS y WITH OFFSET"),
            serde_json::json!({"alias": null})
        );
    }
}
