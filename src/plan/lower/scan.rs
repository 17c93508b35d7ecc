//! A scan of files becomes a source whose filters, the conditions that must all be true, check their arithmetic.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::DataType;

use crate::catalog::scan::TableScanExec;
use crate::error::Result;
use crate::exec::expr::conjuncts;
use crate::exec::graph::Stream;
use crate::exec::operators::files::{FileShards, FileSource};

/// Batches get the run's size when the source opens its files.
const ANY_BATCH_ROWS: usize = 1;

/// The stream of a table's files.
pub(crate) fn lower_scan(scan: &TableScanExec) -> Result<Stream> {
    lower(scan, |_, _| false)
}

/// The same for an operator that takes columns narrower than planned. Only the text in columns `text` may come as dictionaries:
/// whoever is not after whole values gains nothing. Columns `whole` come as planned: filters read them.
pub(crate) fn lower_narrow_scan(
    scan: &TableScanExec,
    text: &[usize],
    whole: &BTreeSet<usize>,
) -> Result<Stream> {
    lower(scan, |column, data_type| match data_type {
        _ if whole.contains(&column) => false,
        DataType::Decimal128(..) => true,
        DataType::Utf8View => text.contains(&column),
        _ => false,
    })
}

/// `narrow` says by position in the scan's output and type which columns may come narrower.
fn lower(scan: &TableScanExec, narrow: impl Fn(usize, &DataType) -> bool) -> Result<Stream> {
    let filters = scan.predicate().map(conjuncts).transpose()?;
    let mut request = scan.request(&filters.unwrap_or_default(), ANY_BATCH_ROWS)?;
    request.narrow = request
        .projection
        .iter()
        .enumerate()
        .filter(|(position, column)| narrow(*position, request.table.field(**column).data_type()))
        .map(|(_, column)| *column)
        .collect();
    let filter = scan.predicate_text().map(str::to_string);
    let mut source = FileSource::new(scan.path(), scan.files(), request, filter)
        .with_pruned(scan.pruned().to_vec());
    if let Some((key, count, of_files)) = scan.shards_of_files() {
        source = source.with_shards(FileShards {
            key,
            count,
            of_files: of_files.to_vec(),
        });
    }
    Ok(Stream::from_source(Arc::new(source), Vec::new()))
}
