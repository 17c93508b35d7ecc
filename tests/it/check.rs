//! [`Engine::check`]: what it finds, what it knows, and that it neither reads nor changes anything.

use tidemill::{Checked, Engine, params};

fn engine() -> Engine {
    let engine = Engine::in_memory().expect("an engine");
    let setup = "CREATE TABLE t AS FROM (VALUES (1, 'a'), (2, 'b')) AS t(id, name)";
    engine.execute(setup, ()).expect("a table");
    engine
}

/// `TM0201 at 1:8`, for every error.
fn errors(text: &str, checked: &Checked) -> Vec<String> {
    let place = |error: &tidemill::Error| {
        let start = error.span().expect("a place").start;
        let line_start = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let line = text[..start].matches('\n').count() + 1;
        format!("{} at {line}:{}", error.code(), start - line_start + 1)
    };
    checked.errors.iter().map(place).collect()
}

fn found(text: &str) -> Vec<String> {
    errors(text, &engine().check(text, ()))
}

#[test]
fn every_statement_says_what_is_wrong_with_it() {
    let text = "FROM t |> WHERE nam = 'x';
SELECT 1 +;
FROM t |> SELECT id + 'x' AS y;
FROM t |> SELECT id;
FROM nowhere";
    assert_eq!(
        found(text),
        [
            "TM0201 at 1:17",
            "TM0102 at 2:10",
            "TM0403 at 3:18",
            "TM0203 at 5:6"
        ]
    );
}

#[test]
fn what_a_statement_creates_is_known_to_the_later_ones() {
    let text = "CREATE TABLE u AS FROM t |> EXTEND id * 2 AS twice;
CREATE VIEW v AS FROM u |> SELECT twice;
CREATE TEMP FUNCTION plus_one(x INT64) AS (x + 1);
CREATE TEMP TABLE FUNCTION above(r ANY TABLE, n INT64) AS FROM r |> WHERE twice > n;
DECLARE least INT64 DEFAULT (SELECT MAX(id) FROM t);
CREATE CONSTANT c = 3;
INSERT INTO u (id) VALUES (7);
FROM v |> CALL above(c) |> WHERE twice > least |> SELECT plus_one(twice) AS y;
DROP VIEW v;
FROM v";
    let checked = engine().check(text, ());
    assert_eq!(errors(text, &checked), ["TM0203 at 10:6"]);
    let query = &checked.statements[7].results[0];
    assert_eq!(query.fields().len(), 1);
    assert_eq!(query.field(0).name(), "y");
    assert_eq!(tidemill::type_name(query.field(0).data_type()), "INT64");
}

#[test]
fn nothing_is_changed_and_no_row_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out.csv");
    let broken = folder.path().join("broken.csv");
    // The header can be read, the last row cannot.
    let rows = "a,b\n".to_string() + &"1,2\n".repeat(2_000_000) + "x\n";
    std::fs::write(&broken, rows).expect("a file");
    let engine = engine();
    let text = format!(
        "CREATE TABLE u AS SELECT 1 AS x; INSERT INTO t VALUES (3, 'c'); DROP TABLE t; SET @@log_rows = 3;
         FROM '{}' |> SELECT a |> EXPORT DATA OPTIONS(uri = '{}'); ASSERT 1 > 2; FROM (VALUES (1 / 0)) AS z(q)",
        broken.display(),
        out.display()
    );
    let checked = engine.check(&text, ());
    assert_eq!(errors(&text, &checked), Vec::<String>::new());
    assert!(!out.exists());
    let count: (i64,) = engine
        .query("FROM t |> AGGREGATE COUNT(*)", ())
        .expect("rows")
        .one()
        .expect("a row");
    assert_eq!(count.0, 2);
    assert!(engine.query("FROM u", ()).is_err());
    let rows: (i64,) = engine
        .query("SELECT @@log_rows", ())
        .expect("rows")
        .one()
        .expect("a row");
    assert_eq!(rows.0, 20);
}

#[test]
fn what_follows_from_an_error_is_not_said_again() {
    let text = "CREATE TABLE u AS SELECT nothing;
FROM u |> SELECT x;
CREATE VIEW w AS SELECT 1 +;
FROM w;
DECLARE y INT64 DEFAULT nowhere;
SELECT y + 1;
CREATE TEMP FUNCTION f(a INT64) AS (a + nope);
SELECT f(1)";
    assert_eq!(
        found(text),
        [
            "TM0201 at 1:26",
            "TM0102 at 3:27",
            "TM0201 at 5:25",
            "TM0201 at 7:41"
        ]
    );
}

