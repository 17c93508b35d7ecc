//! What statements leave behind: files of EXPORT DATA, modules that are imported, notes of a run. Whole or not at all.

use std::path::Path;
use std::sync::Arc;

use tidemill::arrow::array::{ArrayRef, Int64Array, RecordBatch};
use tidemill::{Engine, Outcome, ParamMap};

use crate::answer;

fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    let mut names: Vec<String> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}

fn engine() -> Engine {
    let engine = answer::engine(2, Some(3));
    let text = "CREATE TABLE t AS FROM (VALUES (1, 'a', 1.5), (2, 'b,c', NULL), (3, NULL, 2.5), (4, '', 0.0)) AS t(id, k, x)";
    engine.execute(text, ()).expect("a table");
    engine
}

fn lines(engine: &Engine, text: &str) -> Vec<String> {
    let answer = answer::rows(engine, text).unwrap_or_else(|error| panic!("{text}: {error}"));
    answer.lines()
}

#[test]
fn exported_rows_come_back_from_every_format() {
    let engine = engine();
    let folder = tempfile::tempdir().expect("a folder");
    let expected = lines(&engine, "FROM t |> ORDER BY id");
    for (file, options) in [
        ("a.csv", ""),
        ("b.csv.gz", ""),
        ("c.csv", ", delim = ';', compression = 'none'"),
        ("d.tsv", ""),
        ("e.ndjson", ""),
        ("f.ndjson.zst", ""),
        ("g.parquet", ""),
        ("h.parquet", ", compression = 'snappy'"),
        ("i.arrow", ""),
        ("j.arrow", ", compression = 'lz4'"),
        ("k", ", format = 'parquet', compression = 'none'"),
        ("l-*.parquet", ""),
    ] {
        let path = folder.path().join(file).display().to_string();
        let export = format!("FROM t |> EXPORT DATA OPTIONS (uri = '{path}'{options})");
        let summary = engine.execute(&export, ()).expect(&export);
        assert_eq!(summary.rows, 0, "no rows come out");
        let read = match options.contains("delim") {
            true => format!("FROM read_csv('{path}', delim => ';')"),
            false => format!("FROM '{path}'"),
        };
        let back = lines(&engine, &format!("{read} |> ORDER BY id"));
        assert_eq!(back, expected, "{file}");
        assert!(
            engine.execute(&export, ()).is_err() || file.contains('*'),
            "{file} is there already"
        );
    }
    assert!(
        !names_in(folder.path())
            .iter()
            .any(|name| name.starts_with('.'))
    );
}

#[test]
fn partitions_are_folders_that_are_read_back() {
    let engine = engine();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("out").display().to_string();
    let export = format!(
        "FROM t |> EXPORT DATA OPTIONS (uri = '{path}', format = 'parquet', partition_by = ['k'])"
    );
    engine.execute(&export, ()).expect("an export");
    assert_eq!(names_in(Path::new(&path)).len(), 4);
    let back = lines(
        &engine,
        &format!("FROM '{path}/' |> WHERE k = 'b,c' |> SELECT id"),
    );
    assert_eq!(back, ["2"]);
    let again = export
        .replace("'k']", "'k'], overwrite = TRUE")
        .replace("FROM t", "FROM t |> WHERE id = 1");
    assert!(engine.execute(&export, ()).is_err());
    engine.execute(&again, ()).expect("an overwrite");
    assert_eq!(names_in(Path::new(&path)), ["k=a"]);
    assert_eq!(names_in(folder.path()), ["out"]);
}

#[test]
fn every_value_and_name_of_a_partition_comes_back() {
    let engine = engine();
    let folder = tempfile::tempdir().expect("a folder");
    let texts = "(VALUES (1, ''), (2, '.'), (3, '..'), (4, '__HIVE_DEFAULT_PARTITION__'), (5, NULL), (6, 'a/b=c%20'), (7, '_x'), (8, 'é\u{1F600}'))";
    for (number, column) in ["k", "_k", ".k", "a b=c"].iter().enumerate() {
        let path = folder.path().join(number.to_string());
        let path = path.display();
        let rows = format!("FROM {texts} AS t (id, `{column}`)");
        let export = format!(
            "{rows} |> EXPORT DATA OPTIONS (uri = '{path}/', format = 'parquet', partition_by = ['{column}'])"
        );
        engine.execute(&export, ()).expect(&export);
        let read = format!("|> SELECT id, `{column}` |> ORDER BY id");
        assert_eq!(
            lines(&engine, &format!("FROM '{path}/' {read}")),
            lines(&engine, &format!("{rows} {read}")),
            "{column}"
        );
    }
}

