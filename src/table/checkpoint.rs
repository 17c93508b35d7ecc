//! Checkpoints: the fold of the log up to a version as one Parquet file, so that readers need not begin at version 0.
//!
//! The rows are the protocol's actions, each in a column of its own. What is wrong with a checkpoint of ours is found by its
//! checksum, which stands in `_last_checkpoint` for the newest; an older one, or the log itself, then says the same.

mod decode;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Fields};
use parquet::arrow::ArrowWriter;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::action::{Format, Metadata, Protocol, Tags, Txn, hash};
use super::damaged;
use super::log::TableLog;
use super::snapshot::{CHECKSUM_TAG, Snapshot, State};
use crate::error::{Error, Result};

/// Rows converted at once.
const ROWS: usize = 16 * 1024;

/// Columns of a checkpoint that we read; others are for features that are refused, or repeat these.
const COLUMNS: [&str; 5] = ["txn", "add", "remove", "metaData", "protocol"];

/// One action.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Row {
    #[serde(default)]
    txn: Option<Txn>,
    /// Written by name, read by column: see `decode.rs`.
    #[serde(default)]
    add: Option<AddRow>,
    #[serde(default)]
    remove: Option<RemoveRow>,
    #[serde(default)]
    meta_data: Option<MetadataRow>,
    #[serde(default)]
    protocol: Option<Protocol>,
}

