//! Section 5: types and expressions.

use super::{error, fails, rows};

fn value(expression: &str) -> String {
    rows(&format!("SELECT {expression}"))
}

fn wrong(expression: &str) -> String {
    fails(&format!("SELECT {expression}"))
}

#[test]
fn integers_divide_to_floats() {
    assert_eq!(value("7 / 2"), "3.5");
    assert_eq!(value("DIV(7, 2)"), "3");
    assert_eq!(value("DIV(-7, 2)"), "-3");
    assert_eq!(value("7 / NULL"), "NULL");
    assert_eq!(value("7.0 / 0"), "inf");
    assert_eq!(
        fails("FROM t |> SELECT v / (v - v)").split(' ').next(),
        Some("TM0502")
    );
    assert_eq!(rows("FROM t |> WHERE v IS NULL |> SELECT v / 0"), "NULL");
    assert_eq!(rows("FROM t |> SELECT small / 2"), "0.5 | 1.0 | 1.5 | 2.0");
}

#[test]
fn known_arithmetic_is_checked() {
    assert_eq!(
        wrong("9223372036854775807 + 1"),
        "TM0502 at 9223372036854775807 + 1"
    );
    assert_eq!(value("-9223372036854775808"), "-9223372036854775808");
    assert_eq!(
        wrong("9223372036854775808"),
        "TM0404 at 9223372036854775808"
    );
    assert_eq!(
        wrong("-(-9223372036854775808)"),
        "TM0502 at -(-9223372036854775808)"
    );
    assert_eq!(
        fails("FROM u |> EXTEND 9223372036854775807 AS big |> EXTEND big + 1"),
        "TM0502 at big + 1"
    );
    assert_eq!(
        wrong("CAST(2147483647 AS INT32) * CAST(2 AS INT32)")
            .split(' ')
            .next(),
        Some("TM0502")
    );
    assert_eq!(
        wrong("ABS(-9223372036854775807) + 1"),
        "TM0502 at ABS(-9223372036854775807) + 1"
    );
    assert_eq!(value("0xFF + 1"), "256");
}

#[test]
fn numbers_with_a_point_are_exact_beside_decimals() {
    assert_eq!(value("1.5 + 1"), "2.5");
    assert_eq!(rows("FROM t |> WHERE d = 1.5 |> SELECT d + 0.25"), "1.75");
    assert_eq!(
        rows("FROM t |> WHERE d BETWEEN 0.06 - 0.01 AND 0.06 + 0.01 |> SELECT d"),
        "0.05"
    );
    assert_eq!(
        rows("FROM t |> WHERE d IN (0.05, 2.5) |> SELECT d"),
        "0.05 | 2.50"
    );
    assert_eq!(value("NUMERIC '1.50'"), "1.50");
    assert_eq!(
        rows("FROM t |> WHERE d IS NULL |> SELECT COALESCE(d, 0.5)"),
        "0.50"
    );
}

#[test]
fn comparisons_and_logic() {
    assert_eq!(value("1 < 2 AND NOT 2 < 1 OR NULL"), "true");
    assert_eq!(value("NULL <=> NULL"), "true");
    assert_eq!(value("1 IS DISTINCT FROM NULL"), "true");
    assert_eq!(value("2 BETWEEN 1 AND 3"), "true");
    assert_eq!(value("'a_c' LIKE 'a!_%' ESCAPE '!'"), "true");
    assert_eq!(value("'ABC' ILIKE 'a%'"), "true");
    assert_eq!(value("1 IN (2, NULL)"), "NULL");
    assert_eq!(value("2 IN UNNEST([1, 2])"), "true");
    assert_eq!(
        value("2 IN UNNEST([1, NULL]), 2 NOT IN UNNEST([1, NULL])"),
        "NULL NULL"
    );
    assert_eq!(
        value("1 IN UNNEST([1, NULL]), 1 NOT IN UNNEST([1, NULL])"),
        "true false"
    );
    assert_eq!(
        value("NULL IN UNNEST([1]), NULL IN UNNEST(ARRAY<INT64>[])"),
        "NULL false"
    );
    assert_eq!(
        value("1 IN UNNEST(NULL), 1 NOT IN UNNEST(CAST(NULL AS ARRAY<INT64>))"),
        "false true"
    );
    assert_eq!(
        value("'b' IN UNNEST(['a', NULL]), 2.5 IN UNNEST([1, 2])"),
        "NULL false"
    );
    assert_eq!(
        rows("FROM t |> WHERE v IN UNNEST([1, NULL]) |> SELECT v"),
        "1"
    );
    assert_eq!(
        rows("FROM t |> WHERE v NOT IN UNNEST([1, 2]) |> SELECT v"),
        "3"
    );
    assert_eq!(value("TRUE IS TRUE"), "true");
    assert_eq!(wrong("1 AND TRUE"), "TM0401 at 1");
    assert_eq!(
        wrong("TRUE < DATE '2024-01-01'").split(' ').next(),
        Some("TM0403")
    );
    assert_eq!(
        wrong("1 < DATE '2024-01-01'"),
        "TM0403 at 1 < DATE '2024-01-01'"
    );
    assert_eq!(wrong("[1] + 1"), "TM0403 at [1] + 1");
    assert_eq!(wrong("1 LIKE 'a'"), "TM0403 at 1 LIKE 'a'");
    let many: Vec<String> = (0..3000).map(|n| format!("v = {n}")).collect();
    assert_eq!(
        rows(&format!(
            "FROM t |> WHERE {} |> SELECT v",
            many.join(" OR ")
        )),
        "1 | 2 | 3"
    );
    let many: Vec<String> = (0..3000).map(|n| format!("v <> {}", n + 2)).collect();
    assert_eq!(
        rows(&format!(
            "FROM t |> WHERE {} |> SELECT v",
            many.join(" AND ")
        )),
        "1"
    );
}

