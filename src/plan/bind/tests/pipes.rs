//! Section 4: pipe operators, except AGGREGATE, JOIN and set operations.

use super::{columns, fails, ordered, rows};
use crate::plan::Parameters;

#[test]
fn where_needs_a_bool() {
    assert_eq!(rows("FROM t |> WHERE v > 1 |> SELECT v"), "2 | 3");
    assert_eq!(fails("FROM t |> WHERE v"), "TM0401 at v");
    assert_eq!(fails("FROM t |> WHERE SUM(v) > 1"), "TM0311 at SUM(v)");
    assert_eq!(rows("FROM t |> WHERE NULL |> SELECT v"), "");
    assert_eq!(
        rows("FROM t |> WHERE ROW_NUMBER() OVER (ORDER BY v DESC) = 1 |> SELECT v"),
        "3"
    );
}

#[test]
fn select_takes_stars_apart() {
    assert_eq!(columns("FROM u |> SELECT *, w + 1 AS z"), "k,w,z");
    assert_eq!(columns("FROM u |> SELECT * EXCEPT (k)"), "w");
    assert_eq!(
        rows("FROM u |> WHERE w = 20 |> SELECT * REPLACE (w + 1 AS w)"),
        "c 21"
    );
    assert_eq!(columns("FROM u |> SELECT u.*, u.w"), "k,w,w");
    assert_eq!(fails("FROM u |> SELECT * EXCEPT (z)"), "TM0201 at z");
    assert_eq!(
        fails("FROM u |> SELECT * EXCEPT (k, w)"),
        "TM0304 at * EXCEPT (k, w)"
    );
    assert_eq!(fails("FROM u |> SELECT SUM(w)"), "TM0311 at SUM(w)");
    assert_eq!(
        rows("FROM u |> WHERE w = 20 |> EXTEND STRUCT(1 AS a, 2 AS b) AS s |> SELECT s.*"),
        "1 2"
    );
    assert_eq!(rows("FROM t |> SELECT DISTINCT k"), "NULL | a | b");
}

#[test]
fn extend_set_drop_rename() {
    assert_eq!(columns("FROM u |> EXTEND w * 2 AS z"), "k,w,z");
    assert_eq!(fails("FROM u |> EXTEND *"), "TM0102 at *");
    assert_eq!(fails("FROM u |> EXTEND 1 AS w |> SELECT w"), "TM0202 at w");
    assert_eq!(
        rows("FROM u |> WHERE w = 20 |> EXTEND 5 AS z |> SET w = z, z = w"),
        "c 5 20"
    );
    assert_eq!(fails("FROM u |> SET z = 1"), "TM0201 at z");
    assert_eq!(fails("FROM u |> SET w = 1, w = 2"), "TM0301 at w");
    assert_eq!(columns("FROM u |> DROP k"), "w");
    assert_eq!(fails("FROM u |> DROP k, w"), "TM0304 at DROP");
    assert_eq!(fails("FROM u |> DROP k, k"), "TM0301 at k");
    assert_eq!(columns("FROM u |> RENAME k AS w, w AS k"), "w,k");
    assert_eq!(fails("FROM u |> RENAME z AS y"), "TM0201 at z");
}

#[test]
fn order_puts_nulls_lowest() {
    assert_eq!(
        ordered("FROM t |> ORDER BY v |> SELECT v"),
        "NULL | 1 | 2 | 3"
    );
    assert_eq!(
        ordered("FROM t |> ORDER BY v DESC |> SELECT v"),
        "3 | 2 | 1 | NULL"
    );
    assert_eq!(
        ordered("FROM t |> ORDER BY v NULLS LAST |> SELECT v"),
        "1 | 2 | 3 | NULL"
    );
    assert_eq!(
        ordered("FROM u |> ORDER BY 2 DESC |> SELECT w"),
        "40 | 30 | 20 | 10"
    );
    assert_eq!(fails("FROM u |> ORDER BY 3"), "TM0317 at 3");
    assert_eq!(fails("FROM u |> ORDER BY SUM(w)"), "TM0311 at SUM(w)");
    // The order survives what changes columns, though the sort key is gone.
    assert_eq!(
        ordered(
            "FROM u |> ORDER BY -w |> SELECT k, w AS z |> EXTEND 1 AS one |> DROP k |> WHERE z <> 30"
        ),
        "40 1 | 20 1 | 10 1"
    );
}

#[test]
fn limit_takes_numbers_and_parameters() {
    assert_eq!(
        ordered("FROM u |> ORDER BY w |> LIMIT 2 OFFSET 1 |> SELECT w"),
        "20 | 30"
    );
    assert_eq!(
        ordered("FROM u |> ORDER BY w |> LIMIT ALL |> SELECT w"),
        "10 | 20 | 30 | 40"
    );
    assert_eq!(fails("FROM u |> LIMIT -1"), "TM0404 at -1");
    let parameters = Parameters {
        named: vec![("n".to_string(), 1i64.into())],
        positional: Vec::new(),
        ..Parameters::default()
    };
    let (_, rows) =
        super::run_with("FROM u |> ORDER BY w |> LIMIT @N |> SELECT w", &parameters).unwrap();
    assert_eq!(rows, ["10"]);
    assert_eq!(fails("FROM u |> LIMIT @n"), "TM0601 at @n");
}

#[test]
fn distinct_keeps_one_of_equal_rows() {
    assert_eq!(rows("FROM t |> SELECT k |> DISTINCT"), "NULL | a | b");
    assert_eq!(
        rows("FROM u |> SET w = 0 |> DISTINCT |> SELECT u.k"),
        "NULL | a | c"
    );
}

#[test]
fn with_adds_tables() {
    assert_eq!(
        rows("WITH z AS (FROM u |> WHERE w > 20) FROM z AS a |> JOIN z AS b USING (w) |> SELECT w"),
        "30 | 40"
    );
    assert_eq!(
        rows("FROM u |> WITH z AS (SELECT 'a' AS k) |> JOIN z USING (k) |> SELECT w"),
        "10 | 40"
    );
    assert_eq!(rows("WITH z(a) AS (SELECT 1) SELECT a + 1 FROM z"), "2");
    assert_eq!(
        rows(
            "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r WHERE n < 4) FROM r"
        ),
        "1 | 2 | 3 | 4"
    );
    assert_eq!(
        rows("WITH RECURSIVE r(n) AS (VALUES (1) UNION DISTINCT SELECT n % 3 + 1 FROM r) FROM r"),
        "1 | 2 | 3"
    );
    assert_eq!(
        rows(
            "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL (FROM t |> SELECT v)) SELECT COUNT(*) FROM r"
        ),
        "5"
    );
    assert_eq!(
        fails(
            "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT a.n FROM r AS a JOIN r AS b USING (n)) FROM r"
        ),
        "TM0324 at r"
    );
}