/// [`Add`] without what JSON leaves out.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct AddRow {
    path: String,
    partition_values: Option<Tags>,
    size: i64,
    modification_time: i64,
    data_change: bool,
    #[serde(default)]
    stats: Option<String>,
    #[serde(default)]
    tags: Option<Tags>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RemoveRow {
    path: String,
    #[serde(default)]
    deletion_timestamp: Option<i64>,
    data_change: bool,
    #[serde(default)]
    extended_file_metadata: Option<bool>,
    #[serde(default)]
    partition_values: Option<Tags>,
    #[serde(default)]
    size: Option<i64>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct MetadataRow {
    id: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    description: Option<String>,
    format: FormatRow,
    schema_string: String,
    partition_columns: Option<Vec<String>>,
    configuration: Option<Tags>,
    #[serde(default)]
    created_time: Option<i64>,
}

#[derive(Debug, Serialize, Deserialize)]
struct FormatRow {
    provider: String,
    #[serde(default)]
    options: Option<Tags>,
}

/// The rest of a file's name after the version: one checkpoint file, or one of several.
pub(super) fn is_part(rest: &str) -> bool {
    let Some(middle) = rest.strip_prefix("checkpoint.") else {
        return false;
    };
    middle == "parquet" || part_of(middle).is_some()
}

/// `0000000001.0000000002.parquet`: which part of how many.
fn part_of(middle: &str) -> Option<(u64, u64)> {
    let (part, rest) = middle.split_once('.')?;
    let (parts, ending) = rest.split_once('.')?;
    let number = |text: &str| (text.len() == 10).then(|| text.parse().ok()).flatten();
    (ending == "parquet").then_some((number(part)?, number(parts)?))
}

/// What a checkpoint says of the table.
pub(super) fn read(log: &TableLog, version: u64, parts: &[String]) -> Result<State> {
    let whole = |name: &&String| name.ends_with(".checkpoint.parquet");
    let chosen: Vec<&String> = match parts.iter().find(whole) {
        Some(name) => vec![name],
        None => {
            let wanted = parts.first().and_then(|name| part_of(&name[32..]));
            let wanted = wanted.map_or(0, |(_, parts)| parts);
            if wanted != parts.len() as u64 {
                let path = log.log_directory().join(format!("{version:020}"));
                return Err(damaged(&path, "a part of the checkpoint is missing"));
            }
            parts.iter().collect()
        }
    };
    let mut state = State::default();
    for name in chosen {
        let path = log.log_directory().join(name);
        let bytes = log.store.read(&path)?;
        let bytes = bytes.ok_or_else(|| damaged(&path, "the checkpoint is missing"))?;
        if known_checksum(log, version)?.is_some_and(|known| known != checksum(&bytes)) {
            return Err(damaged(&path, "the checkpoint's checksum does not fit"));
        }
        // The decoder checks much and not everything.
        let decoded = catch_unwind(AssertUnwindSafe(|| batches_of(bytes, &mut state)));
        let decoded =
            decoded.unwrap_or_else(|_| Err("its contents contradict themselves".to_string()));
        decoded.map_err(|_| damaged(&path, "the checkpoint cannot be read"))?;
    }
    state.timestamp = match log.commit(version) {
        Ok(commit) => commit.info.timestamp.unwrap_or_default(),
        // The log before a checkpoint may be gone.
        Err(_) => 0,
    };
    Ok(state)
}

fn batches_of(bytes: Vec<u8>, state: &mut State) -> Result<(), String> {
    let plain = |error: &dyn std::fmt::Display| error.to_string();
    let bytes = bytes::Bytes::from(bytes);
    let reader = ParquetRecordBatchReaderBuilder::try_new(bytes).map_err(|e| plain(&e))?;
    let fields = reader.schema().fields().iter().enumerate();
    let wanted = fields.filter(|(_, field)| COLUMNS.contains(&field.name().as_str()));
    let wanted: Vec<usize> = wanted.map(|(position, _)| position).collect();
    let mask = ProjectionMask::roots(reader.parquet_schema(), wanted);
    let reader = reader.with_projection(mask).with_batch_size(ROWS).build();
    let batches = reader.map_err(|e| plain(&e))?;
    let batches = batches.collect::<Result<Vec<_>, _>>();
    decode::put_all(state, &batches.map_err(|e| plain(&e))?)
}

fn put(state: &mut State, row: Row) {
    if let Some(txn) = row.txn {
        state.txns.insert(txn.app_id.clone(), txn);
    }
    if let Some(metadata) = row.meta_data {
        state.metadata = Some(Metadata {
            id: metadata.id,
            name: metadata.name,
            description: metadata.description,
            format: Format {
                provider: metadata.format.provider,
                options: metadata.format.options.unwrap_or_default(),
            },
            schema_string: metadata.schema_string,
            partition_columns: metadata.partition_columns.unwrap_or_default(),
            configuration: metadata.configuration.unwrap_or_default(),
            created_time: metadata.created_time,
        });
    }
    if let Some(protocol) = row.protocol {
        state.protocol = Some(protocol);
    }
}

/// The checksum of a version's checkpoint, if it is the newest and ours.
fn known_checksum(log: &TableLog, version: u64) -> Result<Option<String>> {
    let Some(bytes) = log.store.read(&last_checkpoint(log))? else {
        return Ok(None);
    };
    let Ok(last) = serde_json::from_slice::<serde_json::Value>(&bytes) else {
        // It only helps to find the newest checkpoint: a listing does so too.
        return Ok(None);
    };
    let same = last.get("version").and_then(serde_json::Value::as_u64) == Some(version);
    let known = last.get("tags").and_then(|tags| tags.get(CHECKSUM_TAG));
    let known = known.and_then(serde_json::Value::as_str);
    Ok(known.filter(|_| same).map(str::to_string))
}

fn last_checkpoint(log: &TableLog) -> PathBuf {
    log.log_directory().join("_last_checkpoint")
}

fn checksum(bytes: &[u8]) -> String {
    format!("{:016x}", hash(bytes))
}

/// Writes the checkpoint of a snapshot, then the file that names the newest one.
pub(super) fn write(log: &TableLog, snapshot: &Snapshot) -> Result<()> {
    let rows = rows(snapshot);
    let bytes = bytes_of(&rows)?;
    let name = format!("{:020}.checkpoint.parquet", snapshot.version);
    log.store.replace(&log.log_directory().join(name), &bytes)?;
    let last = json!({
        "version": snapshot.version,
        "size": rows.len(),
        "sizeInBytes": bytes.len(),
        "numOfAddFiles": snapshot.state.segments.len(),
        "tags": {CHECKSUM_TAG: checksum(&bytes)},
    });
    log.store
        .replace(&last_checkpoint(log), last.to_string().as_bytes())
}

fn rows(snapshot: &Snapshot) -> Vec<Row> {
    let metadata = snapshot.metadata.clone();
    let mut rows = vec![
        Row {
            protocol: Some(snapshot.protocol.clone()),
            ..Row::default()
        },
        Row {
            meta_data: Some(MetadataRow {
                id: metadata.id,
                name: metadata.name,
                description: metadata.description,
                format: FormatRow {
                    provider: metadata.format.provider,
                    options: Some(metadata.format.options),
                },
                schema_string: metadata.schema_string,
                partition_columns: Some(metadata.partition_columns),
                configuration: Some(metadata.configuration),
                created_time: metadata.created_time,
            }),
            ..Row::default()
        },
    ];
    rows.extend(snapshot.state.txns.values().map(|txn| Row {
        txn: Some(txn.clone()),
        ..Row::default()
    }));
    rows.extend(snapshot.state.tombstones.values().map(|remove| Row {
        remove: Some(RemoveRow {
            path: remove.path.clone(),
            deletion_timestamp: remove.deletion_timestamp,
            data_change: false,
            extended_file_metadata: remove.extended_file_metadata,
            partition_values: remove.partition_values.clone(),
            size: remove.size,
        }),
        ..Row::default()
    }));
    rows.extend(snapshot.segments().map(|segment| {
        let add = segment.add.clone();
        Row {
            add: Some(AddRow {
                path: add.path,
                partition_values: Some(add.partition_values),
                size: add.size,
                modification_time: add.modification_time,
                data_change: false,
                stats: add.stats,
                tags: add.tags,
            }),
            ..Row::default()
        }
    }));
    rows
}

fn bytes_of(rows: &[Row]) -> Result<Vec<u8>> {
    let bug = |error: &dyn std::fmt::Display| Error::bug(format!("a checkpoint: {error}"));
    let fields = fields();
    let schema = Arc::new(arrow::datatypes::Schema::new(fields.clone()));
    let properties = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .build();
    let options = parquet::arrow::arrow_writer::ArrowWriterOptions::new()
        .with_properties(properties)
        .with_skip_arrow_metadata(true);
    let mut writer =
        ArrowWriter::try_new_with_options(Vec::new(), schema, options).map_err(|e| bug(&e))?;
    for rows in rows.chunks(ROWS) {
        let batch = serde_arrow::to_record_batch(&fields, &rows).map_err(|e| bug(&e))?;
        writer.write(&batch).map_err(|e| bug(&e))?;
    }
    writer.into_inner().map_err(|e| bug(&e))
}

/// The columns of a checkpoint.
fn fields() -> Vec<FieldRef> {
    let text = |name: &str, nullable| Field::new(name, DataType::Utf8, nullable);
    let long = |name: &str, nullable| Field::new(name, DataType::Int64, nullable);
    let flag = |name: &str, nullable| Field::new(name, DataType::Boolean, nullable);
    let version = |name: &str| Field::new(name, DataType::Int32, false);
    let map = |name: &str| {
        let pair = Fields::from(vec![text("key", false), text("value", true)]);
        let pairs = Field::new("key_value", DataType::Struct(pair), false);
        Field::new(name, DataType::Map(Arc::new(pairs), false), true)
    };
    let list = |name: &str| {
        let item = Arc::new(text("element", true));
        Field::new(name, DataType::List(item), true)
    };
    let part = |name: &str, fields: Vec<Field>| {
        Arc::new(Field::new(name, DataType::Struct(fields.into()), true))
    };
    let format = Fields::from(vec![text("provider", false), map("options")]);
    vec![
        part(
            "txn",
            vec![
                text("appId", false),
                long("version", false),
                long("lastUpdated", true),
            ],
        ),
        part(
            "add",
            vec![
                text("path", false),
                map("partitionValues"),
                long("size", false),
                long("modificationTime", false),
                flag("dataChange", false),
                text("stats", true),
                map("tags"),
            ],
        ),
        part(
            "remove",
            vec![
                text("path", false),
                long("deletionTimestamp", true),
                flag("dataChange", false),
                flag("extendedFileMetadata", true),
                map("partitionValues"),
                long("size", true),
            ],
        ),
        part(
            "metaData",
            vec![
                text("id", false),
                text("name", true),
                text("description", true),
                Field::new("format", DataType::Struct(format), false),
                text("schemaString", false),
                list("partitionColumns"),
                map("configuration"),
                long("createdTime", true),
            ],
        ),
        part(
            "protocol",
            vec![
                version("minReaderVersion"),
                version("minWriterVersion"),
                list("readerFeatures"),
                list("writerFeatures"),
            ],
        ),
    ]
}
