//! Texts made to hurt: each goes to the binary in a process of its own and must end in an answer or in an error with a code, in a
//! time that grows with its length, and never in a crash.

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// What a development build may take for a megabyte, on a busy machine.
const SECONDS_PER_MEGABYTE: u64 = 20;
const SECONDS_AT_LEAST: u64 = 90;

/// Runs `text`; the code of its error, or `None` when it was answered.
fn run(what: &str, text: &[u8]) -> Option<String> {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(text).expect("the text to write");
    let mut child = Command::new(env!("CARGO_BIN_EXE_tidemill"))
        .arg("-f")
        .arg(file.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary to start");
    let mut stderr = child.stderr.take().expect("standard error");
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut said = Vec::new();
        let read = stderr.read_to_end(&mut said);
        sender.send(read.map(|_| said))
    });
    let seconds = (text.len() as u64 * SECONDS_PER_MEGABYTE / 1_000_000).max(SECONDS_AT_LEAST);
    let Ok(said) = receiver.recv_timeout(Duration::from_secs(seconds)) else {
        child.kill().expect("the binary to end");
        panic!("{what}: no end within {seconds} s");
    };
    let said = String::from_utf8_lossy(&said.expect("standard error to read")).into_owned();
    let status = child.wait().expect("an exit code");
    let shown: String = said.chars().take(2_000).collect();
    match status.code() {
        Some(0) => None,
        Some(1..=4) => {
            let at = said
                .find("TM")
                .unwrap_or_else(|| panic!("{what}: no code in {shown}"));
            let code = said[at..].chars().take(6).collect();
            assert_ne!(code, "TM0999", "{what}: a fault of ours: {shown}");
            Some(code)
        }
        other => panic!("{what}: ended with {other:?} ({status}): {shown}"),
    }
}

fn error(what: &str, text: &str, code: &str) {
    assert_eq!(run(what, text.as_bytes()).as_deref(), Some(code), "{what}");
}

/// An answer, or an error about a limit.
fn ends(what: &str, text: &str) {
    if let Some(code) = run(what, text.as_bytes()) {
        println!("{what}: {code}");
    }
}

fn answers(what: &str, text: &str) {
    assert_eq!(run(what, text.as_bytes()), None, "{what}");
}

fn joined(count: usize, separator: &str, part: impl Fn(usize) -> String) -> String {
    let parts: Vec<String> = (0..count).map(part).collect();
    parts.join(separator)
}

#[test]
fn deep_brackets_are_refused() {
    error("10 MB of (", &"(".repeat(10_000_000), "TM0109");
    error(
        "SELECT with 1 MB of (",
        &format!("SELECT {}1{}", "(".repeat(500_000), ")".repeat(500_000)),
        "TM0109",
    );
    error(
        "1 MB of [",
        &format!("SELECT {}", "[".repeat(1_000_000)),
        "TM0109",
    );
    error(
        "200 deep",
        &format!("SELECT {}1{}", "(".repeat(200), ")".repeat(200)),
        "TM0109",
    );
    answers(
        "100 deep",
        &format!("SELECT {}1{}", "(".repeat(100), ")".repeat(100)),
    );
    answers(
        "60 subqueries deep",
        &format!(
            "FROM {}(SELECT 1 AS x){}",
            "(FROM ".repeat(60),
            ")".repeat(60)
        ),
    );
    ends(
        "120 subqueries deep",
        &format!(
            "FROM {}(SELECT 1 AS x){}",
            "(FROM ".repeat(120),
            ")".repeat(120)
        ),
    );
    ends(
        "100 functions deep",
        &format!("SELECT {}1{}", "ABS(".repeat(100), ")".repeat(100)),
    );
    ends(
        "100 CASE deep",
        &format!(
            "SELECT {}1{}",
            "CASE WHEN TRUE THEN ".repeat(100),
            " END".repeat(100)
        ),
    );
    ends(
        "100,000 CASE deep",
        &format!(
            "SELECT {}1{}",
            "CASE WHEN TRUE THEN ".repeat(100_000),
            " END".repeat(100_000)
        ),
    );
}

