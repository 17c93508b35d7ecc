//! Queries inside expressions.

use super::{error, fails, rows};
use crate::error::ErrorKind;

#[test]
fn scalar_subqueries() {
    assert_eq!(rows("SELECT (SELECT MAX(w) FROM u)"), "40");
    assert_eq!(rows("SELECT (SELECT w FROM u WHERE w = 10)"), "10");
    assert_eq!(rows("SELECT (SELECT w FROM u WHERE w = 11)"), "NULL");
    assert_eq!(
        fails("SELECT (SELECT w FROM u)"),
        "TM0503 at (SELECT w FROM u)"
    );
    assert_eq!(
        rows("SELECT (FROM u |> ORDER BY w DESC |> LIMIT 1 |> SELECT w)"),
        "40"
    );
    assert_eq!(
        rows("FROM t |> WHERE v = (SELECT MAX(v) FROM t) |> SELECT k"),
        "a"
    );
    assert_eq!(
        rows("SELECT (SELECT AS STRUCT k, w FROM u WHERE w = 20)"),
        "{k: c, w: 20}"
    );
    assert_eq!(
        fails("SELECT (SELECT k, w FROM u)").split(' ').next(),
        Some("TM0302")
    );
}

#[test]
fn correlated_scalar_subqueries() {
    assert_eq!(
        rows("FROM t |> SELECT v, (SELECT SUM(w) FROM u WHERE u.k = t.k) AS s"),
        "1 50 | 2 NULL | 3 50 | NULL NULL"
    );
    assert_eq!(
        rows("FROM t |> SELECT v, (SELECT COUNT(*) FROM u WHERE u.k = t.k) AS s"),
        "1 2 | 2 0 | 3 2 | NULL 0"
    );
    assert_eq!(
        rows("FROM t |> WHERE v > (SELECT MIN(b.v) FROM t AS b WHERE b.k = t.k) |> SELECT v"),
        "3"
    );
    assert_eq!(
        fails("FROM t |> SELECT (SELECT w FROM u WHERE u.k = t.k)"),
        "TM0503 at (SELECT w FROM u WHERE u.k = t.k)"
    );
    assert_eq!(
        rows("FROM t |> SELECT (SELECT w FROM u WHERE u.k = t.k AND w < 40)"),
        "10 | 10 | NULL | NULL"
    );
    assert_eq!(
        rows(
            "FROM t |> SELECT v, (FROM u |> WHERE u.k = t.k |> ORDER BY w DESC |> LIMIT 1 |> SELECT w) AS top"
        ),
        "1 40 | 2 NULL | 3 40 | NULL NULL"
    );
}

#[test]
fn exists_anywhere() {
    assert_eq!(
        rows("FROM t |> WHERE EXISTS (FROM u |> WHERE u.k = t.k) |> SELECT v"),
        "1 | 3"
    );
    assert_eq!(
        rows("FROM t |> WHERE NOT EXISTS (FROM u |> WHERE u.k = t.k) |> SELECT v"),
        "2 | NULL"
    );
    assert_eq!(
        rows("FROM t |> WHERE v = 2 OR EXISTS (FROM u |> WHERE u.k = t.k) |> SELECT v"),
        "1 | 2 | 3"
    );
    assert_eq!(
        rows("FROM t |> SELECT v, EXISTS (FROM u |> WHERE u.k = t.k)"),
        "1 true | 2 false | 3 true | NULL false"
    );
    assert_eq!(rows("SELECT EXISTS (FROM empty)"), "false");
}

#[test]
fn an_aggregate_without_groups_exists() {
    let one = "SELECT COUNT(*) FROM u WHERE u.k = t.k";
    assert_eq!(
        rows(&format!("SELECT v FROM t WHERE EXISTS ({one})")),
        "1 | 2 | 3 | NULL"
    );
    assert_eq!(
        rows(&format!("SELECT v FROM t WHERE NOT EXISTS ({one})")),
        ""
    );
    assert_eq!(
        rows(&format!("SELECT v, EXISTS ({one}) FROM t WHERE v < 3")),
        "1 true | 2 true"
    );
    assert_eq!(
        rows(&format!("SELECT EXISTS ({one} LIMIT 0) FROM t LIMIT 1")),
        "false"
    );
    assert_eq!(
        rows("SELECT EXISTS (SELECT MAX(v) FROM empty HAVING MAX(v) > 0)"),
        "false"
    );
}

