//! Files of a web server: every format, and what may go wrong on the way.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::super::{Ended, Place};
use super::server::{Reply, Request, Server};

/// Rows of several types, some of them without a value.
const ROWS: &str = "FROM GENERATE_SERIES(1, 60000) AS t (i) |> SELECT i, i * 7 % 1000 AS k, CASE WHEN i % 5 > 0 THEN 'word ' || i END AS s, \
                    DATE '2024-01-01' + i % 300 AS d";

/// What is asked of them: all rows, then few.
const QUESTIONS: [&str; 2] = [
    "AGGREGATE COUNT(*) AS n, SUM(i) AS i, SUM(k) AS k, COUNT(s) AS s, MAX(s) AS last, MIN(d) AS first",
    "WHERE k = 994 AND i > 59000 |> SELECT i, s |> ORDER BY i",
];

fn run(place: &Place, query: &str) -> Ended {
    let mut command = place.command([query]);
    for proxy in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env_remove(proxy);
    }
    Ended::from(command.output().expect("the program starts"))
}

fn answer(place: &Place, query: &str) -> String {
    let ended = run(place, query);
    assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{query}");
    ended.text()
}

/// A server that has these files and knows ranges.
fn files(place: &Place, names: &[&str]) -> Server {
    let files: BTreeMap<String, Vec<u8>> = names
        .iter()
        .map(|name| (format!("/{name}"), place.read_bytes(name)))
        .collect();
    Server::new(move |request| match files.get(&request.path) {
        Some(bytes) => Reply::part(request, bytes, "1"),
        None => Reply::new(404, "nothing here"),
    })
}

#[test]
fn every_format_by_ranges() {
    let place = Place::new();
    let names = ["t.csv", "t.ndjson", "t.parquet", "t.arrow"];
    for name in names {
        place.run(["--output", name, ROWS]);
    }
    let packed = ["p.csv.gz", "p.csv.zst"];
    for (name, with) in packed.iter().zip(["gzip", "zstd"]) {
        let export = format!(
            "{ROWS} |> EXPORT DATA OPTIONS (uri = '{name}', format = 'csv', compression = '{with}')"
        );
        assert_eq!(place.run([export.as_str()]).code, Some(0));
    }
    let all: Vec<&str> = names.into_iter().chain(packed).collect();
    let server = files(&place, &all);
    for name in &all {
        for question in QUESTIONS {
            let here = answer(&place, &format!("FROM '{name}' |> {question}"));
            assert!(here.lines().count() > 1, "{here}");
            let there = answer(
                &place,
                &format!("FROM '{}' |> {question}", server.url(name)),
            );
            assert_eq!(there, here, "{name}");
        }
    }
    for request in server.seen() {
        assert!(request.range().is_some(), "{request:?}");
    }
}

/// Of a Parquet file no more is fetched than its beginning, its end and the chunks of the columns that are read.
#[test]
fn parquet_columns_that_are_not_read_are_not_fetched() {
    let place = Place::new();
    let rows = "FROM GENERATE_SERIES(1, 200000) AS t (i) |> SELECT i % 7 AS small, MD5(CAST(i AS STRING)) AS large";
    place.run(["--output", "t.parquet", rows]);
    let length = place.read_bytes("t.parquet").len();
    let server = files(&place, &["t.parquet"]);
    let total = answer(
        &place,
        &format!(
            "FROM '{}' |> AGGREGATE SUM(small) AS s",
            server.url("t.parquet")
        ),
    );
    assert_eq!(total, "s\n599997\n");
    let fetched: usize = server
        .seen()
        .iter()
        .filter_map(Request::range)
        .map(|(start, end)| end.min(length) - start)
        .sum();
    assert!(fetched < length / 4, "{fetched} of {length} bytes");
}

