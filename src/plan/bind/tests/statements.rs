//! Statements other than queries, and warnings.

use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};

use super::{Bound, bound, catalog};
use crate::plan::Parameters;
use crate::plan::bind::Step;

fn bind(text: &str) -> crate::error::Result<super::Binding> {
    bound(text, &catalog(), &Parameters::default())
}

#[test]
fn stored_columns_need_names() {
    let error = bind("CREATE TABLE z AS SELECT 1, 2 AS a, 3 AS a").unwrap_err();
    assert_eq!(error.code(), "TM0305");
    assert!(
        error
            .message()
            .contains("`1` has no name, `a` stands twice")
    );
    assert!(bind("CREATE VIEW z AS SELECT 1").is_err());
    let bound = bind("CREATE OR REPLACE TABLE z AS SELECT 1 AS a").unwrap();
    let Bound::Steps(steps) = bound.bound else {
        panic!("not a table");
    };
    let [Step::Write { target, query, .. }] = steps.as_slice() else {
        panic!("not a table");
    };
    assert_eq!(target.describe(), "create table z:");
    assert_eq!(query.columns[0].name, "a");
}

#[test]
fn explain_and_external_tables() {
    let explain = bind("EXPLAIN ANALYZE FROM u").unwrap().bound;
    assert!(matches!(explain, Bound::Explain { analyze: true, .. }));
    let table =
        bind("CREATE EXTERNAL TABLE z STORED AS CSV LOCATION 'orders.csv' OPTIONS (header = TRUE)");
    assert!(matches!(
        table.unwrap().bound,
        Bound::CreateExternalTable { .. }
    ));
    let missing = bind("CREATE EXTERNAL TABLE z STORED AS CSV LOCATION 'no.csv'").unwrap_err();
    assert_eq!(missing.code(), "TM0701");
}

#[test]
fn warnings_do_not_stop() {
    let binding = bind("FROM u |> EXTEND 1 AS W").unwrap();
    assert_eq!(binding.warnings[0].code(), "TW03");
}

#[test]
fn no_id_is_shown() {
    for text in [
        "FROM t |> SELECT k + 1",
        "FROM t |> WHERE k",
        "FROM t |> AGGREGATE SUM(k)",
        "FROM t |> SELECT ABS(k)",
        "SELECT [1] AS a UNION ALL SELECT 2",
    ] {
        if let Err(error) = bind(text) {
            assert!(!error.to_string().contains('#'), "{error}");
        }
    }
}

#[test]
fn columns_that_no_name_stands_for_leave_the_plan() {
    let steps = "|> SELECT k, w + 1 AS w |> ORDER BY k ".repeat(200);
    let Bound::Query(query) = bind(&format!("FROM u {steps}")).unwrap().bound else {
        panic!("not a query");
    };
    let mut widest = 0;
    query
        .plan
        .apply(|node| {
            widest = widest.max(node.schema().fields().len());
            Ok(TreeNodeRecursion::Continue)
        })
        .unwrap();
    assert!((2..=70).contains(&widest), "{widest} columns");
}
