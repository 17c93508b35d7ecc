//! Addresses of other machines, which stand where a path of this one must.

use std::path::Path;

use crate::error::{Error, ErrorKind, Result};

/// Passes what is a path of this machine. Nothing is looked for.
///
/// ```
/// assert!(tidemill::on_this_machine("data/sales.csv").is_ok());
/// let error = tidemill::on_this_machine("s3://bucket/sales.csv").unwrap_err();
/// assert_eq!(error.code(), "TM0900");
/// ```
///
/// # Errors
/// TM0900 for an address such as `s3://bucket/x` or `https://host/x`: other machines are not read from or written to yet.
pub fn on_this_machine(path: impl AsRef<Path>) -> Result<()> {
    let text = path.as_ref().to_string_lossy();
    let Some((scheme, rest)) = text.split_once("://") else {
        return Ok(());
    };
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'));
    if !is_scheme {
        return Ok(());
    }
    let refused = |message: String| Error::new(ErrorKind::Input, "TM0900", message);
    if scheme.eq_ignore_ascii_case("file") {
        let message = "addresses that begin with `file://` are not implemented yet";
        return Err(refused(message.to_string()).hint(format!("write the path alone: '{rest}'")));
    }
    let message = format!(
        "files on other machines are not implemented yet, and `{scheme}://` is the address of one"
    );
    Err(refused(message)
        .hint("copy the file here first, or pipe it in: curl URL | tidemill \"FROM stdin |> …\""))
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
