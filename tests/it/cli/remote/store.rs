//! Object stores: names, patterns, folders and signatures.

use std::collections::BTreeMap;

use super::super::{Ended, Place};
use super::server::{Reply, Request, Server};

const KEY: &str = "AKIDEXAMPLE";
const SECRET: &str = "a-secret-that-nobody-sees";

/// A bucket `data` with these objects. It gives names by twos, and nothing to those who do not sign.
fn store(objects: &[(&str, &str)]) -> Server {
    let objects: BTreeMap<String, String> = objects
        .iter()
        .map(|(key, text)| (key.to_string(), text.to_string()))
        .collect();
    Server::new(move |request| {
        let signed = format!("AWS4-HMAC-SHA256 Credential={KEY}/");
        let authorization = request.header("authorization").unwrap_or_default();
        let is_signed = authorization.starts_with(&signed)
            && authorization.contains("/eu-test-1/s3/aws4_request,SignedHeaders=host;")
            && request.header("x-amz-date").is_some();
        if !is_signed {
            return Reply::new(403, "<Error><Code>AccessDenied</Code></Error>");
        }
        match request.path.strip_prefix("/data/") {
            Some("") => Reply::new(200, list(request, &objects)),
            Some(key) => match objects.get(&key.replace("%20", " ").replace("%3D", "=")) {
                Some(text) => Reply::part(request, text.as_bytes(), "1"),
                None => Reply::new(404, "<Error><Code>NoSuchKey</Code></Error>"),
            },
            None => Reply::new(404, "<Error><Code>NoSuchBucket</Code></Error>"),
        }
    })
}

fn list(request: &Request, objects: &BTreeMap<String, String>) -> String {
    let option = |name: &str| {
        let mut options = request
            .query
            .split('&')
            .filter_map(|option| option.split_once('='));
        options.find(|(other, _)| *other == name).map(|(_, value)| {
            value
                .replace("%2F", "/")
                .replace("%3D", "=")
                .replace("%20", " ")
        })
    };
    assert_eq!(option("list-type").as_deref(), Some("2"));
    let prefix = option("prefix").unwrap();
    let after = option("continuation-token").unwrap_or_default();
    let mut names = objects
        .keys()
        .filter(|key| key.starts_with(&prefix) && **key > after);
    let page: Vec<&String> = names.by_ref().take(2).collect();
    let contents: String = page
        .iter()
        .map(|key| {
            format!(
                "<Contents><Key>{}</Key><Size>1</Size></Contents>",
                key.replace(' ', "+").replace('=', "%3D")
            )
        })
        .collect();
    let next = match (names.next(), page.last()) {
        (Some(_), Some(last)) => format!(
            "<IsTruncated>true</IsTruncated><NextContinuationToken>{last}</NextContinuationToken>"
        ),
        _ => "<IsTruncated>false</IsTruncated>".to_string(),
    };
    format!(
        "<?xml version=\"1.0\"?><ListBucketResult><EncodingType>url</EncodingType>{next}{contents}</ListBucketResult>"
    )
}

fn run(place: &Place, server: &Server, query: &str, signs: bool) -> Ended {
    let mut command = place.command([query]);
    for name in std::env::vars().map(|(name, _)| name) {
        if name.starts_with("AWS_") || name.to_ascii_lowercase().ends_with("_proxy") {
            command.env_remove(name);
        }
    }
    command
        .env("AWS_ENDPOINT_URL", server.url(""))
        .env("AWS_REGION", "eu-test-1");
    if signs {
        command
            .env("AWS_ACCESS_KEY_ID", KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET);
    }
    Ended::from(command.output().expect("the program starts"))
}

fn objects() -> Server {
    store(&[
        ("a b.csv", "x\n1\n"),
        ("days/day=2024-01-01/p.csv", "x\n10\n"),
        ("days/day=2024-01-02/p.csv", "x\n20\n"),
        ("days/day=2024-01-02/q.csv", "x\n30\n"),
        ("days/day=2024-01-02/_ignored.csv", "x\n1000\n"),
        ("days/day=2024-01-02/read.me", "words"),
        ("days/", ""),
        ("other/one.csv", "x\n5\n"),
        ("other/two.ndjson", "{\"x\": 6}\n"),
    ])
}

#[test]
fn objects_patterns_and_folders() {
    let place = Place::new();
    let server = objects();
    for (source, sum) in [
        ("s3://data/a b.csv", "1"),
        ("s3://data/other/*.csv", "5"),
        ("s3://data/other/", "11"),
        ("s3://data/{a b,other/one}.csv", "6"),
        ("s3://data/days/*/[pq].csv", "60"),
        ("s3://data/days/", "60"),
        ("s3://data/days/day=2024-01-02/*.csv", "1050"),
    ] {
        let ended = run(
            &place,
            &server,
            &format!("FROM '{source}' |> AGGREGATE SUM(x) AS x"),
            true,
        );
        assert_eq!((ended.code, ended.err.as_str()), (Some(0), ""), "{source}");
        assert_eq!(ended.text(), format!("x\n{sum}\n"), "{source}");
    }
    let query = "FROM 's3://data/days/' |> AGGREGATE SUM(x) AS x GROUP BY day |> ORDER BY day";
    let ended = run(&place, &server, query, true);
    assert_eq!(
        ended.text(),
        "day,x\n2024-01-01,10\n2024-01-02,50\n",
        "{ended:?}"
    );
}

#[test]
fn what_a_store_refuses() {
    let place = Place::new();
    let server = objects();
    let fails = |code: i32, query: &str, signs: bool, parts: &[&str]| {
        let ended = run(&place, &server, query, signs);
        ended.fails(code, parts);
        assert!(!ended.err.contains(SECRET), "{}", ended.err);
    };
    fails(
        3,
        "FROM 's3://data/none.csv'",
        true,
        &["TM0703", "404 Not Found (NoSuchKey)", "s3://data/none.csv"],
    );
    fails(
        2,
        "FROM 's3://data/a b.csv'",
        false,
        &[
            "TM0761",
            "403 Forbidden (AccessDenied)",
            "AWS_ACCESS_KEY_ID",
        ],
    );
    fails(
        3,
        "FROM 's3://data/none/*.csv'",
        true,
        &["TM0703", "no file matches the pattern"],
    );
    fails(
        3,
        "FROM 's3://data/none/'",
        true,
        &["TM0703", "no data file below it"],
    );
    fails(
        3,
        "FROM 's3://elsewhere/*.csv'",
        true,
        &["TM0703", "NoSuchBucket"],
    );
    fails(
        2,
        "FROM 's3:///x.csv'",
        true,
        &["TM0761", "name of a bucket"],
    );
}

/// A file of certificates is read before anybody is asked.
#[test]
fn certificates_that_are_none() {
    let place = Place::new();
    place.file("none.pem", "words");
    for (file, said) in [
        ("none.pem", "no certificate in the file"),
        ("missing.pem", "cannot be read"),
    ] {
        let mut command = place.command(["FROM 'https://127.0.0.1:9/x.csv'"]);
        command
            .env_remove("AWS_CA_BUNDLE")
            .env("SSL_CERT_FILE", file);
        let ended = Ended::from(command.output().expect("the program starts"));
        ended.fails(2, &["TM0761", said, file, "SSL_CERT_FILE"]);
    }
}
