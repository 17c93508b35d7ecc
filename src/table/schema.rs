//! Columns: what the user sees, what the segments store, and how the log writes it down.
//!
//! A type that the Delta protocol lacks is stored in the nearest one that loses nothing, and the Arrow type is kept in the table's
//! settings. Where a value would lose something all the same, writing it is an error.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef, TimeUnit};
use serde_json::{Value, json};

use super::transform::{Generated, Transform};
use crate::error::{Error, ErrorKind, Result};
use crate::file::type_name;

/// What the protocol calls the SQL of a column that is computed.
pub(super) const GENERATION: &str = "delta.generationExpression";

/// The same for us, in the metadata of the field.
pub(super) const TRANSFORM: &str = "tidemill.transform";

/// What the protocol calls the SQL of a column's default, in the metadata of the field.
const DEFAULT: &str = "CURRENT_DEFAULT";

/// The setting that keeps Arrow types: a JSON object from column to type.
pub(crate) const ARROW_SCHEMA: &str = "tidemill.arrow_schema";

/// A table's columns.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Columns {
    /// As queries see them.
    pub(crate) seen: SchemaRef,
    /// As segments and the log have them.
    pub(crate) stored: SchemaRef,
    /// Columns that other readers see and that only name partitions.
    pub(crate) generated: Vec<Generated>,
    /// For each column, what it has in rows that do not give it: an expression.
    pub(crate) defaults: Vec<Option<String>>,
}

impl Columns {
    /// The columns of a table that is to be made.
    pub(crate) fn new(seen: SchemaRef) -> Result<Self> {
        let mut stored = Vec::with_capacity(seen.fields().len());
        for (position, field) in seen.fields().iter().enumerate() {
            let same = |other: &FieldRef| other.name().eq_ignore_ascii_case(field.name());
            if seen.fields()[..position].iter().any(same) {
                let message = format!("two columns are called `{}`", field.name());
                return Err(Error::new(ErrorKind::Input, "TM0305", message)
                    .hint("names of stored columns differ in more than case"));
            }
            if is_typeless(field.data_type()) {
                return Err(typeless(field));
            }
            let kind = stored_type(field.data_type()).ok_or_else(|| unfit(field))?;
            stored.push(Field::new(field.name(), kind, field.is_nullable()));
        }
        let columns = Columns {
            defaults: vec![None; stored.len()],
            stored: Arc::new(Schema::new(stored)),
            seen,
            generated: Vec::new(),
        };
        // What is written down must be read back as the same.
        let (text, types) = (columns.schema_string(), columns.arrow_types());
        let again = Columns::of(&text, types.as_deref())?;
        for (one, other) in columns.seen.fields().iter().zip(again.seen.fields()) {
            if view(one.data_type()) != *other.data_type() {
                return Err(unfit(one));
            }
        }
        Ok(again)
    }

    /// The columns that a log tells of.
    pub(crate) fn of(schema_string: &str, arrow_types: Option<&str>) -> Result<Self> {
        let schema: Value =
            serde_json::from_str(schema_string).map_err(|_| unreadable("its columns"))?;
        let (stored, generated) = generated_apart(&schema, fields_of(&schema)?);
        let kept: BTreeMap<String, String> = match arrow_types {
            None => BTreeMap::new(),
            Some(text) => serde_json::from_str(text).map_err(|_| unreadable("its Arrow types"))?,
        };
        let seen = stored.iter().map(|field| match kept.get(field.name()) {
            None => Ok(Arc::clone(field)),
            Some(text) => {
                let kind: DataType = text.parse().map_err(|_| unreadable("its Arrow types"))?;
                Ok(Arc::new(Field::clone(field).with_data_type(kind)))
            }
        });
        Ok(Columns {
            seen: Arc::new(Schema::new(seen.collect::<Result<Vec<_>>>()?)),
            defaults: defaults_of(&schema, &stored),
            stored: Arc::new(Schema::new(stored)),
            generated,
        })
    }

