//! Queries bound here and run by DataFusion itself: what a rule of the language means is the rows that come out.

mod aggregates;
mod expressions;
mod joins;
mod names;
mod nonsense;
mod pipes;
mod sets;
mod statements;
mod subqueries;
mod windows;

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringArray,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::datasource::MemTable;
use datafusion::execution::context::SessionContext;
use datafusion::prelude::SessionConfig;

use super::{Binding, Bound, Files, bind};
use crate::catalog::{Catalog, Entry, View};
use crate::error::{Error, Result};
use crate::plan::Parameters;
use crate::plan::decorrelate::{Which, decorrelate};
use crate::plan::shared::inlined;

/// Only `orders.csv` exists.
struct OneFile;

impl Files for OneFile {
    fn open(
        &self,
        path: &str,
        _format: Option<&str>,
        options: &[(String, ScalarValue)],
        columns: Option<SchemaRef>,
    ) -> Result<Arc<dyn TableProvider>> {
        if path != "orders.csv" {
            return Err(Error::new(
                crate::error::ErrorKind::Io,
                "TM0701",
                format!("no file {path}"),
            ));
        }
        if let Some((name, _)) = options.iter().find(|(name, _)| name != "header") {
            return Err(Error::new(
                crate::error::ErrorKind::Input,
                "TM0703",
                format!("no option {name}"),
            ));
        }
        if let Some(columns) = columns {
            return Ok(Arc::new(MemTable::try_new(columns, vec![vec![]])?));
        }
        let file_name = Field::new("_file_name", DataType::Utf8, false).with_metadata(
            HashMap::from([("tidemill.pseudo".to_string(), "1".to_string())]),
        );
        let schema = Arc::new(Schema::new(vec![
            Field::new("Order ID", DataType::Int64, false),
            Field::new("region", DataType::Utf8, true),
            file_name,
        ]));
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![1, 2])),
            Arc::new(StringArray::from(vec![Some("north"), None])),
            Arc::new(StringArray::from(vec!["orders.csv", "orders.csv"])),
        ];
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns)?;
        Ok(Arc::new(MemTable::try_new(schema, vec![vec![batch]])?))
    }
}

/// `t(k, v, x, d, day, small)`, `u(k, w)`, `empty(k, v)`, `Mixed("CamelCase", a, A)` and a view `vw(k, total)`.
fn catalog() -> Catalog {
    let catalog = Catalog::new().unwrap();
    let amounts = Decimal128Array::from(vec![Some(150), Some(250), None, Some(5)])
        .with_precision_and_scale(10, 2)
        .unwrap();
    table(
        &catalog,
        "t",
        vec![
            (
                "k",
                Arc::new(StringArray::from(vec![
                    Some("a"),
                    Some("b"),
                    Some("a"),
                    None,
                ])),
            ),
            (
                "v",
                Arc::new(Int64Array::from(vec![Some(1), Some(2), Some(3), None])),
            ),
            (
                "x",
                Arc::new(Float64Array::from(vec![
                    Some(0.5),
                    None,
                    Some(2.5),
                    Some(4.0),
                ])),
            ),
            ("d", Arc::new(amounts)),
            (
                "day",
                Arc::new(Date32Array::from(vec![Some(0), Some(31), Some(366), None])),
            ),
            ("small", Arc::new(Int32Array::from(vec![1, 2, 3, 4]))),
        ],
    );
    table(
        &catalog,
        "u",
        vec![
            (
                "k",
                Arc::new(StringArray::from(vec![
                    Some("a"),
                    Some("c"),
                    None,
                    Some("a"),
                ])),
            ),
            ("w", Arc::new(Int64Array::from(vec![10, 20, 30, 40]))),
        ],
    );
    table(
        &catalog,
        "empty",
        vec![
            ("k", Arc::new(StringArray::from(Vec::<Option<&str>>::new()))),
            ("v", Arc::new(Int64Array::from(Vec::<i64>::new()))),
        ],
    );
    table(
        &catalog,
        "Mixed",
        vec![
            ("CamelCase", Arc::new(Int64Array::from(vec![1]))),
            ("a", Arc::new(Int64Array::from(vec![2]))),
            ("A", Arc::new(Int64Array::from(vec![3]))),
        ],
    );
    let view = "CREATE VIEW vw AS FROM t |> AGGREGATE SUM(v) AS total GROUP BY k";
    let Bound::CreateView { query, .. } =
        bound(view, &catalog, &Parameters::default()).unwrap().bound
    else {
        panic!("not a view");
    };
    let names = query
        .columns
        .into_iter()
        .map(|column| column.name)
        .collect();
    let view = View {
        plan: query.plan,
        names,
        sources: query.sources,
    };
    catalog
        .insert("vw", Entry::View(Arc::new(view)), false)
        .unwrap();
    catalog
}

