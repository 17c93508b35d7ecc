//! The rows of a checkpoint into a table's state. Segments are very many and have plain columns: they are read column by column;
//! the few other actions by their names.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch, StringArray, StructArray,
    UInt32Array,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::{cast, take_record_batch};
use arrow::datatypes::{DataType, Int64Type};

use super::Row;
use crate::table::action::{Add, Remove, Tags};
use crate::table::parts::in_parts;
use crate::table::snapshot::{Segment, State};

/// Columns that are read by their own names.
const FEW: [&str; 3] = ["txn", "metaData", "protocol"];

/// Adds what the batches of a checkpoint say.
pub(super) fn put_all(state: &mut State, batches: &[RecordBatch]) -> Result<(), String> {
    let parts = in_parts(batches, 1, |batches| -> Result<Vec<_>, String> {
        let segments = batches.iter().map(segments_of);
        let segments = segments.collect::<Result<Vec<_>, _>>()?;
        Ok(segments.into_iter().flatten().collect())
    });
    let parts = parts.into_iter().collect::<Result<Vec<_>, _>>()?;
    let segments = parts.into_iter().flatten();
    if state.segments.is_empty() {
        // Faster than one after the other.
        state.segments = segments.collect();
    } else {
        state.segments.extend(segments);
    }
    for batch in batches {
        if let Some(removes) = actions(batch, "remove") {
            let removes = Files::of(removes)?;
            for row in 0..removes.len() {
                if let Some(remove) = removes.remove(row)? {
                    state.tombstones.insert(remove.path.clone(), remove);
                }
            }
        }
        for row in others(batch)? {
            super::put(state, row);
        }
    }
    Ok(())
}

/// The segments that a batch adds.
fn segments_of(batch: &RecordBatch) -> Result<Vec<(String, Arc<Segment>)>, String> {
    let Some(adds) = actions(batch, "add") else {
        return Ok(Vec::new());
    };
    let adds = Files::of(adds)?;
    let added = (0..adds.len()).filter_map(|row| adds.add(row).transpose());
    added
        .map(|add| add.map(|add| (add.path.clone(), Arc::new(Segment::new(add)))))
        .collect()
}

fn actions<'b>(batch: &'b RecordBatch, name: &str) -> Option<&'b StructArray> {
    batch.column_by_name(name)?.as_struct_opt()
}

/// The rows that are about no segment.
fn others(batch: &RecordBatch) -> Result<Vec<Row>, String> {
    let fields = batch.schema_ref().fields();
    let few = |column: &usize| FEW.contains(&fields[*column].name().as_str());
    let columns: Vec<usize> = (0..fields.len()).filter(few).collect();
    let said = |row: &usize| {
        columns
            .iter()
            .any(|column| batch.column(*column).is_valid(*row))
    };
    let rows = (0..batch.num_rows()).filter(said).map(|row| row as u32);
    let rows = UInt32Array::from_iter_values(rows);
    if rows.is_empty() {
        return Ok(Vec::new());
    }
    let few = batch.project(&columns).map_err(text_of)?;
    let few = take_record_batch(&few, &rows).map_err(text_of)?;
    serde_arrow::from_record_batch(&few).map_err(text_of)
}

fn text_of(error: impl std::fmt::Display) -> String {
    error.to_string()
}

/// The columns of actions about files. Of those that the protocol does not ask for, a writer may leave out any.
struct Files {
    all: StructArray,
    path: StringArray,
    size: Option<Int64Array>,
    data_change: Option<BooleanArray>,
    partition_values: Option<Pairs>,
    modification_time: Option<Int64Array>,
    stats: Option<StringArray>,
    tags: Option<Pairs>,
    deletion_timestamp: Option<Int64Array>,
    extended_file_metadata: Option<BooleanArray>,
}

