//! A scan of files becomes a source whose filters, the conditions that must all be true, check their arithmetic.

use std::sync::Arc;

use crate::catalog::scan::TableScanExec;
use crate::error::Result;
use crate::exec::expr::conjuncts;
use crate::exec::graph::Stream;
use crate::exec::operators::files::FileSource;

/// Batches get the run's size when the source opens its files.
const ANY_BATCH_ROWS: usize = 1;

/// The stream of a table's files.
pub(crate) fn lower_scan(scan: &TableScanExec) -> Result<Stream> {
    let filters = scan.predicate().map(conjuncts).transpose()?;
    let request = scan.request(&filters.unwrap_or_default(), ANY_BATCH_ROWS)?;
    let filter = scan.predicate_text().map(str::to_string);
    let source = FileSource::new(scan.path(), scan.files(), request, filter);
    Ok(Stream::from_source(Arc::new(source), Vec::new()))
}