#[test]
fn a_branch_that_fails_leaves_nothing_of_the_others() {
    let engine = engine();
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("old.csv"), "old").expect("a file");
    for last in [
        "|> SELECT CAST(k AS INT64) AS n",
        "|> SELECT CAST(k AS INT64) AS n |> CREATE TABLE n",
        "|> CREATE TABLE t",
        "|> ASSERT id < 3, id |> CREATE TABLE n",
    ] {
        let text = format!(
            "FROM t |> FORK (|> EXPORT DATA OPTIONS (uri = '{}')), (|> EXPORT DATA OPTIONS (uri = '{}', overwrite = TRUE)), \
             (|> CREATE TABLE kept), ({last})",
            path("new.parquet"),
            path("old.csv"),
        );
        assert!(engine.execute(&text, ()).is_err(), "{last}");
        assert_eq!(names_in(folder.path()), ["old.csv"], "{last}");
        assert_eq!(
            std::fs::read_to_string(path("old.csv")).expect("a file"),
            "old"
        );
        assert!(engine.query("FROM kept", ()).is_err(), "{last}");
    }
}

/// A failure of the disk while effects become visible: a folder goes away under a file that is written in it.
#[test]
fn a_file_that_cannot_be_put_in_its_place_takes_everything_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let database = folder.path().join("shop");
    let engine = answer::engine_over(2, Some(3), Some(&database));
    let rows = "FROM (VALUES (1, 'a'), (2, 'b'), (3, NULL)) AS t(id, k)";
    for text in [
        format!("CREATE TABLE kept AS {rows}"),
        format!("CREATE TEMP TABLE t AS {rows}"),
    ] {
        engine.execute(&text, ()).expect("a table");
    }
    let path = |name: &str| folder.path().join(name).display().to_string();
    std::fs::write(path("old.csv"), "old").expect("a file");
    std::fs::create_dir_all(path("parts/k=z")).expect("a folder");
    std::fs::write(path("parts/k=z/old.csv"), "id\n9\n").expect("a file");
    let gone = folder.path().join("gone");
    let vanish = gone.clone();
    let drop_folder = move |id: i64| -> i64 {
        let _ = std::fs::remove_dir_all(&vanish);
        id
    };
    engine
        .register_fn("drop_folder", drop_folder)
        .expect("a function");
    let text = format!(
        "FROM t |> TEE (|> EXPORT DATA OPTIONS (uri = '{old}', overwrite = TRUE)) \
         |> FORK (|> EXPORT DATA OPTIONS (uri = '{parts}', format = 'csv', partition_by = ['k'], overwrite = TRUE)), \
         (|> EXPORT DATA OPTIONS (uri = '{new}', format = 'ndjson', partition_by = ['k'])), \
         (|> INSERT INTO kept), (|> CREATE TABLE made), (|> CREATE TEMP TABLE made_in_memory), \
         (|> EXPORT DATA OPTIONS (uri = '{single}')), \
         (|> SELECT drop_folder(id) AS id |> EXPORT DATA OPTIONS (uri = '{last}'))",
        old = path("old.csv"),
        parts = path("parts"),
        new = path("new"),
        single = path("single.parquet"),
        last = path("gone/x.csv"),
    );
    std::fs::create_dir(&gone).expect("a folder");
    let error = engine
        .execute(&text, ())
        .expect_err("no folder to write in");
    assert_eq!(error.code(), "TM0701", "{error}");
    assert_eq!(names_in(folder.path()), ["old.csv", "parts", "shop"]);
    assert_eq!(names_in(&folder.path().join("parts")), ["k=z"]);
    assert_eq!(
        lines(&engine, &format!("FROM '{}/' |> SELECT id", path("parts"))),
        ["9"]
    );
    let old = std::fs::read_to_string(path("old.csv")).expect("a file");
    assert_eq!(old, "old");
    assert_eq!(lines(&engine, "FROM kept |> AGGREGATE COUNT(*)"), ["3"]);
    let versions = "FROM TABLE_HISTORY('kept') |> AGGREGATE COUNT(*)";
    assert_eq!(lines(&engine, versions), ["1"]);
    for name in ["made", "made_in_memory"] {
        let error = engine.query(&format!("FROM {name}"), ());
        assert_eq!(error.expect_err(name).code(), "TM0203", "{name}");
    }
    std::fs::create_dir(&gone).expect("a folder");
    let text = text.replace("drop_folder(id)", "id");
    engine.execute(&text, ()).expect("nothing is in the way");
    assert_eq!(lines(&engine, "FROM kept |> AGGREGATE COUNT(*)"), ["6"]);
    assert_eq!(
        names_in(&folder.path().join("parts")),
        ["k=__HIVE_DEFAULT_PARTITION__", "k=a", "k=b"]
    );
}

