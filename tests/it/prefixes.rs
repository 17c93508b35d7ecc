//! LANGUAGE.md: cutting a valid query before any `|>` outside parentheses gives a valid query. Debugging, completion and the shell
//! rely on it. Here it is held against every statement of the corpus, whatever it stores and however it ends.

use tidemill::{Engine, ParamMap, Statement};

use crate::answer;
use crate::corpus::{self, Case};

/// The faults of one text over what `engine` knows, and how many cuts were looked at.
fn cut_everywhere(engine: &Engine, text: &str, params: &ParamMap) -> (Vec<String>, usize) {
    let whole = engine.check(text, params);
    let Ok(statements) = engine.statements(text) else {
        return (Vec::new(), 0);
    };
    let (mut faults, mut cuts) = (Vec::new(), 0);
    let is_right = |statement: &&Statement| {
        let span = statement.span();
        let inside = |error: &tidemill::Error| {
            let at = error.span().unwrap_or_default().start;
            (span.start..=span.end).contains(&at)
        };
        !whole.errors.iter().any(inside)
    };
    for statement in statements.iter().filter(is_right) {
        let before = &text[..statement.span().start];
        for count in 1..statement.steps().len() {
            let cut = statement.prefix(count).expect("a step that is there");
            let cut = format!("{before}{}", cut.text());
            let errors = engine.check(&cut, params).errors;
            cuts += 1;
            if let Some(error) = errors
                .iter()
                .find(|error| error.span().unwrap_or_default().start >= before.len())
            {
                faults.push(format!("{text}\n---- cut to\n{cut}\n{error}"));
            }
        }
    }
    (faults, cuts)
}

fn params(case: &Case) -> ParamMap {
    let mut params = ParamMap::new();
    for (name, value) in &case.params {
        params.set_text(name, value);
    }
    params
}

#[test]
fn a_query_cut_before_any_pipe_is_a_query() {
    let (mut faults, mut cuts) = (Vec::new(), 0);
    for file in corpus::files() {
        let folder = tempfile::tempdir().expect("a folder");
        let in_database = file
            .path
            .to_string_lossy()
            .contains("tests/queries/tables/");
        let engine = answer::engine_over(1, None, in_database.then(|| folder.path()));
        answer::run(&engine, &file.setup, &ParamMap::new()).expect("a setup");
        for case in &file.cases {
            let (found, looked_at) = cut_everywhere(&engine, &case.text, &params(case));
            cuts += looked_at;
            let fault = |what| {
                format!(
                    "{}:{} {}\n{what}",
                    file.path.display(),
                    case.line,
                    case.name
                )
            };
            faults.extend(found.into_iter().map(fault));
        }
    }
    assert!(cuts > 1000, "only {cuts} cuts");
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n\n"));
}
