//! The pages of a column chunk, one after the other, decompressed.

use std::sync::Arc;

use bytes::Bytes;

use super::super::pages::{PageKind, StoredPage};
use super::decompress::Codec;
use super::source::Source;
use super::values::Broken;
use crate::file::Pool;

/// Where in a chunk its reader is.
#[derive(Debug)]
pub(super) struct Pages {
    source: Source,
    codec: Codec,
    pool: Arc<Pool>,
    stored: Arc<[StoredPage]>,
    /// The page that comes next.
    next: usize,
}

/// A page that is decompressed.
#[derive(Debug)]
pub(super) struct Page {
    pub(super) kind: PageKind,
    /// Values of a dictionary, or rows.
    pub(super) values: usize,
    pub(super) bytes: Bytes,
}

impl Pages {
    pub(super) fn new(
        source: Source,
        codec: Codec,
        pool: &Arc<Pool>,
        stored: Arc<[StoredPage]>,
    ) -> Self {
        Pages {
            source,
            codec,
            pool: Arc::clone(pool),
            stored,
            next: 0,
        }
    }

    /// What comes next, which is not read yet.
    pub(super) fn peek(&self) -> Option<&StoredPage> {
        self.stored.get(self.next)
    }

    /// Passes over the next page: nothing of it is read.
    pub(super) fn skip(&mut self) {
        self.next += 1;
    }

    pub(super) fn next(&mut self) -> Result<Option<Page>, Broken> {
        let Some((page, behind)) = self.stored.get(self.next..).and_then(<[_]>::split_first) else {
            return Ok(None);
        };
        self.next += 1;
        let ends = behind.iter().map(|page| page.start + page.bytes as u64);
        let stored = self.source.page(page.start, page.bytes, ends);
        let stored = stored.map_err(|error| error.to_string())?;
        // Levels of the second version are not compressed.
        let (levels, is_compressed) = match page.kind {
            PageKind::Second {
                repetition,
                definition,
                is_compressed,
                ..
            } => (repetition.saturating_add(definition), is_compressed),
            _ => (0, true),
        };
        let bytes = match self.codec {
            Codec::None => stored,
            _ if !is_compressed => stored,
            codec => {
                if levels > stored.len() || levels > page.uncompressed {
                    return Err("its levels are cut off".to_string());
                }
                let mut bytes = self.pool.take(page.uncompressed);
                let (before, values) = bytes.bytes_mut().split_at_mut(levels);
                before.copy_from_slice(&stored[..levels]);
                codec.decompress(&stored[levels..], values)?;
                bytes.freeze()
            }
        };
        if bytes.len() != page.uncompressed {
            return Err(format!(
                "a page has {} bytes where its header says {}",
                bytes.len(),
                page.uncompressed
            ));
        }
        Ok(Some(Page {
            kind: page.kind,
            values: page.values,
            bytes,
        }))
    }
}
