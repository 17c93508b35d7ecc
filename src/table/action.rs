//! What a commit says: the actions of the Delta Lake protocol, one JSON object a line.
//!
//! A commit of ours carries a checksum of all its bytes in its `commitInfo`, so that a changed byte is found even where the line
//! still reads as JSON.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::damaged;
use crate::error::Result;

/// Names our commits among those of other writers.
const ENGINE: &str = concat!("tidemill/", env!("CARGO_PKG_VERSION"));

/// Stands before the checksum's 16 digits.
const CHECKSUM: &str = "\"tidemillChecksum\":\"";

/// What a checksum is before it is known.
const NO_CHECKSUM: &str = "0000000000000000";

pub(crate) type Tags = BTreeMap<String, Option<String>>;

/// A segment is part of the table from now on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Add {
    /// Below the table's directory, percent-encoded.
    pub(crate) path: String,
    #[serde(default)]
    pub(crate) partition_values: Tags,
    pub(crate) size: i64,
    #[serde(default)]
    pub(crate) modification_time: i64,
    /// False where the rows were in the table before, in other segments.
    #[serde(default = "yes")]
    pub(crate) data_change: bool,
    /// JSON in a text: see `stats.rs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) stats: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tags: Option<Tags>,
}

/// A segment is no longer part of the table. Its file stays for older versions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Remove {
    pub(crate) path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) deletion_timestamp: Option<i64>,
    #[serde(default = "yes")]
    pub(crate) data_change: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) extended_file_metadata: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) partition_values: Option<Tags>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) size: Option<i64>,
}

/// The table's columns and settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Metadata {
    pub(crate) id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) description: Option<String>,
    pub(crate) format: Format,
    pub(crate) schema_string: String,
    #[serde(default)]
    pub(crate) partition_columns: Vec<String>,
    #[serde(default)]
    pub(crate) configuration: Tags,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) created_time: Option<i64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Format {
    pub(crate) provider: String,
    #[serde(default)]
    pub(crate) options: Tags,
}

/// What a program must understand to read and to write the table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Protocol {
    pub(crate) min_reader_version: i32,
    pub(crate) min_writer_version: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reader_features: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) writer_features: Option<Vec<String>>,
}

/// How far an application that writes again and again has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Txn {
    pub(crate) app_id: String,
    pub(crate) version: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) last_updated: Option<i64>,
}

/// Who did what, when.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CommitInfo {
    /// Milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) timestamp: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) operation: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) operation_parameters: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) operation_metrics: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) engine_info: Option<String>,
    /// Rows were only added, and whoever added them looked at none of the table.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) is_blind_append: Option<bool>,
    /// Tells this commit from every other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) txn_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) tidemill_checksum: Option<String>,
}

/// Everything that one version changed.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Commit {
    pub(crate) info: CommitInfo,
    pub(crate) protocol: Option<Protocol>,
    pub(crate) metadata: Option<Metadata>,
    pub(crate) txns: Vec<Txn>,
    pub(crate) removes: Vec<Remove>,
    pub(crate) adds: Vec<Add>,
}

/// One line of a commit. What it does not name is for features that are refused before, or for nobody.
#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    commit_info: Option<CommitInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    protocol: Option<Protocol>,
    #[serde(skip_serializing_if = "Option::is_none")]
    meta_data: Option<Metadata>,
    #[serde(skip_serializing_if = "Option::is_none")]
    txn: Option<Txn>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remove: Option<Remove>,
    #[serde(skip_serializing_if = "Option::is_none")]
    add: Option<Add>,
}

impl CommitInfo {
    /// What was done, and with what.
    pub(crate) fn of(operation: &str, parameters: Value) -> Self {
        CommitInfo {
            operation: Some(operation.to_string()),
            operation_parameters: Some(parameters),
            ..CommitInfo::default()
        }
    }
}

fn yes() -> bool {
    true
}