#[test]
fn subqueries_inside_aggregates_windows_and_joins() {
    assert_eq!(
        rows("FROM t |> AGGREGATE COUNTIF(k IN (FROM u |> SELECT k)), SUM((SELECT MAX(w) FROM u))"),
        "2 160"
    );
    assert_eq!(
        rows("FROM t |> SELECT SUM((SELECT COUNT(*) FROM u WHERE u.k = t.k)) OVER () |> DISTINCT"),
        "4"
    );
    assert_eq!(
        rows("SELECT k, (SELECT COUNT(*) FROM u WHERE u.k = t.k) FROM t GROUP BY k"),
        "NULL 0 | a 2 | b 0"
    );
    assert_eq!(
        rows("FROM t |> JOIN u ON u.w > (SELECT AVG(w) FROM u) AND t.k = u.k |> SELECT v"),
        "1 | 3"
    );
    assert_eq!(
        rows(
            "FROM t |> WHERE EXISTS (FROM u |> WHERE EXISTS (FROM t AS z |> WHERE z.k = u.k AND z.v > t.v)) |> SELECT v"
        ),
        "1 | 2"
    );
}

#[test]
fn in_knows_null() {
    assert_eq!(
        rows("FROM t |> WHERE k IN (FROM u |> SELECT k) |> SELECT v"),
        "1 | 3"
    );
    assert_eq!(
        rows("FROM t |> WHERE k NOT IN (FROM u |> SELECT k) |> SELECT v"),
        ""
    );
    assert_eq!(
        rows("FROM t |> WHERE k NOT IN (FROM u |> WHERE k IS NOT NULL |> SELECT k) |> SELECT v"),
        "2"
    );
    assert_eq!(
        rows("FROM t |> WHERE k NOT IN (FROM empty |> SELECT k) |> AGGREGATE COUNT(*)"),
        "4"
    );
    assert_eq!(
        rows("FROM t |> SELECT v, k IN (FROM u |> SELECT k)"),
        "1 true | 2 NULL | 3 true | NULL NULL"
    );
    assert_eq!(
        rows("FROM t |> SELECT v, k NOT IN (FROM u |> WHERE w < 25 |> SELECT k)"),
        "1 false | 2 true | 3 false | NULL NULL"
    );
    assert_eq!(
        rows("FROM t |> WHERE v = 2 OR k IN (FROM u |> SELECT k) |> SELECT v"),
        "1 | 2 | 3"
    );
    assert_eq!(
        rows("FROM t |> WHERE v NOT IN (FROM u |> WHERE u.k = t.k |> SELECT w / 10) |> SELECT v"),
        "2 | 3 | NULL"
    );
}

#[test]
fn quantified_comparisons() {
    assert_eq!(
        rows("SELECT 25 > ANY (FROM u |> SELECT w), 25 > ALL (FROM u |> SELECT w)"),
        "true false"
    );
    assert_eq!(
        rows("SELECT 5 < ALL (FROM u |> SELECT w), 5 < ALL (FROM empty |> SELECT v)"),
        "true true"
    );
    assert_eq!(
        rows("SELECT 10 = ANY (FROM u |> SELECT w), 11 <> ALL (FROM u |> SELECT w)"),
        "true true"
    );
    assert_eq!(
        rows("SELECT 2 > ALL (FROM t |> SELECT v), 4 > ALL (FROM t |> SELECT v)"),
        "false NULL"
    );
}

#[test]
fn arrays_of_queries() {
    assert_eq!(
        rows("SELECT ARRAY(FROM u |> ORDER BY w DESC |> SELECT w)"),
        "[40, 30, 20, 10]"
    );
    assert_eq!(
        rows("SELECT ARRAY(SELECT w FROM u ORDER BY w LIMIT 2)"),
        "[10, 20]"
    );
    assert_eq!(rows("SELECT ARRAY(FROM empty |> SELECT v)"), "[]");
}

fn nested(head: &str, depth: usize, tail: &str) -> String {
    format!("{}SELECT TRUE{}", head.repeat(depth), tail.repeat(depth))
}

#[test]
fn subqueries_nest_eight_deep() {
    assert_eq!(rows(&nested("SELECT (", 8, ")")), "true");
    let deep = error(&nested("SELECT (", 9, ")"));
    assert_eq!((deep.code(), deep.kind()), ("TM0109", ErrorKind::Limit));
    for head in [
        "SELECT (",
        "SELECT TRUE FROM u WHERE EXISTS (",
        "SELECT TRUE IN (",
        "SELECT TRUE <> ANY (",
    ] {
        let place = fails(&nested(head, 40, ")"));
        assert!(place.starts_with("TM01"), "{head}: {place}");
    }
    assert_eq!(rows(&nested("SELECT * FROM (", 100, ")")), "true");
}

#[test]
fn tables_defined_by_one_another_are_counted() {
    let doubled = |levels: usize| {
        let mut text = "WITH c0 AS (SELECT 1 AS x)".to_string();
        for level in 1..=levels {
            let before = level - 1;
            text +=
                &format!(", c{level} AS (SELECT a.x FROM c{before} a JOIN c{before} b USING (x))");
        }
        format!("{text} SELECT x FROM c{levels}")
    };
    assert_eq!(rows(&doubled(4)), "1");
    assert_eq!(fails(&doubled(40)), "TM0110 at c9");
    assert_eq!(error(&doubled(40)).kind(), ErrorKind::Limit);
}
