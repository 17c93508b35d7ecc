//! What the library says, as the protocol wants it.

use lsp_types::{
    CompletionItem, CompletionItemKind, CompletionList, CompletionTextEdit, Diagnostic,
    DiagnosticRelatedInformation, DiagnosticSeverity, Documentation, Hover, HoverContents,
    Location, MarkupContent, MarkupKind, NumberOrString, TextEdit, Uri,
};
use tidemill::{Checked, CompletionKind, Completions, Error};

use super::places::Lines;

pub(super) fn diagnostics(checked: &Checked, lines: &Lines, uri: &Uri) -> Vec<Diagnostic> {
    let errors = checked.errors.iter();
    let errors = errors.map(|error| diagnostic(error, DiagnosticSeverity::ERROR, lines, uri));
    let warnings = checked.warnings.iter();
    let warnings = warnings.map(|error| diagnostic(error, DiagnosticSeverity::WARNING, lines, uri));
    errors.chain(warnings).collect()
}

fn diagnostic(error: &Error, severity: DiagnosticSeverity, lines: &Lines, uri: &Uri) -> Diagnostic {
    let mut message = error.message().to_string();
    if let Some(label) = error.span_label() {
        message.push_str(&format!("\n{label}"));
    }
    for (kind, note) in error.notes() {
        message.push_str(&format!("\n{kind}: {note}"));
    }
    let related = error
        .labels()
        .iter()
        .map(|label| DiagnosticRelatedInformation {
            location: Location::new(uri.clone(), lines.range(label.span)),
            message: label.text.clone(),
        });
    let related: Vec<_> = related.collect();
    Diagnostic {
        range: lines.range(error.span().unwrap_or_default()),
        severity: Some(severity),
        code: Some(NumberOrString::String(error.code().to_string())),
        source: Some("tidemill".to_string()),
        message,
        related_information: (!related.is_empty()).then_some(related),
        ..Diagnostic::default()
    }
}

pub(super) fn completions(completions: &Completions, lines: &Lines) -> CompletionList {
    let range = lines.range(completions.replace);
    let items = completions
        .items
        .iter()
        .enumerate()
        .map(|(place, item)| CompletionItem {
            label: item.text.clone(),
            kind: Some(kind(item.kind)),
            detail: (!item.detail.is_empty()).then(|| item.detail.clone()),
            documentation: (!item.about.is_empty())
                .then(|| Documentation::String(item.about.clone())),
            // The library's order is the better one.
            sort_text: Some(format!("{place:05}")),
            text_edit: Some(CompletionTextEdit::Edit(TextEdit::new(
                range,
                item.text.clone(),
            ))),
            ..CompletionItem::default()
        });
    CompletionList {
        // What is offered depends on what is typed: functions are cut by it.
        is_incomplete: false,
        items: items.collect(),
    }
}

fn kind(kind: CompletionKind) -> CompletionItemKind {
    match kind {
        CompletionKind::Column => CompletionItemKind::FIELD,
        CompletionKind::RangeVariable => CompletionItemKind::MODULE,
        CompletionKind::Variable | CompletionKind::Parameter => CompletionItemKind::VARIABLE,
        CompletionKind::Setting => CompletionItemKind::PROPERTY,
        CompletionKind::Table => CompletionItemKind::CLASS,
        CompletionKind::Function | CompletionKind::TableFunction => CompletionItemKind::FUNCTION,
        CompletionKind::Path => CompletionItemKind::FILE,
        CompletionKind::Type => CompletionItemKind::STRUCT,
        CompletionKind::Operator => CompletionItemKind::OPERATOR,
        _ => CompletionItemKind::KEYWORD,
    }
}

pub(super) fn hover(hover: &tidemill::Hover, lines: &Lines) -> Hover {
    let value = hover.text.clone();
    let kind = MarkupKind::PlainText;
    Hover {
        contents: HoverContents::Markup(MarkupContent { kind, value }),
        range: Some(lines.range(hover.span)),
    }
}