#[test]
fn a_small_file_is_one_question() {
    let place = Place::new();
    place.file("t.csv", "a,b\n1,x\n2,y\n");
    let server = files(&place, &["t.csv"]);
    let url = server.url("t.csv");
    assert_eq!(
        answer(&place, &format!("FROM '{url}' |> WHERE a > 1")),
        "a,b\n2,y\n"
    );
    assert_eq!(server.seen().len(), 1);
    let signed = format!("{url}?signature=hidden");
    assert_eq!(
        answer(&place, &format!("FROM '{signed}' |> LIMIT 1")),
        "a,b\n1,x\n"
    );
    assert_eq!(server.seen().last().unwrap().query, "signature=hidden");
}

#[test]
fn empty_and_missing_files() {
    let place = Place::new();
    place.file("empty.csv", "");
    let server = files(&place, &["empty.csv"]);
    let here = run(&place, "FROM 'empty.csv'");
    let there = run(&place, &format!("FROM '{}'", server.url("empty.csv")));
    assert_eq!(
        (there.code, there.text()),
        (here.code, here.text()),
        "{there:?}"
    );
    let missing = server.url("missing.csv?token=secret");
    let ended = run(&place, &format!("FROM '{missing}'"));
    let shown = server.url("missing.csv");
    assert_eq!(ended.code, Some(3), "{ended:?}");
    for part in ["TM0703", "the server answered 404 Not Found", &shown] {
        assert!(
            ended.err.contains(part),
            "{part} is missing in {}",
            ended.err
        );
    }
    let pattern = server.url("*.csv");
    run(&place, &format!("FROM '{pattern}'")).fails(2, &["TM0900", "has no list of its files"]);
}

#[test]
fn what_a_server_refuses_is_told_with_its_status() {
    let place = Place::new();
    let server = Server::new(|request| Reply::new(request.path[1..].parse().unwrap(), "no"));
    for (status, code, exit) in [
        ("401", "TM0761", 2),
        ("403", "TM0761", 2),
        ("404", "TM0703", 3),
        ("410", "TM0703", 3),
        ("418", "TM0761", 2),
    ] {
        let ended = run(&place, &format!("FROM read_csv('{}')", server.url(status)));
        let answered = format!("the server answered {status}");
        ended.fails(exit, &[code, &answered, &server.url(status)]);
    }
    assert_eq!(server.seen().len(), 5, "what is refused is not asked again");
}

/// A server that does not know ranges: the file is fetched once, whole, and leaves nothing behind.
#[test]
fn a_server_without_ranges() {
    let place = Place::new();
    place.run(["--output", "t.parquet", ROWS]);
    let bytes = place.read_bytes("t.parquet");
    let server = Server::new(move |_| Reply::new(200, &bytes[..]));
    for question in QUESTIONS {
        let here = answer(&place, &format!("FROM 't.parquet' |> {question}"));
        let there = answer(
            &place,
            &format!("FROM '{}' |> {question}", server.url("t.parquet")),
        );
        assert_eq!(there, here);
    }
    assert_eq!(server.seen().len(), 2);
    let limited = place.run([
        "--spill-limit",
        "1000",
        &format!("FROM '{}'", server.url("t.parquet")),
    ]);
    limited.fails(4, &["TM0511", "is longer than the 1000 bytes"]);
    assert_eq!(place.names(), ["t.parquet"]);
}

/// Answers fail, break off and come in pieces: the rows are the same.
#[test]
fn trouble_on_the_way_is_overcome() {
    let place = Place::new();
    for name in ["t.csv", "t.parquet"] {
        place.run(["--output", name, ROWS]);
        let bytes = place.read_bytes(name);
        let asked = AtomicUsize::new(0);
        let server = Server::new(move |request| match asked.fetch_add(1, Ordering::Relaxed) {
            number if number % 3 == 0 => Reply::new([500, 503, 429][number / 3 % 3], "later"),
            number if number % 3 == 1 => Reply {
                cut: Some(10_000 + number),
                ..Reply::part(request, &bytes, "1")
            },
            _ => Reply::part(request, &bytes, "1"),
        });
        let question = QUESTIONS[0];
        let here = answer(&place, &format!("FROM '{name}' |> {question}"));
        let there = answer(
            &place,
            &format!("FROM '{}' |> {question}", server.url(name)),
        );
        assert_eq!(there, here, "{name}");
    }
}

