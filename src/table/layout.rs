//! Where a row lies: the partition its values name, and the shard its key hashes to.
//!
//! A key hashes to one of [`BUCKETS`]; a shard holds a range of them. The range stands in each segment's tags, so that a table
//! can be cut into more shards later without touching what is written.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, Float64Type, Int64Type, Schema, TimestampMicrosecondType,
};
use serde_json::json;

use super::action::{Metadata, Tags};
use super::protocol::setting;
use super::schema::Columns;
use super::transform::{Generated, Transform};
use crate::error::{Error, ErrorKind, Result};
use crate::file::type_name;

/// Parts that a key can hash to.
pub(crate) const BUCKETS: u64 = 4096;

const SHARD_KEY: &str = "tidemill.shard_key";
const SHARDS: &str = "tidemill.shards";
const CLUSTER_BY: &str = "tidemill.cluster_by";

/// What names a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PartitionKey {
    /// As the log calls it.
    pub(crate) name: String,
    /// The position of the column whose value it is, or is computed of.
    pub(crate) column: usize,
    pub(crate) transform: Option<Transform>,
}

impl PartitionKey {
    /// The column's own values.
    pub(crate) fn plain(columns: &Columns, column: usize) -> Self {
        PartitionKey {
            name: columns.stored.field(column).name().clone(),
            column,
            transform: None,
        }
    }

    /// Its values for the rows of a stored batch.
    pub(crate) fn values(&self, batch: &RecordBatch) -> Result<ArrayRef> {
        let values = batch.column(self.column);
        match self.transform {
            None => Ok(Arc::clone(values)),
            Some(transform) => transform.apply(values),
        }
    }
}

/// How a table's rows are laid out. Columns are positions.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) partition_by: Vec<PartitionKey>,
    /// The order of rows in a segment.
    pub(crate) cluster_by: Vec<usize>,
    pub(crate) shard_key: Vec<usize>,
    /// How many shards; 0 without a key.
    pub(crate) shards: u64,
}

impl Layout {
    /// What a log says of the layout.
    pub(crate) fn of(metadata: &Metadata, columns: &Columns) -> Result<Self> {
        let named = |names: &[String]| {
            let position = |name: &String| columns.stored.index_of(name).ok();
            names.iter().map(position).collect::<Option<Vec<usize>>>()
        };
        let list = |name: &str| -> Option<Vec<usize>> {
            let names: Vec<String> = serde_json::from_str(setting(metadata, name)?).ok()?;
            named(&names)
        };
        let key = |name: &String| {
            if let Ok(column) = columns.stored.index_of(name) {
                return Some(PartitionKey::plain(columns, column));
            }
            let mut generated = columns.generated.iter();
            let found = generated.find(|one| one.name == *name)?;
            Some(PartitionKey {
                name: name.clone(),
                column: found.column,
                transform: Some(found.transform),
            })
        };
        let partition_by = metadata.partition_columns.iter().map(key);
        let partition_by: Option<Vec<_>> = partition_by.collect();
        let partition_by = partition_by.ok_or_else(|| {
            let message = "the table's log names a partition column that the table lacks";
            Error::new(ErrorKind::Data, "TM0742", message)
        })?;
        let shards = setting(metadata, SHARDS).and_then(|text| text.parse().ok());
        let shard_key = list(SHARD_KEY).unwrap_or_default();
        Ok(Layout {
            partition_by,
            cluster_by: list(CLUSTER_BY).unwrap_or_default(),
            shards: shards.filter(|_| !shard_key.is_empty()).unwrap_or(0),
            shard_key,
        })
    }

    /// Whether segments leave a column out because their partition says its value.
    pub(crate) fn is_of_partition(&self, column: usize) -> bool {
        let mut keys = self.partition_by.iter();
        keys.any(|key| key.column == column && key.transform.is_none())
    }

    /// The columns that are computed for partitions.
    pub(crate) fn generated(&self) -> Vec<Generated> {
        let computed = self.partition_by.iter().filter_map(|key| {
            Some(Generated {
                name: key.name.clone(),
                column: key.column,
                transform: key.transform?,
            })
        });
        computed.collect()
    }

