//! JOIN, comma, UNNEST and LATERAL.

use super::{columns, fails, rows};

#[test]
fn joins_on_conditions() {
    assert_eq!(
        rows("FROM t |> JOIN u ON t.k = u.k |> SELECT v, w"),
        "1 10 | 1 40 | 3 10 | 3 40"
    );
    assert_eq!(
        rows("FROM t |> LEFT JOIN u ON t.k = u.k AND w > 10 |> SELECT v, w"),
        "1 40 | 2 NULL | 3 40 | NULL NULL"
    );
    assert_eq!(
        rows("FROM t |> RIGHT JOIN u ON t.k = u.k |> SELECT v, w"),
        "1 10 | 1 40 | 3 10 | 3 40 | NULL 20 | NULL 30"
    );
    assert_eq!(
        rows("FROM t |> FULL JOIN u ON t.k = u.k |> AGGREGATE COUNT(*)"),
        "8"
    );
    assert_eq!(
        rows("FROM t |> LEFT SEMI JOIN u USING (k) |> SELECT v"),
        "1 | 3"
    );
    assert_eq!(
        rows("FROM t |> LEFT ANTI JOIN u ON t.k = u.k |> SELECT v"),
        "2 | NULL"
    );
    assert_eq!(rows("FROM t, u |> AGGREGATE COUNT(*)"), "16");
    assert_eq!(
        rows("FROM t AS a, t AS b |> WHERE a.v < b.v |> SELECT a.v, b.v"),
        "1 2 | 1 3 | 2 3"
    );
    assert_eq!(
        rows("FROM t |> JOIN u ON t.v < u.w / 20 |> SELECT v, w"),
        "1 30 | 1 40"
    );
    assert_eq!(
        rows("SELECT a.v FROM t a JOIN (u JOIN t b ON u.k = b.k) ON a.v = b.v WHERE w = 10"),
        "1 | 3"
    );
}

#[test]
fn using_columns_come_first_once() {
    assert_eq!(
        columns("FROM t |> SELECT v, k |> JOIN u USING (k)"),
        "k,v,w"
    );
    assert_eq!(
        rows("FROM t |> SELECT v, k |> FULL JOIN u USING (k) |> WHERE v IS NULL OR w IS NULL"),
        "NULL NULL 30 | NULL NULL NULL | b 2 NULL | c NULL 20"
    );
    assert_eq!(
        rows("FROM t |> SELECT v, k |> RIGHT JOIN u USING (k) |> WHERE v IS NULL |> SELECT k, u.k"),
        "NULL NULL | c c"
    );
    assert_eq!(
        rows("FROM t |> JOIN u USING (k) |> WHERE v = 1 |> SELECT t.k, u.k, k"),
        "a a a | a a a"
    );
    assert_eq!(fails("FROM t |> JOIN u USING (v)"), "TM0201 at v");
}

#[test]
fn joins_that_are_wrong() {
    assert_eq!(fails("FROM t |> JOIN u"), "TM0323 at JOIN u");
    assert_eq!(
        fails("FROM t |> JOIN t ON TRUE"),
        "TM0207 at JOIN t ON TRUE"
    );
    assert_eq!(fails("FROM t |> JOIN u ON t.k"), "TM0401 at t.k");
    assert_eq!(
        fails("FROM t |> JOIN u ON t.k = u.k |> SELECT k"),
        "TM0202 at k"
    );
    assert_eq!(
        fails("FROM t |> JOIN (FROM u |> WHERE w > v) ON TRUE"),
        "TM0201 at v"
    );
}

#[test]
fn a_constant_of_the_padded_side_may_be_null() {
    assert_eq!(
        rows(
            "FROM t |> LEFT JOIN (FROM u |> SELECT k, 1 AS one) AS o ON t.k = o.k AND FALSE |> SELECT one + 1 |> DISTINCT"
        ),
        "NULL"
    );
}

#[test]
fn unnest() {
    assert_eq!(rows("FROM UNNEST([1, 2]) AS x"), "1 | 2");
    assert_eq!(
        rows("FROM UNNEST(['a', 'b']) AS x WITH OFFSET AS i |> SELECT x, i"),
        "a 0 | b 1"
    );
    assert_eq!(
        rows(
            "FROM u |> WHERE w < 25 |> EXTEND [w, w + 1] AS l |> JOIN UNNEST(l) AS e |> SELECT k, e"
        ),
        "a 10 | a 11 | c 20 | c 21"
    );
    assert_eq!(
        rows("FROM u, UNNEST([1, 2]) AS e |> AGGREGATE COUNT(*)"),
        "8"
    );
    assert_eq!(
        rows("FROM UNNEST([STRUCT(1 AS a), STRUCT(2 AS a)]) AS x |> SELECT x.a"),
        "1 | 2"
    );
    assert_eq!(rows("FROM UNNEST(ARRAY<INT64>[]) AS x"), "");
    assert_eq!(
        rows(
            "FROM u |> WHERE w < 25 |> EXTEND IF(w = 10, [1], ARRAY<INT64>[]) AS l |> LEFT JOIN UNNEST(l) AS e WITH OFFSET |> SELECT w, e, offset"
        ),
        "10 1 0 | 20 NULL NULL"
    );
    assert_eq!(fails("FROM UNNEST(1) AS x"), "TM0403 at 1");
}

#[test]
fn lateral() {
    assert_eq!(
        rows(
            "FROM t |> JOIN LATERAL (FROM u |> WHERE u.k = t.k |> AGGREGATE SUM(w) AS s) |> SELECT v, s"
        ),
        "1 50 | 2 NULL | 3 50 | NULL NULL"
    );
    assert_eq!(
        rows("FROM t, LATERAL (SELECT w FROM u WHERE u.k = t.k) AS l |> SELECT v, l.w"),
        "1 10 | 1 40 | 3 10 | 3 40"
    );
}
