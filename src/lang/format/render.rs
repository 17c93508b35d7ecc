//! From items to lines: which boxes fit, where lines end.

use super::layout::{Item, Kind};
use super::tokens::{Comment, Tokens};
use crate::lang::lex::TokenKind;

/// The text so far, and where its last line stands.
pub(super) struct Page {
    out: String,
    width: usize,
    column: usize,
    /// Of the line that is being written.
    indent: usize,
    /// The next thing begins a line that stands so far right.
    pending: Option<usize>,
    /// A comment ended the line.
    broken_off: bool,
    /// Statements of a block begin: no empty line goes before the first.
    block_begins: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    /// All on one line, and so is everything inside.
    Flat,
    Broken,
    /// Its own breaks are none; boxes inside choose for themselves.
    Open,
}

/// How long a stretch of items is on one line. Sums up to each item, so that any stretch is known at once.
struct Measures {
    widths: Vec<usize>,
    lines: Vec<usize>,
    /// The width from an item up to where a line may end.
    tails: Vec<usize>,
    /// Where a box ends.
    ends: Vec<usize>,
    /// Of a box that ends with another box: where that begins.
    lasts: Vec<Option<usize>>,
}

impl Measures {
    fn of(tokens: &Tokens, items: &[Item]) -> Self {
        let mut measures = Measures {
            widths: vec![0],
            lines: vec![0],
            tails: vec![0; items.len() + 1],
            ends: vec![0; items.len()],
            lasts: vec![None; items.len()],
        };
        let (mut width, mut lines, mut open) = (0, 0, Vec::new());
        // The box that ended right before.
        let mut ended = None;
        for (at, item) in items.iter().enumerate() {
            width += width_of(tokens, *item);
            lines += usize::from(is_line(tokens, *item));
            match item {
                Item::Begin(..) => open.push(at),
                Item::End => {
                    if let Some(begin) = open.pop() {
                        measures.ends[begin] = at;
                        measures.lasts[begin] = ended.take();
                        ended = Some(begin);
                    }
                }
                _ => {}
            }
            if *item != Item::End {
                ended = None;
            }
            measures.widths.push(width);
            measures.lines.push(lines);
        }
        for (at, item) in items.iter().enumerate().rev() {
            let stops = *item == Item::Break || is_line(tokens, *item);
            measures.tails[at] = if stops {
                0
            } else {
                width_of(tokens, *item) + measures.tails[at + 1]
            };
        }
        measures
    }
}

fn comment<'a>(tokens: &'a Tokens, item: Item) -> Option<&'a Comment> {
    match item {
        Item::Leading(at, number) => tokens.list.get(at)?.leading.get(number),
        Item::Trailing(at, number) => tokens.list.get(at)?.trailing.get(number),
        _ => None,
    }
}

fn is_line(tokens: &Tokens, item: Item) -> bool {
    item == Item::Line || comment(tokens, item).is_some_and(Comment::breaks)
}

fn width_of(tokens: &Tokens, item: Item) -> usize {
    match item {
        Item::Token(at) => {
            let first = tokens.written(at).lines().next().unwrap_or("");
            first.chars().count() + usize::from(blank_before(tokens, at))
        }
        _ => match comment(tokens, item) {
            Some(comment) if !comment.breaks() => comment.text.chars().count() + 1,
            _ => 0,
        },
    }
}

/// Whether a blank stands between a token and what is before it on its line.
fn blank_before(tokens: &Tokens, at: usize) -> bool {
    let Some(token) = tokens.list.get(at) else {
        return false;
    };
    let before = at.checked_sub(1).and_then(|before| tokens.list.get(before));
    let closes =
        token.kind == TokenKind::Close || token.kind == TokenKind::Semicolon || tokens.is(at, ",");
    if closes {
        return false;
    }
    match before {
        Some(before) if !before.trailing.is_empty() => true,
        Some(before) => {
            !token.marks.tight && !matches!(before.kind, TokenKind::Open | TokenKind::Hint)
        }
        None => false,
    }
}

impl Page {
    pub fn new(width: usize) -> Self {
        Page {
            out: String::new(),
            width,
            column: 0,
            indent: 0,
            pending: None,
            broken_off: false,
            block_begins: true,
        }
    }

    pub fn finish(mut self) -> String {
        self.end_line();
        self.out
    }

    pub fn end_line(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with('\n') {
            self.out.push('\n');
        }
        (self.pending, self.broken_off, self.column) = (None, false, 0);
    }

    pub fn begin_block(&mut self) {
        self.block_begins = true;
    }

    /// One empty line, but none before anything else.
    pub fn empty_line(&mut self) {
        if !self.block_begins && !self.out.ends_with("\n\n") {
            self.out.push('\n');
        }
    }

