//! Without the feature there are no objects of other machines: nothing can hold one.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use super::super::source::Source;
use super::{Scheme, refused};
use crate::error::{Error, Result};

/// There is none.
#[derive(Debug)]
pub(crate) enum Object {}

impl Object {
    pub(crate) fn version(&self) -> String {
        match *self {}
    }
}

/// There is none.
#[derive(Debug)]
pub(crate) enum ObjectReader {}

impl ObjectReader {
    pub(crate) fn new(object: &Arc<Object>) -> Self {
        match **object {}
    }

    pub(crate) fn length(&self) -> u64 {
        match *self {}
    }

    pub(crate) fn expect_until(&mut self, _end: u64) {
        match *self {}
    }
}

impl Read for ObjectReader {
    fn read(&mut self, _into: &mut [u8]) -> io::Result<usize> {
        match *self {}
    }
}

impl Seek for ObjectReader {
    fn seek(&mut self, _to: SeekFrom) -> io::Result<u64> {
        match *self {}
    }
}

/// Refuses the address, and says how to get a program that reads it.
pub(super) fn sources(
    _address: &str,
    scheme: Scheme,
    _folder: &Path,
    _limit: Option<u64>,
) -> Result<Vec<Source>> {
    let scheme = scheme.name();
    Err(refused(format!(
        "this program was built without the feature that reads `{scheme}://` addresses"
    ))
    .hint("cargo install tidemill --features remote; or copy the file here first, or pipe it in: curl URL | tidemill \"FROM stdin |> …\""))
}

/// Nothing fails that is not there.
pub(crate) fn failure() -> Option<Error> {
    None
}