    /// The same columns with partitions that are computed.
    pub(crate) fn with_generated(self, generated: Vec<Generated>) -> Self {
        Columns { generated, ..self }
    }

    /// The same columns with what each has where nothing is given; none for columns at the end.
    pub(crate) fn with_defaults(self, mut defaults: Vec<Option<String>>) -> Self {
        defaults.resize(self.seen.fields().len(), None);
        Columns { defaults, ..self }
    }

    /// The columns as the log writes them.
    pub(crate) fn schema_string(&self) -> String {
        let mut schema = struct_of(self.stored.fields());
        if let Some(fields) = schema.get_mut("fields").and_then(Value::as_array_mut) {
            for (field, default) in fields.iter_mut().zip(&self.defaults) {
                if let Some(text) = default {
                    field["metadata"][DEFAULT] = json!(text);
                }
            }
            fields.extend(
                self.generated
                    .iter()
                    .filter_map(|one| self.generated_field(one)),
            );
        }
        schema.to_string()
    }

    fn generated_field(&self, generated: &Generated) -> Option<Value> {
        let of = self.stored.field(generated.column);
        let kind = generated.transform.kind(of.data_type())?;
        Some(json!({
            "name": generated.name,
            "type": delta_type(&kind),
            "nullable": true,
            "metadata": {
                GENERATION: generated.transform.expression(of.name()),
                TRANSFORM: json!({"column": of.name(), "by": generated.transform}).to_string(),
            },
        }))
    }

    /// The Arrow types that the log's own types do not tell; `None` where they all do.
    pub(crate) fn arrow_types(&self) -> Option<String> {
        let pairs = self.seen.fields().iter().zip(self.stored.fields());
        let kept: serde_json::Map<String, Value> = pairs
            .filter(|(seen, stored)| view(seen.data_type()) != *stored.data_type())
            .map(|(seen, _)| (seen.name().clone(), json!(seen.data_type().to_string())))
            .collect();
        (!kept.is_empty()).then(|| Value::Object(kept).to_string())
    }

    /// A batch of the seen columns (types may be near) as it is stored.
    pub(crate) fn store(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let mut columns = Vec::with_capacity(batch.num_columns());
        let fields = self.seen.fields().iter().zip(self.stored.fields());
        for ((seen, stored), values) in fields.zip(batch.columns()) {
            if !stored.is_nullable() && values.null_count() > 0 {
                let message = format!("the column `{}` takes no NULL", seen.name());
                return Err(Error::new(ErrorKind::Run, "TM0510", message)
                    .hint("filter the rows with WHERE, or replace NULL with COALESCE"));
            }
            let values = exactly(values, seen.data_type()).map_err(|error| lossy(seen, error))?;
            let values =
                exactly(&values, stored.data_type()).map_err(|error| lossy(seen, error))?;
            columns.push(values);
        }
        RecordBatch::try_new(Arc::clone(&self.stored), columns)
            .map_err(|error| Error::bug(error.to_string()))
    }
}

/// What the log says that each of these columns has where nothing is given.
fn defaults_of(schema: &Value, fields: &Fields) -> Vec<Option<String>> {
    let written = schema.get("fields").and_then(Value::as_array);
    let default = |name: &String| {
        let mut written = written?.iter();
        let field = written.find(|field| field.get("name").is_some_and(|own| own == name))?;
        let text = field.get("metadata")?.get(DEFAULT)?.as_str()?;
        Some(text.to_string())
    };
    let names = fields.iter().map(|field| default(field.name()));
    names.collect()
}

/// The fields without those that are computed in a way that we know, and these.
fn generated_apart(schema: &Value, fields: Fields) -> (Fields, Vec<Generated>) {
    let written = schema.get("fields").and_then(Value::as_array);
    let transform = |position: usize| -> Option<(String, Transform)> {
        let field = written?.get(position)?;
        let text = field.get("metadata")?.get(TRANSFORM)?.as_str()?;
        let said: Value = serde_json::from_str(text).ok()?;
        let by = serde_json::from_value(said.get("by")?.clone()).ok()?;
        Some((said.get("column")?.as_str()?.to_string(), by))
    };
    let computed: Vec<_> = (0..fields.len()).map(transform).collect();
    let plain = fields.iter().zip(&computed).filter(|(_, by)| by.is_none());
    let plain: Fields = plain.map(|(field, _)| Arc::clone(field)).collect();
    let generated = fields.iter().zip(computed).filter_map(|(field, by)| {
        let (column, transform) = by?;
        Some(Generated {
            name: field.name().clone(),
            column: plain.find(&column)?.0,
            transform,
        })
    });
    let generated = generated.collect();
    (plain, generated)
}

