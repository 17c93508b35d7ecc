//! The list of error codes says the truth: each code of the source is in it, none too much, and each example gives its code.

use std::collections::BTreeSet;
use std::path::Path;

use tidemill::codes::{CODES, Code, Example};
use tidemill::{Engine, Error, Outcome, ParamMap};

/// The codes that stand as texts in the source, but for the list itself.
fn used(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder of the source") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("codes") {
            used(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).expect("a source file");
            found.extend(
                text.split('"')
                    .filter(|part| is_code(part))
                    .map(String::from),
            );
        }
    }
}

fn is_code(text: &str) -> bool {
    let digits = match text.split_at_checked(2) {
        Some(("TM", digits)) if digits.len() == 4 => digits,
        Some(("TW", digits)) if digits.len() == 2 => digits,
        _ => return false,
    };
    digits.bytes().all(|byte| byte.is_ascii_digit())
}

#[test]
fn the_list_has_the_codes_of_the_source() {
    let mut in_source = BTreeSet::new();
    used(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        &mut in_source,
    );
    let listed: Vec<String> = CODES.iter().map(|code| code.code.to_string()).collect();
    assert_eq!(
        listed.iter().cloned().collect::<BTreeSet<_>>(),
        in_source,
        "the list of src/codes/list.rs against the codes of the source"
    );
    assert!(listed.is_sorted_by(|a, b| a < b), "in order, each once");
}

/// What the example's text gives: its error, or the warnings of what it runs.
fn given(example: &Example, database: bool) -> Vec<Error> {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = match database {
        true => Engine::open(folder.path().join("db")),
        false => Engine::in_memory(),
    }
    .expect("an engine");
    let mut text = example.text.to_string();
    if let Some((name, contents)) = example.file {
        let path = folder.path().join(name);
        std::fs::write(&path, contents).expect("a file");
        text = text.replace(name, &path.to_string_lossy());
    }
    if let Some(before) = example.before {
        engine.execute(before, ()).expect(before);
    }
    let statements = match engine.statements(&text) {
        Ok(statements) => statements,
        Err(errors) => return errors,
    };
    let mut said = Vec::new();
    for statement in statements {
        match engine.run(&statement, &ParamMap::new()) {
            Err(error) => return error.all().cloned().collect(),
            Ok(Outcome::Rows(mut rows)) => {
                said.extend(rows.warnings().to_vec());
                for batch in rows.by_ref() {
                    match batch {
                        Ok(_) => {}
                        Err(error) => return vec![error],
                    }
                }
                said.extend(rows.notes());
            }
            Ok(Outcome::Done(summary)) => said.extend(summary.warnings),
            Ok(_) => {}
        }
    }
    said
}

#[test]
fn every_example_gives_its_code() {
    let wrong = |code: &Code| {
        let example = code.example.as_ref()?;
        let said = given(example, true);
        let found = said.iter().find(|error| error.code() == code.code);
        match found {
            Some(error) if code.kinds.contains(&error.kind()) => None,
            Some(error) => Some(format!("{} is of kind {:?}", code.code, error.kind())),
            None => Some(format!("{}: {} gave {said:?}", code.code, example.text)),
        }
    };
    let wrong: Vec<String> = CODES.iter().filter_map(wrong).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let shown = CODES.iter().filter(|code| code.example.is_some()).count();
    assert!(shown > 75, "only {shown} codes have an example");
}