#[test]
fn a_table_that_came_in_the_meantime_takes_files_back() {
    let engine = engine();
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let own = engine.clone();
    let take_name = move |id: i64| -> i64 {
        let ids: ArrayRef = Arc::new(Int64Array::from(vec![1]));
        let other = RecordBatch::try_from_iter([("other", ids)]).expect("a batch");
        // From the second row on the name is taken.
        let _ = own.register_batches("taken", vec![other]);
        id
    };
    engine
        .register_fn("take_name", take_name)
        .expect("a function");
    let text = format!(
        "FROM t |> SELECT take_name(id) AS id, k |> FORK (|> EXPORT DATA OPTIONS (uri = '{}')), \
         (|> EXPORT DATA OPTIONS (uri = '{}', format = 'parquet', partition_by = ['k'])), (|> CREATE TABLE taken)",
        path("new.csv"),
        path("parts"),
    );
    let error = engine.execute(&text, ()).expect_err("the name is taken");
    assert_eq!(error.code(), "TM0702", "{error}");
    assert!(names_in(folder.path()).is_empty());
    assert_eq!(lines(&engine, "FROM taken"), ["1"]);
}

#[test]
fn no_two_effects_of_a_statement_meet() {
    let engine = engine();
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let export = |name: &str, options: &str| {
        format!("|> EXPORT DATA OPTIONS (uri = '{}'{options})", path(name))
    };
    let by_k = ", format = 'csv', partition_by = ['k'], overwrite = TRUE";
    for (first, second) in [
        (export("x.csv", ""), export("x.csv", "")),
        (export("x.csv", ""), export("./x.csv", ", overwrite = TRUE")),
        (export("out", by_k), export("out/y.csv", "")),
        (
            "|> CREATE TABLE same".to_string(),
            "|> CREATE TABLE SAME".to_string(),
        ),
    ] {
        let text = format!("FROM t |> FORK ({first}), ({second})");
        let error = engine.execute(&text, ()).expect_err(&text);
        assert_eq!(error.code(), "TM0702", "{text}: {error}");
        assert!(names_in(folder.path()).is_empty(), "{text}");
    }
}

#[test]
fn violations_are_noted_once_for_each_assertion() {
    let engine = engine();
    let mut rows = engine
        .query(
            "FROM t |> ASSERT x > 1, 'small', x ON VIOLATION WARN |> ASSERT id < 4 ON VIOLATION DROP",
            (),
        )
        .expect("a query");
    assert_eq!(
        rows.by_ref()
            .map(|batch| batch.expect("rows").num_rows())
            .sum::<usize>(),
        3
    );
    let notes: Vec<String> = rows
        .notes()
        .iter()
        .map(|note| note.message().to_string())
        .collect();
    assert_eq!(notes.len(), 2, "{notes:?}");
    let one = |text: &str| notes.iter().any(|note| note.starts_with(text));
    assert!(
        one("ASSERT x > 1 did not hold for 2 rows, the first: small"),
        "{notes:?}"
    );
    assert!(
        one("ASSERT id < 4 did not hold for 1 row, the first: id < 4"),
        "{notes:?}"
    );
}

