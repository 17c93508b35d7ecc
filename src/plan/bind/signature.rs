//! What a function takes, in plain words, and arguments given by name.

use datafusion::common::types::NativeType;
use datafusion::logical_expr::{
    Coercion, Documentation, Signature, TypeSignature, TypeSignatureClass,
};

use super::names;
use super::typed::Typed;
use super::types::type_name;
use crate::error::{Error, Result};
use crate::lang::ast::Ident;

/// The ways to call a function, such as `UPPER(STRING)`.
pub(super) fn usage(
    shown: &str,
    signature: &Signature,
    documentation: Option<&Documentation>,
) -> Vec<String> {
    let mut forms: Vec<String> = Vec::new();
    forms_of(&signature.type_signature, &mut forms);
    forms.dedup();
    forms.truncate(4);
    let forms: Vec<String> = forms
        .into_iter()
        .map(|form| format!("{shown}({form})"))
        .collect();
    if !forms.is_empty() {
        return forms;
    }
    match documentation {
        Some(documentation) => {
            let first = documentation
                .syntax_example
                .lines()
                .next()
                .unwrap_or_default();
            vec![match first.split_once('(') {
                Some((_, arguments)) => format!("{shown}({arguments}"),
                None => first.to_string(),
            }]
        }
        None => Vec::new(),
    }
}

fn forms_of(signature: &TypeSignature, forms: &mut Vec<String>) {
    match signature {
        TypeSignature::Exact(types) => {
            forms.push(types.iter().map(type_name).collect::<Vec<_>>().join(", "));
        }
        TypeSignature::Coercible(coercions) => {
            forms.push(coercions.iter().map(wanted).collect::<Vec<_>>().join(", "));
        }
        TypeSignature::Uniform(count, types) => {
            for data_type in types {
                forms.push(vec![type_name(data_type); *count].join(", "));
            }
        }
        TypeSignature::Numeric(count) => forms.push(vec!["number"; *count].join(", ")),
        TypeSignature::String(count) => forms.push(vec!["STRING"; *count].join(", ")),
        TypeSignature::Comparable(count) | TypeSignature::Any(count) => {
            forms.push(vec!["value"; *count].join(", "));
        }
        TypeSignature::Nullary => forms.push(String::new()),
        TypeSignature::OneOf(signatures) => {
            for signature in signatures {
                forms_of(signature, forms);
            }
        }
        // What these take depends on the values: the documentation says it better.
        TypeSignature::Variadic(_)
        | TypeSignature::VariadicAny
        | TypeSignature::UserDefined
        | TypeSignature::ArraySignature(_) => {}
    }
}

fn wanted(coercion: &Coercion) -> String {
    match coercion.desired_type() {
        TypeSignatureClass::Any => "value".into(),
        TypeSignatureClass::Timestamp => "TIMESTAMP".into(),
        TypeSignatureClass::Time => "TIME".into(),
        TypeSignatureClass::Interval | TypeSignatureClass::Duration => "INTERVAL".into(),
        TypeSignatureClass::Integer => "integer".into(),
        TypeSignatureClass::Float => "FLOAT64".into(),
        TypeSignatureClass::Decimal => "DECIMAL".into(),
        TypeSignatureClass::Numeric => "number".into(),
        TypeSignatureClass::Binary => "BYTES".into(),
        TypeSignatureClass::Native(logical) => native_name(logical.native()).into(),
    }
}

fn native_name(native: &NativeType) -> &'static str {
    match native {
        NativeType::Null => "NULL",
        NativeType::Boolean => "BOOL",
        NativeType::Int8 => "TINYINT",
        NativeType::Int16 => "INT16",
        NativeType::Int32 => "INT32",
        NativeType::Int64 => "INT64",
        NativeType::UInt8 => "UINT8",
        NativeType::UInt16 => "UINT16",
        NativeType::UInt32 => "UINT32",
        NativeType::UInt64 => "UINT64",
        NativeType::Float16 | NativeType::Float32 => "FLOAT32",
        NativeType::Float64 => "FLOAT64",
        NativeType::Timestamp(_, _) => "TIMESTAMP",
        NativeType::Date => "DATE",
        NativeType::Time(_) => "TIME",
        NativeType::Duration(_) | NativeType::Interval(_) => "INTERVAL",
        NativeType::Binary | NativeType::FixedSizeBinary(_) => "BYTES",
        NativeType::String => "STRING",
        NativeType::List(_) | NativeType::FixedSizeList(_, _) => "ARRAY",
        NativeType::Struct(_) => "STRUCT",
        NativeType::Decimal(_, _) => "DECIMAL",
        NativeType::Map(_) => "MAP",
        _ => "value",
    }
}

/// Puts arguments given by name in the function's order.
pub(super) fn named_arguments(
    shown: &str,
    arguments: Vec<(Option<&Ident>, Typed)>,
    signature: &Signature,
) -> Result<Vec<Typed>> {
    let first = arguments.iter().find_map(|(name, _)| *name);
    let Some(first) = first else {
        return Ok(arguments.into_iter().map(|(_, value)| value).collect());
    };
    let Some(known) = signature.parameter_names.as_ref() else {
        return Err(Error::input(
            "TM0402",
            format!("{shown} takes no arguments by name"),
            first.span,
        ));
    };
    let mut slots: Vec<Option<Typed>> = Vec::new();
    for (name, value) in arguments {
        let position = match name {
            None => slots.len(),
            Some(name) => known
                .iter()
                .position(|known| known.eq_ignore_ascii_case(&name.text))
                .ok_or_else(|| unknown_argument(shown, name, known))?,
        };
        if slots.len() <= position {
            slots.resize(position + 1, None);
        }
        if slots[position].is_some() {
            return Err(Error::input(
                "TM0402",
                format!("this argument of {shown} is given twice"),
                value.span,
            ));
        }
        slots[position] = Some(value);
    }
    let missing = slots.iter().position(Option::is_none);
    if let Some(missing) = missing {
        return Err(Error::input(
            "TM0402",
            format!("{shown} needs `{}`", known[missing]),
            first.span,
        ));
    }
    Ok(slots.into_iter().flatten().collect())
}

fn unknown_argument(shown: &str, name: &Ident, known: &[String]) -> Error {
    let error = Error::input(
        "TM0402",
        format!("{shown} has no argument named `{}`", name.text),
        name.span,
    );
    match names::nearest(&name.text, known.iter().map(String::as_str)) {
        Some(near) => error.did_you_mean(near),
        None => error.available(known.join(", ")),
    }
}
