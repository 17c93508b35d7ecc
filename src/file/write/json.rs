//! JSON as it is written everywhere: with every NULL, and BYTES as CSV has them, so that a reader gets the same bytes back.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringArray, StringBuilder};
use arrow::datatypes::{Field, FieldRef};
use arrow::error::ArrowError;
use arrow::json::writer::{NullableEncoder, WriterBuilder, make_encoder};
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

/// Each value of an array as JSON on one line.
pub(crate) fn json_texts(values: &ArrayRef) -> Result<StringArray, ArrowError> {
    let options = EncoderOptions::default()
        .with_explicit_nulls(true)
        .with_encoder_factory(Arc::new(Ours));
    let field = Arc::new(Field::new("value", values.data_type().clone(), true));
    let mut encoder = make_encoder(&field, values.as_ref(), &options)?;
    let mut texts = StringBuilder::with_capacity(values.len(), 0);
    let mut text = Vec::new();
    for row in 0..values.len() {
        text.clear();
        match encoder.is_null(row) || values.is_null(row) {
            true => text.extend_from_slice(b"null"),
            false => encoder.encode(row, &mut text),
        }
        let text = std::str::from_utf8(&text);
        texts.append_value(text.map_err(|error| ArrowError::JsonError(error.to_string()))?);
    }
    Ok(texts.finish())
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