    /// The layout of a new table, checked.
    pub(crate) fn check(&self, columns: &Columns) -> Result<()> {
        let stored = columns.stored.fields();
        if (0..stored.len()).all(|column| self.is_of_partition(column)) {
            let message = "a table needs a column that it is not partitioned by";
            return Err(Error::new(ErrorKind::Input, "TM0317", message));
        }
        if !self.shard_key.is_empty() && !(1..=BUCKETS).contains(&self.shards) {
            let message = format!(
                "a table has from 1 to {BUCKETS} shards, not {}",
                self.shards
            );
            return Err(Error::new(ErrorKind::Input, "TM0317", message));
        }
        let plain = self.partition_by.iter();
        let plain = plain.filter(|key| key.transform.is_none());
        let plain: Vec<usize> = plain.map(|key| key.column).collect();
        self.check_computed(columns)?;
        let keys = [
            (&plain, "partitioned"),
            (&self.shard_key, "distributed"),
            (&self.cluster_by, "clustered"),
        ];
        for (positions, verb) in keys {
            for (place, position) in positions.iter().enumerate() {
                let field = &stored[*position];
                if positions[..place].contains(position) {
                    let message = format!("the table is {verb} by `{}` twice", field.name());
                    return Err(Error::new(ErrorKind::Input, "TM0317", message));
                }
                if field.data_type().is_nested() || field.data_type().is_binary() {
                    let kind = type_name(columns.seen.field(*position).data_type());
                    let message = format!(
                        "a table cannot be {verb} by `{}` of type {kind}",
                        field.name()
                    );
                    return Err(Error::new(ErrorKind::Input, "TM0317", message));
                }
            }
        }
        Ok(())
    }

    /// Partitions that are computed: of columns that allow it, and under names that are free.
    fn check_computed(&self, columns: &Columns) -> Result<()> {
        let refused = |message| Err(Error::new(ErrorKind::Input, "TM0317", message));
        for (place, key) in self.partition_by.iter().enumerate() {
            let Some(transform) = key.transform else {
                continue;
            };
            let field = columns.stored.field(key.column);
            if transform.kind(field.data_type()).is_none() {
                let kind = type_name(columns.seen.field(key.column).data_type());
                return refused(match transform {
                    Transform::Truncate(unit) => format!(
                        "a table cannot be partitioned by the {unit} of `{}` of type {kind}",
                        field.name()
                    ),
                    Transform::Bucket(_) => format!(
                        "a table cannot be partitioned by a BUCKET of `{}` of type {kind}",
                        field.name()
                    ),
                });
            }
            if transform == Transform::Bucket(0) {
                return refused("there are no BUCKETs to partition the table by".to_string());
            }
            let same = |name: &str| name.eq_ignore_ascii_case(&key.name);
            let taken = columns
                .stored
                .fields()
                .iter()
                .any(|field| same(field.name()));
            if taken
                || self.partition_by[..place]
                    .iter()
                    .any(|other| same(&other.name))
            {
                return refused(format!(
                    "the column `{}`, which names these partitions to other readers, is there already",
                    key.name
                ));
            }
        }
        Ok(())
    }

    /// The settings that keep what the protocol has no word for.
    pub(crate) fn settings(&self, columns: &Schema) -> Tags {
        let names = |positions: &[usize]| {
            let names = positions
                .iter()
                .map(|position| columns.field(*position).name());
            Some(json!(names.collect::<Vec<_>>()).to_string())
        };
        let mut settings = Tags::new();
        if !self.shard_key.is_empty() {
            settings.insert(SHARD_KEY.to_string(), names(&self.shard_key));
            settings.insert(SHARDS.to_string(), Some(self.shards.to_string()));
        }
        if !self.cluster_by.is_empty() {
            settings.insert(CLUSTER_BY.to_string(), names(&self.cluster_by));
        }
        settings
    }

    /// The shard that a bucket lies in.
    pub(crate) fn shard_of(&self, bucket: u64) -> u64 {
        shard_of(bucket, self.shards)
    }

