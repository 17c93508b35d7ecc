//! Addresses of other machines: refused in plain words wherever only a path can stand, and nothing is made under their names; read
//! with the feature `remote`, from a server inside of the test.

use super::Place;

#[cfg(feature = "remote")]
mod reads;
#[cfg(feature = "remote")]
mod server;
#[cfg(feature = "remote")]
mod store;

/// Without the feature the refusal says how to get it.
#[cfg(not(feature = "remote"))]
#[test]
fn a_program_without_the_feature_says_so() {
    let place = Place::new();
    let said = [
        "TM0900",
        "was built without the feature that reads",
        "cargo install tidemill --features remote",
    ];
    for query in [
        "FROM 's3://bucket/t.parquet'",
        "FROM 'https://example.com/t.csv'",
        "FROM 's3://bucket/*.parquet'",
        "FROM read_csv('http://example.com/t.csv')",
        "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION 's3://bucket/t'; FROM t",
    ] {
        place.run([query]).fails(2, &said);
    }
    for args in [
        ["peek", "https://example.com/t.csv"],
        ["schema", "s3://bucket/t.parquet"],
    ] {
        place.run(args).fails(2, &said);
    }
}

#[test]
fn only_what_is_read_may_be_elsewhere() {
    let place = Place::new();
    place.file("t.csv", "a\n1\n");
    let said = ["TM0900", "only what queries read may lie there"];
    for query in [
        "FROM 't.csv' |> EXPORT DATA OPTIONS (uri = 's3://bucket/t.csv')",
        "FROM read_csv('t.csv', bad_rows => 'reject=s3://bucket/bad.csv')",
    ] {
        place.run([query]).fails(2, &said);
    }
    for args in [
        ["--output", "s3://bucket/t.csv", "FROM 't.csv'"],
        ["--db", "s3://bucket/db", "FROM 't.csv'"],
        ["--spill-dir", "s3://bucket/spill", "FROM 't.csv'"],
        ["--bad-rows", "reject=s3://bucket/bad.csv", "FROM 't.csv'"],
        ["-f", "https://example.com/job.tide", "--timing"],
    ] {
        place.run(args).fails(2, &said[1..]);
    }
    let other = "not from `gs://`";
    place
        .run(["FROM TABLE_AT('gs://bucket/t.csv')"])
        .fails(2, &["TM0900", other]);
    assert_eq!(place.names(), ["t.csv"]);
    let hint = "write the path alone: '/data/t.csv'";
    place
        .run(["FROM 'file:///data/t.csv'"])
        .fails(2, &["TM0900", hint]);
}

#[test]
fn replicas_lie_on_this_machine() {
    let place = Place::new();
    let add = "ALTER TABLE t ADD REPLICA 's3://bucket/t'";
    let ended = place.run([
        "--db",
        "db",
        "-c",
        "CREATE TABLE t AS SELECT 1 AS a",
        "-c",
        add,
    ]);
    ended.fails(2, &["TM0900", "a replica in an object store"]);
}
