//! SHOW FUNCTIONS: name, kind, signature, a sentence and an example of every function there is.

use std::collections::BTreeMap;

use datafusion::logical_expr::{Documentation, Signature};

use super::Binder;
use super::catalog_rows::Texts;
use super::googlesql::GOOGLESQL;
use super::rewrites::{OTHER_NAMES, REWRITTEN};
use super::signature::usage;
use super::table_function::TABLE_FUNCTIONS;
use super::types::{data_type, type_name};
use crate::catalog::functions::{Example, example, table_example};
use crate::lang::ast::{FunctionParam, ParamKind};

/// What is said about a function.
pub(super) struct Row {
    pub(super) kind: &'static str,
    pub(super) signature: String,
    pub(super) about: String,
    example: Option<Example>,
}

impl Binder<'_> {
    /// Every function with its name in lower case, in order. What gives an array elsewhere and a table in FROM is there twice.
    pub(super) fn function_rows(&self) -> Vec<(String, Row)> {
        let mut rows: Vec<(String, Row)> = self.value_functions().into_iter().collect();
        for (name, form, about) in TABLE_FUNCTIONS {
            let row = Row {
                kind: "table",
                signature: (*form).to_string(),
                about: (*about).to_string(),
                example: table_example(name),
            };
            rows.push(((*name).to_string(), row));
        }
        for function in self.session.table_functions() {
            let row = written("table", &function.name, &function.params);
            rows.push((function.name.clone(), row));
        }
        rows.sort_by(|(name, row), (other, other_row)| {
            (name, row.kind).cmp(&(other, other_row.kind))
        });
        rows
    }

    /// What is called in an expression.
    fn value_functions(&self) -> BTreeMap<String, Row> {
        let functions = self.catalog.functions();
        let mut rows: BTreeMap<String, Row> = BTreeMap::new();
        for name in functions.names() {
            let row = if let Some(function) = functions.aggregate(&name) {
                let about = function.documentation();
                described(
                    "aggregate",
                    &name,
                    function.name(),
                    function.signature(),
                    about,
                )
            } else if let Some(function) = functions.scalar(&name) {
                let about = function.documentation();
                described(
                    "scalar",
                    &name,
                    function.name(),
                    function.signature(),
                    about,
                )
            } else if let Some(function) = functions.window(&name) {
                let about = function.documentation();
                described(
                    "window",
                    &name,
                    function.name(),
                    function.signature(),
                    about,
                )
            } else if let Some(function) = functions.higher_order(&name) {
                Row {
                    kind: "scalar",
                    signature: format!("{}(array, x -> …)", name.to_uppercase()),
                    about: sentence(function.documentation()),
                    example: example(&name, function.name()),
                }
            } else {
                continue;
            };
            rows.insert(name, row);
        }
        for (name, form, about) in REWRITTEN.iter().chain(GOOGLESQL) {
            rows.insert((*name).to_string(), own(kind_of(name), name, form, about));
        }
        for (name, ours) in OTHER_NAMES {
            let about = format!("{} by another name.", ours.to_uppercase());
            let known = rows.get(*ours);
            let form = known.map_or(String::new(), |known| {
                let shown = ours.to_uppercase();
                known.signature.replace(&shown, &name.to_uppercase())
            });
            let kind = known.map_or("scalar", |known| known.kind);
            rows.insert((*name).to_string(), own(kind, name, &form, &about));
        }
        for function in self.session.functions() {
            let row = written("scalar", &function.name, &function.params);
            rows.insert(function.name.clone(), row);
        }
        rows
    }

    pub(super) fn functions(&self) -> Texts {
        let rows = self.function_rows();
        let column = |of: &dyn Fn(&Row) -> String| rows.iter().map(|(_, row)| of(row)).collect();
        let example = |row: &Row, of: fn(&Example) -> &String| {
            row.example.as_ref().map(of).cloned().unwrap_or_default()
        };
        vec![
            (
                "name",
                rows.iter().map(|(name, _)| name.to_uppercase()).collect(),
            ),
            ("kind", column(&|row| row.kind.to_string())),
            ("signature", column(&|row| row.signature.clone())),
            ("about", column(&|row| row.about.clone())),
            (
                "example",
                column(&|row| example(row, |example| &example.query)),
            ),
            (
                "gives",
                column(&|row| example(row, |example| &example.answer)),
            ),
        ]
    }
}

fn described(
    kind: &'static str,
    name: &str,
    own_name: &str,
    signature: &Signature,
    about: Option<&Documentation>,
) -> Row {
    let shown = name.to_uppercase();
    let forms = usage(&shown, signature, about);
    Row {
        kind,
        signature: forms.first().cloned().unwrap_or(format!("{shown}(…)")),
        about: sentence(about),
        example: example(name, own_name),
    }
}

fn own(kind: &'static str, name: &str, form: &str, about: &str) -> Row {
    Row {
        kind,
        signature: form.to_string(),
        about: about.to_string(),
        example: example(name, name),
    }
}

fn kind_of(name: &str) -> &'static str {
    match name {
        "countif"
        | "logical_and"
        | "logical_or"
        | "approx_count_distinct"
        | "approx_quantiles"
        | "max_by"
        | "min_by"
        | "variance" => "aggregate",
        _ => "scalar",
    }
}

/// The first sentence of what is said about a function, without the marks of a web page.
fn sentence(about: Option<&Documentation>) -> String {
    let Some(about) = about else {
        return String::new();
    };
    let words: Vec<&str> = about.description.split_whitespace().collect();
    let text = plain(&words.join(" "));
    match text.find(". ") {
        Some(end) => text[..=end].to_string(),
        None => text,
    }
}

/// `[text](address)` as `text`, `_null_` as NULL.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, link)) = rest.split_once('[') {
        let parts = link
            .split_once("](")
            .filter(|(shown, _)| !shown.contains('['))
            .and_then(|(shown, address)| Some((shown, address.split_once(')')?.1)));
        plain.push_str(before);
        match parts {
            Some((shown, after)) => {
                plain.push_str(shown);
                rest = after;
            }
            None => {
                plain.push('[');
                rest = link;
            }
        }
    }
    plain.push_str(rest);
    plain.replace("_null_", "NULL").replace("_NaN_", "NaN")
}

/// A function that the session created.
fn written(kind: &'static str, name: &str, params: &[FunctionParam]) -> Row {
    let params: Vec<String> = params
        .iter()
        .map(|param| {
            let kind = match &param.kind {
                ParamKind::Typed(written) => data_type(written)
                    .map_or_else(|_| "value".to_string(), |data_type| type_name(&data_type)),
                ParamKind::AnyType => "ANY TYPE".to_string(),
                ParamKind::AnyTable => "ANY TABLE".to_string(),
            };
            format!("{} {kind}", param.name.text)
        })
        .collect();
    Row {
        kind,
        signature: format!("{name}({})", params.join(", ")),
        about: "Created in this session.".to_string(),
        example: None,
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn marks_of_a_web_page_go() {
        let text = "A [Chrono format](https://example.org/x) of [1, 2] or _null_";
        assert_eq!(plain(text), "A Chrono format of [1, 2] or NULL");
    }
}
