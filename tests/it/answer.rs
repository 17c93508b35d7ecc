//! What a query gave, as text that can be compared and read: shared by all test modules.

use std::path::Path;

use tidemill::arrow::array::{Array, ArrayRef, Float32Array, Float64Array, RecordBatch};
use tidemill::arrow::compute::cast;
use tidemill::arrow::datatypes::{DataType, SchemaRef};
use tidemill::arrow::util::display::{ArrayFormatter, FormatOptions};
use tidemill::{Engine, Error, Outcome, ParamMap};

/// One value: floats stay numbers, so that two of them may differ in the last digits.
#[derive(Debug, Clone)]
pub enum Cell {
    Float(f64),
    Text(String),
}

/// The rows of a result with the names and types of its columns.
#[derive(Debug, Clone)]
pub struct Answer {
    pub names: Vec<String>,
    pub types: Vec<String>,
    pub rows: Vec<Vec<Cell>>,
}

/// An engine of `threads` workers whose sources give batches of at most `batch_rows` rows.
pub fn engine(threads: usize, batch_rows: Option<usize>) -> Engine {
    engine_over(threads, batch_rows, None)
}

/// The same with its tables in a directory.
pub fn engine_over(threads: usize, batch_rows: Option<usize>, database: Option<&Path>) -> Engine {
    let mut builder = Engine::builder().threads(threads);
    if let Some(rows) = batch_rows {
        builder = builder.batch_rows(rows);
    }
    match database {
        Some(folder) => builder.open(folder).expect("a database"),
        None => builder.in_memory().expect("an engine in memory"),
    }
}

/// Runs every statement of `text`: the rows of the last one, or `None` when it gives none (`CREATE TABLE`).
pub fn run(engine: &Engine, text: &str, params: &ParamMap) -> Result<Option<Answer>, Error> {
    Ok(run_all(engine, text, params)?.pop())
}

/// Runs every statement of `text`: each result of the last one.
pub fn run_all(engine: &Engine, text: &str, params: &ParamMap) -> Result<Vec<Answer>, Error> {
    let statements = engine.statements(text).map_err(Error::together)?;
    let mut last = Vec::new();
    for statement in &statements {
        last.clear();
        read(engine.run(statement, params)?, &mut last)?;
    }
    Ok(last)
}

fn read(outcome: Outcome, answers: &mut Vec<Answer>) -> Result<(), Error> {
    match outcome {
        Outcome::Rows(rows) => {
            let schema = rows.schema().clone();
            let batches = rows.collect::<Result<Vec<RecordBatch>, Error>>()?;
            answers.push(Answer::new(&schema, &batches));
        }
        Outcome::Several(outcomes) => {
            for outcome in outcomes {
                read(outcome, answers)?;
            }
        }
        _ => {}
    }
    Ok(())
}

/// [`run`] for a query without parameters that must give rows.
pub fn rows(engine: &Engine, text: &str) -> Result<Answer, Error> {
    Ok(run(engine, text, &ParamMap::new())?.expect("the last statement is a query"))
}

impl Answer {
    pub fn new(schema: &SchemaRef, batches: &[RecordBatch]) -> Self {
        let fields = schema.fields();
        Answer {
            names: fields.iter().map(|field| field.name().clone()).collect(),
            types: fields
                .iter()
                .map(|field| type_name(field.data_type()))
                .collect(),
            rows: batches.iter().flat_map(batch_rows).collect(),
        }
    }

    /// The answer of DataFusion's own executor.
    pub fn of_batches(batches: &[RecordBatch]) -> Self {
        batches.first().map_or(
            Answer {
                names: Vec::new(),
                types: Vec::new(),
                rows: Vec::new(),
            },
            |first| Answer::new(&first.schema(), batches),
        )
    }

    /// One line for each row.
    pub fn lines(&self) -> Vec<String> {
        self.rows.iter().map(|row| line(row)).collect()
    }

    /// What is different from `other`, the order of rows aside (or not); `None` when nothing is.
    pub fn difference(&self, other: &Answer, ordered: bool) -> Option<String> {
        let (mut left, mut right) = (self.rows.clone(), other.rows.clone());
        if !ordered {
            left.sort_by(|a, b| sort_key(a, b));
            right.sort_by(|a, b| sort_key(a, b));
        }
        if left.len() != right.len() {
            return Some(format!(
                "{} rows against {}\n{}\n--- against\n{}",
                left.len(),
                right.len(),
                some_lines(&left),
                some_lines(&right)
            ));
        }
        let at = left.iter().zip(&right).position(|(a, b)| !same_row(a, b))?;
        Some(format!(
            "row {at}: {} against {}",
            line(&left[at]),
            line(&right[at])
        ))
    }
}

fn some_lines(rows: &[Vec<Cell>]) -> String {
    let lines: Vec<String> = rows.iter().take(30).map(|row| line(row)).collect();
    lines.join("\n")
}

fn line(row: &[Cell]) -> String {
    let cells: Vec<String> = row
        .iter()
        .map(|cell| match cell {
            Cell::Float(value) => format!("{value:?}"),
            Cell::Text(text) => text.clone(),
        })
        .collect();
    cells.join(",")
}