#[test]
fn long_chains_end() {
    ends(
        "1 MB of NOT",
        &format!("SELECT {}TRUE", "NOT ".repeat(250_000)),
    );
    ends("1 MB of -", &format!("SELECT {}1", "- ".repeat(500_000)));
    ends("1 MB of ~", &format!("SELECT {}1", "~".repeat(1_000_000)));
    ends(
        "100,000 terms of +",
        &format!("SELECT {}", joined(100_000, "+", |_| "1".into())),
    );
    ends(
        "900 terms of +",
        &format!("SELECT {}", joined(900, "+", |_| "1".into())),
    );
    ends(
        "100,000 terms of ||",
        &format!("SELECT {}", joined(100_000, "||", |_| "'a'".into())),
    );
    ends(
        "1 MB of a.a.a",
        &format!("SELECT {}", joined(500_000, ".", |_| "a".into())),
    );
    ends("1 MB of [1]", &format!("SELECT x{}", "[1]".repeat(300_000)));
    ends(
        "1 MB of ::INT64",
        &format!("SELECT 1{}", "::INT64".repeat(140_000)),
    );
    ends(
        "1 MB of IS NULL",
        &format!("SELECT 1{}", " IS NULL".repeat(120_000)),
    );
    ends(
        "100,000 JOIN",
        &format!("FROM t{}", " CROSS JOIN t".repeat(100_000)),
    );
    ends(
        "100,000 pipes",
        &format!("SELECT 1 AS x{}", " |> WHERE TRUE".repeat(100_000)),
    );
    answers(
        "500 pipes",
        &format!("SELECT 1 AS x{}", " |> WHERE x = 1".repeat(500)),
    );
}

#[test]
fn many_terms_end() {
    let table = "SELECT 1 AS a";
    let terms = |n: usize| joined(n, " OR ", |i| format!("a = {i}"));
    answers(
        "9,000 OR terms",
        &format!("{table} |> WHERE {}", terms(9_000)),
    );
    error(
        "20,000 OR terms",
        &format!("{table} |> WHERE {}", terms(20_000)),
        "TM0110",
    );
    error(
        "100,000 OR terms",
        &format!("{table} |> WHERE {}", terms(100_000)),
        "TM0110",
    );
    let mixed = joined(9_000, " AND ", |i| format!("a <> {}", i + 2));
    answers("9,000 AND terms", &format!("{table} |> WHERE {mixed}"));
    let list = joined(200_000, ", ", |i| i.to_string());
    answers(
        "200,000 items of IN",
        &format!("{table} |> WHERE a IN ({list})"),
    );
    let rows = joined(50_000, ", ", |i| format!("({i})"));
    answers(
        "50,000 rows of VALUES",
        &format!("VALUES {rows} |> AGGREGATE COUNT(*) AS n"),
    );
}

#[test]
fn many_branches_and_columns_end() {
    let union = |n: usize| joined(n, " UNION ALL ", |i| format!("SELECT {i} AS x"));
    answers("500 branches of UNION", &union(500));
    error("100,000 branches of UNION", &union(100_000), "TM0110");
    let columns = |n: usize| joined(n, ", ", |i| format!("{i} AS c{i}"));
    ends("10,000 columns", &format!("SELECT {}", columns(10_000)));
    error(
        "20,000 columns",
        &format!("SELECT {}", columns(20_000)),
        "TM0110",
    );
    let mut script = String::new();
    for i in 0..2_000 {
        writeln!(script, "SELECT {i};").expect("a string");
    }
    answers("2,000 statements", &script);
}

#[test]
fn many_correlated_subqueries_end() {
    let from = "FROM (VALUES (1), (2)) AS t (id)";
    let inner = "FROM (VALUES (1), (2)) AS u (w) WHERE w <= t.id";
    let items = joined(40, ", ", |n| {
        format!("(SELECT MAX(w) + {n} {inner}) AS m{n}")
    });
    answers(
        "subqueries in one SELECT",
        &format!("{from} |> SELECT {items}"),
    );
    let steps = joined(40, " ", |n| {
        format!("|> EXTEND (SELECT MAX(w) + {n} {inner}) AS m{n}")
    });
    answers("subqueries step by step", &format!("{from} {steps}"));
    let joins = joined(25, " ", |n| {
        format!("|> JOIN LATERAL (SELECT MAX(w) AS m{n} {inner}) AS l{n}")
    });
    answers("lateral joins", &format!("{from} {joins}"));
    let conditions = joined(40, " AND ", |n| {
        format!("NOT EXISTS (SELECT 1 {inner} + {n} AND w > {n})")
    });
    answers("conditions", &format!("{from} |> WHERE {conditions}"));
}

