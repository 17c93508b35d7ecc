//! What happens while one types: colours, completion, and what Enter does.

mod complete;
mod enter;
mod list;

use std::borrow::Cow;
use std::cell::RefCell;
use std::rc::Rc;

use rustyline::completion::Completer;
use rustyline::config::{BellStyle, ColorMode, CompletionType};
use rustyline::highlight::{CmdKind, Highlighter};
use rustyline::hint::{Hinter, HistoryHinter};
use rustyline::history::FileHistory;
use rustyline::line_buffer::LineBuffer;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Changeset, Config, Context, Helper};
use tidemill::{Engine, SyntaxClass};

use super::history::ENTRIES_MAX;
use crate::format::Paint;
use complete::{Choice, Completions};

pub(super) type Editor = rustyline::Editor<Typing, FileHistory>;

/// The last query that was run: a line that begins with `|>` goes on from it.
pub(super) type Last = Rc<RefCell<Option<String>>>;

/// An editor for texts of the engine's language.
pub(super) fn editor(engine: &Engine) -> rustyline::Result<Editor> {
    let paint = Paint::of_stdout();
    let colours = match paint.is_on() {
        true => ColorMode::Enabled,
        false => ColorMode::Disabled,
    };
    let config = Config::builder()
        .max_history_size(ENTRIES_MAX)?
        .history_ignore_space(true)
        .completion_type(CompletionType::List)
        .completion_show_all_if_ambiguous(true)
        .bell_style(BellStyle::None)
        .color_mode(colours)
        .tab_stop(4)
        .build();
    let mut editor = Editor::with_config(config)?;
    editor.set_helper(Some(Typing {
        engine: engine.clone(),
        last: Last::default(),
        completions: Completions::default(),
        hints: HistoryHinter::new(),
        paint,
    }));
    Ok(editor)
}

/// The text that a line stands for: one that begins with `|>` goes on from the last query. How many bytes stand before the line.
pub(super) fn whole_text<'t>(line: &'t str, last: Option<&str>) -> (Cow<'t, str>, usize) {
    match last.filter(|_| line.trim_start().starts_with("|>")) {
        Some(last) => (Cow::Owned(format!("{last}\n{line}")), last.len() + 1),
        None => (Cow::Borrowed(line), 0),
    }
}

/// Whether a line is for the shell itself.
pub(super) fn is_command(line: &str) -> bool {
    line.trim_start().starts_with('\\')
}

/// Looks over the shoulder of who types.
pub(super) struct Typing {
    engine: Engine,
    pub(super) last: Last,
    completions: Completions,
    hints: HistoryHinter,
    paint: Paint,
}

impl Helper for Typing {}

impl Completer for Typing {
    type Candidate = Choice;

    fn complete(
        &self,
        line: &str,
        at: usize,
        _context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Choice>)> {
        let last = self.last.borrow();
        Ok(self.completions.at(&self.engine, line, at, last.as_deref()))
    }

    fn update(&self, line: &mut LineBuffer, start: usize, chosen: &str, changes: &mut Changeset) {
        let end = self.completions.end_of(chosen, line.pos(), line.len());
        line.replace(start..end, chosen, changes);
    }
}

impl Hinter for Typing {
    type Hint = String;

    fn hint(&self, line: &str, at: usize, context: &Context<'_>) -> Option<String> {
        // Without colours a hint looks like what was typed.
        let hint = self
            .paint
            .is_on()
            .then(|| self.hints.hint(line, at, context))??;
        // What has several lines would move the screen at every key.
        (!hint.contains('\n')).then_some(hint)
    }
}

impl Validator for Typing {
    fn validate(&self, context: &mut ValidationContext) -> rustyline::Result<ValidationResult> {
        let last = self.last.borrow();
        let runs = enter::runs(&self.engine, context.input(), last.as_deref());
        Ok(match runs {
            true => ValidationResult::Valid(None),
            false => ValidationResult::Incomplete,
        })
    }
}

impl Highlighter for Typing {
    fn highlight<'l>(&self, line: &'l str, _at: usize) -> Cow<'l, str> {
        if is_command(line) || !self.paint.is_on() {
            return Cow::Borrowed(line);
        }
        let mut shown = String::with_capacity(2 * line.len());
        let mut end = 0;
        for part in self.engine.syntax().parts(line) {
            shown += line.get(end..part.span.start).unwrap_or_default();
            let text = line.get(part.span.start..part.span.end).unwrap_or_default();
            shown += &match colour(part.class, text) {
                Some(code) => self.paint.with(code, text.to_string()),
                None => text.to_string(),
            };
            end = part.span.end;
        }
        shown += line.get(end..).unwrap_or_default();
        Cow::Owned(shown)
    }

    fn highlight_hint<'h>(&self, hint: &'h str) -> Cow<'h, str> {
        Cow::Owned(self.paint.faint(hint))
    }

    fn highlight_char(&self, line: &str, _at: usize, kind: CmdKind) -> bool {
        kind != CmdKind::MoveCursor && !line.is_empty()
    }
}

/// The SGR code of a part.
fn colour(class: SyntaxClass, text: &str) -> Option<&'static str> {
    match class {
        SyntaxClass::Keyword => Some("1;34"),
        SyntaxClass::Pipe => Some("1;35"),
        SyntaxClass::Function => Some("36"),
        SyntaxClass::Text => Some("32"),
        SyntaxClass::Number => Some("33"),
        SyntaxClass::Parameter => Some("35"),
        SyntaxClass::Comment => Some("2"),
        // A text is not wrong because its end is still to come.
        SyntaxClass::Unreadable if text.starts_with(['\'', '"']) => Some("32"),
        SyntaxClass::Unreadable if text.starts_with("/*") => Some("2"),
        SyntaxClass::Unreadable => Some("31"),
        _ => None,
    }
}
