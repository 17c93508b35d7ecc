//! The parameters of a script: what it declares, and whether what is given fits.

use std::collections::BTreeMap;

use datafusion::common::ScalarValue;

use super::report::{ParameterOrigin, ParameterReport};
use crate::engine::{ParamMap, Value};
use crate::error::{Error, ErrorKind, Result, Span};
use crate::lang::{self, Options, ast, nearest};
use ast::StatementKind;

/// A declared parameter as the script writes it.
#[derive(Debug)]
pub(super) struct Declared<'t> {
    pub(super) name: &'t str,
    data_type: &'t str,
    default: Option<&'t str>,
    span: Span,
}

impl Declared<'_> {
    /// Where its name stands.
    pub(super) fn span(&self) -> Span {
        self.span
    }
}

/// Every declared parameter, those in the branches of an IF too.
pub(super) fn declared<'t>(statements: &'t [ast::Statement], text: &'t str) -> Vec<Declared<'t>> {
    let mut found = Vec::new();
    for statement in statements {
        match &statement.kind {
            StatementKind::DeclareParameter(declare) => {
                let written = |span: Span| text.get(span.start..span.end).unwrap_or_default();
                found.push(Declared {
                    name: &declare.name.text,
                    data_type: written(declare.data_type.span).trim(),
                    default: declare
                        .default
                        .as_ref()
                        .map(|default| written(default.span)),
                    span: declare.name.span,
                });
            }
            StatementKind::If {
                branches,
                otherwise,
            } => {
                for (_, body) in branches {
                    found.extend(declared(body, text));
                }
                found.extend(declared(otherwise, text));
            }
            _ => {}
        }
    }
    found
}

/// TM0601 for a value that nothing asks for, and for a missing one.
pub(super) fn check(
    declared: &[Declared<'_>],
    text: &str,
    options: Options,
    given: &ParamMap,
) -> Result<()> {
    let mentioned = lang::parameter_names(text, options);
    let list = list(declared);
    let listed = |error: Error| match list.is_empty() {
        true => error.hint("the script declares no parameter"),
        false => error.available(list.clone()),
    };
    for (name, _) in &given.parameters().named {
        if !mentioned
            .iter()
            .any(|other| other.eq_ignore_ascii_case(name))
        {
            let message = format!("the script has no parameter @{name}");
            let error = Error::new(ErrorKind::Input, "TM0601", message);
            let near = nearest(name, mentioned.iter().map(String::as_str));
            return Err(listed(match near {
                Some(near) => error.hint(format!("did you mean @{near}?")),
                None => error,
            }));
        }
    }
    let has = |name: &str| {
        let mut named = given.parameters().named.iter();
        named.any(|(given, _)| given.eq_ignore_ascii_case(name))
    };
    let missing = declared
        .iter()
        .filter(|one| one.default.is_none() && !has(one.name));
    let missing: Vec<&Declared<'_>> = missing.collect();
    if let Some(first) = missing.first() {
        let names: Vec<String> = missing.iter().map(|one| format!("@{}", one.name)).collect();
        let message = match names.as_slice() {
            [name] => format!("the parameter {name} needs a value"),
            names => format!("the parameters {} need values", names.join(", ")),
        };
        return Err(listed(Error::input("TM0601", message, first.span))
            .hint(format!("pass it: --param {}=…", first.name)));
    }
    Ok(())
}

fn list(declared: &[Declared<'_>]) -> String {
    let shown = declared.iter().map(|one| match one.default {
        Some(default) => format!("@{} {} = {default}", one.name, one.data_type),
        None => format!("@{} {}", one.name, one.data_type),
    });
    shown.collect::<Vec<_>>().join(", ")
}

/// A value for the report.
pub(super) fn reported(
    one: &Declared<'_>,
    value: &ScalarValue,
    origin: ParameterOrigin,
) -> ParameterReport {
    ParameterReport {
        name: one.name.to_string(),
        data_type: one.data_type.to_string(),
        value: text(value),
        origin,
    }
}

/// What a declared parameter's value is told by, however it was given: the declaration says the type.
pub(super) fn telling(value: &ScalarValue) -> String {
    text(value).map_or("NULL".to_string(), |text| format!("'{text}'"))
}

/// As text; nothing for NULL.
fn text(value: &ScalarValue) -> Option<String> {
    if value.is_null() {
        return None;
    }
    match value.cast_to(&arrow::datatypes::DataType::Utf8) {
        Ok(ScalarValue::Utf8(text)) => text,
        _ => Some(value.to_string()),
    }
}

/// As [`Value::from_text`] reads it.
pub(super) fn as_argument(value: &ScalarValue) -> String {
    match value {
        ScalarValue::Boolean(Some(_))
        | ScalarValue::Int64(Some(_))
        | ScalarValue::Date32(Some(_)) => value.to_string(),
        ScalarValue::Float64(Some(number)) if number.is_finite() => format!("{number:?}"),
        value => match text(value) {
            Some(text) => format!("'{}'", text.replace('\'', "''")),
            None => "null".to_string(),
        },
    }
}

/// The values of an earlier run, for one that goes on with it. TM0601 where others are given.
pub(super) fn resumed(given: &ParamMap, earlier: &BTreeMap<String, String>) -> Result<ParamMap> {
    for (name, value) in &given.parameters().named {
        let before = earlier
            .iter()
            .find(|(other, _)| other.eq_ignore_ascii_case(name));
        let same = before.is_some_and(|(_, had)| {
            let before = Value::from_text(had).into_scalar();
            before == *value || text(&before) == text(value)
        });
        if !same {
            let had = before.map_or("none".to_string(), |(_, text)| text.clone());
            let message = format!("the run to go on with had {had} for @{name}");
            return Err(Error::new(ErrorKind::Input, "TM0601", message)
                .hint("leave the parameter out, or begin a new run without --resume"));
        }
    }
    let mut params = ParamMap::new();
    for (name, text) in earlier {
        params.set_text(name, text);
    }
    for value in &given.parameters().positional {
        params.push(value.clone());
    }
    Ok(params)
}