    /// The buckets of a shard.
    pub(crate) fn buckets_of(&self, shard: u64) -> RangeInclusive<u64> {
        let first = |shard: u64| (shard * BUCKETS).div_ceil(self.shards);
        first(shard)..=first(shard + 1) - 1
    }
}

/// Which partitions an overwrite replaces: every one, if nothing is said of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Overwritten {
    /// Columns of one value, as the log writes it.
    pub(crate) fixed: Tags,
    /// Columns whose values are those of the new rows.
    pub(crate) of_rows: Vec<String>,
}

impl Overwritten {
    pub(crate) fn names(&self) -> impl Iterator<Item = &String> {
        self.fixed.keys().chain(&self.of_rows)
    }

    /// Whether the rows of a partition go when the new rows lie in these.
    pub(crate) fn holds(&self, partition: &Tags, new: &BTreeSet<&Tags>) -> bool {
        // To every reader of the protocol an empty text is NULL.
        let value = |partition: &Tags, name: &String| {
            let text = partition.get(name).cloned().flatten();
            text.filter(|text| !text.is_empty())
        };
        let mut fixed = self.fixed.iter();
        let fits = fixed.all(|(name, text)| value(partition, name) == *text);
        let same = |new: &&Tags| {
            let mut names = self.of_rows.iter();
            names.all(|name| value(new, name) == value(partition, name))
        };
        fits && (self.of_rows.is_empty() || new.iter().any(same))
    }
}

/// The shard of so many that a bucket lies in.
pub(crate) fn shard_of(bucket: u64, shards: u64) -> u64 {
    bucket * shards / BUCKETS
}

/// The buckets of keys, one for each row. `keys` are the key's columns as they are stored.
pub(crate) fn buckets(keys: &[ArrayRef]) -> Result<Vec<u64>> {
    let rows = keys.first().map_or(0, |key| key.len());
    let mut hashes = vec![0_u64; rows];
    for key in keys {
        hash_column(key, &mut hashes)?;
    }
    for hash in &mut hashes {
        *hash %= BUCKETS;
    }
    Ok(hashes)
}

/// Mixes a column into the rows' hashes. Equal values hash alike whatever the width of their type.
fn hash_column(key: &ArrayRef, hashes: &mut [u64]) -> Result<()> {
    let bug = |_| Error::bug("a key has a type that cannot be hashed");
    let mut mix = |row: usize, bytes: &[u8]| {
        hashes[row] = twox_hash::XxHash64::oneshot(hashes[row], bytes);
    };
    let null = |row: usize| key.is_null(row);
    macro_rules! fixed {
        ($values:expr, $bytes:expr) => {
            for (row, value) in $values.values().iter().enumerate() {
                if !null(row) {
                    mix(row, &$bytes(*value));
                }
            }
        };
    }
    match key.data_type() {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            let values = cast(key, &DataType::Int64).map_err(bug)?;
            fixed!(values.as_primitive::<Int64Type>(), i64::to_le_bytes);
        }
        DataType::Date32 => fixed!(key.as_primitive::<Date32Type>(), i32::to_le_bytes),
        DataType::Timestamp(..) => {
            fixed!(
                key.as_primitive::<TimestampMicrosecondType>(),
                i64::to_le_bytes
            );
        }
        DataType::Decimal128(..) => {
            fixed!(key.as_primitive::<Decimal128Type>(), i128::to_le_bytes);
        }
        DataType::Float32 | DataType::Float64 => {
            let values = cast(key, &DataType::Float64).map_err(bug)?;
            // Zeros are equal, and so are those that are no number.
            let plain = |value: f64| {
                let value = if value.is_nan() {
                    f64::NAN
                } else {
                    value + 0.0
                };
                value.to_bits().to_le_bytes()
            };
            fixed!(values.as_primitive::<Float64Type>(), plain);
        }
        DataType::Boolean => {
            for row in (0..key.len()).filter(|row| !null(*row)) {
                mix(row, &[u8::from(key.as_boolean().value(row))]);
            }
        }
        _ => {
            let texts = cast(key, &DataType::Utf8View).map_err(bug)?;
            for row in (0..key.len()).filter(|row| !null(*row)) {
                mix(row, texts.as_string_view().value(row).as_bytes());
            }
        }
    }
    Ok(())
}

