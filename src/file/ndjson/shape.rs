//! The type that the values of a key have in common.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef};

use super::walk::{Fault, Kind, Value, Walk};
use crate::file::text::guess::Guess;

/// What was seen under one key. Values of different kinds make text, which keeps each as it is written.
#[derive(Debug, Clone)]
pub(super) enum Shape {
    Nothing,
    Booleans,
    Numbers(Guess),
    Strings(Guess),
    Objects(Keys),
    Arrays(Box<Shape>),
    Mixed,
}

/// The keys of objects, in the order in which they appeared.
#[derive(Debug, Clone, Default)]
pub(super) struct Keys {
    shapes: Vec<(String, Shape)>,
    places: HashMap<String, usize>,
}

impl Keys {
    /// Takes an object that is JSON.
    pub(super) fn observe(&mut self, text: &str, object: &mut Walk<'_>) -> Result<(), Fault> {
        let mut next = 0;
        object.object(0, |key, value| {
            let place = self.place(&key_text(text, key), next);
            next = place + 1;
            self.shapes[place].1.observe(text, value)
        })
    }

    /// The place of a key. Objects mostly have their keys in the same order, so `likely` is tried first.
    fn place(&mut self, key: &str, likely: usize) -> usize {
        if self.shapes.get(likely).is_some_and(|(name, _)| name == key) {
            return likely;
        }
        if let Some(&place) = self.places.get(key) {
            return place;
        }
        self.shapes.push((key.to_string(), Shape::Nothing));
        self.places.insert(key.to_string(), self.shapes.len() - 1);
        self.shapes.len() - 1
    }

    pub(super) fn fields(&self) -> Vec<FieldRef> {
        self.shapes
            .iter()
            .map(|(name, shape)| Arc::new(Field::new(name, shape.data_type(), true)))
            .collect()
    }
}

/// The text of a key or a string; what cannot be unescaped stays as it is written, to be refused when it is read.
pub(super) fn key_text(text: &str, key: Value) -> String {
    let raw = key.raw(text);
    match key.kind {
        Kind::EscapedString => serde_json::from_str(raw).unwrap_or_else(|_| raw.to_string()),
        _ => raw.to_string(),
    }
}

impl Shape {
    fn observe(&mut self, text: &str, value: Value) -> Result<(), Fault> {
        if matches!(self, Shape::Mixed) || value.kind == Kind::Null {
            return Ok(());
        }
        if matches!(self, Shape::Nothing) {
            *self = Shape::empty(value.kind);
        }
        let inner = || Walk {
            text: &text.as_bytes()[..value.end as usize],
            at: value.start as usize,
        };
        match (&mut *self, value.kind) {
            (Shape::Booleans, Kind::Boolean) => {}
            (Shape::Numbers(guess), Kind::Number) => guess.observe(value.raw(text)),
            (Shape::Strings(guess), Kind::String) => guess.observe(value.raw(text)),
            (Shape::Strings(guess), Kind::EscapedString) => guess.observe("\\"),
            (Shape::Objects(keys), Kind::Object) => keys.observe(text, &mut inner())?,
            (Shape::Arrays(item), Kind::Array) => {
                let mut elements = Vec::new();
                inner().array(0, |element| elements.push(element))?;
                for element in elements {
                    item.observe(text, element)?;
                }
            }
            _ => *self = Shape::Mixed,
        }
        Ok(())
    }

    fn empty(kind: Kind) -> Shape {
        match kind {
            Kind::Null => Shape::Nothing,
            Kind::Boolean => Shape::Booleans,
            Kind::Number => Shape::Numbers(Guess::new()),
            Kind::String | Kind::EscapedString => Shape::Strings(Guess::new()),
            Kind::Object => Shape::Objects(Keys::default()),
            Kind::Array => Shape::Arrays(Box::new(Shape::Nothing)),
        }
    }

    fn data_type(&self) -> DataType {
        match self {
            Shape::Nothing | Shape::Mixed => DataType::Utf8View,
            Shape::Booleans => DataType::Boolean,
            Shape::Numbers(guess) => guess.data_type(),
            // A string of digits is a string: only dates and times have no other way to be written.
            Shape::Strings(guess) => match guess.data_type() {
                DataType::Int64 | DataType::Float64 | DataType::Boolean => DataType::Utf8View,
                data_type => data_type,
            },
            // An object without a key has nothing to be a struct of.
            Shape::Objects(keys) if keys.shapes.is_empty() => DataType::Utf8View,
            Shape::Objects(keys) => DataType::Struct(keys.fields().into()),
            Shape::Arrays(item) => {
                DataType::List(Arc::new(Field::new_list_field(item.data_type(), true)))
            }
        }
    }
}
