//! Every function that SHOW FUNCTIONS lists has an example that works. `TIDEMILL_BLESS=1` writes what the examples give.

use std::path::Path;

use tidemill::{Engine, Error};

use crate::answer::{self, Answer};

/// The columns of SHOW FUNCTIONS.
type Row = (String, String, String, String, String, String);

struct Function {
    name: String,
    signature: String,
    about: String,
    example: String,
    gives: String,
}

/// An engine with a table and files that the examples read.
fn engine(directory: &Path) -> Engine {
    let engine = Engine::open(directory.join("shop")).expect("a database");
    engine
        .execute("CREATE TABLE orders AS SELECT 1 AS id, 12.5 AS price", ())
        .expect("a table");
    for ending in ["csv", "ndjson", "parquet", "arrow"] {
        let path = directory.join(format!("orders.{ending}"));
        let export = format!(
            "FROM orders |> EXPORT DATA OPTIONS (path = '{}')",
            path.display()
        );
        engine.execute(&export, ()).expect("a file");
    }
    engine
        .execute("INSERT INTO orders VALUES (2, 3.5)", ())
        .expect("a row more");
    engine
}

fn functions(engine: &Engine) -> Vec<Function> {
    let rows = engine.query("SHOW FUNCTIONS", ()).expect("rows");
    let rows: Result<Vec<Row>, Error> = rows.typed().collect();
    let rows = rows.expect("texts").into_iter();
    rows.map(|(name, _, signature, about, example, gives)| Function {
        name,
        signature,
        about,
        example,
        gives,
    })
    .collect()
}

fn run(engine: &Engine, directory: &Path, example: &str) -> Result<String, Error> {
    let there = format!("'{}/orders.", directory.display());
    let answer: Answer = answer::rows(engine, &example.replace("'orders.", &there))?;
    Ok(answer.lines().join(" / "))
}

#[test]
fn every_function_has_a_working_example() {
    let directory = tempfile::tempdir().expect("a directory");
    let engine = engine(directory.path());
    if std::env::var_os("TIDEMILL_BLESS").is_some() {
        bless(&engine, directory.path());
        return;
    }
    let functions = functions(&engine);
    assert!(functions.len() > 340, "{} functions", functions.len());
    let mut faults = Vec::new();
    for function in &functions {
        let Function {
            name,
            example,
            gives,
            ..
        } = function;
        let call = format!("{name}(");
        if !function.signature.starts_with(&call) || function.about.is_empty() {
            faults.push(format!(
                "{name}: `{}` `{}`",
                function.signature, function.about
            ));
        }
        if !example.contains(&call) {
            faults.push(format!("{name} has no example: `{example}`"));
            continue;
        }
        match run(&engine, directory.path(), example) {
            Ok(answer) if answer == *gives => {}
            Ok(answer) => faults.push(format!("{example}\n  gives {answer}\n  and not {gives}")),
            Err(error) => faults.push(format!("{example}\n  {error}")),
        }
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

/// Writes what the examples give now.
fn bless(engine: &Engine, directory: &Path) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/catalog/functions/examples.txt");
    let text = std::fs::read_to_string(&path).expect("the examples");
    let lines = text.lines().map(|line| {
        let (head, _) = line.rsplit_once(" => ").expect("an example");
        let (_, query) = head.split_once(": ").expect("an example");
        let query = match query.starts_with("FROM ") {
            true => query.to_string(),
            false => format!("SELECT {query}"),
        };
        let gives =
            run(engine, directory, &query).unwrap_or_else(|error| panic!("{query}: {error}"));
        format!("{head} => {gives}\n")
    });
    std::fs::write(&path, lines.collect::<String>()).expect("the examples to write");
}