fn table(catalog: &Catalog, name: &str, columns: Vec<(&str, ArrayRef)>) {
    let fields: Vec<Field> = columns
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), true))
        .collect();
    let schema = Arc::new(Schema::new(fields));
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).unwrap();
    let provider = MemTable::try_new(schema, vec![vec![batch]]).unwrap();
    catalog
        .insert(name, Entry::Table(Arc::new(provider)), false)
        .unwrap();
}

fn bound(text: &str, catalog: &Catalog, parameters: &Parameters) -> Result<Binding> {
    let script = crate::lang::parse_with(text, crate::lang::Options::default())
        .map_err(|mut errors| errors.remove(0))?;
    bind(&script.statements[0], text, catalog, &OneFile, parameters)
}

/// On a big stack, as the engine does it: DataFusion makes a deep tree of a long AND.
fn run_with(text: &str, parameters: &Parameters) -> Result<(Vec<String>, Vec<String>)> {
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size(64 << 20);
        let worker = builder.spawn_scoped(scope, || run_here(text, parameters));
        worker.unwrap().join().unwrap()
    })
}

fn run_here(text: &str, parameters: &Parameters) -> Result<(Vec<String>, Vec<String>)> {
    let catalog = catalog();
    let Bound::Query(query) = bound(text, &catalog, parameters)?.bound else {
        panic!("not a query: {text}");
    };
    let config = SessionConfig::new().with_target_partitions(1).set_bool(
        "datafusion.optimizer.enable_physical_uncorrelated_scalar_subquery",
        false,
    );
    let context = SessionContext::new_with_config(config);
    let plan = decorrelate(&inlined(query.plan)?, Which::Stubborn, &query.places)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let batches = runtime
        .block_on(async {
            let frame = context.execute_logical_plan(plan).await?;
            frame.collect().await
        })
        .map_err(Error::from)?;
    let names = query
        .columns
        .into_iter()
        .map(|column| column.name)
        .collect();
    Ok((names, batches.iter().flat_map(lines).collect()))
}

fn lines(batch: &RecordBatch) -> Vec<String> {
    let options = FormatOptions::default().with_null("NULL");
    let columns: Vec<ArrayFormatter> = batch
        .columns()
        .iter()
        .map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap())
        .collect();
    (0..batch.num_rows())
        .map(|row| {
            let values = columns.iter().map(|column| column.value(row).to_string());
            values.collect::<Vec<_>>().join(" ")
        })
        .collect()
}

/// The rows in their order, one line each with `|` between them.
#[track_caller]
fn ordered(text: &str) -> String {
    match run_with(text, &Parameters::default()) {
        Ok((_, rows)) => rows.join(" | "),
        Err(error) => panic!("{text}\n{error}\nat {:?}", error.span()),
    }
}

/// The rows, sorted as text.
#[track_caller]
fn rows(text: &str) -> String {
    match run_with(text, &Parameters::default()) {
        Ok((_, mut rows)) => {
            rows.sort();
            rows.join(" | ")
        }
        Err(error) => panic!("{text}\n{error}\nat {:?}", error.span()),
    }
}

/// The names of the result's columns.
#[track_caller]
fn columns(text: &str) -> String {
    match run_with(text, &Parameters::default()) {
        Ok((names, _)) => names.join(","),
        Err(error) => panic!("{text}\n{error}\nat {:?}", error.span()),
    }
}

/// The error's code and the text it points at.
#[track_caller]
fn fails(text: &str) -> String {
    match run_with(text, &Parameters::default()) {
        Ok((_, rows)) => panic!("{text}\ngave {}", rows.join(" | ")),
        Err(error) => {
            let place = error
                .span()
                .map_or("nowhere", |span| &text[span.start..span.end]);
            format!("{} at {place}", error.code())
        }
    }
}

/// The whole error.
#[track_caller]
fn error(text: &str) -> Error {
    match run_with(text, &Parameters::default()) {
        Ok((_, rows)) => panic!("{text}\ngave {}", rows.join(" | ")),
        Err(error) => error,
    }
}