/// Texts whose plans have as many nodes as items, over as many columns. Each has so many that a rule of planning that looks at all
/// nodes, or at all columns, once more for each of them takes minutes.
#[test]
fn many_joins_and_tables_end() {
    let one = "FROM (VALUES (1)) AS t (a)";
    let cross = |n| joined(n, " ", |i| format!("|> CROSS JOIN (SELECT {i} AS x{i})"));
    answers("500 cross joins", &format!("{one} {}", cross(500)));
    error(
        "more cross joins than a query may have steps",
        &format!("{one} {}", cross(1_001)),
        "TM0110",
    );
    let using = joined(300, " ", |i| {
        format!("|> JOIN (SELECT 1 AS a, {i} AS x{i}) USING (a)")
    });
    answers("300 joins", &format!("{one} {using}"));
    let tables = |n| {
        joined(n, ", ", |i| match i {
            0 => "c0 AS (SELECT 1 AS x)".to_string(),
            _ => format!("c{i} AS (SELECT x + 1 AS x FROM c{})", i - 1),
        })
    };
    answers(
        "2,000 tables of WITH",
        &format!("WITH {} SELECT x FROM c1999", tables(2_000)),
    );
    error(
        "9,000 tables of WITH",
        &format!("WITH {} SELECT x FROM c8999", tables(9_000)),
        "TM0109",
    );
    let uncorrelated = joined(200, ", ", |i| {
        format!("(SELECT MAX(b) + {i} FROM (VALUES (1)) AS u (b)) AS y{i}")
    });
    answers("200 subqueries", &format!("{one} |> SELECT {uncorrelated}"));
    let correlated = joined(5_000, ", ", |i| {
        format!("(SELECT MAX(b) FROM (VALUES (1)) AS u (b) WHERE b = a + {i}) AS y{i}")
    });
    error(
        "5,000 subqueries",
        &format!("{one} |> SELECT {correlated}"),
        "TM0110",
    );
}

#[test]
fn many_items_end() {
    let one = "FROM (VALUES (1)) AS t (a)";
    let items = |n, item: &dyn Fn(usize) -> String| joined(n, ", ", item);
    let sums = items(2_000, &|i| format!("a + {i}"));
    answers("sorting", &format!("{one} |> ORDER BY {sums}"));
    answers(
        "sorting a SELECT",
        &format!("SELECT a FROM (VALUES (1)) AS t (a) ORDER BY {sums}"),
    );
    answers(
        "grouping",
        &format!("{one} |> AGGREGATE COUNT(*) AS n GROUP BY {sums}"),
    );
    let aggregates = items(9_000, &|i| format!("SUM(a + {i})"));
    answers("aggregates", &format!("{one} |> AGGREGATE {aggregates}"));
    let windows = items(800, &|i| format!("SUM(a) OVER (ORDER BY a + {i})"));
    answers("windows", &format!("{one} |> SELECT {windows}"));
    let values = items(300_000, &|i| i.to_string());
    answers("IN", &format!("{one} |> WHERE a IN ({values})"));
}

#[test]
fn many_steps_in_a_row_end() {
    let one = "FROM (VALUES (1)) AS t (a)";
    for (what, step) in [
        ("SELECT", "|> SELECT a + 1 AS a"),
        ("SET", "|> SET a = a + 1"),
        ("AGGREGATE", "|> AGGREGATE SUM(a) AS a"),
        ("DISTINCT", "|> DISTINCT"),
    ] {
        answers(what, &format!("{one} {}", vec![step; 999].join(" ")));
    }
    let extended = joined(300, " ", |i| format!("|> EXTEND a + {i} AS x{i}"));
    answers("EXTEND", &format!("{one} {extended}"));
}

