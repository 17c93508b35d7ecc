//! SUMMARIZE: a row about each column of a table, from one aggregation over its rows.
//!
//! The steps are written in the language and bound as any others: aggregates of every column in one row, then a row for each column.

use std::fmt::Write as _;

use arrow::datatypes::DataType;

use super::Binder;
use super::relation::Relation;
use super::scope::{Scope, ScopeColumn};
use super::stage::Env;
use super::types::type_name;
use crate::error::{Error, ErrorKind, Result};
use crate::lang::{self, ast};

/// Each column takes some aggregates: more would make one list too long.
const COLUMNS_MAX: usize = 500;

/// What is told of each column, by name.
const TOLD: [&str; 10] = [
    "count",
    "null_count",
    "approx_distinct",
    "min",
    "max",
    "mean",
    "std",
    "q25",
    "median",
    "q75",
];

impl Binder<'_> {
    /// `SUMMARIZE t`
    pub(super) fn summarized(&self, table: &ast::TableFactor, env: &Env) -> Result<Relation> {
        let mut relation = self.factor(table, env)?;
        let columns = std::mem::take(&mut relation.scope.columns);
        if columns.iter().any(|column| column.unknown) {
            relation.scope.columns = columns;
            return Ok(relation);
        }
        if columns.len() > COLUMNS_MAX {
            let message = format!("SUMMARIZE takes at most {COLUMNS_MAX} columns at once");
            return Err(Error::new(ErrorKind::Limit, "TM0110", message)
                .at(table.span)
                .hint("choose some: SUMMARIZE (FROM t |> SELECT a, b)"));
        }
        let text = steps(&columns);
        relation.forget_order();
        relation.scope = Scope::new(columns.into_iter().enumerate().map(numbered).collect());
        let script = lang::parse_with(&text, lang::Options::default()).map_err(Error::together)?;
        let statement = script.statements.first();
        let query = statement.and_then(ast::Statement::query);
        let query = query.ok_or_else(|| Error::bug("the steps of SUMMARIZE are no query"))?;
        self.pipes(relation, &query.pipes, &mut Env::default())
    }
}

/// The column under a name that no other has.
fn numbered((number, column): (usize, ScopeColumn)) -> ScopeColumn {
    ScopeColumn {
        name: Some(format!("c{number}").into()),
        constant: None,
        ..column
    }
}

/// The query, over columns `c0`, `c1`, …
fn steps(columns: &[ScopeColumn]) -> String {
    let mut aggregates = Vec::new();
    let mut rows = Vec::new();
    for (number, column) in columns.iter().enumerate() {
        let told = told(&format!("c{number}"), &column.data_type);
        let names: Vec<String> = (0..TOLD.len())
            .map(|at| format!("a{number}_{at}"))
            .collect();
        aggregates.extend(
            told.iter()
                .zip(&names)
                .map(|(what, name)| format!("{what} AS {name}")),
        );
        rows.push(format!("({}) AS {number}", names.join(", ")));
    }
    let names = columns.iter().map(|column| text(column.display()));
    let types = columns
        .iter()
        .map(|column| text(&type_name(&column.data_type)));
    let mut query = String::from("FROM t |> AGGREGATE ");
    query += &aggregates.join(", ");
    let _ = write!(
        query,
        " |> UNPIVOT INCLUDE NULLS (({told}) FOR number IN ({rows})) |> ORDER BY number
          |> SELECT [{names}][OFFSET(number)] AS name, [{types}][OFFSET(number)] AS type, {told}",
        told = TOLD.join(", "),
        rows = rows.join(", "),
        names = names.collect::<Vec<_>>().join(", "),
        types = types.collect::<Vec<_>>().join(", "),
    );
    query
}

fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// The aggregates of a column, in the order of [`TOLD`].
fn told(column: &str, kind: &DataType) -> [String; 10] {
    let has_order = !kind.is_nested() && !kind.is_null();
    let bound = |function: &str| match has_order {
        true => format!("CAST({function}({column}) AS STRING)"),
        false => "MAX(CAST(NULL AS STRING))".to_string(),
    };
    let number = |function: &dyn Fn(&str) -> String| match kind.is_numeric() {
        true => format!(
            "CAST({} AS FLOAT64)",
            function(&format!("CAST({column} AS FLOAT64)"))
        ),
        false => "MAX(CAST(NULL AS FLOAT64))".to_string(),
    };
    let quantile =
        |share: &str| number(&|value: &str| format!("APPROX_PERCENTILE_CONT({value}, {share})"));
    // The sketch does not take every type.
    let counted = match kind.is_floating() || kind.is_decimal() || kind.is_null() {
        true => format!("CAST({column} AS STRING)"),
        false => column.to_string(),
    };
    [
        format!("COUNT({column})"),
        format!("COUNT(*) - COUNT({column})"),
        format!("CAST(APPROX_DISTINCT({counted}) AS INT64)"),
        bound("MIN"),
        bound("MAX"),
        number(&|value: &str| format!("AVG({value})")),
        number(&|value: &str| format!("STDDEV({value})")),
        quantile("0.25"),
        quantile("0.5"),
        quantile("0.75"),
    ]
}
