//! UNION, INTERSECT, EXCEPT, VALUES.

use super::{columns, fails, rows};

const LEFT: &str = "VALUES (1), (1), (1), (2), (NULL), (NULL)";
const RIGHT: &str = "VALUES (1), (1), (3), (NULL)";

#[test]
fn sets_and_multisets() {
    let of = |operator: &str| rows(&format!("({LEFT}) |> {operator} ({RIGHT})"));
    assert_eq!(of("UNION ALL").split(" | ").count(), 10);
    assert_eq!(of("UNION DISTINCT"), "1 | 2 | 3 | NULL");
    assert_eq!(of("INTERSECT DISTINCT"), "1 | NULL");
    assert_eq!(of("INTERSECT ALL"), "1 | 1 | NULL");
    assert_eq!(of("EXCEPT DISTINCT"), "2");
    assert_eq!(of("EXCEPT ALL"), "1 | 2 | NULL");
    assert_eq!(
        rows(&format!("({LEFT}) |> EXCEPT ALL ({RIGHT}), (VALUES (2))")),
        "1 | NULL"
    );
    assert_eq!(rows("SELECT 1 UNION SELECT 1"), "1");
    assert_eq!(rows("SELECT 1 EXCEPT SELECT 2"), "1");
}

#[test]
fn types_are_widened() {
    assert_eq!(rows("SELECT 1 AS a UNION ALL SELECT 2.5"), "1.0 | 2.5");
    assert_eq!(rows("SELECT NULL AS a UNION ALL SELECT 2"), "2 | NULL");
    assert_eq!(columns("SELECT 1 AS a UNION ALL SELECT 2 AS b"), "a");
    assert_eq!(
        fails("SELECT 1 UNION ALL (SELECT DATE '2024-01-01')")
            .split(' ')
            .next(),
        Some("TM0403")
    );
    assert_eq!(
        fails("SELECT [1] AS a UNION ALL SELECT 2")
            .split(' ')
            .next(),
        Some("TM0403")
    );
    assert_eq!(
        fails("FROM u |> UNION ALL (FROM t)").split(' ').next(),
        Some("TM0302")
    );
}

#[test]
fn columns_match_by_name() {
    assert_eq!(
        rows("(SELECT 1 AS a, 2 AS b) |> UNION ALL BY NAME (SELECT 3 AS b, 4 AS a)"),
        "1 2 | 4 3"
    );
    assert_eq!(
        rows("(SELECT 1 AS a, 2 AS b) |> FULL UNION ALL BY NAME (SELECT 3 AS b, 4 AS c)"),
        "1 2 NULL | NULL 3 4"
    );
    assert_eq!(
        rows("(SELECT 1 AS a, 2 AS b) |> LEFT UNION ALL BY NAME (SELECT 3 AS b, 4 AS c)"),
        "1 2 | NULL 3"
    );
    assert_eq!(
        rows("(SELECT 1 AS a, 2 AS b) |> INNER UNION ALL BY NAME (SELECT 3 AS b, 4 AS c)"),
        "2 | 3"
    );
    assert_eq!(
        fails("(SELECT 1 AS a) |> UNION ALL BY NAME (SELECT 3 AS b)")
            .split(' ')
            .next(),
        Some("TM0303")
    );
    assert_eq!(
        fails("(SELECT 1) |> UNION ALL BY NAME (SELECT 3 AS b)")
            .split(' ')
            .next(),
        Some("TM0303")
    );
}

#[test]
fn long_unions_are_one_node() {
    let many: Vec<String> = (0..1000).map(|n| format!("SELECT {n} AS n")).collect();
    let text = many.join(" UNION ALL ");
    let catalog = super::catalog();
    let bound = super::bound(&text, &catalog, &crate::plan::Parameters::default()).unwrap();
    let super::Bound::Query(query) = bound.bound else {
        panic!("not a query");
    };
    assert_eq!(query.plan.inputs().len(), 1000);
}

#[test]
fn unions_in_a_row_are_one_node() {
    let text = format!("SELECT 1 AS n{}", " |> UNION ALL (SELECT 1)".repeat(900));
    let catalog = super::catalog();
    let bound = super::bound(&text, &catalog, &crate::plan::Parameters::default()).unwrap();
    let super::Bound::Query(query) = bound.bound else {
        panic!("not a query");
    };
    assert_eq!(query.plan.inputs().len(), 901);
    let one = "SELECT 1 AS n |> UNION ALL (SELECT 2), (SELECT 2.5)";
    assert_eq!(
        rows(&format!("{one} |> UNION ALL (SELECT 1)")),
        "1.0 | 1.0 | 2.0 | 2.5"
    );
    assert_eq!(
        rows(&format!(
            "{one} |> UNION DISTINCT (SELECT 1) |> UNION ALL (SELECT 1) |> AGGREGATE COUNT(*), SUM(n)"
        )),
        "4 6.5"
    );
    assert_eq!(
        fails(
            "SELECT 1 |> UNION ALL (SELECT 2) |> UNION DISTINCT (SELECT 1) |> UNION DISTINCT (SELECT 'a')"
        ),
        "TM0403 at UNION DISTINCT"
    );
    let text = "SELECT 1 |> UNION ALL (SELECT 2) |> UNION  ALL (SELECT 1, 2)";
    assert_eq!(fails(text), "TM0302 at UNION  ALL");
}

#[test]
fn values() {
    assert_eq!(rows("VALUES (1, 'a'), (2.5, NULL)"), "1.0 a | 2.5 NULL");
    assert_eq!(columns("VALUES (1, 'a')"), "column1,column2");
    assert_eq!(
        rows("FROM (VALUES (1, 'a')) AS z(n, s) |> SELECT s, n"),
        "a 1"
    );
    assert_eq!(fails("VALUES (1), (1, 2)"), "TM0302 at 1");
    assert_eq!(rows("TABLE u |> WHERE w = 20"), "c 20");
}