/// Little text that makes much: what is constant is computed while the query is planned.
#[test]
fn what_would_fill_the_memory_is_refused() {
    for call in [
        "REPLACE(REPEAT('x', 100000), 'x', REPEAT('y', 100000))",
        "REPLACE(REPEAT('x', 100000), '', REPEAT('y', 100000))",
        "REGEXP_REPLACE(REPEAT('x', 100000), 'x', REPEAT('y', 100000), 'g')",
        "REGEXP_REPLACE(REPEAT('x', 100000), '(x+)', REPEAT('\\1', 100000))",
        "ARRAY_TO_STRING(GENERATE_ARRAY(1, 100000), REPEAT('x', 100000))",
        "ARRAY_RESIZE([1], 1000000000, 0)",
        "ARRAY_REPEAT(ARRAY_REPEAT(ARRAY_REPEAT(1, 10000), 10000), 1000)",
        "GENERATE_SERIES(TIMESTAMP '2000-01-01', TIMESTAMP '2200-01-01', INTERVAL 1 MICROSECOND)",
        "LPAD('x', 2000000000)",
    ] {
        error(call, &format!("SELECT {call}"), "TM0506");
    }
    for call in [
        "LENGTH(REPLACE(REPEAT('x', 100000), 'z', REPEAT('y', 100000))) = 100000",
        "LENGTH(REGEXP_REPLACE(REPEAT('x', 100000), 'x', REPEAT('y', 100000))) = 199999",
        "LENGTH(REGEXP_REPLACE(REPEAT('x', 100000), 'z', REPEAT('y', 100000), 'g')) = 100000",
        "GENERATE_SERIES(NULL, TIMESTAMP '2200-01-01', INTERVAL 1 MICROSECOND) IS NULL",
    ] {
        answers(
            call,
            &format!("FROM (VALUES (1)) AS t (a) |> ASSERT {call}"),
        );
    }
}

#[test]
fn odd_bytes_end() {
    assert!(run("NUL bytes", &[0u8; 100_000]).is_some());
    assert!(run("NUL in a query", b"SELECT 1\0 AS x").is_some());
    assert!(run("not UTF-8", b"SELECT '\xff\xfe' AS x").is_some());
    assert!(run("a lone surrogate", b"SELECT '\xed\xa0\x80'").is_some());
    answers("nothing", "");
    answers("only comments", "-- one\n# two\n/* three */ ;;; ");
    answers("a byte order mark", "\u{feff}SELECT 1 AS x");
    answers("emoji", "SELECT '🦀🦀' AS `🦀`");
    answers(
        "1 MB of text",
        &format!("SELECT LENGTH('{}') AS n", "x".repeat(1_000_000)),
    );
    answers(
        "1 MB of comment",
        &format!("/*{}*/ SELECT 1", "*".repeat(1_000_000)),
    );
    ends(
        "1 MB of identifier",
        &format!("SELECT 1 AS {}", "x".repeat(1_000_000)),
    );
    error(
        "17 MB",
        &format!("SELECT 1 {}", " ".repeat(17_000_000)),
        "TM0110",
    );
}

#[test]
fn what_is_never_closed_is_said() {
    for (what, text) in [
        ("a string", "SELECT 'abc"),
        (
            "a string of 1 MB",
            &format!("SELECT '{}", "x".repeat(1_000_000)) as &str,
        ),
        ("an E string", "SELECT E'abc\\'"),
        ("a raw string", "SELECT r'abc"),
        ("a tripled string", "SELECT '''abc''"),
        ("a name", "SELECT \"abc"),
        ("a backticked name", "SELECT `abc"),
        ("a comment", "SELECT 1 /* abc"),
    ] {
        error(what, text, "TM0101");
    }
    for text in [
        "SELECT (1",
        "SELECT [1",
        "FROM (SELECT 1",
        "SELECT CASE WHEN 1 = 1 THEN 2",
        "SELECT 1)",
        "SELECT CAST(1 AS",
        "FROM t |>",
    ] {
        let code = run(text, text.as_bytes()).expect("an error");
        assert!(code.starts_with("TM01"), "{text}: {code}");
    }
}

/// Every one of these patterns can be met in more ways than there are atoms.
#[test]
fn patterns_of_rows_with_very_many_ways_end() {
    for pattern in [
        "(a* a* a* a* a* a* a* a*)* b c",
        "((a|b)*?)* (a|b)+ c",
        "(a? b?){50} c",
        "(((a*)*)*)* c b",
        "(a|b)* c (a|b)* c (a|b)* c",
    ] {
        for longest in [true, false] {
            let text = format!(
                "FROM generate_series(1, 1500) AS id |> MATCH_RECOGNIZE (ORDER BY id MEASURES COUNT(*) AS n \
                 AFTER MATCH SKIP TO NEXT ROW PATTERN ({pattern}) \
                 DEFINE a AS id > 0, b AS id % 2 = 0, c AS id % 700 = 7 OPTIONS (use_longest_match = {longest}))"
            );
            answers(pattern, &text);
        }
    }
}
