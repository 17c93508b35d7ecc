//! The objects that an address stands for.

use std::path::{Path, PathBuf};

pub(in super::super) use super::object::{Object, ObjectReader, failure};

use super::list::{self, Wanted};
use super::object::open;
use super::request::{Target, place};
use super::s3::{Bucket, Store};
use super::{Scheme, refused};
use crate::error::{Error, ErrorKind, Result};
use crate::file::pattern::braces;
use crate::file::source::Source;

/// What stands for other names.
const WILD: [char; 4] = ['*', '?', '[', '{'];

pub(super) fn sources(
    address: &str,
    scheme: Scheme,
    folder: &Path,
    limit: Option<u64>,
) -> Result<Vec<Source>> {
    let rest = &address[scheme.name().len() + 3..];
    if scheme != Scheme::S3 {
        if rest
            .split(['?', '#'])
            .next()
            .is_some_and(|path| path.contains('*'))
        {
            let message =
                "a web server has no list of its files: `*` has no meaning in its addresses";
            return Err(refused(message.to_string())
                .hint("name the files one by one, or read from an object store (s3://)"));
        }
        if rest
            .split('/')
            .next()
            .is_some_and(|host| host.contains('@'))
        {
            let message = "addresses with a name or a password in them are not implemented";
            return Err(refused(message.to_string())
                .hint("fetch it by other means: curl URL | tidemill \"FROM stdin |> …\""));
        }
        let shown = shown(scheme, rest);
        let target = Target::Url(url(scheme, rest));
        return Ok(vec![open(target, shown, folder, limit)?]);
    }
    let (bucket, key) = rest.split_once('/').unwrap_or((rest, ""));
    let store = Store::of(|name| std::env::var(name).ok())?;
    let bucket = Bucket::new(bucket, store)?;
    let wanted = match key {
        _ if key.contains(WILD) => Wanted::Patterns(braces(key)),
        "" => Wanted::Folder(String::new()),
        _ if key.ends_with('/') => Wanted::Folder(key.to_string()),
        _ => {
            let shown = list::shown(&bucket, key);
            let key = key.to_string();
            return Ok(vec![open(
                Target::Key { bucket, key },
                shown,
                folder,
                limit,
            )?]);
        }
    };
    let keys = list::keys(&bucket, &wanted, Path::new(address))?;
    if keys.is_empty() {
        let message = match wanted {
            Wanted::Folder(_) => "there is no data file below it",
            Wanted::Patterns(_) => "no file matches the pattern",
        };
        return Err(Error::new(ErrorKind::Io, "TM0703", message).in_file(place(Path::new(address))));
    }
    let opened = keys.into_iter().map(|key| {
        let shown = list::shown(&bucket, &key);
        let bucket = bucket.clone();
        open(Target::Key { bucket, key }, shown, folder, limit)
    });
    opened.collect()
}

/// The address without what only its owner may know: the signature that may stand behind the `?`.
fn shown(scheme: Scheme, rest: &str) -> PathBuf {
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    PathBuf::from(format!("{}://{path}", scheme.name()))
}

/// The address as it is asked for: what cannot stand in one is escaped.
fn url(scheme: Scheme, rest: &str) -> String {
    let rest = rest.split('#').next().unwrap_or_default();
    let mut url = format!("{}://", scheme.name());
    for byte in rest.bytes() {
        match byte {
            b' '
            | b'"'
            | b'<'
            | b'>'
            | b'\\'
            | b'^'
            | b'`'
            | b'{'
            | b'|'
            | b'}'
            | 0..32
            | 127.. => {
                url += &format!("%{byte:02X}");
            }
            _ => url.push(char::from(byte)),
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_addresses_are_not_shown() {
        let rest = "host:81/a b/x.csv?sig=abc#part";
        assert_eq!(
            shown(Scheme::Https, rest),
            Path::new("https://host:81/a b/x.csv")
        );
        assert_eq!(
            url(Scheme::Https, rest),
            "https://host:81/a%20b/x.csv?sig=abc"
        );
        assert_eq!(shown(Scheme::Http, "host"), Path::new("http://host"));
    }
}
