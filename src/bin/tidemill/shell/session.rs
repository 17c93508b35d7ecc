//! One sitting at the shell: what is typed, run on one engine.

use std::io::{self, Write};
use std::time::Instant;

use rustyline::error::ReadlineError;
use tidemill::{Engine, Error, ErrorKind, Outcome, ParamMap, Statement};

use super::commands::{self, Next};
use super::display::{self, Unshown};
use super::editor::{Editor, Last, is_command, whole_text};
use super::history::History;
use super::look::Look;
use crate::flags::Flags;
use crate::format::grouped;
use crate::interrupt::{self, is_interrupted};
use crate::progress::Watch;
use crate::report::{Text, complain, report, warn};
use crate::stop::Stop;

/// What stands before a line.
pub(super) const PROMPT: &str = "tidemill> ";

/// A shell between two lines.
pub(super) struct Session<'a> {
    flags: &'a Flags,
    pub(super) engine: Engine,
    params: ParamMap,
    pub(super) look: Look,
    last: Last,
    statements: usize,
}

impl<'a> Session<'a> {
    pub(super) fn new(flags: &'a Flags, engine: Engine, params: ParamMap, look: Look) -> Self {
        Session {
            flags,
            engine,
            params,
            look,
            last: Last::default(),
            statements: 0,
        }
    }

    /// Reads and runs lines until there are no more.
    pub(super) fn read(mut self, editor: &mut Editor, mut history: History) -> Result<(), Stop> {
        if let Some(typing) = editor.helper_mut() {
            typing.last = Last::clone(&self.last);
        }
        println!(
            "Tidemill {}. Type a query, \\? for help, Ctrl-D to leave.",
            env!("CARGO_PKG_VERSION")
        );
        let styled = self.look.paint.with("1;36", PROMPT.to_string());
        loop {
            match editor.readline(&(PROMPT, styled.as_str())) {
                Ok(line) if line.trim().is_empty() => {}
                Ok(line) => {
                    history.add(editor, line.trim_end());
                    if self.line(&line) == Next::Leave {
                        return Ok(());
                    }
                }
                // The line is gone, the shell is not.
                Err(ReadlineError::Interrupted) => {}
                Err(ReadlineError::Eof) => return Ok(()),
                Err(error) => return Err(Stop::Terminal(error.to_string())),
            }
        }
    }

    fn line(&mut self, line: &str) -> Next {
        interrupt::forget();
        if is_command(line) {
            return commands::run(self, line.trim());
        }
        let last = self.last.borrow().clone();
        if line.trim_start().starts_with("|>") && last.is_none() {
            self.complain("there is no query yet that `|>` could go on from");
            return Next::Prompt;
        }
        let (text, _) = whole_text(line, last.as_deref());
        self.text("query", &text);
        Next::Prompt
    }

    /// Runs the statements of a text up to the first that fails.
    pub(super) fn text(&mut self, name: &str, text: &str) {
        let text = Text {
            name: name.to_string(),
            text: text.trim_end().to_string(),
        };
        match self.engine.statements(&text.text) {
            Err(errors) => report(&Error::together(errors), &text, self.flags.error_format()),
            Ok(statements) => {
                for statement in &statements {
                    if !self.statement(statement, &text) {
                        return;
                    }
                }
            }
        }
    }

    /// Runs a statement of the shell's own, which no `|>` goes on from.
    pub(super) fn own(&mut self, text: &str) {
        let last = self.last.borrow().clone();
        self.text("query", text);
        *self.last.borrow_mut() = last;
    }

    /// The last query.
    pub(super) fn last(&self) -> Option<String> {
        let last = self.last.borrow().clone();
        if last.is_none() {
            self.complain("there is no query yet");
        }
        last
    }

    pub(super) fn complain(&self, message: &str) {
        complain(None, message, self.flags.error_format());
    }

    /// Whether it ran to its end.
    fn statement(&mut self, statement: &Statement, text: &Text) -> bool {
        let started = Instant::now();
        self.statements += 1;
        let watch = Watch::begin(
            &self.engine,
            self.flags.settings.telling.progress,
            self.statements,
        );
        let shown = match self.engine.run(statement, &self.params) {
            Ok(outcome) => self.outcome(outcome, text, &watch),
            Err(error) => {
                watch.aside(|| self.failed(&error, text));
                None
            }
        };
        watch.end(shown.is_some());
        if self.look.timing {
            println!("Time: {:.1} ms", started.elapsed().as_secs_f64() * 1e3);
        }
        let steps = statement.steps().len();
        // A pipe goes on from the rows that were drawn, and not from the end of their query.
        let left = match shown {
            Some(Shown::Rows) => Some(steps),
            Some(Shown::Chart) => steps.checked_sub(1),
            Some(Shown::Nothing) | None => None,
        };
        if let Some(left) = left
            && let Ok(query) = statement.prefix(left)
        {
            *self.last.borrow_mut() = Some(query.text().to_string());
        }
        shown.is_some()
    }

    /// What was shown; `None` where something failed, which is then said.
    fn outcome(&mut self, outcome: Outcome, text: &Text, watch: &Watch) -> Option<Shown> {
        let format = self.flags.error_format();
        match outcome {
            Outcome::Several(outcomes) => {
                let mut shown = Shown::Nothing;
                for outcome in outcomes {
                    if self.outcome(outcome, text, watch)? != Shown::Nothing {
                        shown = Shown::Rows;
                    }
                }
                Some(shown)
            }
            Outcome::Rows(mut rows) => {
                watch.aside(|| warn(rows.warnings(), text, format));
                let shown = match rows.chart() {
                    Some(_) => Shown::Chart,
                    None => Shown::Rows,
                };
                match display::show(&mut rows, &self.look, watch) {
                    Ok(()) => {
                        warn(&rows.notes(), text, format);
                        Some(shown)
                    }
                    Err(Unshown::Query(error)) => {
                        watch.aside(|| self.failed(&error, text));
                        None
                    }
                    Err(Unshown::Undrawn(reason)) => {
                        watch.aside(|| self.complain(&format!("no chart: {reason}")));
                        None
                    }
                    Err(Unshown::Output(error)) => {
                        let message = format!("the result cannot be shown: {error}");
                        watch.aside(|| self.complain(&message));
                        None
                    }
                }
            }
            Outcome::Done(summary) => {
                watch.aside(|| warn(&summary.warnings, text, format));
                let plural = if summary.rows == 1 { "row" } else { "rows" };
                watch.aside(|| println!("Done: {} {plural}", grouped(summary.rows)));
                Some(Shown::Nothing)
            }
            _ => Some(Shown::Nothing),
        }
    }

    fn failed(&self, error: &Error, text: &Text) {
        if is_interrupted() && error.kind() == ErrorKind::Cancelled {
            // Over the `^C` that the terminal wrote.
            let mut out = io::stderr().lock();
            let _ = writeln!(out, "\rcancelled").and_then(|()| out.flush());
            return;
        }
        report(error, text, self.flags.error_format());
    }
}

/// What a statement put on the screen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    Rows,
    /// The rows of a query that ends in PLOT.
    Chart,
    Nothing,
}
