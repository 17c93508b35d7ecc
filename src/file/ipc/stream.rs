//! The stream format: one message after the other, each checked before the decoder gets it.

use std::io::Read;

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::StreamDecoder;
use arrow::ipc::{Message, root_as_message};

use crate::error::Result;
use crate::file::guard::{Suspect, guard};
use crate::file::source::Handle;

/// A compressed buffer that promises to become more than so many times its size is damaged: no compressor packs that well.
const RATIO: u64 = 1 << 16;

/// The batches of a stream, one after the other.
pub(super) struct StreamBatches {
    file: Handle,
    decoder: StreamDecoder,
    /// Bytes read that the decoder has not taken.
    buffer: Buffer,
    suspect: Suspect,
    over: bool,
}

impl StreamBatches {
    pub(super) fn new(file: Handle, suspect: &Suspect) -> Self {
        StreamBatches {
            file,
            decoder: StreamDecoder::new(),
            buffer: Buffer::from(Vec::<u8>::new()),
            suspect: suspect.clone(),
            over: false,
        }
    }

    /// The columns, which the stream begins with.
    pub(super) fn schema(&mut self) -> Result<SchemaRef> {
        loop {
            if let Some(schema) = self.decoder.schema() {
                return Ok(schema);
            }
            if !self.more()? {
                return Err(self.suspect.damaged("it is cut off before its columns"));
            }
            self.decode()?;
        }
    }

    fn decode(&mut self) -> Result<Option<RecordBatch>> {
        guard(&self.suspect, || self.decoder.decode(&mut self.buffer))
    }

    /// Reads the next message and checks what it promises; false at the end of the file.
    fn more(&mut self) -> Result<bool> {
        let mut bytes = Vec::new();
        let mut size = self.take(&mut bytes, 4)?;
        if size == [0xff; 4] {
            size = self.take(&mut bytes, 4)?;
        }
        let Ok(size) = <[u8; 4]>::try_from(size.as_slice()) else {
            // The end, or a few bytes before it that the decoder complains of.
            self.buffer = Buffer::from(bytes);
            return Ok(!self.buffer.is_empty());
        };
        let head = self.take(&mut bytes, u64::from(u32::from_le_bytes(size)))?;
        if !head.is_empty() {
            let parse = || root_as_message(&head).map_err(|error| error.to_string());
            let length = guard(&self.suspect, || {
                parse().map(|message| message.bodyLength())
            })?;
            let length =
                u64::try_from(length).map_err(|_| self.suspect.damaged("a length is negative"))?;
            let body = self.take(&mut bytes, length)?;
            if (body.len() as u64) < length {
                return Err(self.suspect.damaged("it is cut off"));
            }
            guard(&self.suspect, || check_promises(&parse()?, &body))?;
        }
        self.buffer = Buffer::from(bytes);
        Ok(true)
    }

    /// The next bytes of the file, fewer at its end; `all` gets them too.
    fn take(&mut self, all: &mut Vec<u8>, length: u64) -> Result<Vec<u8>> {
        let start = all.len();
        let read = (&mut self.file).take(length).read_to_end(all);
        read.map_err(|error| self.suspect.io(&error))?;
        Ok(all[start..].to_vec())
    }

    fn batch(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.decode()? {
                return Ok(Some(batch));
            }
            if !self.more()? {
                guard(&self.suspect, || self.decoder.finish())?;
                return Ok(None);
            }
        }
    }
}

impl Iterator for StreamBatches {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let batch = self.batch().transpose();
        self.over = !matches!(batch, Some(Ok(_)));
        batch
    }
}

/// No buffer claims to unpack to more than a compressor can pack.
pub(super) fn check_promises(message: &Message<'_>, body: &[u8]) -> Result<(), String> {
    let batch = message.header_as_record_batch().or_else(|| {
        message
            .header_as_dictionary_batch()
            .and_then(|dictionary| dictionary.data())
    });
    let Some(batch) = batch.filter(|batch| batch.compression().is_some()) else {
        return Ok(());
    };
    for buffer in batch.buffers().into_iter().flatten() {
        // An empty buffer has no length before it.
        if buffer.length() < 8 {
            continue;
        }
        let start = buffer.offset() as usize;
        let Some(Ok(claim)) = body
            .get(start..start.saturating_add(8))
            .map(<[u8; 8]>::try_from)
        else {
            continue;
        };
        let claim = i64::from_le_bytes(claim);
        if claim > 0 && claim as u64 > (buffer.length() as u64).saturating_mul(RATIO) {
            return Err(format!("a column claims to unpack to {claim} bytes"));
        }
    }
    Ok(())
}
