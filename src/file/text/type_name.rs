//! Types as the query language spells them.

use arrow::datatypes::{DataType, TimeUnit};

/// The name of a type for messages.
pub(in crate::file) fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "BOOL".to_string(),
        DataType::Float16 => "FLOAT16".to_string(),
        DataType::Float32 => "FLOAT32".to_string(),
        DataType::Float64 => "FLOAT64".to_string(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "STRING".to_string(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "BYTES".to_string(),
        DataType::Date32 | DataType::Date64 => "DATE".to_string(),
        DataType::Time32(_) | DataType::Time64(_) => "TIME".to_string(),
        DataType::Timestamp(unit, zone) => {
            let name = if zone.is_some() {
                "TIMESTAMP"
            } else {
                "DATETIME"
            };
            match unit {
                TimeUnit::Microsecond => name.to_string(),
                TimeUnit::Second => format!("{name} of seconds"),
                TimeUnit::Millisecond => format!("{name} of milliseconds"),
                TimeUnit::Nanosecond => format!("{name} of nanoseconds"),
            }
        }
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => format!("DECIMAL({precision}, {scale})"),
        DataType::List(item) | DataType::LargeList(item) => {
            format!("ARRAY<{}>", type_name(item.data_type()))
        }
        DataType::Struct(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|field| format!("{} {}", field.name(), type_name(field.data_type())))
                .collect();
            format!("STRUCT<{}>", fields.join(", "))
        }
        DataType::Dictionary(_, value) => type_name(value),
        other => other.to_string().to_uppercase(),
    }
}
