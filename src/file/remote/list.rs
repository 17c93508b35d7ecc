//! What a pattern or a folder means in an object store: its lists of names, which are XML of a simple kind.

use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern};

use super::request::{Target, get, place};
use super::s3::Bucket;
use crate::error::{Error, ErrorKind, Result};
use crate::file::format::Format;
use crate::file::pattern::unescaped;

/// Pages of a list that are read, of a thousand names each.
const PAGES: usize = 1000;

/// Files that a query may have of one store.
const FILES: usize = 100_000;

/// Bytes of a page.
const PAGE_BYTES: u64 = 16 * 1024 * 1024;

/// What is looked for in a bucket.
pub(super) enum Wanted {
    /// Everything below it that is a data file by its name. Empty, or with a slash at its end.
    Folder(String),
    /// Names that match one of these.
    Patterns(Vec<String>),
}

/// The names of a bucket that are wanted, in their order.
pub(super) fn keys(bucket: &Bucket, wanted: &Wanted, shown: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    match wanted {
        Wanted::Folder(folder) => {
            each(bucket, folder, shown, &mut |key| {
                let inside = &key[folder.len()..];
                let is_hidden = inside.split('/').any(|name| name.starts_with(['.', '_']));
                if !is_hidden && Format::of_ending(Path::new(&key)).is_some() {
                    found.push(key);
                }
                found.len()
            })?;
        }
        Wanted::Patterns(patterns) => {
            for text in patterns {
                let pattern = Pattern::new(text).map_err(|error| {
                    let message = format!("the pattern is wrong: {}", error.msg);
                    Error::new(ErrorKind::Io, "TM0703", message).in_file(place(shown))
                })?;
                let options = MatchOptions {
                    require_literal_separator: true,
                    require_literal_leading_dot: true,
                    ..MatchOptions::default()
                };
                let fixed = text.find(['*', '?', '[']).unwrap_or(text.len());
                each(bucket, &text[..fixed], shown, &mut |key| {
                    if pattern.matches_with(&key, options) {
                        found.push(key);
                    }
                    found.len()
                })?;
            }
        }
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// Shows every name that begins with `prefix`; `see` says how many are kept.
fn each(
    bucket: &Bucket,
    prefix: &str,
    shown: &Path,
    see: &mut dyn FnMut(String) -> usize,
) -> Result<()> {
    let too_much = |what: String| {
        Err(Error::new(ErrorKind::Limit, "TM0761", what)
            .in_file(place(shown))
            .hint("name a folder further down, or a narrower pattern"))
    };
    let target = Target::Key {
        bucket: bucket.clone(),
        key: String::new(),
    };
    let mut token: Option<String> = None;
    for _ in 0..PAGES {
        let mut query = vec![
            ("encoding-type", "url"),
            ("list-type", "2"),
            ("prefix", prefix),
        ];
        if let Some(token) = &token {
            query.insert(0, ("continuation-token", token));
        }
        let page = page(&target, &query, shown)?;
        let is_escaped = element(&page, "EncodingType").as_deref() == Some("url");
        for object in elements(&page, "Contents") {
            let Some(key) = element(object, "Key") else {
                continue;
            };
            let key = if is_escaped { name_of(&key) } else { key };
            // Some stores have an empty object for each folder; and nobody is believed who answers with other names.
            if key.ends_with('/') || !key.starts_with(prefix) {
                continue;
            }
            if see(key) > FILES {
                return too_much(format!("more than {FILES} files are meant"));
            }
        }
        token = match element(&page, "IsTruncated").as_deref() {
            Some("true") => element(&page, "NextContinuationToken"),
            _ => None,
        };
        if token.is_none() {
            return Ok(());
        }
    }
    too_much(format!("the folder has more than {} names", PAGES * 1000))
}

fn page(target: &Target, query: &[(&str, &str)], shown: &Path) -> Result<String> {
    use std::io::Read;
    let answer = get(target, shown, query, None, None)?;
    let mut text = Vec::new();
    let read = answer.body.take(PAGE_BYTES).read_to_end(&mut text);
    let text = read.ok().and_then(|_| String::from_utf8(text).ok());
    text.filter(|text| text.contains("<ListBucketResult"))
        .ok_or_else(|| {
            let message = "the server's list of names cannot be read";
            Error::new(ErrorKind::Unavailable, "TM0762", message)
                .in_file(place(shown))
                .hint("is this the address of an object store? AWS_ENDPOINT_URL names it")
        })
}

/// The text of the first element of this name.
pub(super) fn element(xml: &str, name: &str) -> Option<String> {
    elements(xml, name).next().map(plain)
}

/// What stands in the elements of this name, which have no attributes.
fn elements<'a>(xml: &'a str, name: &str) -> impl Iterator<Item = &'a str> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let mut rest = xml;
    std::iter::from_fn(move || {
        let start = rest.find(&open)? + open.len();
        let end = start + rest[start..].find(&close)?;
        let inside = &rest[start..end];
        rest = &rest[end + close.len()..];
        Some(inside)
    })
}

/// The text that an XML text stands for.
fn plain(xml: &str) -> String {
    let mut text = String::with_capacity(xml.len());
    let mut rest = xml;
    while let Some(at) = rest.find('&') {
        text += &rest[..at];
        rest = &rest[at..];
        let Some(end) = rest.find(';') else { break };
        let name = &rest[1..end];
        let number = name
            .strip_prefix('#')
            .and_then(|number| match number.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16).ok(),
                None => number.parse().ok(),
            });
        match name {
            "amp" => text.push('&'),
            "lt" => text.push('<'),
            "gt" => text.push('>'),
            "quot" => text.push('"'),
            "apos" => text.push('\''),
            _ => match number.and_then(char::from_u32) {
                Some(letter) => text.push(letter),
                None => text += &rest[..=end],
            },
        }
        rest = &rest[end + 1..];
    }
    text + rest
}

/// A name as it is, of one that was escaped as in a form: blanks are `+` there.
fn name_of(escaped: &str) -> String {
    unescaped(&escaped.replace('+', " "))
}

/// A name of a store as a query has it.
pub(super) fn shown(bucket: &Bucket, key: &str) -> PathBuf {
    PathBuf::from(format!("s3://{}/{key}", bucket.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_out_of_a_list() {
        let page = "<?xml version=\"1.0\"?><ListBucketResult xmlns=\"x\"><Contents><Key>a&amp;b%2B+c%C3%A9</Key><Owner><ID>1</ID>\
                    </Owner></Contents><Contents><Key>&#x41;&#66;&unknown;</Key></Contents></ListBucketResult>";
        let keys: Vec<_> = elements(page, "Contents")
            .filter_map(|object| element(object, "Key"))
            .collect();
        assert_eq!(keys, ["a&b%2B+c%C3%A9", "AB&unknown;"]);
        assert_eq!(name_of(&keys[0]), "a&b+ cé");
        assert_eq!(element(page, "IsTruncated"), None);
        assert_eq!(element("<Key>never closed", "Key"), None);
        assert_eq!(plain("a & b"), "a & b");
    }
}