/// The values of a partition column as the log writes them; `None` is NULL.
pub(crate) fn partition_texts(values: &ArrayRef, column: &str) -> Result<Vec<Option<String>>> {
    let texts = cast(values, &DataType::Utf8)?;
    let texts = texts.as_string::<i32>().iter();
    let texts = texts.map(|text| match text {
        // To every reader of the protocol an empty text is NULL.
        Some("") => {
            let message = format!("an empty text in `{column}` cannot name a partition");
            Err(Error::new(ErrorKind::Run, "TM0747", message)
                .hint("use NULL, or a text that is not empty"))
        }
        text => Ok(text.map(str::to_string)),
    });
    texts.collect()
}

/// The directory of a partition, below the table's.
pub(crate) fn partition_directory(values: &[(String, Option<String>)]) -> String {
    let parts = values.iter().map(|(column, value)| {
        let value = value
            .as_deref()
            .map_or("__HIVE_DEFAULT_PARTITION__".into(), encode);
        format!("{}={value}/", encode(column))
    });
    parts.collect()
}

/// Percent-encodes what is not plain in a name.
pub(crate) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for (place, byte) in text.bytes().enumerate() {
        let plain =
            byte.is_ascii_alphanumeric() || b"_-".contains(&byte) || (byte == b'.' && place > 0);
        if plain {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// Percent-encodes a path as the log has it: a `%` in a name is one.
pub(crate) fn encode_path(path: &str) -> String {
    path.replace('%', "%25")
}

/// A percent-encoded text; `None` where it is none.
pub(crate) fn decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte == b'%' {
            let digits = [bytes.next()?, bytes.next()?];
            let digits = std::str::from_utf8(&digits).ok()?;
            decoded.push(u8::from_str_radix(digits, 16).ok()?);
        } else {
            decoded.push(byte);
        }
    }
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Float64Array, Int32Array, Int64Array, StringViewArray};

    #[test]
    fn every_bucket_lies_in_one_shard() {
        for shards in [1, 2, 3, 16, 100, 4096] {
            let layout = Layout {
                shard_key: vec![0],
                shards,
                ..Layout::default()
            };
            let mut next = 0;
            for shard in 0..shards {
                let buckets = layout.buckets_of(shard);
                assert_eq!(*buckets.start(), next);
                assert!(
                    buckets
                        .clone()
                        .all(|bucket| layout.shard_of(bucket) == shard)
                );
                next = buckets.end() + 1;
            }
            assert_eq!(next, BUCKETS);
        }
    }

    #[test]
    fn a_key_hashes_the_same_for_ever() {
        let hash = |key: ArrayRef| buckets(&[key]).unwrap();
        let numbers = hash(Arc::new(Int64Array::from(vec![Some(1), Some(-7), None])));
        assert_eq!(numbers, [2453, 2650, 0]);
        assert_eq!(hash(Arc::new(Int32Array::from(vec![1, -7]))), numbers[..2]);
        let zeros = hash(Arc::new(Float64Array::from(vec![0.0, -0.0])));
        assert_eq!(zeros[0], zeros[1]);
        assert_eq!(hash(Arc::new(StringViewArray::from(vec!["tide"]))), [1511]);
    }

    #[test]
    fn names_come_back_from_paths() {
        for text in ["a b", "ä/ü", "..", ".x", "100%", "key=value", "plain-1.5"] {
            let encoded = encode(text);
            assert!(!encoded.contains(['/', ' ', '=']) && !encoded.starts_with('.'));
            assert_eq!(decode(&encoded).unwrap(), text);
            assert_eq!(decode(&encode_path(&encoded)).unwrap(), encoded);
        }
        assert_eq!(decode("%4"), None);
        let values = [
            ("d".to_string(), Some("a/b".to_string())),
            ("e".to_string(), None),
        ];
        assert_eq!(
            partition_directory(&values),
            "d=a%2Fb/e=__HIVE_DEFAULT_PARTITION__/"
        );
    }
}
