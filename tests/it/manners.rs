//! Errors as the corpus writes them down, and what no error may show.

use tidemill::{Error, Span};

/// Code, place and message.
pub fn line(text: &str, error: &Error) -> String {
    let place = error
        .span()
        .map(|span| format!(" at {}", place(text, span.start)));
    format!(
        "error {}{}: {}",
        error.code(),
        place.unwrap_or_default(),
        error.message().replace('\n', " ")
    )
}

/// Every error, with all that it says.
pub fn lines(text: &str, error: &Error) -> Vec<String> {
    let mut lines = Vec::new();
    for error in error.all() {
        let file = error.place().map(|place| format!(" ({place})"));
        let context = error.context().map(|context| format!(" ({context})"));
        lines.push(line(text, error) + &file.or(context).unwrap_or_default());
        if let (Some(span), Some(label)) = (error.span(), error.span_label()) {
            lines.push(format!("  {}: {label}", range(text, span)));
        }
        for label in error.labels() {
            lines.push(format!("  {}: {}", range(text, label.span), label.text));
        }
        for (kind, note) in error.notes() {
            lines.push(format!("  {kind}: {note}"));
        }
        if let Some(fix) = error.suggested_fix() {
            lines.push(format!("  fix {}: {:?}", range(text, fix.span), fix.text));
        }
    }
    if error.more() > 0 {
        lines.push(format!("and {} more errors", error.more()));
    }
    lines
}

/// Line and column, in characters from 1.
fn place(text: &str, at: usize) -> String {
    let before = &text[..text.floor_char_boundary(at)];
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!("{line}:{column}")
}

fn range(text: &str, span: Span) -> String {
    format!("{}-{}", place(text, span.start), place(text, span.end))
}

/// What an error lets out of the engine's inside, if it does: a column's internal name, a type or a value as Rust writes it, a rule
/// of the grammar, a piece of DataFusion's plans.
pub fn betrayed(error: &Error) -> Option<String> {
    let text = error.to_string();
    let words = text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '#'));
    for word in words.clone() {
        let id = word
            .rsplit_once('#')
            .filter(|(name, _)| name.starts_with(|c: char| c.is_ascii_lowercase()));
        if id.is_some_and(|(_, number)| number.ends_with(|c: char| c.is_ascii_digit())) {
            return Some(format!("the internal name `{word}`"));
        }
        if word.starts_with("kw_") || word.starts_with("kt_") {
            return Some(format!("the grammar's rule `{word}`"));
        }
    }
    const SECRETS: &[&str] = &[
        "DataFusion",
        "DataType",
        "ScalarValue",
        "LogicalPlan",
        "SchemaError",
        "Rule::",
        "Expr::",
        "Some(",
        "Option<",
        "Utf8View",
        "LargeUtf8",
        "Utf8(",
        "Int64(",
        "Float64(",
        "Boolean(",
        "Decimal128",
        "Timestamp(",
        "Field {",
        "TableScan",
        "SubqueryAlias",
        "Projection:",
        "TypeSignature",
        "Coercion",
        "Arrow error",
        "Internal error",
        "This issue was likely caused",
        "::",
    ];
    let shown = SECRETS.iter().find(|secret| text.contains(**secret));
    // `::` is a cast where a message quotes the query.
    let shown = shown.filter(|secret| **secret != "::" || !text.contains('`'));
    shown.map(|secret| format!("`{secret}`"))
}

#[test]
fn an_internal_name_is_seen() {
    let said = |message: &str| betrayed(&tidemill_error(message));
    assert!(said("no column named `price#7`").is_some());
    assert!(said("no column named `price`").is_none());
}

/// An error that quotes `text`.
fn tidemill_error(text: &str) -> Error {
    let engine = tidemill::Engine::in_memory().expect("an engine");
    let query = format!("SELECT ERROR('{}')", text.replace('\'', "''"));
    let rows = engine.query(&query, ()).expect("rows");
    rows.collect::<Result<Vec<_>, Error>>()
        .expect_err("an error")
}

/// What is offered to be written instead is taken: the error it stands with is gone.
#[test]
fn a_fix_mends_its_error() {
    let mut mended = 0;
    for file in crate::corpus::files() {
        if !file.is_golden() {
            continue;
        }
        let fails = |text: &str| {
            let engine = crate::answer::engine(1, None);
            let params = tidemill::ParamMap::new();
            crate::answer::run(&engine, &file.setup, &params).expect("the setup");
            crate::answer::run(&engine, text, &params).err()
        };
        for case in &file.cases {
            let offers = case.expected.iter().any(|line| line.starts_with("  fix "));
            let Some(error) = offers.then(|| fails(&case.text)).flatten() else {
                continue;
            };
            let offered = error
                .all()
                .filter_map(|error| Some((error, error.suggested_fix()?)));
            for (error, fix) in offered {
                let mut text = case.text.clone();
                text.replace_range(fix.span.start..fix.span.end, &fix.text);
                let still = fails(&text).is_some_and(|after| {
                    let mut after = after.all();
                    after.any(|other| line(&text, other) == line(&case.text, error))
                });
                assert!(!still, "{}: `{text}` says the same", case.name);
                mended += 1;
            }
        }
    }
    assert!(mended > 100, "{mended} fixes");
}