/// Casts, and fails where a value has no place in the other type or would come back changed.
pub(crate) fn exactly(values: &ArrayRef, kind: &DataType) -> Result<ArrayRef, String> {
    if values.data_type() == kind {
        return Ok(Arc::clone(values));
    }
    let strict = CastOptions {
        safe: false,
        ..CastOptions::default()
    };
    let plain = |error: arrow::error::ArrowError| error.to_string();
    let cast = cast_with_options(values, kind, &strict).map_err(plain)?;
    if may_lose(values.data_type(), kind) {
        let back = cast_with_options(&cast, values.data_type(), &strict).map_err(plain)?;
        if back.to_data() != values.to_data() {
            return Err(format!("a value would not fit into {}", type_name(kind)));
        }
    }
    Ok(cast)
}

/// A cast between these may drop digits without an error.
fn may_lose(from: &DataType, to: &DataType) -> bool {
    let text = |kind: &DataType| kind.is_string() || kind.is_binary();
    let safe = text(from) && text(to) || from.is_integer() && to.is_integer();
    !(safe || matches!(from, DataType::Null))
}

/// The type of the Delta protocol that holds every value of this one; `None` where there is none.
fn stored_type(kind: &DataType) -> Option<DataType> {
    use DataType as D;
    let item = |field: &FieldRef| {
        let kind = nested_type(field.data_type())?;
        Some(Arc::new(Field::new("element", kind, field.is_nullable())))
    };
    Some(match kind {
        D::Boolean | D::Int8 | D::Int16 | D::Int32 | D::Int64 | D::Float32 | D::Float64 => {
            kind.clone()
        }
        D::UInt8 => D::Int16,
        D::UInt16 | D::Time32(_) => D::Int32,
        D::UInt32 | D::Time64(_) | D::Duration(_) => D::Int64,
        D::UInt64 => D::Decimal128(20, 0),
        D::Float16 => D::Float32,
        D::Decimal32(precision, scale)
        | D::Decimal64(precision, scale)
        | D::Decimal128(precision, scale)
        | D::Decimal256(precision, scale) => {
            let inside = *precision <= 38 && *scale >= 0 && *scale as u8 <= *precision;
            return inside.then_some(D::Decimal128(*precision, *scale));
        }
        D::Utf8 | D::LargeUtf8 | D::Utf8View | D::Null => D::Utf8View,
        D::Binary | D::LargeBinary | D::BinaryView | D::FixedSizeBinary(_) => D::BinaryView,
        D::Date32 | D::Date64 => D::Date32,
        D::Timestamp(_, zone) => {
            D::Timestamp(TimeUnit::Microsecond, zone.as_ref().map(|_| "UTC".into()))
        }
        D::Dictionary(_, value) => stored_type(value)?,
        D::List(field)
        | D::LargeList(field)
        | D::ListView(field)
        | D::LargeListView(field)
        | D::FixedSizeList(field, _) => D::List(item(field)?),
        D::Struct(fields) => {
            let fields = fields.iter().map(|field| {
                let kind = nested_type(field.data_type())?;
                Some(Field::new(field.name(), kind, field.is_nullable()))
            });
            D::Struct(fields.collect::<Option<Fields>>()?)
        }
        D::Map(entries, _) => match entries.data_type() {
            D::Struct(pair) if pair.len() == 2 => map_type(
                nested_type(pair[0].data_type())?,
                nested_type(pair[1].data_type())?,
                pair[1].is_nullable(),
            ),
            _ => return None,
        },
        _ => return None,
    })
}

