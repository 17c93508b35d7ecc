//! Whether a projection of a segment is read instead of the segment: where it has what is wanted and much less of it must be read.
//!
//! What would be read of each is known from their page indexes. A projection that is chosen is read once before, as far as the
//! query will need it: one that is damaged is passed over while the segment itself can still be read in its place. So only little
//! is read of a projection, else the segment is.

use std::any::Any;
use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{Field, Schema, SchemaRef};

use super::segment::{open_copy, scan_file};
use crate::error::{Error, Result};
use crate::file::table::{FilePart, ScanFile, TableRequest};
use crate::file::{BatchIterator, Bounds, DataFile, Pruned, ReadRequest, Unit};
use crate::route::{Outcome, Standing};
use crate::table::database::DurableTable;
use crate::table::mirror;
use crate::table::projection::{self, Projection};
use crate::table::replica::Replica;
use crate::table::routes::clock;
use crate::table::snapshot::Segment;

/// A projection is worth it where this many times less is read.
const LESS: u64 = 2;

/// More bytes than these of one segment are not read from a projection.
const BYTES_MOST: u64 = 64 << 20;

/// What a scan wants, by which projections are judged.
pub(super) struct Wanted<'w> {
    pub(super) request: &'w TableRequest,
    /// Columns that are read, also by filters alone, by position in the table.
    pub(super) columns: &'w BTreeSet<usize>,
    /// Gives the value of a column that no file has.
    pub(super) said: &'w dyn Fn(&Field, &str) -> Option<ArrayRef>,
}

/// A file of a table that has projections, with what became of these.
#[derive(Debug)]
pub(crate) struct ConsideredFile {
    data: Arc<dyn DataFile>,
    /// The projection that it is of, if it is of one, and why.
    pub(crate) projection: Option<(String, String)>,
    pub(crate) passed_over: Vec<(String, String)>,
    pub(crate) segment: Arc<Segment>,
}

impl ConsideredFile {
    /// The file itself, whatever was considered.
    pub(crate) fn inner(&self) -> &dyn Any {
        self.data.as_ref()
    }
}

/// The files to read for a segment: its own, or those of a projection.
pub(super) fn considered(
    table: &DurableTable,
    segment: &Arc<Segment>,
    own: ScanFile,
    wanted: &Wanted,
) -> Result<Vec<ScanFile>> {
    let mut passed_over = Vec::new();
    let mut best: Option<(u64, &Replica, Vec<ScanFile>)> = None;
    let own_bytes =
        FilePart::new(&own, wanted.request)?.map_or(Ok(Some(0)), |part| part.bytes_wanted())?;
    let projections = table.replicas.iter();
    let projections = projections.filter_map(|one| Some((one, one.projection.as_ref()?)));
    for (replica, by) in projections {
        match of_projection(table, segment, (replica, by), wanted) {
            Ok((bytes, _)) if bytes.saturating_mul(LESS) > own_bytes.unwrap_or(u64::MAX) => {
                let own = own_bytes.unwrap_or_default();
                let why = format!("{bytes} bytes would be read of it, and {own} of the segment");
                passed_over.push((replica.name(), why));
            }
            Ok((bytes, files)) if best.as_ref().is_none_or(|(least, ..)| bytes < *least) => {
                let less = best.replace((bytes, replica, files));
                passed_over
                    .extend(less.map(|(_, other, _)| (other.name(), "another is due".to_string())));
            }
            Ok(_) => passed_over.push((replica.name(), "another is due".to_string())),
            Err(why) => passed_over.push((replica.name(), why)),
        }
    }
    let (files, projection) = match best {
        None => (vec![own], None),
        Some((bytes, replica, files)) => {
            let of = own_bytes.unwrap_or_default();
            let why = format!("{bytes} bytes instead of {of}");
            (files, Some((replica.name(), why)))
        }
    };
    let considered = files.into_iter().map(|file| ScanFile {
        data: Arc::new(ConsideredFile {
            data: file.data,
            projection: projection.clone(),
            passed_over: passed_over.clone(),
            segment: Arc::clone(segment),
        }),
        ..file
    });
    Ok(considered.collect())
}

