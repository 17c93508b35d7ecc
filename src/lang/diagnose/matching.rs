//! Mistakes inside of MATCH_RECOGNIZE.

use super::place::Place;
use crate::lang::lex::{Token, TokenKind};
use crate::lang::parse::Source;

/// Words that begin its clauses, in the order of the clauses.
const CLAUSES: &[&str] = &[
    "PARTITION",
    "ORDER",
    "MEASURES",
    "AFTER",
    "PATTERN",
    "DEFINE",
    "OPTIONS",
];

impl Place {
    /// A clause in the wrong place.
    pub(super) fn mistaken_clause(
        &self,
        source: &Source,
        here: &Token,
    ) -> Option<(&'static str, &'static str)> {
        let is = |word: &str| here.is_word(source.text, word);
        if !CLAUSES.iter().any(|word| is(word)) {
            return None;
        }
        let before = self.match_clause(source)?;
        if before.is_word(source.text, "MEASURES") && (is("AFTER") || is("PATTERN")) {
            return Some(("a measure needs a name", "write AS and a name before this"));
        }
        Some((
            "this clause of MATCH_RECOGNIZE does not stand here",
            "the order is PARTITION BY, ORDER BY, MEASURES, AFTER MATCH SKIP, PATTERN, DEFINE, OPTIONS",
        ))
    }

    /// Whether the place is in a pattern of rows.
    pub(super) fn in_row_pattern(&self, source: &Source) -> bool {
        let openers: Vec<usize> = self.openers().collect();
        openers.windows(2).any(|pair| {
            self.follows(source, pair[0], "PATTERN")
                && self.follows(source, pair[1], "MATCH_RECOGNIZE")
        })
    }

    /// The clause that began last, where the place is directly in the brackets of MATCH_RECOGNIZE.
    fn match_clause(&self, source: &Source) -> Option<Token> {
        let opener = self.openers().next()?;
        if !self.follows(source, opener, "MATCH_RECOGNIZE") {
            return None;
        }
        let mut depth = 0;
        let inside = self.before.iter().skip(opener + 1).rev();
        let mut direct = inside.filter(|token| {
            match token.kind {
                TokenKind::Close => depth += 1,
                TokenKind::Open => depth -= 1,
                _ => {}
            }
            depth == 0
        });
        direct
            .find(|token| CLAUSES.iter().any(|word| token.is_word(source.text, word)))
            .copied()
    }

    /// The brackets around the place, the innermost first.
    fn openers(&self) -> impl Iterator<Item = usize> {
        let mut closed = 0;
        let tokens = self.before.iter().enumerate().rev();
        tokens.filter_map(move |(place, token)| match token.kind {
            TokenKind::Close => {
                closed += 1;
                None
            }
            TokenKind::Open if closed > 0 => {
                closed -= 1;
                None
            }
            TokenKind::Open => Some(place),
            _ => None,
        })
    }

    fn follows(&self, source: &Source, place: usize, word: &str) -> bool {
        let before = place
            .checked_sub(1)
            .and_then(|place| self.before.get(place));
        before.is_some_and(|before| before.is_word(source.text, word))
    }
}