impl Files {
    fn of(all: &StructArray) -> Result<Self, String> {
        let texts = |name: &str| all.column_by_name(name).map(texts).transpose();
        let pairs = |name: &str| all.column_by_name(name).map(Pairs::of).transpose();
        let longs = |name: &str| -> Result<Option<Int64Array>, String> {
            let Some(column) = all.column_by_name(name) else {
                return Ok(None);
            };
            let column = cast(column, &DataType::Int64).map_err(text_of)?;
            Ok(Some(column.as_primitive::<Int64Type>().clone()))
        };
        let flags = |name: &str| {
            let column = all.column_by_name(name)?.as_boolean_opt()?;
            Some(column.clone())
        };
        Ok(Files {
            path: texts("path")?.ok_or("an action without a path")?,
            size: longs("size")?,
            data_change: flags("dataChange"),
            partition_values: pairs("partitionValues")?,
            modification_time: longs("modificationTime")?,
            stats: texts("stats")?,
            tags: pairs("tags")?,
            deletion_timestamp: longs("deletionTimestamp")?,
            extended_file_metadata: flags("extendedFileMetadata"),
            all: all.clone(),
        })
    }

    fn len(&self) -> usize {
        self.all.len()
    }

    /// The path of a row that is about a file.
    fn path(&self, row: usize) -> Result<Option<String>, String> {
        if self.all.is_null(row) {
            return Ok(None);
        }
        let path = self.path.is_valid(row).then(|| self.path.value(row));
        let path = path.ok_or("an action without a path")?;
        Ok(Some(path.to_string()))
    }

    fn add(&self, row: usize) -> Result<Option<Add>, String> {
        let Some(path) = self.path(row)? else {
            return Ok(None);
        };
        Ok(Some(Add {
            path,
            partition_values: pairs_at(&self.partition_values, row)?.unwrap_or_default(),
            size: long(&self.size, row).ok_or("a segment without a size")?,
            modification_time: long(&self.modification_time, row).unwrap_or_default(),
            data_change: flag(&self.data_change, row).unwrap_or_default(),
            stats: text(&self.stats, row),
            tags: pairs_at(&self.tags, row)?,
        }))
    }

    fn remove(&self, row: usize) -> Result<Option<Remove>, String> {
        let Some(path) = self.path(row)? else {
            return Ok(None);
        };
        Ok(Some(Remove {
            path,
            deletion_timestamp: long(&self.deletion_timestamp, row),
            data_change: flag(&self.data_change, row).unwrap_or_default(),
            extended_file_metadata: flag(&self.extended_file_metadata, row),
            partition_values: pairs_at(&self.partition_values, row)?,
            size: long(&self.size, row),
        }))
    }
}

fn texts(column: &ArrayRef) -> Result<StringArray, String> {
    let column = cast(column, &DataType::Utf8).map_err(text_of)?;
    Ok(column.as_string::<i32>().clone())
}

fn long(column: &Option<Int64Array>, row: usize) -> Option<i64> {
    let column = column.as_ref()?;
    column.is_valid(row).then(|| column.value(row))
}

fn flag(column: &Option<BooleanArray>, row: usize) -> Option<bool> {
    let column = column.as_ref()?;
    column.is_valid(row).then(|| column.value(row))
}

fn text(column: &Option<StringArray>, row: usize) -> Option<String> {
    let column = column.as_ref()?;
    column.is_valid(row).then(|| column.value(row).to_string())
}

/// A column of maps from text to text.
struct Pairs {
    all: ArrayRef,
    offsets: OffsetBuffer<i32>,
    keys: StringArray,
    values: StringArray,
}

impl Pairs {
    fn of(all: &ArrayRef) -> Result<Self, String> {
        let maps = all.as_map_opt().ok_or("a column that should be a map")?;
        Ok(Pairs {
            all: Arc::clone(all),
            offsets: maps.offsets().clone(),
            keys: texts(maps.keys())?,
            values: texts(maps.values())?,
        })
    }
}

fn pairs_at(pairs: &Option<Pairs>, row: usize) -> Result<Option<Tags>, String> {
    let Some(pairs) = pairs.as_ref().filter(|pairs| pairs.all.is_valid(row)) else {
        return Ok(None);
    };
    let inside = pairs.offsets[row] as usize..pairs.offsets[row + 1] as usize;
    let mut found = Tags::new();
    for place in inside {
        if pairs.keys.is_null(place) {
            return Err("a map with a key that is NULL".to_string());
        }
        let value = pairs.values.is_valid(place);
        let value = value.then(|| pairs.values.value(place).to_string());
        found.insert(pairs.keys.value(place).to_string(), value);
    }
    Ok(Some(found))
}
