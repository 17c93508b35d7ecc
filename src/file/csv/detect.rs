//! What the beginning of a file tells: its delimiter, whether it has a header, and the names and types of its columns.

use arrow::datatypes::DataType;

use super::options::CsvOptions;
use super::split::{Dialect, Fault, Field, Window};
use crate::file::text::guess::Guess;

/// Delimiters that are tried, the usual one first.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Records from which the delimiter and the header are found.
const RECORDS: usize = 1_000;

/// The beginning of a file, decompressed and without a byte order mark.
#[derive(Debug, Clone, Copy)]
pub(super) struct Head<'a> {
    pub(super) text: &'a [u8],
    /// It is the whole file.
    pub(super) at_end: bool,
}

/// One record of the beginning.
#[derive(Debug)]
pub(super) struct HeadRecord {
    /// Where the next record starts.
    pub(super) end: usize,
    /// Its texts, and which of them were in quotes.
    pub(super) texts: Vec<String>,
}

/// The characters of the file: as the options say, else as most of the beginning agrees with.
pub(super) fn dialect(head: Head<'_>, options: &CsvOptions) -> Dialect {
    let with = |delimiter| Dialect {
        delimiter,
        quote: options.quote,
        escape: options.escape,
        comment: options.comment,
    };
    if let Some(delimiter) = options.delimiter {
        return with(delimiter);
    }
    let taken = [options.quote, options.escape, options.comment];
    let mut best = (0, 1);
    let mut chosen = DELIMITERS[0];
    for delimiter in DELIMITERS {
        if taken.contains(&Some(delimiter)) {
            continue;
        }
        let score = score(head, with(delimiter));
        if score > best {
            best = score;
            chosen = delimiter;
        }
    }
    with(chosen)
}

/// Percent of the records that have as many fields as the first, if that is nearly all of them, and how many fields.
fn score(head: Head<'_>, dialect: Dialect) -> (usize, usize) {
    let mut counts = Vec::new();
    // A fault is a sign of the wrong delimiter; if it is the right one, reading will report it.
    let _ = each_record(head, dialect, RECORDS, |_, _, fields| {
        counts.push(fields.len());
    });
    let Some(&first) = counts.first() else {
        return (0, 1);
    };
    let alike = counts.iter().filter(|&&count| count == first).count();
    let percent = alike * 100 / counts.len();
    if first < 2 || percent < 90 && alike < 100 {
        return (0, 1);
    }
    (percent, first)
}

/// The first `most` records.
pub(super) fn records(
    head: Head<'_>,
    dialect: Dialect,
    most: usize,
) -> Result<Vec<HeadRecord>, Fault> {
    let mut records = Vec::new();
    each_record(head, dialect, most, |_, end, fields| {
        let texts = fields
            .iter()
            .map(|field| {
                let raw = String::from_utf8_lossy(&head.text[field.start()..field.end()]);
                let mut text = String::new();
                if field.is_escaped() {
                    dialect.unescape(&raw, &mut text);
                } else {
                    text.push_str(&raw);
                }
                text
            })
            .collect();
        records.push(HeadRecord { end, texts });
    })?;
    Ok(records)
}

fn each_record(
    head: Head<'_>,
    dialect: Dialect,
    most: usize,
    mut each: impl FnMut(usize, usize, &[Field]),
) -> Result<(), Fault> {
    let window = Window {
        text: head.text,
        limit: usize::MAX,
        at_end: head.at_end,
    };
    let mut fields = Vec::new();
    let mut next = 0;
    for _ in 0..most {
        match dialect.record(window, next, &mut fields)? {
            Some((start, end)) => {
                each(start, end, &fields);
                next = end;
            }
            None => break,
        }
    }
    Ok(())
}

/// Whether the first record has names rather than values: all of it is text, and a column below is not; or nothing speaks against
/// it, because all its fields are different and none is empty.
pub(super) fn has_header(records: &[HeadRecord]) -> bool {
    let Some((first, rest)) = records.split_first() else {
        return false;
    };
    let names: Vec<&str> = first.texts.iter().map(|text| text.trim()).collect();
    let text_only = names
        .iter()
        .all(|name| name.is_empty() || Guess::of(name).is_text());
    if !text_only || names.iter().all(|name| name.is_empty()) {
        return false;
    }
    let differs = names.iter().enumerate().any(|(column, name)| {
        let mut below = Guess::new();
        for record in rest {
            if let Some(text) = record.texts.get(column).map(|text| text.trim())
                && !text.is_empty()
            {
                below.observe(text);
            }
        }
        !name.is_empty() && !below.is_text()
    });
    let mut sorted = names.clone();
    sorted.sort_unstable();
    let unique = sorted.windows(2).all(|pair| pair[0] != pair[1]);
    differs || unique && !names.contains(&"")
}

/// Whether the first record can be no values of these types.
pub(super) fn contradicts(first: &HeadRecord, types: &[&DataType]) -> bool {
    let mut contradicts = false;
    for (text, data_type) in first.texts.iter().zip(types) {
        let text = text.trim();
        let is_text = data_type.is_string() || data_type.is_binary();
        if !is_text && !text.is_empty() {
            if !Guess::of(text).is_text() {
                return false;
            }
            contradicts = true;
        }
    }
    contradicts
}

/// Names for every column: `column1` where there is none, `name_2` for the second of a name.
pub(super) fn unique_names(names: Vec<String>) -> Vec<String> {
    let mut unique: Vec<String> = Vec::with_capacity(names.len());
    let mut taken: std::collections::HashSet<String> = names
        .iter()
        .map(|name| name.trim().to_string())
        .filter(|name| !name.is_empty())
        .collect();
    let mut used = std::collections::HashSet::new();
    for (column, name) in names.iter().enumerate() {
        let name = match name.trim() {
            "" => format!("column{}", column + 1),
            name => name.to_string(),
        };
        let mut candidate = name.clone();
        let mut number = 2;
        while used.contains(&candidate) || candidate != name && taken.contains(&candidate) {
            candidate = format!("{name}_{number}");
            number += 1;
        }
        used.insert(candidate.clone());
        taken.insert(candidate.clone());
        unique.push(candidate);
    }
    unique
}
