//! AGGREGATE and GROUP BY.

use super::{columns, fails, ordered, rows};

#[test]
fn aggregate_gives_keys_then_values() {
    assert_eq!(
        rows("FROM t |> AGGREGATE SUM(v) AS s, COUNT(*) GROUP BY k"),
        "NULL NULL 1 | a 4 2 | b 2 1"
    );
    assert_eq!(
        columns("FROM t |> AGGREGATE SUM(v) AS s, COUNT(*) GROUP BY t.k, v > 1 AS big"),
        "k,big,s,COUNT(*)"
    );
    assert_eq!(rows("FROM empty |> AGGREGATE COUNT(*), SUM(v)"), "0 NULL");
    assert_eq!(rows("FROM empty |> AGGREGATE COUNT(*) GROUP BY k"), "");
    assert_eq!(rows("FROM t |> AGGREGATE GROUP BY k"), "NULL | a | b");
    assert_eq!(
        rows("FROM t |> AGGREGATE MAX(v) - MIN(v) AS spread, 10 * COUNT(v)"),
        "2 30"
    );
    assert_eq!(
        rows("FROM t |> AGGREGATE COUNT(*) GROUP BY k, k AS again"),
        "NULL NULL 1 | a a 2 | b b 1"
    );
    assert_eq!(rows("FROM t |> AGGREGATE COUNT(*) GROUP BY ()"), "4");
}

#[test]
fn aggregate_refuses_what_it_cannot_mean() {
    assert_eq!(
        fails("FROM t |> AGGREGATE SUM(v) + v GROUP BY v"),
        "TM0312 at v"
    );
    assert_eq!(fails("FROM t |> AGGREGATE 1 GROUP BY v"), "TM0312 at 1");
    assert_eq!(fails("FROM t |> AGGREGATE"), "TM0313 at AGGREGATE");
    assert_eq!(
        fails("FROM t |> AGGREGATE COUNT(*) GROUP BY 1"),
        "TM0314 at 1"
    );
    assert_eq!(fails("FROM t |> AGGREGATE SUM(SUM(v))"), "TM0311 at SUM(v)");
    assert_eq!(
        fails("FROM t |> AGGREGATE SUM(v) OVER ()"),
        "TM0315 at SUM(v) OVER ()"
    );
    assert_eq!(fails("FROM t |> AGGREGATE SUM(k)"), "TM0402 at SUM(k)");
}

#[test]
fn order_suffixes_sort() {
    assert_eq!(
        ordered("FROM t |> AGGREGATE COUNT(*) AS n DESC GROUP BY k ASC"),
        "NULL 1 | a 2 | b 1"
    );
    assert_eq!(
        ordered("FROM t |> AGGREGATE SUM(v) AS s DESC GROUP BY k"),
        "a 4 | b 2 | NULL NULL"
    );
    assert_eq!(
        ordered("FROM t |> AGGREGATE COUNT(*) GROUP AND ORDER BY k DESC"),
        "b 1 | a 2 | NULL 1"
    );
}

#[test]
fn grouping_sets() {
    assert_eq!(
        rows("FROM t |> AGGREGATE COUNT(*) AS n, GROUPING(k) AS g GROUP BY ROLLUP(k)"),
        "NULL 1 0 | NULL 4 1 | a 2 0 | b 1 0"
    );
    assert_eq!(
        rows("FROM u |> AGGREGATE SUM(w) GROUP BY GROUPING SETS ((k), ())"),
        "NULL 100 | NULL 30 | a 50 | c 20"
    );
    assert_eq!(
        rows("FROM t |> WHERE v < 3 |> AGGREGATE COUNT(*) GROUP BY CUBE(k, v)")
            .split(" | ")
            .count(),
        7
    );
    assert_eq!(
        fails("FROM t |> AGGREGATE COUNT(*) GROUP BY ROLLUP(v + 1)"),
        "TM0321 at v + 1"
    );
}

