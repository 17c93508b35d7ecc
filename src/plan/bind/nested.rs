//! Structs, arrays and maps: making them and taking them apart.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::{Case, Expr, Operator};

use super::Binder;
use super::convert::cast_to;
use super::names;
use super::operators::is_list;
use super::stage::Stage;
use super::typed::Typed;
use super::types::{data_type, type_name};
use super::unify::unify;
use crate::catalog::functions::checked_position;
use crate::error::{Error, Result, Span};
use crate::lang::ast::{self, ArgumentValue, ExprKind};

impl Binder<'_> {
    /// `base.name`: a field of a struct, or the value of a map's key.
    pub(super) fn field(&self, base: Typed, name: &ast::Ident) -> Result<Typed> {
        let span = base.span.to(name.span);
        let key = match &base.data_type {
            DataType::Struct(fields) => {
                let exact = fields.iter().find(|field| *field.name() == name.text);
                let field = exact.or_else(|| {
                    let mut fields = fields.iter();
                    fields.find(|field| field.name().eq_ignore_ascii_case(&name.text))
                });
                let Some(field) = field else {
                    let known: Vec<&str> =
                        fields.iter().map(|field| field.name().as_str()).collect();
                    let message = format!("this STRUCT has no field named `{}`", name.text);
                    let mut error = Error::input("TM0201", message, name.span);
                    if let Some(near) = names::nearest(&name.text, known.iter().copied()) {
                        error = error.did_you_mean(near);
                    }
                    return Err(error.available(known.join(", ")));
                };
                field.name().clone()
            }
            DataType::Map(_, _) => name.text.clone(),
            _ => {
                return Err(Error::input(
                    "TM0403",
                    format!("a value of type {} has no fields", base.type_name()),
                    span,
                ));
            }
        };
        let key = Typed::literal(ScalarValue::from(key), name.span);
        self.apply_named("get_field", vec![base, key], span)
    }

    pub(super) fn subscript(
        &self,
        base: &ast::Expr,
        index: &ast::Expr,
        span: Span,
        stage: &mut Stage,
    ) -> Result<Typed> {
        let base = self.expr(base, stage)?;
        if let DataType::Struct(_) = base.data_type {
            let index = self.expr(index, stage)?;
            let Some(name) = index.text() else {
                return Err(
                    Error::input("TM0403", "a field of a STRUCT has a name", span)
                        .hint("write x.name, or x['name']"),
                );
            };
            let name = ast::Ident {
                text: name.to_string(),
                quoted: true,
                span: index.span,
            };
            return self.field(base, &name);
        }
        if let DataType::Map(_, _) = base.data_type {
            let key = self.expr(index, stage)?;
            return self.map_value(base, key, span);
        }
        if !is_list(&base.data_type) {
            return Err(Error::input(
                "TM0403",
                format!("{} has no elements", base.type_name()),
                span,
            ));
        }
        match offset_call(index) {
            Some(Place {
                from_zero,
                safe,
                index,
            }) => {
                let index = self.integer_index(index, stage)?;
                if safe {
                    return self.guarded_element(base, index, from_zero, span);
                }
                let function = checked_position(from_zero);
                let position = self.apply(function, vec![base.clone(), index], "[]", span)?;
                self.apply_named("array_element", vec![base, position], span)
            }
            None => {
                let index = self.integer_index(index, stage)?;
                self.apply_named("array_element", vec![base, index], span)
            }
        }
    }

    /// The first value of a key; NULL where there is none.
    fn map_value(&self, map: Typed, key: Typed, span: Span) -> Result<Typed> {
        let values = self.apply_named("map_extract", vec![map, key], span)?;
        let first = Typed::literal(ScalarValue::from(1i64), span);
        self.apply_named("array_element", vec![values, first], span)
    }

    fn integer_index(&self, index: &ast::Expr, stage: &mut Stage) -> Result<Typed> {
        let index = self.expr(index, stage)?;
        if index.data_type.is_integer() || index.is_null() {
            return Ok(index.cast(&DataType::Int64));
        }
        Err(Error::input(
            "TM0403",
            format!(
                "an array's index is an INT64, this is {}",
                index.type_name()
            ),
            index.span,
        ))
    }

    /// An element by position, where a negative position is none (`array_element` would count from the end).
    fn guarded_element(
        &self,
        array: Typed,
        index: Typed,
        from_zero: bool,
        span: Span,
    ) -> Result<Typed> {
        let position = if from_zero {
            let one = Typed::literal(ScalarValue::from(1i64), span);
            self.operate(index.clone(), Operator::Plus, one, span)?
        } else {
            index.clone()
        };
        let lowest = Typed::literal(ScalarValue::from(i64::from(!from_zero)), span);
        let inside = self.operate(index, Operator::GtEq, lowest, span)?;
        let element = self.apply_named("array_element", vec![array, position], span)?;
        let data_type = element.data_type.clone();
        let case = Case {
            expr: None,
            when_then_expr: vec![(Box::new(inside.expr), Box::new(element.expr))],
            else_expr: None,
        };
        Ok(Typed::new(Expr::Case(case), data_type, span))
    }

    pub(super) fn array(
        &self,
        element_type: Option<&ast::TypeName>,
        items: &[ast::Expr],
        span: Span,
        stage: &mut Stage,
    ) -> Result<Typed> {
        let mut values = Vec::with_capacity(items.len());
        for item in items {
            values.push(self.expr(item, stage)?);
        }
        let element = match element_type {
            Some(written) => data_type(written)?,
            None => unify(&mut values, "the elements of an ARRAY", span)?,
        };
        if values.is_empty() {
            let element = match element {
                DataType::Null => DataType::Int64,
                other => other,
            };
            return Ok(empty_array(&element, span));
        }
        let mut cast = Vec::with_capacity(values.len());
        for value in values {
            cast.push(if value.data_type == element {
                value
            } else {
                let place = value.span;
                cast_to(value, &element, false, place)?
            });
        }
        self.apply_named("make_array", cast, span)
    }

    pub(super) fn struct_(
        &self,
        fields: &[(ast::Expr, Option<ast::Ident>)],
        types: &[(Option<ast::Ident>, ast::TypeName)],
        span: Span,
        stage: &mut Stage,
    ) -> Result<Typed> {
        if !types.is_empty() && types.len() != fields.len() {
            return Err(Error::input(
                "TM0402",
                format!(
                    "STRUCT has {} values for {} fields",
                    fields.len(),
                    types.len()
                ),
                span,
            ));
        }
        let mut values = Vec::with_capacity(fields.len());
        for (index, (expr, alias)) in fields.iter().enumerate() {
            let mut value = self.expr(expr, stage)?;
            let declared = types.get(index);
            if let Some((_, written)) = declared {
                let place = value.span;
                value = cast_to(value, &data_type(written)?, false, place)?;
            }
            let name = declared
                .and_then(|(name, _)| name.as_ref())
                .or(alias.as_ref());
            let name = match name {
                Some(name) => name.text.clone(),
                None => inferred_name(expr)
                    .map(|name| name.text.clone())
                    .unwrap_or_else(|| format!("c{index}")),
            };
            values.push((name, value));
        }
        self.named_struct(values, span)
    }

    pub(super) fn named_struct(&self, fields: Vec<(String, Typed)>, span: Span) -> Result<Typed> {
        if fields.is_empty() {
            return Err(Error::input("TM0402", "a STRUCT needs a field", span));
        }
        let mut arguments = Vec::with_capacity(fields.len() * 2);
        let mut seen: Vec<String> = Vec::with_capacity(fields.len());
        for (mut name, value) in fields {
            // Arrow finds fields by name, so a repeated one gets a number.
            while seen.contains(&name) {
                name = format!("{name}_{}", seen.len());
            }
            seen.push(name.clone());
            arguments.push(Typed::literal(ScalarValue::from(name), value.span));
            arguments.push(value);
        }
        let made = self.apply_named("named_struct", arguments, span)?;
        Ok(Typed {
            nullable: false,
            ..made
        })
    }
}