/// Inside lists and structs text is no view: readers leave it as it is there.
fn nested_type(kind: &DataType) -> Option<DataType> {
    Some(match stored_type(kind)? {
        DataType::Utf8View => DataType::Utf8,
        DataType::BinaryView => DataType::Binary,
        kind => kind,
    })
}

fn map_type(key: DataType, value: DataType, nullable: bool) -> DataType {
    let pair = Fields::from(vec![
        Field::new("key", key, false),
        Field::new("value", value, nullable),
    ]);
    DataType::Map(
        Arc::new(Field::new("key_value", DataType::Struct(pair), false)),
        false,
    )
}

/// Types that differ in how text is laid out in memory are one to a user.
fn view(kind: &DataType) -> DataType {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
        kind => kind.clone(),
    }
}

/// A timestamp without a zone is in it: reader version 3 with `timestampNtz`.
pub(crate) fn has_local_time(kind: &DataType) -> bool {
    match kind {
        DataType::Timestamp(_, None) => true,
        DataType::List(field) | DataType::Map(field, _) => has_local_time(field.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| has_local_time(field.data_type())),
        _ => false,
    }
}

fn struct_of(fields: &Fields) -> Value {
    let fields = fields.iter().map(|field| {
        json!({
            "name": field.name(),
            "type": delta_type(field.data_type()),
            "nullable": field.is_nullable(),
            "metadata": {},
        })
    });
    json!({"type": "struct", "fields": fields.collect::<Vec<_>>()})
}

/// The protocol's word for a stored type.
fn delta_type(kind: &DataType) -> Value {
    match kind {
        DataType::Boolean => json!("boolean"),
        DataType::Int8 => json!("byte"),
        DataType::Int16 => json!("short"),
        DataType::Int32 => json!("integer"),
        DataType::Float32 => json!("float"),
        DataType::Float64 => json!("double"),
        DataType::Decimal128(precision, scale) => json!(format!("decimal({precision},{scale})")),
        DataType::Utf8 | DataType::Utf8View => json!("string"),
        DataType::Binary | DataType::BinaryView => json!("binary"),
        DataType::Date32 => json!("date"),
        DataType::Timestamp(_, Some(_)) => json!("timestamp"),
        DataType::Timestamp(_, None) => json!("timestamp_ntz"),
        DataType::List(item) => json!({
            "type": "array",
            "elementType": delta_type(item.data_type()),
            "containsNull": item.is_nullable(),
        }),
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => json!({
                "type": "map",
                "keyType": delta_type(pair[0].data_type()),
                "valueType": delta_type(pair[1].data_type()),
                "valueContainsNull": pair[1].is_nullable(),
            }),
            _ => json!("binary"),
        },
        DataType::Struct(fields) => struct_of(fields),
        _ => json!("long"),
    }
}

fn fields_of(schema: &Value) -> Result<Fields> {
    let fields = schema.get("fields").and_then(Value::as_array);
    let fields = fields.ok_or_else(|| unreadable("its columns"))?;
    let fields = fields.iter().map(|field| {
        let name = field.get("name").and_then(Value::as_str);
        let kind = field.get("type").ok_or_else(|| unreadable("its columns"))?;
        let nullable = field.get("nullable").and_then(Value::as_bool);
        Ok(Field::new(
            name.ok_or_else(|| unreadable("its columns"))?,
            of_delta_type(kind)?,
            nullable.unwrap_or(true),
        ))
    });
    let fields: Fields = fields.collect::<Result<_>>()?;
    // Text at the top is a view, as readers give it.
    let fields = fields
        .iter()
        .map(|field| Arc::new(Field::clone(field).with_data_type(view(field.data_type()))));
    Ok(fields.collect())
}

