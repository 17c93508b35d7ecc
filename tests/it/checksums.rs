//! A Parquet file whose pages have checksums: no bit of it changes without being noticed.
//!
//! `tests/data/page_checksums.parquet` was written by pyarrow 26, for the Rust writer makes no checksums: 1200 rows in two row groups,
//! `a` numbers, `s` text in a dictionary (snappy), `l` lists, which the parquet crate's decoder reads; `write_page_checksum=True,
//! write_page_index=True, data_page_size=1024, write_batch_size=128`.

use std::collections::BTreeMap;
use std::path::Path;

use tidemill::{Engine, ErrorKind};

use crate::answer;

const FILE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/tests/data/page_checksums.parquet"
);

fn text(path: &Path) -> String {
    format!(
        "FROM '{}' |> AGGREGATE SUM(a) AS a, COUNT(s) AS n, COUNT(DISTINCT s) AS d, MAX(s) AS m, SUM(CARDINALITY(l)) AS l, \
         SUM(l[1]) AS f",
        path.display()
    )
}

#[test]
fn a_bit_that_flipped_in_a_page_with_a_checksum_is_found() {
    let whole = std::fs::read(FILE).expect("the file");
    let footer = whole.len() - 8;
    let length = u32::from_le_bytes(whole[footer..footer + 4].try_into().expect("four bytes"));
    let pages = 4..footer - length as usize;
    let engine = Engine::in_memory().expect("an engine");
    let expected = answer::rows(&engine, &text(Path::new(FILE))).expect("an answer");
    let folder = tempfile::tempdir().expect("a folder");
    let mut found: BTreeMap<String, usize> = BTreeMap::new();
    for place in pages.step_by(53) {
        let mut bytes = whole.clone();
        bytes[place] ^= 1 << (place % 8);
        let path = folder.path().join(format!("{place}.parquet"));
        std::fs::write(&path, bytes).expect("a file");
        match answer::rows(&engine, &text(&path)) {
            // Not all that headers say matters to this query.
            Ok(answer) => assert_eq!(answer.difference(&expected, false), None, "byte {place}"),
            Err(error) => {
                assert_eq!(
                    (error.kind(), error.code()),
                    (ErrorKind::Data, "TM0731"),
                    "byte {place}: {error}"
                );
                *found.entry(error.message().to_string()).or_default() += 1;
            }
        }
    }
    for (group, column) in [(0, "a"), (1, "a"), (0, "s"), (1, "l.list.element")] {
        let message = format!(
            "the file is damaged in row group {group}: a page of column {column} is not as it was written: its checksum differs"
        );
        assert!(
            found.contains_key(&message),
            "{message} is not in {found:?}"
        );
    }
}
