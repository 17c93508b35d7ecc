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

#[test]
fn peek_tells_programs_the_same_as_people() {
    let place = sales();
    place.file("more/odd.csv", "a,b\n1,x\n,\n");
    let text = place.answer([
        "peek",
        "sales.csv",
        "more",
        "--format",
        "json",
        "--rows",
        "2",
    ]);
    let files: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(files.as_array().map(Vec::len), Some(2));
    let sales = &files[0];
    assert_eq!(sales["file"], "sales.csv");
    assert_eq!(sales["columns"][2]["type"], "FLOAT64");
    assert_eq!(
        sales["first_rows"][1],
        serde_json::json!({"day": "2024-01-02", "region": "south", "price": 1.5})
    );
    assert_eq!(sales["first_rows"].as_array().map(Vec::len), Some(2));
    assert_eq!(sales["summarized_rows"], 1000);
    assert_eq!(sales["is_whole"], true);
    let price = &sales["summary"][2];
    assert_eq!(
        (&price["name"], &price["max"]),
        (&"price".into(), &"99.5".into())
    );
    let counts = price["histogram"].as_array().expect("counts");
    let sum: i64 = counts.iter().filter_map(serde_json::Value::as_i64).sum();
    assert_eq!(sum, 1000);
    let bounds = price["histogram_bounds"].as_array().expect("bounds");
    assert_eq!(bounds.len(), counts.len() + 1);
    assert_eq!((&bounds[0], &bounds[12]), (&0.5.into(), &99.5.into()));
    assert!(
        sales["summary"][1]["histogram"].is_null(),
        "texts have none"
    );
    assert_eq!(files[1]["summary"][1]["null_count"], 1);
    let from_pipe = piped(&place, &["peek", "-", "--format", "json"], b"a\n1\n");
    let files: serde_json::Value = serde_json::from_str(&from_pipe.text()).expect("JSON");
    assert_eq!(files[0]["first_rows"], serde_json::json!([{"a": 1}]));
}