#[test]
fn a_server_that_stays_in_trouble() {
    let place = Place::new();
    let server = Server::new(|_| Reply::new(503, "never"));
    let ended = run(&place, &format!("FROM '{}'", server.url("t.csv")));
    ended.fails(5, &["TM0762", "the server answered 503"]);
    assert_eq!(server.seen().len(), 4);
}

/// The file is another in the middle of the query: an error, and no mix of both.
#[test]
fn a_file_that_changes_meanwhile() {
    let place = Place::new();
    for name in ["t.csv", "t.parquet", "t.ndjson", "t.arrow"] {
        place.run(["--output", name, ROWS]);
        for keeps_tag in [false, true] {
            let bytes = place.read_bytes(name);
            let mut longer = bytes.clone();
            longer.push(b'\n');
            let asked = AtomicUsize::new(0);
            let server = Server::new(move |request| match asked.fetch_add(1, Ordering::Relaxed) {
                0 => Reply::part(request, &bytes, "1"),
                // It says so, or is only of another length.
                _ if keeps_tag => Reply::part(request, &longer, "1"),
                _ => Reply::part(request, &bytes, "2"),
            });
            let query = format!("FROM '{}' |> {}", server.url(name), QUESTIONS[0]);
            let ended = run(&place, &query);
            assert_eq!(ended.text(), "", "{name}");
            for part in ["TM0704", "the file changed while it was in use"] {
                assert!(
                    ended.err.contains(part),
                    "{part} is missing in {}",
                    ended.err
                );
            }
        }
    }
}

/// Nobody waits for a server that says nothing.
#[test]
fn a_query_that_waits_for_a_server_is_stopped() {
    let place = Place::new();
    place.run(["--output", "t.csv", ROWS]);
    let bytes = Arc::new(place.read_bytes("t.csv"));
    // At once, and once the query runs.
    for answered in [0, 1] {
        let bytes = Arc::clone(&bytes);
        let asked = AtomicUsize::new(0);
        let server = Server::new(move |request| Reply {
            silent: asked.fetch_add(1, Ordering::Relaxed) >= answered,
            ..Reply::part(request, &bytes, "1")
        });
        let started = Instant::now();
        let query = format!("FROM '{}' |> {}", server.url("t.csv"), QUESTIONS[0]);
        let ended = place.run(["--timeout", "500ms", query.as_str()]);
        ended.fails(4, &["TM0512"]);
        assert!(
            started.elapsed() < Duration::from_secs(8),
            "{:?}",
            started.elapsed()
        );
        assert!(server.seen().len() > answered);
    }
}

/// Who writes a query is not held up by a server that says nothing, and completes what is known without it.
#[test]
fn completion_does_not_wait_for_a_silent_server() {
    let server = Server::new(|_| Reply {
        silent: true,
        ..Reply::new(200, "")
    });
    let text = format!("FROM '{}' |> SELECT UPP", server.url("t.csv"));
    let started = Instant::now();
    let engine = tidemill::Engine::in_memory().unwrap();
    let items = engine.complete(&text, text.len()).items;
    assert!(
        items.iter().any(|item| item.text.starts_with("UPPER")),
        "{items:?}"
    );
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn looked_at_without_a_query() {
    let place = Place::new();
    place.file("t.csv", "a,b\n1,x\n2,y\n");
    let server = files(&place, &["t.csv"]);
    let url = server.url("t.csv");
    let schema = place.answer(["schema", &url]);
    assert!(
        schema.contains("BIGINT") || schema.contains("INT64"),
        "{schema}"
    );
    let peek = place.answer(["peek", &url]);
    assert!(peek.contains("t.csv"), "{peek}");
}
