//! Each flag does what --help says, and refuses what it cannot mean.

use super::{answer, run};

#[test]
fn version_and_help_are_answers() {
    let version = format!("tidemill {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(answer(["--version"]), version);
    assert_eq!(answer(["-V"]), version);
    let help = answer(["--help"]);
    for part in [
        "Usage:",
        "  fmt ",
        "  parse ",
        "--command",
        "--file",
        "--format",
        "--output",
        "--param",
        "--arg",
        "--threads",
        "--memory-limit",
        "--spill-dir",
        "--spill-limit",
        "--timeout",
        "--null",
        "--timing",
        "--error-format",
        "--double-quotes",
        "Examples:",
        "Exit codes:",
        "130",
        "141",
    ] {
        assert!(help.contains(part), "`{part}` is missing in\n{help}");
    }
    assert!(answer(["-h"]).contains("Usage:"));
}

#[test]
fn wrong_usage_is_2_on_standard_error() {
    run(["--nope"]).fails(2, &["--nope", "--help"]);
    run(["SELECT 1 AS a", "SELECT 2 AS b"]).fails(2, &["SELECT 2 AS b"]);
    run(["--format", "yaml", "SELECT 1 AS a"]).fails(2, &["yaml", "ndjson"]);
    run(["--error-format", "xml", "SELECT 1 AS a"]).fails(2, &["xml", "json"]);
    run(["--double-quotes", "both", "SELECT 1 AS a"]).fails(2, &["both", "identifier"]);
    run(["--threads", "0", "SELECT 1 AS a"]).fails(2, &["threads", "0"]);
    run(["--threads", "many", "SELECT 1 AS a"]).fails(2, &["many", "--threads"]);
    run(["--memory-limit", "2sheep", "SELECT 1 AS a"]).fails(2, &["sheep", "MiB"]);
    run(["--memory-limit", "0", "SELECT 1 AS a"]).fails(2, &["--memory-limit"]);
    run(["--format"]).fails(2, &["--format"]);
}

#[test]
fn named_parameters_are_typed_by_their_look() {
    let query =
        "SELECT @a AS a, @b AS b, @c AS c, @d AS d, @e AS e, @f AS f, @g AS g, @h AS h, @i AS i";
    let given = [
        "a=1",
        "b=1.5",
        "c=true",
        "d=2024-01-31",
        "e=null",
        "f=two words",
        "g='5'",
        "h=",
        "@i=x=y",
    ];
    let params = given.into_iter().flat_map(|param| ["-p", param]);
    assert_eq!(
        answer(["--format", "ndjson", query].into_iter().chain(params)),
        "{\"a\":1,\"b\":1.5,\"c\":true,\"d\":\"2024-01-31\",\"e\":null,\"f\":\"two words\",\"g\":\"5\",\"h\":\"\",\"i\":\"x=y\"}\n"
    );
    let table = answer([
        "--format",
        "table",
        "SELECT @d AS d",
        "--param",
        "d=2024-01-31",
    ]);
    assert!(table.contains("DATE"), "{table}");
}

#[test]
fn a_parameter_is_a_value_and_never_text_of_the_query() {
    let query = "FROM (VALUES (1, 'x')) AS t (i, s) |> WHERE s = @s";
    assert_eq!(answer([query, "--param", "s=x"]), "i,s\n1,x\n");
    assert_eq!(
        answer([query, "--param", "S=x"]),
        "i,s\n1,x\n",
        "names match without case"
    );
    assert_eq!(answer([query, "--param", "s=' OR 1 = 1 --"]), "i,s\n");
}

#[test]
fn positional_parameters_come_in_order() {
    let query = "SELECT ? AS a, ? AS b";
    assert_eq!(answer([query, "--arg", "1", "--arg", "-2"]), "a,b\n1,-2\n");
    run([query, "--arg", "1"]).fails(2, &["TM0601", "number 2", "query:1:16"]);
}

#[test]
fn missing_and_mixed_parameters_are_refused() {
    run(["SELECT @x AS a"]).fails(2, &["TM0601", "@x", "query:1:8"]);
    run(["SELECT @x AS a", "--param", "x"]).fails(2, &["NAME=VALUE", "--arg"]);
    let both = ["SELECT ? AS a, @b AS b", "--arg", "1", "--param", "b=2"];
    run(both).fails(2, &["TM0603"]);
}

#[test]
fn threads_do_not_change_the_answer() {
    let query =
        "FROM UNNEST(GENERATE_SERIES(1, 50000)) AS n |> AGGREGATE COUNT(*) AS c, SUM(n) AS s";
    for threads in ["1", "2", "7"] {
        assert_eq!(
            answer(["--threads", threads, query]),
            "c,s\n50000,1250025000\n"
        );
    }
}

#[test]
fn memory_limits_have_units() {
    let series = "FROM UNNEST(GENERATE_SERIES(1, 300000)) AS n";
    let sort = format!("{series} |> ORDER BY n DESC");
    let count = format!("{sort} |> AGGREGATE COUNT(*) AS c");
    for enough in ["1GB", "1GiB", "1.5g", "1000000000"] {
        assert_eq!(answer(["--memory-limit", enough, &count]), "c\n300000\n");
    }
}

#[test]
fn timing_goes_to_standard_error_once_for_each_statement() {
    let ended = run(["--timing", "-c", "SELECT 1 AS a", "-c", "SELECT 2 AS b"]);
    assert_eq!(
        (ended.code, ended.text()),
        (Some(0), "a\n1\n\nb\n2\n".to_string())
    );
    let lines: Vec<&str> = ended.err.lines().collect();
    assert_eq!(lines.len(), 2, "{}", ended.err);
    for line in lines {
        let number = line
            .strip_prefix("Time: ")
            .and_then(|rest| rest.strip_suffix(" ms"));
        let number: f64 = number
            .and_then(|number| number.parse().ok())
            .expect("`Time: … ms`");
        assert!(number >= 0.0);
    }
}

#[test]
fn double_quotes_hold_names_or_text() {
    let text = ["SELECT \"a\" AS b", "--double-quotes", "string"];
    assert_eq!(answer(text), "b\na\n");
    let name = "FROM (VALUES (1)) AS t (\"a b\") |> SELECT \"a b\"";
    assert_eq!(answer([name]), "a b\n1\n");
    assert_eq!(answer([name, "--double-quotes", "identifier"]), "a b\n1\n");
    run(["SELECT \"a\" AS b"]).fails(2, &["TM0201", "write 'a'"]);
}

#[test]
fn null_is_written_as_asked_and_text_like_it_in_quotes() {
    let query = "FROM (VALUES (1, NULL), (2, ''), (3, 'NULL'), (4, '-')) AS t (i, s) |> ORDER BY i";
    assert_eq!(
        answer(["--null", "NULL", query]),
        "i,s\n1,NULL\n2,\"\"\n3,\"NULL\"\n4,-\n"
    );
    assert_eq!(
        answer(["--null", "-", "--format", "tsv", query]),
        "i\ts\n1\t-\n2\t\"\"\n3\tNULL\n4\t\"-\"\n"
    );
}

#[test]
fn a_text_for_null_that_would_not_be_one_field_is_refused() {
    let query = "SELECT NULL AS a, 1 AS b";
    for (format, null) in [
        ("csv", "a,b"),
        ("tsv", "a\tb"),
        ("csv", "\"x\""),
        ("tsv", "a\nb"),
    ] {
        run([query, "--format", format, "--null", null]).fails(2, &["--null"]);
    }
    let told = answer([query, "--format", "tsv", "--null", "a,b"]);
    assert_eq!(told, "a\tb\na,b\t1\n");
}

#[test]
fn a_number_that_no_type_holds_is_refused_and_a_large_one_is_exact() {
    let given = |value: &str| {
        [
            "SELECT @a AS a".to_string(),
            "-p".to_string(),
            format!("a={value}"),
        ]
    };
    let large = "99999999999999999999";
    assert_eq!(answer(given(large)), format!("a\n{large}\n"));
    run(given("1e400")).fails(2, &["1e400", "too large"]);
    run(given(&"9".repeat(39))).fails(2, &["too large"]);
    assert_eq!(answer(given("'1e400'")), "a\n1e400\n");
}