#[test]
fn both_branches_of_an_if_are_looked_at() {
    let text = "DECLARE deep BOOL DEFAULT FALSE;
IF deep THEN
  CREATE TABLE u AS SELECT 1 AS x;
  FROM u |> SELECT y;
ELSE
  CREATE TABLE u AS SELECT 1 AS x, 2 AS z;
  CREATE TABLE w AS SELECT 3 AS q;
  FROM u |> SELECT nope;
END IF;
IF 3 THEN SELECT 1; END IF;
FROM u |> JOIN w ON u.x = w.q";
    assert_eq!(
        found(text),
        ["TM0201 at 4:20", "TM0201 at 8:20", "TM0401 at 10:4"]
    );
}

#[test]
fn parameters_are_checked_where_they_are_given() {
    let engine = engine();
    let text = "DECLARE PARAMETER @day DATE;\nFROM t |> WHERE id > @least AND DATE '2024-01-01' > @day |> LIMIT @n";
    assert_eq!(errors(text, &engine.check(text, ())), Vec::<String>::new());
    let wrong = engine.check(text, params! { day: "soon" });
    assert_eq!(errors(text, &wrong), ["TM0601 at 1:19"]);
    let right = engine.check(text, params! { day: "2024-05-01", least: 1, n: 3 });
    assert!(right.is_ok());
    let types = engine.check(text, params! { least: "many", n: "x" });
    assert!(!types.is_ok());
}

#[test]
fn warnings_and_names_taken_twice_have_places() {
    let engine = engine();
    let text = "FROM t |> EXTEND 1 AS id; CREATE TABLE t AS SELECT 1 AS x; CREATE TABLE IF NOT EXISTS t AS SELECT 2 AS y";
    let checked = engine.check(text, ());
    assert_eq!(checked.warnings.len(), 1);
    assert_eq!(checked.warnings[0].code(), "TW03");
    assert_eq!(errors(text, &checked), ["TM0702 at 1:40"]);
}

#[test]
fn tables_of_a_database_are_left_as_they_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = Engine::open(folder.path()).expect("a database");
    engine
        .execute("CREATE TABLE kept AS SELECT 1 AS x", ())
        .expect("a table");
    let text = "CREATE TABLE s (a INT64, d DATE) PARTITION BY d;
INSERT INTO s VALUES (1, DATE '2024-01-01');
ALTER TABLE s ADD COLUMN b STRING;
FROM s |> SELECT b;
DELETE FROM s WHERE a = 1;
ALTER TABLE kept ADD COLUMN y INT64;
FROM kept |> SELECT x + y AS z;
DROP TABLE kept;
CREATE TABLE kept AS SELECT 'a' AS x;
FROM kept |> WHERE x LIKE 'a%';
DROP TABLE kept;
FROM kept";
    let checked = engine.check(text, ());
    assert_eq!(errors(text, &checked), ["TM0203 at 12:6"]);
    let sum: (i64,) = engine
        .query("FROM kept |> AGGREGATE SUM(x)", ())
        .expect("rows")
        .one()
        .expect("a row");
    assert_eq!(sum.0, 1);
    assert!(engine.query("FROM s", ()).is_err());
    let files = std::fs::read_dir(folder.path()).expect("a folder").count();
    assert_eq!(files, 1);
}

/// An engine over a directory with a table `kept (x, y, day)` by day, and how many rows and versions it has.
fn database(folder: &std::path::Path) -> Engine {
    let engine = Engine::open(folder).expect("a database");
    let text = "CREATE TABLE kept PARTITION BY day AS
        FROM (VALUES (1, 'a', DATE '2024-01-01'), (2, 'b', DATE '2024-01-02')) AS v (x, y, day)";
    engine.execute(text, ()).expect("a table");
    engine
}

fn is_untouched(engine: &Engine) {
    let one = |text: &str| -> i64 {
        let rows = engine.query(text, ()).expect(text);
        let (number,): (i64,) = rows.one().expect(text);
        number
    };
    assert_eq!(one("FROM kept |> AGGREGATE SUM(x)"), 3);
    assert_eq!(one("FROM TABLE_HISTORY('kept') |> AGGREGATE COUNT(*)"), 1);
}

