//! Section 3: what a name stands for.

use super::{columns, error, fails, ordered, rows};

#[test]
fn names_match_in_any_case_and_keep_their_spelling() {
    assert_eq!(columns("FROM mixed |> SELECT camelcase"), "CamelCase");
    assert_eq!(columns("FROM Mixed |> SELECT *"), "CamelCase,a,A");
    assert_eq!(rows("FROM mixed |> SELECT `A`, `a`"), "3 2");
    assert_eq!(fails("FROM Mixed |> SELECT a"), "TM0202 at a");
    assert_eq!(rows("FROM T |> WHERE V = 3 |> SELECT K"), "a");
}

#[test]
fn a_path_is_a_table_then_a_column_then_fields() {
    assert_eq!(rows("FROM t |> WHERE t.v = 2 |> SELECT t.k"), "b");
    assert_eq!(
        rows("FROM t |> WHERE v = 2 |> EXTEND STRUCT(v AS a, k AS b) AS s |> SELECT s.a, s.B"),
        "2 b"
    );
    // A column wins over a table of the same name.
    assert_eq!(rows("FROM u AS w |> WHERE w = 10 |> SELECT w"), "10");
    assert_eq!(rows("FROM u |> WHERE w = 10 |> SELECT u"), "{k: a, w: 10}");
    assert_eq!(fails("FROM t |> SELECT t.nothing"), "TM0201 at nothing");
    assert_eq!(fails("FROM t |> SELECT v.f"), "TM0403 at v.f");
}

#[test]
fn set_keeps_the_original_row_in_the_alias() {
    assert_eq!(
        rows("FROM u |> WHERE w < 25 |> SET w = 0 |> SELECT w, u.w AS old"),
        "0 10 | 0 20"
    );
    assert_eq!(rows("FROM u |> DROP k |> WHERE u.k = 'c'"), "20");
    assert_eq!(
        rows("FROM u |> RENAME k AS w, w AS k |> WHERE k = 20 |> SELECT w, k, u.w"),
        "c 20 20"
    );
}

#[test]
fn as_replaces_every_alias() {
    assert_eq!(rows("FROM u |> WHERE w = 20 |> AS z |> SELECT z.k"), "c");
    assert_eq!(fails("FROM u |> AS z |> SELECT u.k"), "TM0201 at u.k");
}

#[test]
fn a_lost_name_says_where_it_went() {
    let error = error("FROM t |> AGGREGATE SUM(v) AS total GROUP BY k |> WHERE v > 1");
    assert_eq!(error.code(), "TM0201");
    let label = &error.labels()[0];
    assert_eq!(label.span.start, 10);
    assert_eq!(
        label.text,
        "`v` was last available before this step; after it there are: k, total"
    );
}

#[test]
fn a_misspelt_name_says_what_was_meant() {
    let misspelt = error("FROM t |> WHERE smal > 1");
    assert_eq!(misspelt.span_label(), Some("did you mean `small`?"));
    assert_eq!(misspelt.message(), "no column named `smal` here");
    assert!(misspelt.notes()[0].1.starts_with("k (STRING), v (INT64)"));
    let quoted = error("FROM t |> WHERE k = \"Bob Smith\"");
    assert!(quoted.notes()[0].1.contains("for text write 'Bob Smith'"));
    assert_eq!(error("FROM tt").span_label(), Some("did you mean `t`?"));
    assert_eq!(fails("FROM orders.csv"), "TM0203 at orders.csv");
    assert!(
        error("FROM orders.csv").notes()[0]
            .1
            .contains("FROM 'orders.csv'")
    );
    assert_eq!(
        error("FROM t |> SELECT uper(k)").span_label(),
        Some("did you mean `upper`?")
    );
    assert_eq!(fails("FROM t |> SELECT v AS z, z + 1"), "TM0201 at z");
}

#[test]
fn files_are_tables() {
    assert_eq!(columns("FROM 'orders.csv'"), "Order ID,region");
    assert_eq!(rows("FROM \"orders.csv\" |> SELECT \"Order ID\""), "1 | 2");
    assert_eq!(
        rows("FROM 'orders.csv' AS o |> WHERE o.region = 'north' |> SELECT o._file_name"),
        "orders.csv"
    );
    assert_eq!(
        rows("FROM read_csv('orders.csv', header => TRUE) |> SELECT _file_name |> DISTINCT"),
        "orders.csv"
    );
    assert_eq!(fails("FROM 'missing.csv'"), "TM0701 at 'missing.csv'");
    assert_eq!(
        fails("FROM read_csv('orders.csv', hedaer => TRUE)"),
        "TM0703 at read_csv"
    );
    assert_eq!(
        columns("FROM read_csv('orders.csv', columns => STRUCT<a INT64, b STRING>())"),
        "a,b"
    );
}

#[test]
fn anonymous_columns_are_shown_as_their_text() {
    assert_eq!(
        columns("FROM t |> SELECT v  +  1, k, UPPER(k)"),
        "v + 1,k,UPPER(k)"
    );
    assert_eq!(columns("FROM t |> AGGREGATE COUNT(*)"), "COUNT(*)");
    assert_eq!(columns("FROM t |> SELECT v, v |> LIMIT 1"), "v,v");
    assert_eq!(fails("FROM t |> SELECT v, v |> SELECT v"), "TM0202 at v");
}

#[test]
fn subqueries_in_from_pass_or_hide_aliases() {
    assert_eq!(rows("FROM (FROM u |> WHERE w = 20) |> SELECT u.k"), "c");
    assert_eq!(fails("FROM (FROM u) AS z |> SELECT u.k"), "TM0201 at u.k");
    assert_eq!(
        ordered("FROM (FROM u |> ORDER BY w DESC |> LIMIT 1) AS z |> SELECT z.w"),
        "40"
    );
}

#[test]
fn views_expose_names_only() {
    assert_eq!(rows("FROM vw |> WHERE k = 'a' |> SELECT total"), "4");
    assert_eq!(
        rows("FROM vw AS a |> JOIN vw AS b USING (k) |> WHERE a.total = 4 |> SELECT b.total"),
        "4"
    );
}