#[test]
fn bits() {
    assert_eq!(
        value("6 & 3, 6 | 3, 6 ^ 3, ~0, 1 << 3, 8 >> 2"),
        "2 7 5 -1 8 2"
    );
}

#[test]
fn case_and_if() {
    assert_eq!(value("CASE WHEN FALSE THEN 1 ELSE 2.5 END"), "2.5");
    assert_eq!(value("CASE 3 WHEN 1 THEN 'a' WHEN 3 THEN 'b' END"), "b");
    assert_eq!(value("IF(NULL, 1, 2)"), "2");
    assert_eq!(value("IFNULL(NULL, 2)"), "2");
    assert_eq!(wrong("CASE WHEN 1 THEN 2 END"), "TM0401 at 1");
    assert_eq!(wrong("IF(TRUE, 1, 'x')"), "TM0403 at IF(TRUE, 1, 'x')");
    assert_eq!(wrong("IF(TRUE, 1)"), "TM0402 at IF(TRUE, 1)");
}

#[test]
fn casts() {
    assert_eq!(value("CAST('5' AS INT64) + 1"), "6");
    assert_eq!(value("TRY_CAST('x' AS INT64)"), "NULL");
    assert_eq!(value("SAFE_CAST('x' AS INT64)"), "NULL");
    assert_eq!(value("1.234::DECIMAL(10,2)"), "1.23");
    assert_eq!(value("CAST('2024-02-29' AS DATE)"), "2024-02-29");
    assert_eq!(wrong("CAST(1 AS INT8)"), "TM0405 at INT8");
    assert_eq!(wrong("CAST([1] AS INT64)"), "TM0406 at CAST([1] AS INT64)");
    assert_eq!(wrong("DATE '2024-02-30'"), "TM0404 at DATE '2024-02-30'");
}

#[test]
fn dates_and_intervals() {
    assert_eq!(value("DATE '2024-01-31' + INTERVAL 1 MONTH"), "2024-02-29");
    assert_eq!(value("EXTRACT(YEAR FROM DATE '2024-03-05')"), "2024");
    assert_eq!(value("EXTRACT(DAYOFWEEK FROM DATE '2024-03-03')"), "1");
    assert_eq!(
        value("EXTRACT(QUARTER FROM TIMESTAMP '2024-05-05 10:00:00Z')"),
        "2"
    );
    assert_eq!(
        value("DATE_PART('month', DATE '2024-03-05') + 9223372036854775800"),
        "9223372036854775803"
    );
    assert_eq!(
        value("EXTRACT(DATE FROM DATETIME '2024-05-05 10:00:00')"),
        "2024-05-05"
    );
    assert_eq!(
        wrong("EXTRACT(FORTNIGHT FROM DATE '2024-03-05')"),
        "TM0404 at FORTNIGHT"
    );
    assert_eq!(
        rows("FROM t |> WHERE day >= DATE '1971-01-01' |> SELECT v"),
        "3"
    );
}

#[test]
fn arrays_structs_maps() {
    assert_eq!(value("[1, 2, 3][2]"), "2");
    assert_eq!(value("[1, 2, 3][OFFSET(0)]"), "1");
    assert_eq!(value("[1, 2, 3][SAFE_OFFSET(9)]"), "NULL");
    assert_eq!(value("[1, 2, 3][SAFE_OFFSET(-2)]"), "NULL");
    assert_eq!(value("[1, 2, 3][ORDINAL(3)]"), "3");
    assert_eq!(value("STRUCT(1 AS a, 'x' AS b).b"), "x");
    assert_eq!(value("STRUCT<a INT64, b FLOAT64>(1, 2).b"), "2.0");
    assert_eq!(value("(1, 'x')"), "{c0: 1, c1: x}");
    assert_eq!(value("ARRAY<INT64>[]"), "[]");
    assert_eq!(value("[1, 2.5]"), "[1.0, 2.5]");
    assert_eq!(value("MAP(['a', 'b'], [1, 2])['b']"), "2");
    assert_eq!(value("'a' || 'b'"), "ab");
    assert_eq!(value("'a' || NULL"), "NULL");
    assert_eq!(value("[1] || [2]"), "[1, 2]");
    assert_eq!(value("ARRAY_LENGTH([1, 2])"), "2");
    assert_eq!(wrong("STRUCT(1 AS a).z"), "TM0201 at z");
    assert_eq!(wrong("[1, 'a']"), "TM0403 at [1, 'a']");
    assert_eq!(wrong("[[1], ['a']]"), "TM0403 at [[1], ['a']]");
    assert_eq!(value("[[1], [2.5], []]"), "[[1.0], [2.5], []]");
}

#[test]
fn functions_say_what_they_take() {
    assert_eq!(value("upper('a')"), "A");
    let wrong_type = error("SELECT ABS('x', 1)");
    assert_eq!(wrong_type.code(), "TM0402");
    assert_eq!(wrong_type.message(), "ABS does not take (STRING, INT64)");
    assert!(wrong_type.notes()[0].1.contains("ABS("), "{wrong_type}");
    assert_eq!(wrong("nothing(1)"), "TM0204 at nothing");
    assert_eq!(
        wrong("UPPER(DISTINCT 'a')"),
        "TM0402 at UPPER(DISTINCT 'a')"
    );
    assert_eq!(value("array_transform([1, 2], x -> x + 1)"), "[2, 3]");
    assert_eq!(value("substr(str => 'abc', start_pos => 2)"), "bc");
}