    /// Comments between statements.
    pub fn own_lines(&mut self, comments: &[Comment], indent: usize) {
        for comment in comments {
            self.end_line();
            if comment.blank_before {
                self.empty_line();
            }
            self.out.extend(std::iter::repeat_n(' ', indent));
            self.out += &comment.text;
            self.end_line();
            self.block_begins = false;
        }
    }

    /// A token that no box holds, right behind what is before it.
    pub fn print_token(&mut self, tokens: &Tokens, at: usize) {
        self.out += tokens.written(at);
        if let Some(token) = tokens.list.get(at) {
            for comment in &token.trailing {
                self.behind(comment);
            }
        }
    }

    /// Writes a statement that begins a line.
    pub fn print(&mut self, tokens: &Tokens, items: &[Item], indent: usize) {
        let measures = Measures::of(tokens, items);
        self.block_begins = false;
        self.pending = Some(indent);
        let mut boxes = vec![(indent, Mode::Broken)];
        for (at, item) in items.iter().enumerate() {
            let (indent, mode) = boxes.last().copied().unwrap_or((indent, Mode::Broken));
            match *item {
                Item::Begin(kind, more) => {
                    let indent = more.map_or(indent, |more| self.line_indent(indent) + more);
                    let mode = self.mode(kind, mode, &measures, at);
                    boxes.push((indent, mode));
                }
                Item::End => {
                    boxes.pop();
                }
                Item::Break if mode != Mode::Broken => {}
                Item::Break | Item::Line => self.pending = Some(indent),
                Item::Token(token) => {
                    let upper = tokens
                        .list
                        .get(token)
                        .is_some_and(|token| token.marks.upper);
                    let written = tokens.written(token);
                    let blank = blank_before(tokens, token);
                    if upper {
                        self.put(&written.to_ascii_uppercase(), blank, indent);
                    } else {
                        self.put(written, blank, indent);
                    }
                }
                Item::Leading(..) => {
                    if let Some(comment) = comment(tokens, *item) {
                        self.above(comment, indent);
                    }
                }
                Item::Trailing(..) => {
                    if let Some(comment) = comment(tokens, *item) {
                        self.behind(comment);
                    }
                }
            }
        }
    }

    fn mode(&self, kind: Kind, outer: Mode, measures: &Measures, at: usize) -> Mode {
        if kind == Kind::Inherit || outer == Mode::Flat {
            return outer;
        }
        let end = measures.ends[at];
        let holds_lines = measures.lines[end] > measures.lines[at];
        let width = measures.widths[end] - measures.widths[at] + measures.tails[end];
        let column = self.pending.unwrap_or(self.column);
        match (holds_lines, kind) {
            (true, Kind::Hug) => Mode::Open,
            (true, _) => Mode::Broken,
            (false, _) if column + width <= self.width => Mode::Flat,
            (false, Kind::Hug) => self.open_at_end(measures, at, column),
            (false, _) => Mode::Broken,
        }
    }

    /// A box too wide stays as it is when it is enough that the box at its end breaks.
    fn open_at_end(&self, measures: &Measures, at: usize, column: usize) -> Mode {
        let fits = measures.lasts[at].is_some_and(|last| {
            let head = measures.widths[last] - measures.widths[at];
            column + head + measures.tails[last] <= self.width
        });
        if fits { Mode::Open } else { Mode::Broken }
    }

    /// How far right the line begins that a box begins on.
    fn line_indent(&self, indent: usize) -> usize {
        match self.pending {
            Some(pending) => pending,
            None if self.broken_off => indent,
            None => self.indent,
        }
    }

    fn put(&mut self, text: &str, blank: bool, indent: usize) {
        if !self.begin_line(indent) && blank {
            self.out.push(' ');
            self.column += 1;
        }
        self.out += text;
        match text.rfind('\n') {
            Some(end) => self.column = text[end + 1..].chars().count(),
            None => self.column += text.chars().count(),
        }
    }

    /// Begins a line if one is due; whether the line is empty.
    fn begin_line(&mut self, indent: usize) -> bool {
        let due = self.pending.take();
        if due.is_none() && !self.broken_off {
            return false;
        }
        let indent = due.unwrap_or(indent);
        if !self.out.is_empty() && !self.out.ends_with('\n') {
            self.out.push('\n');
        }
        self.out.extend(std::iter::repeat_n(' ', indent));
        (self.broken_off, self.indent, self.column) = (false, indent, indent);
        true
    }

    /// A comment on a line of its own.
    fn above(&mut self, comment: &Comment, indent: usize) {
        let indent = self.pending.unwrap_or(indent);
        self.pending = Some(indent);
        self.put(&comment.text, false, indent);
        self.pending = Some(indent);
    }

    fn behind(&mut self, comment: &Comment) {
        self.out.push(' ');
        self.column += 1;
        self.out += &comment.text;
        self.column += comment.text.chars().count();
        self.broken_off = comment.breaks();
    }
}