fn of_delta_type(kind: &Value) -> Result<DataType> {
    if let Some(word) = kind.as_str() {
        return of_delta_word(word);
    }
    let part = |name: &str| {
        let part = kind.get(name);
        of_delta_type(part.ok_or_else(|| unreadable("its columns"))?)
    };
    let nullable = |name: &str| kind.get(name).and_then(Value::as_bool).unwrap_or(true);
    match kind.get("type").and_then(Value::as_str) {
        Some("struct") => {
            let fields = kind.get("fields").and_then(Value::as_array);
            let fields = fields.ok_or_else(|| unreadable("its columns"))?.iter();
            let fields = fields.map(|field| {
                let name = field.get("name").and_then(Value::as_str);
                let kind = field.get("type").ok_or_else(|| unreadable("its columns"))?;
                let nullable = field.get("nullable").and_then(Value::as_bool);
                Ok(Field::new(
                    name.unwrap_or_default(),
                    of_delta_type(kind)?,
                    nullable.unwrap_or(true),
                ))
            });
            Ok(DataType::Struct(fields.collect::<Result<_>>()?))
        }
        Some("array") => {
            let item = Field::new("element", part("elementType")?, nullable("containsNull"));
            Ok(DataType::List(Arc::new(item)))
        }
        Some("map") => Ok(map_type(
            part("keyType")?,
            part("valueType")?,
            nullable("valueContainsNull"),
        )),
        _ => Err(unreadable("its columns")),
    }
}

fn of_delta_word(word: &str) -> Result<DataType> {
    Ok(match word {
        "boolean" => DataType::Boolean,
        "byte" => DataType::Int8,
        "short" => DataType::Int16,
        "integer" => DataType::Int32,
        "long" => DataType::Int64,
        "float" => DataType::Float32,
        "double" => DataType::Float64,
        "string" => DataType::Utf8,
        "binary" => DataType::Binary,
        "date" => DataType::Date32,
        "timestamp" => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        "timestamp_ntz" => DataType::Timestamp(TimeUnit::Microsecond, None),
        _ => {
            let inner = word.strip_prefix("decimal(");
            let inner = inner.and_then(|rest| rest.strip_suffix(')'));
            let decimal = inner.and_then(|inner| {
                let (precision, scale) = inner.split_once(',')?;
                let precision: u8 = precision.trim().parse().ok()?;
                let scale: i8 = scale.trim().parse().ok()?;
                (precision <= 38).then_some(DataType::Decimal128(precision, scale))
            });
            return decimal.ok_or_else(|| {
                let message = format!("the table has a column of type {word}");
                Error::new(ErrorKind::Data, "TM0741", message)
                    .hint("this type of the Delta protocol is not supported")
            });
        }
    })
}

fn unreadable(what: &str) -> Error {
    let message = format!("the table's log cannot be understood: {what}");
    Error::new(ErrorKind::Data, "TM0742", message)
}

/// Whether there is nothing but NULL in the column, or in a part of it: a type that no reader of tables has.
fn is_typeless(kind: &DataType) -> bool {
    match kind {
        DataType::Null => true,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            is_typeless(item.data_type())
        }
        DataType::Map(entries, _) => is_typeless(entries.data_type()),
        DataType::Struct(fields) => fields.iter().any(|field| is_typeless(field.data_type())),
        _ => false,
    }
}

fn typeless(field: &Field) -> Error {
    let message = format!(
        "column `{}` of type {} cannot be stored in a table: NULL alone has no type",
        field.name(),
        type_name(field.data_type())
    );
    Error::new(ErrorKind::Input, "TM0744", message)
        .hint("say which type it has: CAST(NULL AS STRING)")
}

fn unfit(field: &Field) -> Error {
    let kind = type_name(field.data_type());
    let message = format!(
        "column `{}` of type {kind} cannot be stored in a table",
        field.name()
    );
    Error::new(ErrorKind::Input, "TM0744", message)
        .hint("cast it, for example to STRING or DECIMAL(38, 9)")
}

fn lossy(field: &Field, reason: String) -> Error {
    let message = format!(
        "column `{}` cannot be stored without loss: {reason}",
        field.name()
    );
    Error::new(ErrorKind::Run, "TM0747", message)
        .hint("round or cast the column in the query; tables keep timestamps in microseconds")
}