/// The files of a projection with the bytes that would be read of them; or why it is of no use.
fn of_projection(
    table: &DurableTable,
    segment: &Arc<Segment>,
    (replica, by): (&Replica, &Projection),
    wanted: &Wanted,
) -> Result<(u64, Vec<ScanFile>), String> {
    let said = |error: Error| error.message().to_string();
    let schema = &wanted.request.table;
    if let Some(column) = lacking(segment, by, wanted) {
        return Err(format!("it does not have the column {column}"));
    }
    let name = replica.name();
    let standing = table.routes.router.seen(&name, clock()).standing;
    if let Standing::Open { .. } = standing {
        return Err("left alone after failures".to_string());
    }
    let log = mirror::check(&table.log, &table.snapshot, replica).map_err(said)?;
    let made = projection::made(&log, segment, by).map_err(said)?;
    let made = made.ok_or("does not have it")?;
    let read = || -> Result<(u64, Vec<ScanFile>)> {
        let (mut bytes, mut files, mut parts) = (0, Vec::new(), Vec::new());
        for add in made.files {
            let one = Segment::new(add);
            let path = log.directory.join(one.file()?);
            let data = Arc::new(open_copy(&path, &one)?);
            let file = scan_file(&table.log, segment, data, schema, wanted.said)?;
            if let Some(part) = FilePart::new(&file, wanted.request)? {
                bytes += part.bytes_wanted()?.unwrap_or(u64::MAX / 2);
                parts.push(part);
            }
            files.push(file);
        }
        if bytes <= BYTES_MOST {
            for part in &parts {
                for unit in part.units(1)? {
                    part.read(&unit)?.try_for_each(|batch| batch.map(drop))?;
                }
            }
        }
        Ok((bytes, files))
    };
    match read() {
        Ok((bytes, _)) if bytes > BYTES_MOST => Err("too much of it would be read".to_string()),
        Ok(found) => Ok(found),
        Err(error) => {
            table.routes.heard(&name, Outcome::Failed);
            Err(said(error))
        }
    }
}

/// A column that is wanted and that the projection does not have.
fn lacking(segment: &Segment, by: &Projection, wanted: &Wanted) -> Option<String> {
    let schema: &Schema = &wanted.request.table;
    let fields = wanted.columns.iter().map(|column| schema.field(*column));
    let mut lacking = fields.filter(|field| {
        let is_of_partition = segment.add.partition_values.contains_key(field.name());
        let is_said = (wanted.said)(field, "").is_some();
        !is_of_partition && !is_said && !by.has(field.name())
    });
    lacking.next().map(|field| field.name().clone())
}

impl DataFile for ConsideredFile {
    fn schema(&self) -> &SchemaRef {
        self.data.schema()
    }

    fn units(&self, request: &ReadRequest, threads: usize) -> Result<Vec<Unit>> {
        self.data.units(request, threads)
    }

    fn read(&self, unit: &Unit, request: &ReadRequest) -> Result<BatchIterator> {
        self.data.read(unit, request)
    }

    fn row_count(&self) -> Option<u64> {
        self.data.row_count()
    }

    fn byte_count(&self) -> u64 {
        self.data.byte_count()
    }

    fn bytes_wanted(&self, request: &ReadRequest) -> Result<Option<u64>> {
        self.data.bytes_wanted(request)
    }

    fn distinct_values(&self, column: usize) -> Option<u64> {
        self.data.distinct_values(column)
    }

    fn pruned(&self, request: &ReadRequest) -> Result<Option<Pruned>> {
        self.data.pruned(request)
    }

    fn with_bounds(&self, look: &mut dyn FnMut(&dyn Bounds)) {
        self.data.with_bounds(look);
    }
}
