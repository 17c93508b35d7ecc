//! What `tidemill peek` found, for programs: one JSON array with an object for each file.

use std::io::Write;
use std::sync::Arc;

use tidemill::FileInfo;
use tidemill::arrow::array::{ArrayRef, Float64Builder, Int64Builder, ListBuilder, RecordBatch};

use super::histogram::Histogram;
use super::{Fault, Seen};
use crate::commands::schema;
use crate::flags::Format;
use crate::format::{self, Style};

/// The object of one file. What `tidemill schema --format json` says of it comes first.
pub(super) fn object(info: &FileInfo, seen: &Seen) -> Result<Vec<u8>, Fault> {
    let mut out = schema::as_json(info).to_string().into_bytes();
    // The object goes on.
    out.pop();
    out.extend_from_slice(b",\"first_rows\":");
    array(&seen.first, &mut out)?;
    write!(
        out,
        ",\"summarized_rows\":{},\"is_whole\":{},\"summary\":",
        seen.rows, seen.is_whole
    )?;
    array(&with_histograms(&seen.summary, &seen.histograms)?, &mut out)?;
    out.push(b'}');
    Ok(out)
}

/// The rows as they are written everywhere as JSON.
fn array(batch: &RecordBatch, out: &mut Vec<u8>) -> Result<(), Fault> {
    let start = out.len();
    let mut writer = format::writer(Format::Json, &batch.schema(), &Style::default(), out)?;
    writer.batch(batch)?;
    writer.finish()?;
    let end = out[start..].trim_ascii_end().len();
    out.truncate(start + end);
    Ok(())
}

/// The summary with the bounds of each histogram's parts and the counts between them; NULL for what is no number.
fn with_histograms(
    summary: &RecordBatch,
    histograms: &[Option<Histogram>],
) -> Result<RecordBatch, Fault> {
    let mut counts = ListBuilder::new(Int64Builder::new());
    let mut bounds = ListBuilder::new(Float64Builder::new());
    for histogram in histograms {
        if let Some(histogram) = histogram {
            counts.values().append_slice(&histogram.counts);
            bounds.values().append_slice(&histogram.bounds());
        }
        counts.append(histogram.is_some());
        bounds.append(histogram.is_some());
    }
    let schema = summary.schema();
    let names = schema.fields().iter().map(|field| field.name().as_str());
    let columns = names.zip(summary.columns().iter().map(Arc::clone));
    let more: [(&str, ArrayRef); 2] = [
        ("histogram_bounds", Arc::new(bounds.finish())),
        ("histogram", Arc::new(counts.finish())),
    ];
    RecordBatch::try_from_iter(columns.chain(more)).map_err(super::arrow_fault)
}
