//! Pages decompressed into memory whose size is known beforehand.

use std::io::Read;

use parquet::basic::Compression;

use super::values::Broken;

/// How the pages of a chunk are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Codec {
    None,
    Snappy,
    Gzip,
    Brotli,
    Zstd,
    Lz4,
}

impl Codec {
    /// Nothing for those of old times: Hadoop's LZ4, LZO.
    pub(super) fn of(compression: Compression) -> Option<Self> {
        Some(match compression {
            Compression::UNCOMPRESSED => Codec::None,
            Compression::SNAPPY => Codec::Snappy,
            Compression::GZIP(_) => Codec::Gzip,
            Compression::BROTLI(_) => Codec::Brotli,
            Compression::ZSTD(_) => Codec::Zstd,
            Compression::LZ4_RAW => Codec::Lz4,
            Compression::LZ4 | Compression::LZO => return None,
        })
    }

    /// Fills all of `into`.
    pub(super) fn decompress(self, bytes: &[u8], into: &mut [u8]) -> Result<(), Broken> {
        // A page that has only NULLs may have no bytes at all.
        if into.is_empty() {
            return Ok(());
        }
        let wanted = into.len();
        let written = match self {
            Codec::None => {
                let copied = bytes.len().min(wanted);
                into[..copied].copy_from_slice(&bytes[..copied]);
                bytes.len()
            }
            Codec::Snappy => {
                let decoder = &mut snap::raw::Decoder::new();
                decoder.decompress(bytes, into).map_err(damaged)?
            }
            Codec::Gzip => fill(flate2::read::MultiGzDecoder::new(bytes), into)?,
            Codec::Brotli => fill(brotli::Decompressor::new(bytes, BROTLI_BUFFER), into)?,
            Codec::Zstd => zstd::bulk::decompress_to_buffer(bytes, into).map_err(damaged)?,
            Codec::Lz4 => lz4_flex::block::decompress_into(bytes, into).map_err(damaged)?,
        };
        match written == wanted {
            true => Ok(()),
            false => Err(format!(
                "a page has {written} bytes where its header says {wanted}"
            )),
        }
    }
}

const BROTLI_BUFFER: usize = 4096;

fn damaged(error: impl std::fmt::Display) -> Broken {
    format!("a page cannot be decompressed: {error}")
}

/// Reads to the end, which must come where `into` ends; how many bytes there were.
fn fill(mut from: impl Read, into: &mut [u8]) -> Result<usize, Broken> {
    let mut filled = 0;
    while filled < into.len() {
        match from.read(&mut into[filled..]).map_err(damaged)? {
            0 => return Ok(filled),
            read => filled += read,
        }
    }
    let beyond = from.read(&mut [0]).map_err(damaged)?;
    Ok(filled + beyond)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const TEXT: &[u8] = b"a page of text, a page of text, a page of text, and then its end";

    fn compressed(codec: Codec) -> Vec<u8> {
        match codec {
            Codec::None => TEXT.to_vec(),
            Codec::Snappy => snap::raw::Encoder::new().compress_vec(TEXT).unwrap(),
            Codec::Gzip => {
                let level = flate2::Compression::default();
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
                encoder.write_all(TEXT).unwrap();
                encoder.finish().unwrap()
            }
            Codec::Brotli => {
                let mut bytes = Vec::new();
                let mut encoder = brotli::CompressorWriter::new(&mut bytes, 4096, 5, 20);
                encoder.write_all(TEXT).unwrap();
                drop(encoder);
                bytes
            }
            Codec::Zstd => zstd::bulk::compress(TEXT, 3).unwrap(),
            Codec::Lz4 => lz4_flex::block::compress(TEXT),
        }
    }

    #[test]
    fn every_codec_fills_what_was_promised_and_no_more() {
        use Codec::{Brotli, Gzip, Lz4, None, Snappy, Zstd};
        for codec in [None, Snappy, Gzip, Brotli, Zstd, Lz4] {
            let bytes = compressed(codec);
            let mut into = vec![1; TEXT.len()];
            codec.decompress(&bytes, &mut into).unwrap();
            assert_eq!(into, TEXT, "{codec:?}");
            for length in [TEXT.len() - 1, TEXT.len() + 1] {
                let decompressed = codec.decompress(&bytes, &mut vec![1; length]);
                assert!(decompressed.is_err(), "{codec:?} {length}");
            }
            let cut = codec.decompress(&bytes[..bytes.len() / 2], &mut into);
            assert!(cut.is_err(), "{codec:?}");
            codec.decompress(&[], &mut []).unwrap();
        }
    }
}
