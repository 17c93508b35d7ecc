//! Long lists of constants are kept as arrays; they must answer as short ones do.

use tidemill::Engine;

/// The number's constant, as written.
type Spell = fn(i32) -> String;

/// How many rows of `table` give TRUE, FALSE and NULL for `condition`.
fn counts(table: &str, condition: &str) -> (i64, i64, i64) {
    let text = format!(
        "{table} |> EXTEND ({condition}) AS c |> AGGREGATE COUNTIF(c), COUNTIF(NOT c), COUNTIF(c IS NULL)"
    );
    let engine = Engine::in_memory().expect("an engine");
    let rows = engine.query(&text, ()).expect("rows");
    rows.one().expect("one row")
}

/// The same list in parts that are short.
fn in_parts(items: &[String]) -> String {
    let parts: Vec<String> = items
        .chunks(600)
        .map(|part| format!("x IN ({})", part.join(", ")))
        .collect();
    parts.join(" OR ")
}

#[test]
fn a_long_list_answers_as_short_ones_do() {
    let spelling: [(&str, Spell); 4] = [
        ("integers", |i| format!("{}", i * 3)),
        ("texts", |i| format!("'item {}'", i * 3)),
        ("decimals", |i| format!("NUMERIC '{}.50'", i * 3)),
        ("dates", |i| format!("DATE '{}-01-01'", 2000 + i % 4000)),
    ];
    for (name, spell) in spelling {
        let rows: Vec<String> = (0..3000)
            .step_by(2)
            .map(|i| format!("({})", spell(i)))
            .collect();
        let table = format!("FROM (VALUES {}, (NULL)) AS t (x)", rows.join(", "));
        let mut items: Vec<String> = (0..3000).step_by(3).map(spell).collect();
        for with_null in [false, true] {
            if with_null {
                items.push("NULL".to_string());
            }
            let (parts, list) = (in_parts(&items), items.join(", "));
            let expected = counts(&table, &parts);
            assert!(expected.0 > 0, "{name}: nothing matches");
            assert_eq!(
                counts(&table, &format!("x IN ({list})")),
                expected,
                "{name}"
            );
            let negated = counts(&table, &format!("x NOT IN ({list})"));
            assert_eq!(negated, (expected.1, expected.0, expected.2), "{name}");
        }
    }
}

#[test]
fn a_long_list_meets_columns_of_another_type() {
    let list = (0..2000)
        .map(|i| i.to_string())
        .collect::<Vec<_>>()
        .join(", ");
    for table in [
        "SELECT CAST(7 AS TINYINT) AS x",
        "SELECT 7.0 AS x",
        "SELECT NUMERIC '7.00' AS x",
    ] {
        assert_eq!(
            counts(table, &format!("x IN ({list})")),
            (1, 0, 0),
            "{table}"
        );
    }
    assert_eq!(
        counts("SELECT NULL AS x", &format!("x IN ({list})")),
        (0, 0, 1)
    );
}