#[test]
fn log_and_deprecated_words_are_warnings() {
    let engine = engine();
    let rows = engine
        .query(
            "FROM t |> LOG (|> WHERE id = 2 |> SELECT id, k) |> STATIC_DESCRIBE |> LIMIT 1",
            (),
        )
        .expect("a query");
    let texts: Vec<&str> = rows
        .warnings()
        .iter()
        .map(|warning| warning.message())
        .collect();
    assert!(texts.contains(&"log:\nid, k\n2, b,c"), "{texts:?}");
    assert!(
        texts.iter().any(|text| text.starts_with("Columns:")),
        "{texts:?}"
    );
    for (text, code) in [
        ("FROM t |> WINDOW SUM(id) OVER () AS s", "TW01"),
        ("FROM t @{no_such_hint = 1}", "TW02"),
    ] {
        let rows = engine.query(text, ()).expect(text);
        assert_eq!(rows.warnings()[0].code(), code);
    }
}

#[test]
fn fork_gives_its_results_in_order() {
    let engine = engine();
    let text =
        "FROM t |> FORK (|> AGGREGATE COUNT(*) AS n), (|> SELECT id), (|> CREATE TABLE copy)";
    let statement = engine.statements(text).expect("one statement").remove(0);
    let Outcome::Several(outcomes) = engine.run(&statement, &ParamMap::new()).expect("results")
    else {
        panic!("several results");
    };
    let kinds: Vec<&str> = outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Rows(rows) => rows.schema().field(0).name().as_str(),
            _ => "done",
        })
        .collect();
    assert_eq!(kinds, ["n", "id", "done"]);
    assert_eq!(lines(&engine, "FROM copy |> AGGREGATE COUNT(*)"), ["4"]);
}

#[test]
fn modules_put_their_names_behind_their_own() {
    let engine = engine();
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| {
        std::fs::write(folder.path().join(name), text).expect("a module");
    };
    write(
        "geo.tide",
        "IMPORT MODULE 'units.tide' AS units;
         CREATE CONSTANT factor = 10;
         CREATE TEMP FUNCTION scaled(x INT64) AS (x * factor);
         CREATE TEMP FUNCTION twice(x INT64) AS (scaled(x) + scaled(x) + units.one());
         CREATE TEMP TABLE FUNCTION top(r ANY TABLE, n INT64) AS FROM r |> ORDER BY id DESC |> LIMIT n;
         CREATE VIEW small AS FROM t |> WHERE id < 3;",
    );
    write("units.tide", "CREATE TEMP FUNCTION one() AS (1);");
    write("circle.tide", "IMPORT MODULE 'circle2.tide'");
    write("circle2.tide", "IMPORT MODULE 'circle.tide'");
    write("query.tide", "FROM t");
    let path = |name: &str| folder.path().join(name).display().to_string();
    engine
        .execute(&format!("IMPORT MODULE '{}'", path("geo.tide")), ())
        .expect("an import");
    let sum = lines(
        &engine,
        "SELECT geo.twice(3) AS a, geo.factor AS b, geo.units.one() AS c",
    );
    assert_eq!(sum, ["61,10,1"]);
    assert_eq!(
        lines(&engine, "FROM geo.top(TABLE t, 1) |> SELECT id"),
        ["4"]
    );
    assert_eq!(
        lines(&engine, "FROM t |> CALL geo.top(2) |> AGGREGATE COUNT(*)"),
        ["2"]
    );
    assert_eq!(
        lines(&engine, "FROM geo.small |> AGGREGATE COUNT(*)"),
        ["2"]
    );
    assert!(engine.query("SELECT twice(3)", ()).is_err());
    for (name, code) in [
        ("circle.tide", "TM0602"),
        ("query.tide", "TM0602"),
        ("none.tide", "TM0703"),
    ] {
        let error = engine.execute(&format!("IMPORT MODULE '{}' AS m", path(name)), ());
        assert_eq!(error.expect_err(name).code(), code, "{name}");
    }
}

#[test]
fn a_sample_with_a_seed_is_the_same_for_any_number_of_threads() {
    let text = "FROM UNNEST(range(0, 1000)) AS x |> EXTEND x % 7 AS m |> TABLESAMPLE BERNOULLI (20 PERCENT) REPEATABLE (3) \
                |> ORDER BY x |> SELECT x, m";
    let reservoir = text.replace("BERNOULLI (20 PERCENT)", "RESERVOIR (50 ROWS)");
    for text in [text, &reservoir] {
        let expected = lines(&answer::engine(1, None), text);
        assert!(expected.len() >= 50);
        for (threads, rows) in [(2, None), (4, Some(1)), (3, Some(100))] {
            assert_eq!(lines(&answer::engine(threads, rows), text), expected);
        }
    }
}
