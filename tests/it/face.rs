//! The library's face: every name that it exports has an example in its documentation, which the documentation's tests run.

use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// The names that `lib.rs` exports from modules of ours.
fn exported() -> Vec<String> {
    let lib = std::fs::read_to_string(root().join("lib.rs")).expect("lib.rs");
    let lists = lib.split("pub use ").skip(1);
    let lists = lists.filter_map(|rest| rest.split_once(';').map(|(list, _)| list.trim()));
    lists
        .filter_map(|list| list.split_once("::").map(|(_, names)| names))
        .flat_map(|names| names.split(|c: char| !(c.is_alphanumeric() || c == '_')))
        .filter(|name| !name.is_empty())
        .map(String::from)
        .collect()
}

/// Every line of the source, with those before it in the same file.
fn files(folder: &Path, found: &mut Vec<Vec<String>>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("bin") {
            files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("a source file");
            found.push(text.lines().map(String::from).collect());
        }
    }
}

/// Whether the item that is declared there has an example above it.
fn has_example(lines: &[String], at: usize) -> bool {
    let above = lines[..at].iter().rev();
    let mut above = above.take_while(|line| {
        let line = line.trim();
        line.starts_with("///") || line.starts_with("#[") || line == ")]" || line.starts_with("//")
    });
    above.any(|line| line.trim().starts_with("/// ```"))
}

#[test]
fn every_exported_name_has_an_example() {
    let mut sources = Vec::new();
    files(&root(), &mut sources);
    let names = exported();
    assert!(names.len() > 40, "{names:?}");
    let without: Vec<&String> = names
        .iter()
        .filter(|name| {
            let declared = |line: &str| {
                let kinds = ["struct", "enum", "trait", "type", "const", "fn"];
                kinds.iter().any(|kind| {
                    let rest = line.strip_prefix(&format!("pub {kind} {name}"));
                    rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric()))
                })
            };
            !sources.iter().any(|lines| {
                let mut places = (0..lines.len()).filter(|at| declared(&lines[*at]));
                places.any(|at| has_example(lines, at))
            })
        })
        .collect();
    assert!(without.is_empty(), "no example: {without:?}");
}