/// Orders by everything exact first, so that nearly equal floats meet their partner.
fn sort_key(left: &[Cell], right: &[Cell]) -> std::cmp::Ordering {
    let text = |row: &[Cell]| -> Vec<String> {
        row.iter()
            .map(|cell| match cell {
                Cell::Float(_) => String::new(),
                Cell::Text(text) => text.clone(),
            })
            .collect()
    };
    let float = |cell: &Cell| match cell {
        Cell::Float(value) => *value,
        Cell::Text(_) => 0.0,
    };
    text(left).cmp(&text(right)).then_with(|| {
        left.iter()
            .zip(right)
            .map(|(a, b)| float(a).total_cmp(&float(b)))
            .find(|order| order.is_ne())
            .unwrap_or(std::cmp::Ordering::Equal)
    })
}

fn same_row(left: &[Cell], right: &[Cell]) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(a, b)| same_cell(a, b))
}

fn same_cell(left: &Cell, right: &Cell) -> bool {
    match (left, right) {
        (Cell::Text(a), Cell::Text(b)) => a == b,
        (Cell::Float(a), Cell::Float(b)) => {
            a == b
                || (a.is_nan() && b.is_nan())
                || (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
        }
        _ => false,
    }
}

fn batch_rows(batch: &RecordBatch) -> Vec<Vec<Cell>> {
    let columns: Vec<Vec<Cell>> = batch.columns().iter().map(column_cells).collect();
    (0..batch.num_rows())
        .map(|row| columns.iter().map(|column| column[row].clone()).collect())
        .collect()
}

fn column_cells(column: &ArrayRef) -> Vec<Cell> {
    let null = || Cell::Text("NULL".to_string());
    if let Some(floats) = column.as_any().downcast_ref::<Float64Array>() {
        return floats
            .iter()
            .map(|v| v.map_or_else(null, Cell::Float))
            .collect();
    }
    if let Some(floats) = column.as_any().downcast_ref::<Float32Array>() {
        return floats
            .iter()
            .map(|v| v.map_or_else(null, |v| Cell::Float(f64::from(v))))
            .collect();
    }
    let column = match column.data_type() {
        DataType::Dictionary(_, values) => &cast(column, values).expect("dictionary values"),
        _ => column,
    };
    let is_text = type_name(column.data_type()) == "STRING";
    let options = FormatOptions::default().with_null("NULL");
    let formatter = ArrayFormatter::try_new(column, &options).expect("a type that prints");
    (0..column.len())
        .map(|row| match (column.is_null(row), is_text) {
            (true, _) => null(),
            (false, false) => Cell::Text(formatter.value(row).to_string()),
            (false, true) => Cell::Text(quoted(&formatter.value(row).to_string())),
        })
        .collect()
}

/// Text stays bare unless it could be taken for something else.
fn quoted(text: &str) -> String {
    let bare = !text.is_empty()
        && text != "NULL"
        && text.trim() == text
        && !text.starts_with("--")
        && !text.chars().any(|c| c == ',' || c == '"' || c.is_control());
    if bare {
        text.to_string()
    } else {
        format!("{text:?}")
    }
}

/// The canonical name of LANGUAGE.md section 5.
pub fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Int64 => "INT64".into(),
        DataType::Int32 => "INT32".into(),
        DataType::Int16 => "INT16".into(),
        DataType::Int8 => "TINYINT".into(),
        DataType::UInt64 => "UINT64".into(),
        DataType::UInt32 => "UINT32".into(),
        DataType::UInt16 => "UINT16".into(),
        DataType::UInt8 => "UINT8".into(),
        DataType::Float64 => "FLOAT64".into(),
        DataType::Float32 => "FLOAT32".into(),
        DataType::Boolean => "BOOL".into(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "STRING".into(),
        DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView
        | DataType::FixedSizeBinary(_) => "BYTES".into(),
        DataType::Date32 | DataType::Date64 => "DATE".into(),
        DataType::Time32(_) | DataType::Time64(_) => "TIME".into(),
        DataType::Timestamp(_, Some(_)) => "TIMESTAMP".into(),
        DataType::Timestamp(_, None) => "DATETIME".into(),
        DataType::Interval(_) => "INTERVAL".into(),
        DataType::Decimal32(p, s)
        | DataType::Decimal64(p, s)
        | DataType::Decimal128(p, s)
        | DataType::Decimal256(p, s) => format!("DECIMAL({p},{s})"),
        DataType::List(item)
        | DataType::LargeList(item)
        | DataType::ListView(item)
        | DataType::FixedSizeList(item, _) => format!("ARRAY<{}>", type_name(item.data_type())),
        DataType::Struct(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|field| format!("{} {}", field.name(), type_name(field.data_type())))
                .collect();
            format!("STRUCT<{}>", fields.join(", "))
        }
        DataType::Map(entries, _) => match entries.data_type() {
            DataType::Struct(pair) if pair.len() == 2 => format!(
                "MAP<{}, {}>",
                type_name(pair[0].data_type()),
                type_name(pair[1].data_type())
            ),
            _ => "MAP".into(),
        },
        DataType::Dictionary(_, value) => type_name(value),
        DataType::Null => "NULL".into(),
        other => format!("{other}"),
    }
}
