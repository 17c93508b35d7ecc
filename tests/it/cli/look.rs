//! `tidemill schema` and `tidemill peek`.

use super::{Place, piped};

fn sales() -> Place {
    let mut text = String::from("day;region;price\n");
    for row in 0..1000 {
        let region = ["north", "south"][row % 2];
        text += &format!("2024-01-{:02};{region};{}.5\n", row % 28 + 1, row % 100);
    }
    let place = Place::new();
    place.file("sales.csv", text);
    place
}

#[test]
fn schema_says_columns_and_how_the_file_is_read() {
    let place = sales();
    assert_eq!(
        place.answer(["schema", "sales.csv"]),
        "sales.csv: csv, header TRUE, delim ';', 21917 bytes\n  day     DATE\n  region  STRING\n  price   FLOAT64\n"
    );
    let json = place.answer(["schema", "sales.csv", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(json[0]["columns"][2]["type"], "FLOAT64");
    assert_eq!(json[0]["options"]["delim"], "';'");
    place.run(["schema", "none.csv"]).fails(3, &["TM0703"]);
}

#[test]
fn the_statement_of_schema_runs_and_gives_the_same_rows() {
    let place = sales();
    place.file(
        "odd.csv",
        "`order` id,\"it's\",when\n1,a,2024-01-01 10:00:00\n",
    );
    place.file(
        "nested.ndjson",
        "{\"a\": [1, 2], \"b\": {\"c\": \"x\"}, \"d\": true}\n",
    );
    place.answer(["FROM 'sales.csv'", "--output", "s.parquet"]);
    for file in ["sales.csv", "odd.csv", "nested.ndjson", "s.parquet"] {
        let statement = place.answer(["schema", file, "--format", "sql"]);
        let name = file.split('.').next().expect("a name");
        let ended = place.run(["-c", &statement, "-c", &format!("FROM {name}")]);
        assert_eq!(ended.code, Some(0), "{statement}{}", ended.err);
        assert_eq!(
            ended.text(),
            place.answer([format!("FROM '{file}'")]),
            "{statement}"
        );
    }
}

#[test]
fn peek_shows_rows_and_a_summary() {
    let place = sales();
    let text = place.answer(["peek", "sales.csv"]);
    for part in [
        "sales.csv: csv, header TRUE, delim ';'",
        "│ 2024-01-05 ┆ north  ┆",
        "5 rows",
        "Summary of all 1000 rows:",
        "█",
    ] {
        assert!(text.contains(part), "`{part}` is missing in\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "escape codes on a pipe");
    place.answer(["FROM 'sales.csv'", "--output", "s.parquet"]);
    let text = place.answer(["peek", "--all", "--rows", "1", "s.parquet"]);
    assert!(
        text.contains("parquet, ") && text.contains(" bytes, 1000 rows"),
        "{text}"
    );
    let ended = piped(&place, &["peek", "-"], b"a\n1\n2\n");
    assert!(ended.text().contains("stdin: csv"), "{}", ended.text());
}

#[test]
fn peek_says_when_it_saw_a_part() {
    let place = Place::new();
    let numbers: String = (0..100_500).map(|row| format!("{row}\n")).collect();
    place.file("n.csv", format!("n\n{numbers}"));
    let text = place.answer(["peek", "n.csv"]);
    assert!(text.contains("Summary of the first 100000 rows:"), "{text}");
    let text = place.answer(["peek", "n.csv", "--all"]);
    assert!(text.contains("Summary of all 100500 rows:"), "{text}");
}