/// An ARRAY without elements.
pub(super) fn empty_array(element: &DataType, span: Span) -> Typed {
    let list = ScalarValue::new_list(&[], element, true);
    Typed::literal(ScalarValue::List(list), span)
}

/// The name of a column reference or a field path.
pub(super) fn inferred_name(expr: &ast::Expr) -> Option<&ast::Ident> {
    match expr.kind.as_ref() {
        ExprKind::Path(path) => path.parts.last(),
        ExprKind::Field { name, .. } => Some(name),
        _ => None,
    }
}

/// The type of an array's elements.
pub(super) fn element_type(array: &Typed) -> Result<Arc<Field>> {
    match &array.data_type {
        DataType::List(field)
        | DataType::LargeList(field)
        | DataType::FixedSizeList(field, _)
        | DataType::ListView(field)
        | DataType::LargeListView(field) => Ok(Arc::clone(field)),
        other => Err(Error::input(
            "TM0403",
            format!("UNNEST needs an ARRAY, this is {}", type_name(other)),
            array.span,
        )),
    }
}

/// `arr[OFFSET(i)]` and its kin.
struct Place<'e> {
    from_zero: bool,
    /// NULL where there is no such element, instead of an error.
    safe: bool,
    index: &'e ast::Expr,
}

fn offset_call(index: &ast::Expr) -> Option<Place<'_>> {
    let ExprKind::Call(call) = index.kind.as_ref() else {
        return None;
    };
    let [name] = call.function.parts.as_slice() else {
        return None;
    };
    let (from_zero, safe) = match name.text.to_ascii_uppercase().as_str() {
        "OFFSET" => (true, false),
        "SAFE_OFFSET" => (true, true),
        "ORDINAL" => (false, false),
        "SAFE_ORDINAL" => (false, true),
        _ => return None,
    };
    match call.args.as_slice() {
        [
            ast::Argument {
                name: None,
                value: ArgumentValue::Expr(index),
            },
        ] => Some(Place {
            from_zero,
            safe,
            index,
        }),
        _ => None,
    }
}
