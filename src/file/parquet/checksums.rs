//! The checksums that a writer put into its page headers: a page is held to its own when a decoder asks for its bytes.
//!
//! Not every writer does. The parquet crate can check them as well, built with another feature; here they cost nothing where there
//! are none, and both decoders read through one place.

use parquet::errors::{ParquetError, Result};

/// The pages of a column chunk that have a checksum, in the order of the file.
#[derive(Debug)]
pub(super) struct Checksums {
    column: String,
    pages: Vec<Page>,
}

#[derive(Debug)]
struct Page {
    /// Where its bytes begin, behind its header.
    start: u64,
    length: u64,
    checksum: u32,
}

impl Checksums {
    pub(super) fn new(column: String) -> Self {
        Checksums {
            column,
            pages: Vec::new(),
        }
    }

    /// The next page. Its header has the checksum as a signed number.
    pub(super) fn add(&mut self, (start, length): (u64, u64), checksum: i64) {
        self.pages.push(Page {
            start,
            length,
            checksum: checksum as i32 as u32,
        });
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// Holds the pages to their checksums that lie whole in `bytes`, which begin at `start` in the file.
    pub(super) fn check(&self, start: u64, bytes: &[u8]) -> Result<()> {
        let first = self.pages.partition_point(|page| page.start < start);
        for page in &self.pages[first..] {
            let from = (page.start - start) as usize;
            let Some(bytes) = bytes.get(from..from.saturating_add(page.length as usize)) else {
                break;
            };
            if crc32fast::hash(bytes) != page.checksum {
                let column = &self.column;
                return Err(ParquetError::General(format!(
                    "a page of column {column} is not as it was written: its checksum differs"
                )));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_that_lie_whole_in_the_bytes_are_checked() {
        let mut checksums = Checksums::new("a".to_string());
        // The checksum of "123456789" is 0xcbf43926.
        let known = i64::from(0xcbf4_3926_u32 as i32);
        checksums.add((10, 9), known);
        checksums.add((20, 9), known);
        assert!(checksums.check(10, b"123456789").is_ok());
        assert!(checksums.check(8, b"..123456789.123456789").is_ok());
        let error = checksums.check(8, b"..123456789.123456780").unwrap_err();
        assert!(error.to_string().contains("column a"), "{error}");
        // A part of a page says nothing.
        assert!(checksums.check(10, b"123456780").is_err());
        assert!(checksums.check(10, b"12345678").is_ok());
        assert!(checksums.check(11, b"2345678").is_ok());
    }
}
