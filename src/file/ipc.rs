//! Arrow IPC: the file format (also Feather version 2), one unit for each record batch; and the stream format, one unit.

mod stream;

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{Field, Fields, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::reader::{FileDecoder, read_footer_length};
use arrow::ipc::{Block, Message, MetadataVersion, root_as_footer, root_as_message};

use stream::{StreamBatches, check_promises};

use super::filter::{in_order, refine};
use super::guard::{Suspect, guard};
use super::source::{Handle, Source};
use super::types::without_dictionaries;
use super::{BatchIterator, DataFile, ReadRequest, Unit, batch_of, schema_of};
use crate::error::Result;

/// One Arrow IPC file.
#[derive(Debug)]
pub(crate) struct IpcFile {
    suspect: Suspect,
    /// The columns as the engine has them.
    schema: SchemaRef,
    bytes: u64,
    layout: Layout,
}

#[derive(Debug)]
enum Layout {
    Stream,
    File {
        /// The columns as they are stored.
        stored: SchemaRef,
        version: MetadataVersion,
        dictionaries: Vec<Block>,
        batches: Vec<Block>,
        rows: Option<u64>,
    },
}

impl IpcFile {
    pub(crate) fn open(source: impl Into<Source>) -> Result<Self> {
        let suspect = Suspect::new(source, "TM0732");
        let mut file = suspect.open()?;
        let bytes = file.length().map_err(|error| suspect.io(&error))?;
        let magic = read_at(&mut file, 0, 8.min(bytes), &suspect)?;
        let (stored, layout) = if magic.starts_with(b"ARROW1") {
            let suspect = suspect.part("its footer");
            let footer = footer_bytes(&mut file, bytes, &suspect)?;
            file_layout(&mut file, bytes, &footer, &suspect)?
        } else if magic.starts_with(b"FEA1") {
            return Err(suspect
                .error("the file has the old Feather format, version 1, which is not supported")
                .hint("write it again as Feather version 2, which is Arrow IPC"));
        } else {
            file.seek_for(0, 0).map_err(|error| suspect.io(&error))?;
            let mut stream = StreamBatches::new(file, &suspect);
            (stream.schema()?, Layout::Stream)
        };
        Ok(IpcFile {
            schema: our_schema(&stored),
            suspect,
            bytes,
            layout,
        })
    }
}

impl DataFile for IpcFile {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn units(&self, _request: &ReadRequest, _threads: usize) -> Result<Vec<Unit>> {
        let count = match &self.layout {
            Layout::Stream => 1,
            Layout::File { batches, .. } => batches.len() as u64,
        };
        let unit = |number| Unit {
            start: number,
            end: number + 1,
            rows: None,
        };
        Ok((0..count).map(unit).collect())
    }

    fn read(&self, unit: &Unit, request: &ReadRequest) -> Result<BatchIterator> {
        let mut file = self.suspect.open()?;
        let shape = Shape {
            schema: Arc::clone(&self.schema),
            request: request.clone(),
            suspect: self.suspect.clone(),
        };
        let Layout::File {
            stored,
            version,
            dictionaries,
            batches,
            ..
        } = &self.layout
        else {
            let batches = StreamBatches::new(file, &self.suspect);
            return Ok(shape.apply(batches));
        };
        let number = unit.start as usize;
        let suspect = self.suspect.part(format!("record batch {number}"));
        let mut decoder = FileDecoder::new(Arc::clone(stored), *version);
        for block in dictionaries {
            let bytes = block_bytes(&mut file, block, &suspect)?;
            guard(&suspect, || decoder.read_dictionary(block, &bytes))?;
        }
        let block = batches
            .get(number)
            .ok_or_else(|| crate::error::Error::bug("no such record batch"))?;
        let bytes = block_bytes(&mut file, block, &suspect)?;
        let batch = guard(&suspect, || decoder.read_record_batch(block, &bytes))?;
        Ok(shape.apply(batch.into_iter().map(Ok)))
    }

    fn row_count(&self) -> Option<u64> {
        match &self.layout {
            Layout::Stream => None,
            Layout::File { rows, .. } => *rows,
        }
    }

    fn byte_count(&self) -> u64 {
        self.bytes
    }

    fn version(&self) -> Option<String> {
        self.suspect.source.version()
    }
}

/// From a stored batch to those asked for.
struct Shape {
    schema: SchemaRef,
    request: ReadRequest,
    suspect: Suspect,
}

impl Shape {
    /// The batches cut to size, filtered, with the columns wanted.
    fn apply(
        self,
        batches: impl Iterator<Item = Result<RecordBatch>> + Send + 'static,
    ) -> BatchIterator {
        let rows = self.request.batch_rows.max(1);
        let cut = batches.flat_map(move |batch| {
            let (batch, error) = match batch {
                Ok(batch) => (Some(batch), None),
                Err(error) => (None, Some(Err(error))),
            };
            batch
                .into_iter()
                .flat_map(move |batch| pieces(batch, rows).map(Ok))
                .chain(error)
        });
        let shaped = cut.map(move |batch| self.batch(&batch?));
        Box::new(shaped.filter(|batch| !matches!(batch, Ok(batch) if batch.num_rows() == 0)))
    }

    fn batch(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        if batch.num_columns() != self.schema.fields().len() {
            return Err(self.suspect.damaged("a batch lacks columns"));
        }
        let wanted = self.columns(batch, &self.request.projection)?;
        let mut left = None;
        for filter in in_order(&self.request.filters, |_| 1.0) {
            left = Some(refine(
                filter.as_ref(),
                left.take(),
                batch.num_rows(),
                |columns| self.columns(batch, columns),
            )?);
        }
        match left {
            Some(left) => {
                filter_record_batch(&wanted, &left).map_err(|error| self.suspect.damaged(error))
            }
            None => Ok(wanted),
        }
    }

    /// Columns by position, with dictionaries replaced by their values.
    fn columns(&self, batch: &RecordBatch, positions: &[usize]) -> Result<RecordBatch> {
        let columns = positions.iter().map(|position| {
            let kind = self.schema.field(*position).data_type();
            let stored = batch.column(*position);
            if stored.data_type() == kind {
                return Ok(Arc::clone(stored));
            }
            guard(&self.suspect, || cast(stored, kind))
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        batch_of(
            &schema_of(&self.schema, positions),
            columns,
            batch.num_rows(),
        )
    }
}

/// The batch in pieces of so many rows.
fn pieces(batch: RecordBatch, rows: usize) -> impl Iterator<Item = RecordBatch> {
    let starts = (0..batch.num_rows()).step_by(rows);
    starts.map(move |first| batch.slice(first, rows.min(batch.num_rows() - first)))
}

fn read_at(file: &mut Handle, start: u64, length: u64, suspect: &Suspect) -> Result<Vec<u8>> {
    file.read_at(start, length)
        .map_err(|error| suspect.io(&error))
}

fn footer_bytes(file: &mut Handle, bytes: u64, suspect: &Suspect) -> Result<Vec<u8>> {
    let tail = read_at(file, bytes.saturating_sub(10), 10, suspect)?;
    let length = guard(suspect, || {
        let tail = <[u8; 10]>::try_from(tail.as_slice())
            .map_err(|_| ArrowError::IpcError("it is too short".to_string()))?;
        read_footer_length(tail)
    })? as u64;
    if length + 10 > bytes {
        return Err(suspect.damaged(format!("it has {length} bytes, the file only {bytes}")));
    }
    read_at(file, bytes - 10 - length, length, suspect)
}

fn file_layout(
    file: &mut Handle,
    bytes: u64,
    footer: &[u8],
    suspect: &Suspect,
) -> Result<(SchemaRef, Layout)> {
    let (stored, version, dictionaries, batches) = guard(suspect, || {
        let footer = root_as_footer(footer).map_err(|error| error.to_string())?;
        let schema = footer.schema().ok_or("it has no columns")?;
        Ok::<_, String>((
            Arc::new(arrow::ipc::convert::fb_to_schema(schema)),
            footer.version(),
            footer
                .dictionaries()
                .into_iter()
                .flatten()
                .copied()
                .collect::<Vec<Block>>(),
            footer
                .recordBatches()
                .into_iter()
                .flatten()
                .copied()
                .collect::<Vec<Block>>(),
        ))
    })?;
    let mut rows = Some(0_u64);
    for block in dictionaries.iter().chain(&batches) {
        let inside = u64::try_from(block.offset()).ok().and_then(|start| {
            let head = u64::try_from(block.metaDataLength()).ok()?;
            let body = u64::try_from(block.bodyLength()).ok()?;
            start.checked_add(head)?.checked_add(body)
        });
        if inside.is_none_or(|end| end > bytes) {
            return Err(suspect.damaged("a record batch lies beyond the end of the file"));
        }
    }
    // Counting is not worth a question to another machine for each batch.
    let counted = if file.is_remote() {
        &[]
    } else {
        batches.as_slice()
    };
    if file.is_remote() {
        rows = None;
    }
    for block in counted {
        let head = read_at(
            file,
            block.offset() as u64,
            block.metaDataLength() as u64,
            suspect,
        )?;
        let length = guard(suspect, || {
            let batch = message(&head)?.header_as_record_batch();
            Ok::<_, String>(batch.and_then(|batch| u64::try_from(batch.length()).ok()))
        })?;
        rows = rows
            .zip(length)
            .and_then(|(rows, length)| rows.checked_add(length));
    }
    let layout = Layout::File {
        stored: Arc::clone(&stored),
        version,
        dictionaries,
        batches,
        rows,
    };
    Ok((stored, layout))
}

/// The message that a block begins with, behind its length.
fn message(block: &[u8]) -> Result<Message<'_>, String> {
    let start = if block.starts_with(&[0xff; 4]) { 8 } else { 4 };
    let bytes = block.get(start..).ok_or("a message is cut off")?;
    root_as_message(bytes).map_err(|error| error.to_string())
}

/// The bytes of a block whose compressed buffers promise nothing impossible.
fn block_bytes(file: &mut Handle, block: &Block, suspect: &Suspect) -> Result<Buffer> {
    let head = block.metaDataLength() as u64;
    let length = head + block.bodyLength() as u64;
    let bytes = read_at(file, block.offset() as u64, length, suspect)?;
    guard(suspect, || {
        let body = bytes.get(head as usize..).ok_or("it is cut off")?;
        check_promises(&message(&bytes)?, body)
    })?;
    Ok(Buffer::from(bytes))
}

/// The columns with dictionaries replaced by their values.
fn our_schema(stored: &Schema) -> SchemaRef {
    let ours = |field: &Arc<Field>| {
        let kind = without_dictionaries(field.data_type());
        // What a writer promised of NULLs, nobody checked.
        Arc::new(Field::new(field.name(), kind, true))
    };
    Arc::new(Schema::new(
        stored.fields().iter().map(ours).collect::<Fields>(),
    ))
}

#[cfg(test)]
mod tests;
