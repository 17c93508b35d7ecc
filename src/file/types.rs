//! Types: what stands in for a dictionary, what two files' types have in common, and schemas with other types.

use std::iter::zip;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};

/// The type with every dictionary in it replaced by what it holds.
pub(super) fn without_dictionaries(kind: &DataType) -> DataType {
    let item = |field: &FieldRef| {
        let kind = without_dictionaries(field.data_type());
        Arc::new(Field::clone(field).with_data_type(kind))
    };
    match kind {
        DataType::Dictionary(_, value) => without_dictionaries(value),
        DataType::List(field) => DataType::List(item(field)),
        DataType::LargeList(field) => DataType::LargeList(item(field)),
        DataType::FixedSizeList(field, length) => DataType::FixedSizeList(item(field), *length),
        DataType::Struct(fields) => DataType::Struct(fields.iter().map(item).collect()),
        DataType::Map(field, sorted) => DataType::Map(item(field), *sorted),
        kind => kind.clone(),
    }
}

/// The type that holds every value of both without loss; None where there is no such type.
pub(crate) fn common_type(one: &DataType, other: &DataType) -> Option<DataType> {
    use DataType::{
        Date32, Date64, Decimal128, Float16, Float32, Float64, Int8, Int16, Int32, Int64, Null,
        Timestamp, UInt8, UInt16, UInt32,
    };
    if one == other {
        return Some(one.clone());
    }
    let text = |kind: &DataType| kind.is_string();
    let bytes = |kind: &DataType| kind.is_binary() && !kind.is_string();
    let both = |test: fn(&DataType) -> bool| test(one) && test(other);
    Some(match (one, other) {
        (Null, kind) | (kind, Null) => kind.clone(),
        _ if text(one) && text(other) => DataType::Utf8View,
        _ if bytes(one) && bytes(other) => DataType::BinaryView,
        _ if both(DataType::is_signed_integer) || both(DataType::is_unsigned_integer) => {
            wider(one, other)
        }
        (UInt8 | UInt16 | UInt32, kind) | (kind, UInt8 | UInt16 | UInt32)
            if kind.is_signed_integer() =>
        {
            Int64
        }
        (Float16 | Float32 | Float64, Float16 | Float32 | Float64) => wider(one, other),
        // A FLOAT64 holds integers up to 2^53: reading says so where one is larger.
        (Float64, Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | DataType::UInt64)
        | (Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | DataType::UInt64, Float64)
        | (Float32 | Float16, Int8 | Int16 | Int32 | UInt8 | UInt16 | UInt32)
        | (Int8 | Int16 | Int32 | UInt8 | UInt16 | UInt32, Float32 | Float16) => Float64,
        (Decimal128(p1, s1), Decimal128(p2, s2)) => decimal((*p1, *s1), (*p2, *s2))?,
        (Decimal128(p, s), kind) | (kind, Decimal128(p, s)) if kind.is_integer() => {
            decimal((*p, *s), (20, 0))?
        }
        (Date32, Date64) | (Date64, Date32) => Date64,
        (Date32, Timestamp(unit, None)) | (Timestamp(unit, None), Date32) => Timestamp(*unit, None),
        (Timestamp(u1, z1), Timestamp(u2, z2)) if z1 == z2 => Timestamp(*u1.max(u2), z1.clone()),
        _ => return None,
    })
}

fn wider(one: &DataType, other: &DataType) -> DataType {
    if one.primitive_width() >= other.primitive_width() {
        one.clone()
    } else {
        other.clone()
    }
}

fn decimal(one: (u8, i8), other: (u8, i8)) -> Option<DataType> {
    let scale = one.1.max(other.1);
    let whole = (i16::from(one.0) - i16::from(one.1)).max(i16::from(other.0) - i16::from(other.1));
    let precision = u8::try_from(whole + i16::from(scale)).ok()?;
    (precision <= 38).then_some(DataType::Decimal128(precision, scale))
}

/// `schema` with the types that `columns` have.
pub(crate) fn with_types(schema: &SchemaRef, columns: &[ArrayRef]) -> SchemaRef {
    if zip(columns, schema.fields()).all(|(column, field)| column.data_type() == field.data_type())
    {
        return SchemaRef::clone(schema);
    }
    let fields: Vec<Field> = zip(columns, schema.fields())
        .map(|(column, field)| {
            let field = Field::clone(field);
            field.with_data_type(column.data_type().clone())
        })
        .collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::datatypes::TimeUnit;

    #[test]
    fn types_in_common_lose_nothing() {
        let common = |one: &DataType, other: &DataType| {
            let answer = common_type(one, other);
            assert_eq!(answer, common_type(other, one));
            answer
        };
        use DataType::{Boolean, Date32, Decimal128, Float64, Int32, Int64, Utf8, Utf8View};
        assert_eq!(common(&Int32, &Int64), Some(Int64));
        assert_eq!(common(&Int64, &Float64), Some(Float64));
        assert_eq!(common(&Utf8, &Utf8View), Some(Utf8View));
        assert_eq!(common(&Utf8, &Int64), None);
        assert_eq!(common(&Boolean, &Int64), None);
        assert_eq!(
            common(&Decimal128(10, 2), &Decimal128(12, 0)),
            Some(Decimal128(14, 2))
        );
        let micros = DataType::Timestamp(TimeUnit::Microsecond, None);
        assert_eq!(common(&Date32, &micros), Some(micros.clone()));
    }
}
