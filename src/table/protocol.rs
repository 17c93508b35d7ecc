//! What a table asks of those who read and write it: a table that needs what we lack is refused with the feature's name.

use super::action::{Metadata, Protocol};
use super::schema::{self, Columns};
use crate::error::{Error, ErrorKind, Result};

/// Features that reading one of our tables may need.
const READ: &[&str] = &["timestampNtz"];

/// Features that writing one of our tables may need. Append-only tables are respected, invariants are refused where there are any.
/// Columns that are computed are ours or refused.
const WRITTEN: &[&str] = &[
    "allowColumnDefaults",
    "appendOnly",
    "generatedColumns",
    "invariants",
    "timestampNtz",
];

/// What each writer version before 7 adds.
const BY_WRITER_VERSION: &[(i32, &str)] = &[
    (3, "checkConstraints"),
    (4, "changeDataFeed and generatedColumns"),
    (5, "columnMapping"),
    (6, "identityColumns"),
];

/// The least that a table of these columns needs.
pub(crate) fn needed(columns: &Columns) -> Protocol {
    let mut fields = columns.stored.fields().iter();
    let local = fields.any(|field| schema::has_local_time(field.data_type()));
    let computed = !columns.generated.is_empty();
    let defaults = columns.defaults.iter().any(Option::is_some);
    if local || computed || defaults {
        let needed = |feature: &&&str| match **feature {
            "timestampNtz" => local,
            "generatedColumns" => computed,
            "allowColumnDefaults" => defaults,
            _ => true,
        };
        let named = |names: &[&str]| {
            names
                .iter()
                .filter(needed)
                .map(ToString::to_string)
                .collect()
        };
        return Protocol {
            min_reader_version: if local { 3 } else { 1 },
            min_writer_version: 7,
            reader_features: local.then(|| named(READ)),
            writer_features: Some(named(WRITTEN)),
        };
    }
    Protocol {
        min_reader_version: 1,
        min_writer_version: 2,
        reader_features: None,
        writer_features: None,
    }
}

/// What the table asks for once it needs this too; `None` where it does already. Nothing that others may rely on is taken back.
pub(crate) fn raised(now: &Protocol, needed: Protocol) -> Option<Protocol> {
    let beyond = |own: &Option<Vec<String>>, more: &Option<Vec<String>>| {
        let own = own.as_deref().unwrap_or_default();
        let more = more.as_deref().unwrap_or_default();
        more.iter().any(|feature| !own.contains(feature))
    };
    let more = needed.min_writer_version > now.min_writer_version
        || needed.min_reader_version > now.min_reader_version
        || beyond(&now.reader_features, &needed.reader_features)
        || beyond(&now.writer_features, &needed.writer_features);
    let both = |own: &Option<Vec<String>>, more: Option<Vec<String>>| {
        let mut all = own.clone().unwrap_or_default();
        all.extend(more.unwrap_or_default());
        all.sort();
        all.dedup();
        (!all.is_empty()).then_some(all)
    };
    more.then(|| Protocol {
        min_reader_version: needed.min_reader_version.max(now.min_reader_version),
        min_writer_version: needed.min_writer_version.max(now.min_writer_version),
        reader_features: both(&now.reader_features, needed.reader_features),
        writer_features: both(&now.writer_features, needed.writer_features),
    })
}

/// TM0741 where the table cannot be read.
pub(crate) fn check_read(protocol: &Protocol, metadata: &Metadata) -> Result<()> {
    let mapped = setting(metadata, "delta.columnMapping.mode").is_some_and(|mode| mode != "none");
    if mapped {
        return Err(lacking("columnMapping", "read"));
    }
    if metadata.format.provider != "parquet" {
        return Err(lacking(
            &format!("{} segments", metadata.format.provider),
            "read",
        ));
    }
    match protocol.min_reader_version {
        1 | 2 => Ok(()),
        3 => known(protocol.reader_features.as_deref(), READ, "read"),
        version => Err(lacking(&format!("reader version {version}"), "read")),
    }
}

/// TM0741 where the table cannot be written.
pub(crate) fn check_write(protocol: &Protocol, metadata: &Metadata) -> Result<()> {
    check_read(protocol, metadata)?;
    if metadata.schema_string.contains("\"delta.invariants\"") {
        return Err(lacking("invariants", "written"));
    }
    let count = |word: &str| metadata.schema_string.matches(word).count();
    if count(schema::GENERATION) > count(schema::TRANSFORM) {
        return Err(lacking("generatedColumns of other expressions", "written"));
    }
    match protocol.min_writer_version {
        1 | 2 => Ok(()),
        7 => known(protocol.writer_features.as_deref(), WRITTEN, "written"),
        version => {
            let name = BY_WRITER_VERSION
                .iter()
                .find(|(least, _)| *least == version);
            let name = name.map_or_else(
                || format!("writer version {version}"),
                |(_, name)| (*name).to_string(),
            );
            Err(lacking(&name, "written"))
        }
    }
}

/// TM0745 where rows may only be added.
pub(crate) fn check_remove(metadata: &Metadata) -> Result<()> {
    if setting(metadata, "delta.appendOnly") == Some("true") {
        return Err(Error::new(
            ErrorKind::Input,
            "TM0745",
            "the table takes new rows only: its setting delta.appendOnly is true",
        ));
    }
    Ok(())
}

pub(crate) fn setting<'m>(metadata: &'m Metadata, name: &str) -> Option<&'m str> {
    metadata.configuration.get(name)?.as_deref()
}

fn known(features: Option<&[String]>, ours: &[&str], verb: &str) -> Result<()> {
    let mut features = features.unwrap_or_default().iter();
    match features.find(|feature| !ours.contains(&feature.as_str())) {
        Some(feature) => Err(lacking(feature, verb)),
        None => Ok(()),
    }
}

fn lacking(feature: &str, verb: &str) -> Error {
    let message = format!("the table cannot be {verb}: it needs {feature}, which is not supported");
    Error::new(ErrorKind::Data, "TM0741", message)
        .hint("rewrite it without this feature, with the program that wrote it")
}