#[test]
fn aggregate_functions_and_their_clauses() {
    assert_eq!(
        rows(
            "FROM t |> AGGREGATE COUNT(DISTINCT k), COUNTIF(v > 1), COUNT(*) FILTER (WHERE v = 1)"
        ),
        "2 2 1"
    );
    assert_eq!(
        rows("FROM u |> AGGREGATE ARRAY_AGG(w ORDER BY w DESC LIMIT 2)"),
        "[40, 30]"
    );
    assert_eq!(
        rows("FROM t |> AGGREGATE ARRAY_AGG(v ORDER BY v)"),
        "[NULL, 1, 2, 3]"
    );
    assert_eq!(
        rows("FROM t |> AGGREGATE LOGICAL_AND(v > 0), LOGICAL_OR(v > 2)"),
        "true true"
    );
    assert_eq!(
        rows("FROM u |> AGGREGATE PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY w)"),
        "25.0"
    );
    assert_eq!(
        rows("FROM u |> WHERE w = 10 |> AGGREGATE ANY_VALUE(k)"),
        "a"
    );
    assert_eq!(
        rows("FROM t |> AGGREGATE SUM(DISTINCT v), SUM(small), AVG(v), SUM(d), SUM(x)"),
        "6 10 2.0 4.05 7.0"
    );
}

#[test]
fn sums_are_exact_or_an_error() {
    let big = "VALUES (9223372036854775807), (1), (-1)";
    assert_eq!(
        rows(&format!("({big}) |> AGGREGATE SUM(column1)")),
        "9223372036854775807"
    );
    assert_eq!(
        fails(&format!(
            "({big}) |> WHERE column1 > 0 |> AGGREGATE SUM(column1)"
        )),
        "TM0502 at SUM(column1)"
    );
    assert_eq!(
        fails(&format!(
            "({big}) |> WHERE column1 > 0 |> AGGREGATE SUM(column1) GROUP BY 1 = 1"
        )),
        "TM0502 at SUM(column1)"
    );
    assert_eq!(
        fails(
            "(VALUES (NUMERIC '99999999999999999999999999999999999999'), (NUMERIC '1')) |> AGGREGATE SUM(column1)"
        ),
        "TM0502 at SUM(column1)"
    );
}

#[test]
fn standard_select_groups() {
    assert_eq!(
        ordered("SELECT k, SUM(v) AS s FROM t GROUP BY k ORDER BY s DESC"),
        "a 4 | b 2 | NULL NULL"
    );
    assert_eq!(
        ordered("SELECT k, SUM(v) FROM t GROUP BY 1 HAVING SUM(v) > 2"),
        "a 4"
    );
    assert_eq!(
        ordered("SELECT UPPER(k) AS u, COUNT(*) FROM t GROUP BY u ORDER BY 1"),
        "NULL 1 | A 2 | B 1"
    );
    assert_eq!(
        ordered("SELECT v + 1, COUNT(*) FROM t GROUP BY v + 1 ORDER BY v + 1 DESC LIMIT 1"),
        "4 1"
    );
    assert_eq!(rows("SELECT COUNT(*) AS n FROM t HAVING n > 3"), "4");
    assert_eq!(
        rows("SELECT (v + 1) * 2 AS y FROM t GROUP BY v + 1"),
        "4 | 6 | 8 | NULL"
    );
    assert_eq!(fails("SELECT k, v FROM t GROUP BY k"), "TM0318 at v");
    assert_eq!(fails("SELECT k, SUM(v) FROM t"), "TM0318 at k");
    assert_eq!(fails("SELECT k FROM t GROUP BY 3"), "TM0317 at 3");
    assert_eq!(
        ordered("SELECT k FROM t GROUP BY k ORDER BY COUNT(*) DESC, k"),
        "a | NULL | b"
    );
    assert_eq!(
        ordered("SELECT DISTINCT k FROM t ORDER BY k DESC"),
        "b | a | NULL"
    );
    assert_eq!(fails("SELECT DISTINCT k FROM t ORDER BY v"), "TM0322 at v");
    assert_eq!(
        ordered("SELECT v AS z FROM t WHERE v > 1 ORDER BY z + 1 DESC"),
        "3 | 2"
    );
    assert_eq!(
        rows("SELECT k, COUNT(*), GROUPING(k) FROM t GROUP BY ROLLUP(k)"),
        "NULL 1 0 | NULL 4 1 | a 2 0 | b 1 0"
    );
}
