//! Durable tables: immutable Parquet segments and a log of what changed, in the Delta Lake protocol.
//!
//! The log is the truth: a [`snapshot::Snapshot`] is the fold of its commits ([`action`]) up to a version, from the newest
//! [`checkpoint`] on. [`log::TableLog`] reads and commits; two writers meet where they put the same version, and [`conflict`] says
//! whether the second may go on. [`writer::TableWriter`] makes segments, by the [`layout`] of the table, with [`stats`] that let
//! a query leave them out. [`mirror`] keeps copies of segments in the table's [`replica`]s. [`database::Database`] is a directory
//! of tables.

pub(crate) mod action;
pub(crate) mod changes;
mod checkpoint;
pub(crate) mod conflict;
pub(crate) mod database;
pub(crate) mod doctor;
pub(crate) mod ingest;
pub(crate) mod layout;
pub(crate) mod log;
pub(crate) mod maintain;
pub(crate) mod mirror;
mod parts;
pub(crate) mod places;
pub(crate) mod projection;
pub(crate) mod promote;
pub(crate) mod protocol;
pub(crate) mod readers;
pub(crate) mod replica;
pub(crate) mod routes;
pub(crate) mod schema;
pub(crate) mod snapshot;
pub(crate) mod stats;
#[cfg(test)]
mod tests;
pub(crate) mod transform;
pub(crate) mod writer;

use std::path::Path;

use crate::error::{Error, ErrorKind, FilePlace};

/// TM0742: a file of the log is not what it should be.
fn damaged(path: &Path, reason: &str) -> Error {
    let message = format!("the table's log is damaged: {reason}");
    Error::new(ErrorKind::Data, "TM0742", message)
        .in_file(FilePlace {
            path: path.to_path_buf(),
            ..FilePlace::default()
        })
        .hint("restore this file from a copy")
}
