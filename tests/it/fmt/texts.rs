//! The texts of the repository that parse.

use std::path::Path;

use super::shape;
use crate::corpus;

pub fn all() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = Vec::new();
    for file in corpus::files() {
        texts.push(file.setup);
        texts.extend(file.cases.into_iter().map(|case| case.text));
    }
    for entry in std::fs::read_dir(root.join("tests/tpch")).expect("a folder") {
        let path = entry.expect("an entry").path();
        texts.push(std::fs::read_to_string(path).expect("a text"));
    }
    let grammar = std::fs::read_to_string(root.join("grammar/valid.txt")).expect("a file");
    texts.extend(grammar.split("\n---\n").map(str::to_string));
    texts.sort();
    texts.dedup();
    texts.retain(|text| shape(text).is_some());
    texts
}
