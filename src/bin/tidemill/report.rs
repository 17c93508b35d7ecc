//! Errors for people and for programs, on standard error.

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use serde_json::json;
use tidemill::{Error, ReadCounts, Span};

use crate::flags::ErrorFormat;

/// A text that statements came from, and what to call it.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// Says an error, and what else it knows to be wrong with the text.
pub(crate) fn report(error: &Error, text: &Text, format: ErrorFormat) {
    say(error.all(), text, format, Severity::Error);
    if error.more() > 0 {
        let message = format!("and {} more errors", error.more());
        match format {
            ErrorFormat::Json => eprintln!("{}", json!({"severity": "error", "message": message})),
            ErrorFormat::Text => anstream::eprintln!("{message}"),
        }
    }
}

/// Says what an author should know of a statement that runs all the same.
pub(crate) fn warn(warnings: &[Error], text: &Text, format: ErrorFormat) {
    say(warnings.iter(), text, format, Severity::Warning);
}

/// Says how many rows of text files a statement read, and what became of them.
pub(crate) fn say_read(read: &ReadCounts, format: ErrorFormat) {
    let ReadCounts {
        read,
        returned,
        filtered,
        rejected,
        nulled,
        ..
    } = read;
    match format {
        ErrorFormat::Json => eprintln!(
            "{}",
            json!({"severity": "note", "rows": {"read": read, "returned": returned, "filtered": filtered,
                "rejected": rejected}, "values_nulled": nulled})
        ),
        ErrorFormat::Text => anstream::eprintln!(
            "Read {read} rows: {returned} returned, {filtered} filtered out, {rejected} rejected; {nulled} values became NULL"
        ),
    }
}

/// Says every error on a line of its own that begins with `file:line:column: `, as compilers do; what helps follows it.
pub(crate) fn list(errors: &[Error], text: &Text, format: ErrorFormat) {
    say_in_lines(errors, text, format, Severity::Error);
}

/// The same for warnings.
pub(crate) fn list_warnings(warnings: &[Error], text: &Text, format: ErrorFormat) {
    say_in_lines(warnings, text, format, Severity::Warning);
}

fn say_in_lines(errors: &[Error], text: &Text, format: ErrorFormat, severity: Severity) {
    for error in errors {
        match format {
            ErrorFormat::Json => eprintln!("{}", as_json(error, text, severity)),
            ErrorFormat::Text => {
                let (line, column) = error.span().unwrap_or_default().line_and_column(&text.text);
                let shown = error.to_string();
                let shown = match severity {
                    Severity::Error => shown,
                    Severity::Warning => shown.replacen("error", "warning", 1),
                };
                anstream::eprintln!("{}:{line}:{column}: {shown}", text.name);
            }
        }
    }
}

/// Says what stops the program outside of any text.
pub(crate) fn complain(code: Option<&str>, message: &str, format: ErrorFormat) {
    match (format, code) {
        (ErrorFormat::Json, code) => {
            let object = json!({"severity": "error", "code": code, "message": message});
            eprintln!("{object}");
        }
        (ErrorFormat::Text, Some(code)) => anstream::eprintln!("error[{code}]: {message}"),
        (ErrorFormat::Text, None) => anstream::eprintln!("error: {message}"),
    }
}

#[derive(Clone, Copy)]
enum Severity {
    Error,
    Warning,
}

fn say<'e>(
    errors: impl Iterator<Item = &'e Error>,
    text: &Text,
    format: ErrorFormat,
    severity: Severity,
) {
    for error in errors {
        match format {
            ErrorFormat::Json => eprintln!("{}", as_json(error, text, severity)),
            ErrorFormat::Text => anstream::eprintln!("{}", as_text(error, text, severity)),
        }
    }
}

fn as_text(error: &Error, text: &Text, severity: Severity) -> String {
    let mut message = error.message().to_string();
    if let Some(place) = error.place() {
        message += &format!(" ({place})");
    }
    if let Some(context) = error.context() {
        message += &format!(" ({context})");
    }
    let level = match severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level.primary_title(message).id(error.code());
    let notes = error.notes().iter().map(|(kind, note)| match *kind {
        "hint" => Level::HELP.with_name("hint").message(note.clone()),
        kind => Level::NOTE.with_name(kind).message(note.clone()),
    });
    let group = match error.span() {
        // A huge text is not repeated to show a caret in it.
        Some(span) if text.text.len() <= SNIPPET_BYTES => title.element(snippet(error, span, text)),
        _ => Group::with_title(title)
            .elements(error.span_label().map(|label| Level::NOTE.message(label))),
    };
    Renderer::styled().render(&[group.elements(notes)])
}

/// Bytes of a text up to which errors show a piece of it.
const SNIPPET_BYTES: usize = 1 << 20;

fn snippet<'a>(
    error: &'a Error,
    span: Span,
    text: &'a Text,
) -> Snippet<'a, annotate_snippets::Annotation<'a>> {
    let primary = AnnotationKind::Primary.span(within(span, &text.text));
    let primary = match error.span_label() {
        Some(label) => primary.label(label),
        None => primary,
    };
    let others = error.labels().iter().map(|label| {
        AnnotationKind::Context
            .span(within(label.span, &text.text))
            .label(label.text.as_str())
    });
    Snippet::source(text.text.as_str())
        .path(text.name.as_str())
        .fold(true)
        .annotation(primary)
        .annotations(others)
}

/// The span inside the text, on character boundaries.
fn within(span: Span, text: &str) -> std::ops::Range<usize> {
    let start = text.floor_char_boundary(span.start.min(text.len()));
    let end = text.ceil_char_boundary(span.end.clamp(start, text.len()));
    start..end
}

fn as_json(error: &Error, text: &Text, severity: Severity) -> String {
    let mut object = json!({
        "severity": match severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        "code": error.code(),
        "message": error.message(),
    });
    if let Some(span) = error.span() {
        object["source"] = json!(text.name);
        put_place(&mut object, span, &text.text);
    }
    if let Some(label) = error.span_label() {
        object["label"] = json!(label);
    }
    if let Some(place) = error.place() {
        object["file"] = json!({
            "path": place.path.display().to_string(),
            "line": place.line,
            "byte": place.byte,
            "column": place.column,
        });
    }
    if let Some(context) = error.context() {
        object["context"] = json!(context);
    }
    let labels: Vec<_> = error
        .labels()
        .iter()
        .map(|label| {
            let mut object = json!({ "label": label.text });
            put_place(&mut object, label.span, &text.text);
            object
        })
        .collect();
    if !labels.is_empty() {
        object["labels"] = json!(labels);
    }
    if let Some(fix) = error.suggested_fix() {
        let range = within(fix.span, &text.text);
        object["fix"] = json!({ "start": range.start, "end": range.end, "text": fix.text });
    }
    let notes: Vec<_> = error
        .notes()
        .iter()
        .map(|(kind, note)| json!({ *kind: note }))
        .collect();
    object["notes"] = json!(notes);
    object.to_string()
}

/// Line and column, in characters from 1, and bytes.
fn put_place(object: &mut serde_json::Value, span: Span, text: &str) {
    let range = within(span, text);
    let before = &text[..range.start];
    let line_start = before.rfind('\n').map_or(0, |position| position + 1);
    object["line"] = json!(before.matches('\n').count() + 1);
    object["column"] = json!(before[line_start..].chars().count() + 1);
    object["start"] = json!(range.start);
    object["end"] = json!(range.end);
}
