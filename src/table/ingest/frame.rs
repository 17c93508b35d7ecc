//! A batch in a file of rows that wait: what it is, with checksums, and the rows in Arrow's stream format.

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use arrow::ipc::reader::StreamReader;
use arrow::ipc::writer::StreamWriter;

use crate::error::Result;
use crate::table::action::hash;

/// What a frame begins with.
const MAGIC: &[u8] = b"TMframe\n";

const HEAD_BYTES: usize = 40;

/// The batches of a file, each with its number. Bytes that are no frame end it, unless frames follow: then they were one.
pub(super) fn frames(bytes: &[u8]) -> Result<Vec<(i64, RecordBatch)>, &'static str> {
    let (mut batches, mut rest) = (Vec::new(), bytes);
    while let Some(head) = Head::of(rest) {
        let end = head.length.saturating_add(HEAD_BYTES);
        let Some(body) = rest
            .get(HEAD_BYTES..end)
            .filter(|body| hash(body) == head.hash)
        else {
            break;
        };
        let reader = StreamReader::try_new(body, None);
        let rows = reader.and_then(|reader| reader.collect::<std::result::Result<Vec<_>, _>>());
        let rows = rows.map_err(|_| "a batch that waits for a segment cannot be read")?;
        batches.extend(rows.into_iter().map(|batch| (head.number, batch)));
        rest = &rest[end..];
    }
    let mut starts = memchr::memmem::find_iter(rest, MAGIC).filter(|start| *start > 0);
    if starts.any(|start| Head::of(&rest[start..]).is_some()) {
        return Err("a batch that waits for a segment is not what was written");
    }
    Ok(batches)
}

/// What stands before a batch: a mark, its length, number and checksum, and a checksum of these.
struct Head {
    length: usize,
    number: i64,
    hash: u64,
}

impl Head {
    fn of(bytes: &[u8]) -> Option<Self> {
        let head = bytes.get(..HEAD_BYTES)?;
        let word = |place: usize| {
            let bytes = head.get(place * 8..place * 8 + 8)?;
            Some(u64::from_le_bytes(bytes.try_into().ok()?))
        };
        let whole = head.starts_with(MAGIC) && word(4)? == hash(&head[..32]);
        whole.then_some(Head {
            length: usize::try_from(word(1)?).ok()?,
            number: word(2)?.cast_signed(),
            hash: word(3)?,
        })
    }
}

/// A batch as a frame holds it, which has no number yet.
#[derive(Debug)]
pub(super) struct Body {
    schema: SchemaRef,
    rows: u64,
    bytes: Vec<u8>,
}

impl Body {
    pub(super) fn of(batch: &RecordBatch) -> Result<Self> {
        let mut bytes = Vec::new();
        let mut writer = StreamWriter::try_new(&mut bytes, &batch.schema())?;
        writer.write(batch)?;
        writer.finish()?;
        drop(writer);
        Ok(Body {
            schema: batch.schema(),
            rows: batch.num_rows() as u64,
            bytes,
        })
    }

    pub(super) fn schema(&self) -> &Schema {
        &self.schema
    }

    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Adds the frame of this number.
    pub(super) fn put(&self, number: i64, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend(MAGIC);
        out.extend(self.bytes().to_le_bytes());
        out.extend(number.to_le_bytes());
        out.extend(hash(&self.bytes).to_le_bytes());
        out.extend(hash(&out[start..]).to_le_bytes());
        out.extend(&self.bytes);
    }
}