#[test]
fn changes_of_durable_tables_are_looked_at() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = database(folder.path());
    let right = "UPDATE kept SET x = x + 1, y = UPPER(y) WHERE day = DATE '2024-01-01';
MERGE INTO kept USING (FROM (VALUES (2, 'c')) AS v (x, y)) AS src ON kept.x = src.x
WHEN MATCHED THEN UPDATE SET y = src.y WHEN NOT MATCHED THEN INSERT (x, y, day) VALUES (src.x, src.y, DATE '2024-02-01');
INSERT OVERWRITE kept PARTITION (day = DATE '2024-01-02') FROM (VALUES (5, 'e')) AS v (x, y);
INSERT INTO kept (x, day) VALUES (7, DATE '2024-03-01');
DELETE FROM kept WHERE x > 100;
TRUNCATE TABLE kept;
OPTIMIZE TABLE kept;
VACUUM TABLE kept;
VERIFY TABLE kept;
RESTORE TABLE kept TO VERSION AS OF 0;
FROM kept FOR VERSION AS OF 0 |> SELECT x";
    let checked = engine.check(right, ());
    assert_eq!(
        errors(right, &checked),
        Vec::<String>::new(),
        "{:?}",
        checked.errors
    );
    assert_eq!(checked.statements.len(), 11);
    is_untouched(&engine);
    let wrong = "UPDATE kept SET z = 1 WHERE x = 1;
UPDATE kept SET x = 'one' WHERE xx = 1;
UPDATE nothing SET x = 1 WHERE TRUE;
MERGE INTO kept USING missing AS src ON kept.x = src.x WHEN MATCHED THEN DELETE;
MERGE INTO kept USING (SELECT 1 AS a) AS src ON kept.x = src.b WHEN MATCHED THEN DELETE;
INSERT OVERWRITE kept PARTITION (dey = DATE '2024-01-02') FROM (VALUES (5, 'e')) AS v (x, y);
INSERT OVERWRITE kept (x, z) VALUES (1, 2);
DELETE FROM kept WHERE UPER(y) = 'A';
ALTER TABLE kept ADD COLUMN x STRING;
FROM kept FOR VERSION AS OF 9";
    let checked = engine.check(wrong, ());
    assert_eq!(
        errors(wrong, &checked),
        [
            "TM0201 at 1:17",
            "TM0201 at 2:33",
            "TM0203 at 3:8",
            "TM0203 at 4:23",
            "TM0201 at 5:62",
            "TM0201 at 6:34",
            "TM0201 at 7:27",
            "TM0204 at 8:24",
            "TM0305 at 9:29",
            "TM0307 at 10:29",
        ],
        "{:#?}",
        checked.errors
    );
    is_untouched(&engine);
}

#[test]
fn a_whole_script_over_durable_tables_is_checked() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = database(folder.path());
    let text = "DECLARE PARAMETER @day DATE;
CREATE TABLE daily (x INT64, total INT64, day DATE) PARTITION BY day;
ALTER TABLE daily ADD COLUMN note STRING;
IF @day IS NULL THEN
  INSERT INTO daily (x, total, day) FROM kept |> AGGREGATE SUM(x) AS total GROUP BY x, day |> SELECT x, total, day;
ELSE
  INSERT OVERWRITE daily FROM kept |> WHERE day = @day |> EXTEND 1 AS total, 'n' AS note |> SELECT x, total, day, note;
END IF;
UPDATE daily SET note = CONCAT('day ', CAST(day AS STRING)) WHERE note IS NULL;
FROM daily |> SELECT note, nope;
DROP TABLE kept;
UPDATE kept SET x = 1 WHERE TRUE;
FROM daily |> FORK (|> INSERT INTO daily), (|> AGGREGATE COUNT(*) AS n), (|> SELECT missing)";
    let checked = engine.check(text, ());
    assert_eq!(
        errors(text, &checked),
        ["TM0201 at 10:28", "TM0203 at 12:8", "TM0201 at 13:85"],
        "{:#?}",
        checked.errors
    );
    is_untouched(&engine);
    assert!(engine.query("FROM daily", ()).is_err(), "nothing was made");
}
