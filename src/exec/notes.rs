//! What a running query notes for its author: rows that an ASSERT did not hold for.

use std::sync::{Mutex, PoisonError};

use super::operators::assert::Violations;
use crate::error::{Error, Span};

/// Notes of one query, added by its workers when they are done.
#[derive(Debug, Default)]
pub(crate) struct Notes(Mutex<Vec<Note>>);

#[derive(Debug)]
struct Note {
    text: String,
    place: Option<Span>,
    found: Violations,
}

impl Notes {
    /// Adds what one worker found of one assertion.
    pub(crate) fn violations(&self, text: &str, place: Option<Span>, found: Violations) {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = notes
            .iter_mut()
            .find(|note| note.text == text && note.place == place);
        match known {
            Some(note) => note.found.rows += found.rows,
            None => notes.push(Note {
                text: text.to_string(),
                place,
                found,
            }),
        }
    }

    /// One warning for each assertion.
    pub(crate) fn warnings(&self) -> Vec<Error> {
        let notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let warning = |note: &Note| {
            let (rows, first) = (note.found.rows, &note.found.first);
            let message = format!(
                "ASSERT {} did not hold for {rows} row{}, the first: {first}",
                note.text,
                if rows == 1 { "" } else { "s" }
            );
            let warning = Error::run("TW06", message);
            match note.place {
                Some(place) => warning.at(place),
                None => warning,
            }
        };
        notes.iter().map(warning).collect()
    }
}