impl Commit {
    /// Its rows do not depend on what the table held. Other writers need not say so.
    pub(crate) fn is_blind_append(&self) -> bool {
        let said = self.info.is_blind_append;
        self.removes.is_empty() && said.unwrap_or(true)
    }

    /// It neither adds nor takes away any segment.
    pub(crate) fn is_empty(&self) -> bool {
        self.adds.is_empty() && self.removes.is_empty()
    }

    /// The bytes of the commit's file.
    pub(crate) fn encode(&self) -> Result<Vec<u8>> {
        let info = CommitInfo {
            engine_info: Some(ENGINE.to_string()),
            tidemill_checksum: Some(NO_CHECKSUM.to_string()),
            ..self.info.clone()
        };
        let mut lines = vec![Line {
            commit_info: Some(info),
            ..Line::default()
        }];
        lines.extend(self.protocol.iter().map(|protocol| Line {
            protocol: Some(protocol.clone()),
            ..Line::default()
        }));
        lines.extend(self.metadata.iter().map(|metadata| Line {
            meta_data: Some(metadata.clone()),
            ..Line::default()
        }));
        lines.extend(self.txns.iter().map(|txn| Line {
            txn: Some(txn.clone()),
            ..Line::default()
        }));
        lines.extend(self.removes.iter().map(|remove| Line {
            remove: Some(remove.clone()),
            ..Line::default()
        }));
        lines.extend(self.adds.iter().map(|add| Line {
            add: Some(add.clone()),
            ..Line::default()
        }));
        let mut bytes = Vec::new();
        for line in lines {
            serde_json::to_writer(&mut bytes, &line)
                .map_err(|error| crate::error::Error::bug(error.to_string()))?;
            bytes.push(b'\n');
        }
        let checksum = format!("{:016x}", hash(&bytes));
        if let Some(place) = checksum_place(&bytes) {
            bytes[place..place + checksum.len()].copy_from_slice(checksum.as_bytes());
        }
        Ok(bytes)
    }

    /// The commit in these bytes of `path`.
    pub(crate) fn decode(bytes: &[u8], path: &Path) -> Result<Commit> {
        let mut commit = Commit::default();
        for (number, text) in bytes.split(|byte| *byte == b'\n').enumerate() {
            if text.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let line: Line = serde_json::from_slice(text).map_err(|_| {
                let error = damaged(path, "a line cannot be read");
                let place = error.place().cloned().unwrap_or_default();
                error.in_file(crate::error::FilePlace {
                    line: Some(number as u64 + 1),
                    ..place
                })
            })?;
            commit.info = line.commit_info.unwrap_or(commit.info);
            commit.protocol = line.protocol.or(commit.protocol);
            commit.metadata = line.meta_data.or(commit.metadata);
            commit.txns.extend(line.txn);
            commit.removes.extend(line.remove);
            commit.adds.extend(line.add);
        }
        let ours = commit.info.engine_info.as_deref() == Some(ENGINE);
        match (checksum_place(bytes), &commit.info.tidemill_checksum) {
            (Some(place), Some(checksum)) => {
                let mut plain = bytes.to_vec();
                plain[place..place + NO_CHECKSUM.len()].copy_from_slice(NO_CHECKSUM.as_bytes());
                if format!("{:016x}", hash(&plain)) != *checksum {
                    return Err(damaged(path, "its checksum does not fit"));
                }
            }
            (None, None) if !ours => {}
            _ => return Err(damaged(path, "its checksum is missing")),
        }
        Ok(commit)
    }
}

/// Where the digits of the checksum are.
fn checksum_place(bytes: &[u8]) -> Option<usize> {
    let start = memchr::memmem::find(bytes, CHECKSUM.as_bytes())? + CHECKSUM.len();
    (bytes.get(start + NO_CHECKSUM.len()) == Some(&b'"')).then_some(start)
}

/// XXH64 of these bytes.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    twox_hash::XxHash64::oneshot(0, bytes)
}
