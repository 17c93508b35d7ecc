//! JSON as it is written everywhere: with every NULL, and BYTES as CSV has them, so that a reader gets the same bytes back.

use std::sync::Arc;

use arrow::array::Array;
use arrow::datatypes::FieldRef;
use arrow::error::ArrowError;
use arrow::json::writer::NullableEncoder;
use arrow::json::writer::WriterBuilder;
use arrow::json::{Encoder, EncoderFactory, EncoderOptions};

use super::column_text::{bytes_of, is_bytes, push_hexadecimal};

/// What JSON is written with.
///
/// ```
/// use tidemill::arrow::json::LineDelimitedWriter;
/// let engine = tidemill::Engine::in_memory()?;
/// let mut out = Vec::new();
/// let mut writer: LineDelimitedWriter<_> = tidemill::json_writer().build(&mut out);
/// for batch in engine.query("SELECT b'ab' AS bytes, NULL AS nothing", ())? {
///     writer.write(&batch?).expect("a vector takes everything");
/// }
/// drop(writer);
/// assert_eq!(out, b"{\"bytes\":\"\\\\x6162\",\"nothing\":null}\n");
/// # Ok::<(), tidemill::Error>(())
/// ```
pub fn json_writer() -> WriterBuilder {
    WriterBuilder::new()
        .with_explicit_nulls(true)
        .with_encoder_factory(Arc::new(Ours))
}

/// What is written otherwise than arrow does it.
#[derive(Debug)]
struct Ours;

impl EncoderFactory for Ours {
    fn make_default_encoder<'a>(
        &self,
        _field: &'a FieldRef,
        array: &'a dyn Array,
        _options: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        let bytes = || NullableEncoder::new(Box::new(Bytes(array)), array.nulls().cloned());
        Ok(is_bytes(array.data_type()).then(bytes))
    }
}

struct Bytes<'a>(&'a dyn Array);

impl Encoder for Bytes<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        let mut text = String::new();
        push_hexadecimal(bytes_of(self.0, row), &mut text);
        // The backslash in front of the digits is one that JSON writes twice.
        out.extend_from_slice(b"\"\\");
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    }
}
