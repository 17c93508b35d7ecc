//! Places: bytes of a text, and lines with UTF-16 units in them, as the protocol counts.

use lsp_types::{Position, Range};
use tidemill::Span;

/// Where the lines of a text begin.
#[derive(Debug)]
pub(super) struct Lines<'t> {
    text: &'t str,
    starts: Vec<usize>,
}

impl<'t> Lines<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        let bytes = text.as_bytes();
        let ends = bytes.iter().enumerate().filter(|(at, byte)| match byte {
            b'\n' => true,
            b'\r' => bytes.get(at + 1) != Some(&b'\n'),
            _ => false,
        });
        let starts = std::iter::once(0).chain(ends.map(|(at, _)| at + 1));
        Lines {
            text,
            starts: starts.collect(),
        }
    }

    pub(super) fn position(&self, byte: usize) -> Position {
        let byte = self.text.floor_char_boundary(byte.min(self.text.len()));
        let line = self
            .starts
            .partition_point(|start| *start <= byte)
            .saturating_sub(1);
        let start = self.starts.get(line).copied().unwrap_or(0);
        let before = self.text.get(start..byte).unwrap_or_default();
        let units = before.encode_utf16().count();
        Position::new(
            u32::try_from(line).unwrap_or(u32::MAX),
            u32::try_from(units).unwrap_or(u32::MAX),
        )
    }

    pub(super) fn range(&self, span: Span) -> Range {
        Range::new(self.position(span.start), self.position(span.end))
    }

    /// The byte of a position; one behind the end of its line is that end.
    pub(super) fn byte(&self, position: Position) -> usize {
        let line = usize::try_from(position.line).unwrap_or(usize::MAX);
        let Some(start) = self.starts.get(line).copied() else {
            return self.text.len();
        };
        let next = line.checked_add(1).and_then(|next| self.starts.get(next));
        let end = next.copied().unwrap_or(self.text.len());
        let line = self.text.get(start..end).unwrap_or_default();
        let line = line.trim_end_matches(['\n', '\r']);
        let wanted = usize::try_from(position.character).unwrap_or(usize::MAX);
        let mut units = 0;
        for (at, character) in line.char_indices() {
            if units >= wanted {
                return start + at;
            }
            units += character.len_utf16();
        }
        start + line.len()
    }

    /// The whole text.
    pub(super) fn whole(&self) -> Range {
        self.range(Span::new(0, self.text.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_count_utf_16_units() {
        let text = "a𝄞é\r\nxy\rz\n";
        let lines = Lines::of(text);
        let places = [
            (0, 0, 0),
            (1, 0, 1),
            (5, 0, 3),
            (7, 0, 4),
            (9, 1, 0),
            (11, 1, 2),
            (12, 2, 0),
            (14, 3, 0),
        ];
        for (byte, line, character) in places {
            let position = Position::new(line, character);
            assert_eq!(lines.position(byte), position, "{byte}");
            assert_eq!(lines.byte(position), byte, "{line}:{character}");
        }
        assert_eq!(lines.byte(Position::new(0, 99)), 7);
        assert_eq!(lines.byte(Position::new(9, 0)), text.len());
        // The middle of a character is before the next one.
        assert_eq!(lines.byte(Position::new(0, 2)), 5);
    }
}
