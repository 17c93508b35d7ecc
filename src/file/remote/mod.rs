//! Files of other machines, by their addresses: read with the feature `remote`, refused by name without it, and never written.
//!
//! An [`Object`] is what stands behind an address; every part of it that is read is one request for a range of bytes, and is refused
//! if the object is no longer what it was when the query found it. [`enabled`] finds the objects of an address, `request` asks and
//! asks again, `object` reads, `s3` and `sign` speak to object stores, `list` finds what a pattern or a directory means there.

#[cfg(feature = "remote")]
mod agent;
#[cfg(not(feature = "remote"))]
#[path = "disabled.rs"]
mod enabled;
#[cfg(feature = "remote")]
mod enabled;
#[cfg(feature = "remote")]
mod list;
#[cfg(feature = "remote")]
mod object;
#[cfg(feature = "remote")]
mod request;
#[cfg(feature = "remote")]
mod s3;
#[cfg(feature = "remote")]
mod sign;

use std::path::Path;

pub(super) use enabled::failure;
pub(super) use enabled::{Object, ObjectReader};

use super::source::Source;
use crate::error::{Error, ErrorKind, Result};

/// How another machine is spoken to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Http,
    Https,
    S3,
}

impl Scheme {
    fn name(self) -> &'static str {
        match self {
            Scheme::Http => "http",
            Scheme::Https => "https",
            Scheme::S3 => "s3",
        }
    }

    fn of_name(name: &str) -> Option<Scheme> {
        let all = [Scheme::Http, Scheme::Https, Scheme::S3];
        all.into_iter()
            .find(|scheme| scheme.name().eq_ignore_ascii_case(name))
    }
}

/// Passes what is a path of this machine. Nothing is looked for.
///
/// ```
/// assert!(tidemill::on_this_machine("data/sales.csv").is_ok());
/// let error = tidemill::on_this_machine("s3://bucket/sales.csv").unwrap_err();
/// assert_eq!(error.code(), "TM0900");
/// ```
///
/// # Errors
/// TM0900 for an address such as `s3://bucket/x` or `https://host/x`: only what queries read may lie on other machines.
pub fn on_this_machine(path: impl AsRef<Path>) -> Result<()> {
    let text = path.as_ref().to_string_lossy();
    let Some((scheme, rest)) = parts_of(&text) else {
        return Ok(());
    };
    if scheme.eq_ignore_ascii_case("file") {
        return Err(is_a_path(rest));
    }
    Err(refused(format!(
        "`{scheme}://` is the address of another machine, and only what queries read may lie there"
    ))
    .hint("name a path of this machine, and copy the file by other means"))
}

/// Whether a path is the address of another machine.
pub(crate) fn is_address(path: &str) -> bool {
    parts_of(path).is_some()
}

/// The files that an address stands for; `None` for a path of this machine. Those that their machine gives only as a whole are put
/// into `folder`, where each may take `limit` bytes.
pub(crate) fn sources(
    path: &str,
    folder: &Path,
    limit: Option<u64>,
) -> Result<Option<Vec<Source>>> {
    let Some((scheme, rest)) = parts_of(path) else {
        return Ok(None);
    };
    if scheme.eq_ignore_ascii_case("file") {
        return Err(is_a_path(rest));
    }
    let Some(known) = Scheme::of_name(scheme) else {
        let message = format!(
            "files on other machines are read from http, https and s3, not from `{scheme}://`"
        );
        return Err(refused(message).hint("copy the file here first, or pipe it in as `stdin`"));
    };
    enabled::sources(path, known, folder, limit).map(Some)
}

/// The scheme of an address and what is behind it.
fn parts_of(text: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    is_scheme.then_some((scheme, rest))
}

fn refused(message: String) -> Error {
    Error::new(ErrorKind::Input, "TM0900", message)
}

fn is_a_path(path: &str) -> Error {
    let message = "addresses that begin with `file://` are not implemented yet";
    refused(message.to_string()).hint(format!("write the path alone: '{path}'"))
}

#[cfg(test)]
mod tests {
    use super::on_this_machine;

    #[test]
    fn addresses_are_told_from_paths() {
        for path in [
            "", "x.csv", "a:b/c", "/a//b", "://x", "1://x", "a b://x", "C:\\x",
        ] {
            assert!(on_this_machine(path).is_ok(), "{path}");
        }
        for address in [
            "s3://b/x",
            "S3://b/x",
            "http://h/x",
            "abfs+ssl://c@a/x",
            "file:///x",
        ] {
            assert!(on_this_machine(address).is_err(), "{address}");
        }
    }
}
