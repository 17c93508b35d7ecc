//! Looks at the source as text: no module names a higher floor or a neighbour, each package has one home, the map tells no lies.
//! The largest files and functions are printed (`--nocapture`): a conversation, not a wall.

use std::path::{Path, PathBuf};

/// Modules by floor; a module names lower floors only.
const FLOORS: [(&str, u8); 11] = [
    ("error", 1),
    ("codes", 2),
    ("lang", 2),
    ("route", 2),
    ("store", 2),
    ("file", 3),
    ("table", 4),
    ("catalog", 5),
    ("exec", 5),
    ("plan", 6),
    ("engine", 7),
];

/// Where a package may be named, as beginnings of paths below `src/`.
const HOMES: [(&str, &[&str]); 11] = [
    ("rayon", &["exec/", "engine/"]),
    ("pest", &["lang/"]),
    ("pest_derive", &["lang/"]),
    ("tokio", &["exec/operators/bridge.rs"]),
    (
        "datafusion",
        &["catalog/", "exec/", "plan/", "engine/", "lib.rs"],
    ),
    ("clap", &["bin/"]),
    ("plotters", &["bin/tidemill/plot/svg.rs"]),
    ("annotate_snippets", &["bin/"]),
    ("rustyline", &["bin/tidemill/shell/"]),
    ("lsp_server", &["bin/tidemill/commands/lsp/"]),
    ("lsp_types", &["bin/tidemill/commands/lsp/"]),
];

struct Source {
    /// Below `src/`.
    path: String,
    /// Without line comments.
    lines: Vec<String>,
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<Source> {
    let mut found = Vec::new();
    collect(&root().join("src"), &mut found);
    found.sort_by(|a, b| a.path.cmp(&b.path));
    found
}

fn collect(folder: &Path, found: &mut Vec<Source>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the source") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            collect(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("a source file");
            let lines = text.lines().map(|line| {
                let code = line.find("//").map_or(line, |at| &line[..at]);
                code.to_string()
            });
            let below = path.strip_prefix(root().join("src")).expect("below src");
            found.push(Source {
                path: below.to_string_lossy().replace('\\', "/"),
                lines: lines.collect(),
            });
        }
    }
}

fn floor(module: &str) -> Option<u8> {
    FLOORS
        .iter()
        .find(|(name, _)| *name == module)
        .map(|(_, floor)| *floor)
}

/// A line that opens a list of imports, with the lines of the list.
fn with_list(line: &str, below: &[String]) -> String {
    let mut whole = line.to_string();
    if line.ends_with('{') && line.trim_start().starts_with("use ") {
        for more in below.iter().take_while(|more| !more.starts_with('}')) {
            whole += more.trim();
        }
    }
    whole
}

/// The top-level modules that a line names: by `crate::x`, and by as many `super::` as lead to the top.
fn named(line: &str, depth: usize) -> Vec<String> {
    let top = "super::".repeat(depth);
    [("crate::", false), (top.as_str(), true)]
        .iter()
        .flat_map(|(prefix, whole)| {
            line.match_indices(prefix)
                .filter(move |(at, _)| !whole || !line[..*at].ends_with("super::"))
                .map(move |(at, _)| line[at + prefix.len()..].to_string())
        })
        .flat_map(|rest| match rest.strip_prefix('{') {
            Some(list) => list.split(',').map(|item| word(item.trim())).collect(),
            None => vec![word(&rest)],
        })
        .filter(|name| !name.is_empty())
        .collect()
}

fn word(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

#[test]
fn modules_name_only_lower_floors() {
    let mut wrong = Vec::new();
    for source in sources() {
        let module = source.path.split(['/', '.']).next().unwrap_or_default();
        let Some(own) = floor(module) else {
            continue;
        };
        let folders = source.path.matches('/').count();
        let depth = folders + usize::from(!source.path.ends_with("/mod.rs"));
        for (number, line) in source.lines.iter().enumerate() {
            for other in named(&with_list(line, &source.lines[number + 1..]), depth) {
                if other != module && floor(&other).is_some_and(|floor| floor >= own) {
                    wrong.push(format!(
                        "src/{}:{} names `{other}`",
                        source.path,
                        number + 1
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn packages_have_one_home() {
    let mut wrong = Vec::new();
    for source in sources() {
        for (package, homes) in HOMES {
            let at_home = homes.iter().any(|home| source.path.starts_with(home));
            if at_home || (source.path.ends_with("tests.rs") || source.path.contains("/tests/")) {
                continue;
            }
            for (number, line) in source.lines.iter().enumerate() {
                let names = line.match_indices(&format!("{package}::")).any(|(at, _)| {
                    !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
                });
                if names {
                    wrong.push(format!(
                        "src/{}:{} names `{package}`",
                        source.path,
                        number + 1
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

#[test]
fn the_map_names_only_what_exists() {
    let map = std::fs::read_to_string(root().join("src/README.md")).expect("the map");
    let is_path = |word: &&str| {
        [".rs", ".pest", ".test", ".tide", ".md"]
            .iter()
            .any(|end| word.ends_with(end))
            || word.ends_with('/')
    };
    let missing: Vec<&str> = map
        .split(|c: char| !(c.is_alphanumeric() || "_-./".contains(c)))
        .map(|word| word.trim_end_matches('.').trim_start_matches("./"))
        .filter(|word| word.len() > 1 && !word.starts_with('/') && !word.contains(".."))
        .filter(is_path)
        .filter(|word| !root().join(word).exists() && !root().join("src").join(word).exists())
        .collect();
    assert!(missing.is_empty(), "src/README.md names {missing:?}");
}

#[test]
fn the_largest_are_printed() {
    let mut files: Vec<(usize, String)> = Vec::new();
    let mut functions: Vec<(usize, String)> = Vec::new();
    for source in sources() {
        files.push((source.lines.len(), source.path.clone()));
        for (start, line) in source.lines.iter().enumerate() {
            let indent = &line[..line.len() - line.trim_start().len()];
            let head = line
                .trim_start()
                .trim_start_matches("pub ")
                .trim_start_matches("pub(crate) ");
            if let Some(name) = head.strip_prefix("fn ") {
                let end = format!("{indent}}}");
                let length = source.lines[start..]
                    .iter()
                    .take_while(|line| **line != end)
                    .count()
                    + 1;
                functions.push((
                    length,
                    format!("{}:{} {}", source.path, start + 1, word(name)),
                ));
            }
        }
    }
    for (what, mut list) in [("files", files), ("functions", functions)] {
        list.sort();
        println!("largest {what}:");
        for (lines, name) in list.iter().rev().take(10) {
            println!("{lines:6} {name}");
        }
    }
}

#[test]
fn names_are_found() {
    assert_eq!(named("use crate::plan::bind;", 1), ["plan"]);
    assert_eq!(
        named("use crate::{error::Error, exec};", 2),
        ["error", "exec"]
    );
    assert_eq!(named("use super::super::exec::run;", 2), ["exec"]);
    assert_eq!(named("use super::exec;", 2), Vec::<String>::new());
    assert_eq!(
        named(
            &with_list("use super::{", &["    plan,".into(), "};".into()]),
            1
        ),
        ["plan"]
    );
}
