//! Which columns of a result a chart draws.

use tidemill::arrow::datatypes::{DataType, Field, SchemaRef};
use tidemill::type_name;

use super::spec::{ColumnRef, Kind, PlotSpec};

/// Columns, or values of `by`, that are drawn beside one another.
pub(super) const SERIES: usize = 8;

/// What x is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum AxisKind {
    /// Values that have names and no distance.
    Names,
    Numbers,
    /// Microseconds since 1970, shown as this type.
    Times(DataType),
}

/// The columns of a result that a chart needs, by position.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) x: Option<usize>,
    pub(super) x_name: String,
    pub(super) x_kind: AxisKind,
    pub(super) y: Vec<usize>,
    pub(super) y_names: Vec<String>,
    pub(super) by: Option<usize>,
    by_name: Option<String>,
}

impl Columns {
    /// What is drawn over what.
    pub(super) fn title(&self) -> String {
        let by = self.by_name.as_ref().map(|by| format!(" and {by}"));
        format!(
            "{} by {}{}",
            self.y_names.join(", "),
            self.x_name,
            by.unwrap_or_default()
        )
    }

    pub(super) fn of(spec: &PlotSpec, schema: &SchemaRef) -> Result<Self, String> {
        let find = |column: &ColumnRef| match column {
            ColumnRef::Named(name) => position(name, schema),
            ColumnRef::At(place) => Ok(*place),
        };
        let by = spec.by.as_ref().map(find).transpose()?;
        let x = spec.x.as_ref().map(find).transpose()?;
        let mut y = spec.y.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        for column in &y {
            let field = schema.field(*column);
            if !is_number(field.data_type()) {
                let kind = type_name(field.data_type());
                return Err(format!("y needs numbers; `{}` is {kind}", field.name()));
            }
        }
        let free = |column: &usize| Some(*column) != by && !y.contains(column);
        let x = x.or_else(|| default_x(schema, &free));
        if y.is_empty() {
            let left = (0..schema.fields().len()).filter(|column| Some(*column) != x);
            let left = left.filter(|column| Some(*column) != by);
            y = left
                .filter(|column| is_number(schema.field(*column).data_type()))
                .take(if by.is_some() { 1 } else { SERIES })
                .collect();
        }
        if y.is_empty() {
            let columns = schema.fields().iter().map(|field| described(field));
            let columns: Vec<String> = columns.collect();
            return Err(format!(
                "the result has no column of numbers to draw: {}",
                columns.join(", ")
            ));
        }
        if y.len() > SERIES {
            return Err(format!("at most {SERIES} columns are drawn at once"));
        }
        if by.is_some() && y.len() > 1 {
            return Err("with by= there is one y".to_string());
        }
        let name = |column: &usize| schema.field(*column).name().clone();
        Ok(Columns {
            x_name: x.as_ref().map_or("row".to_string(), name),
            x_kind: axis_kind(x.map(|x| schema.field(x).data_type()), spec.kind),
            y_names: y.iter().map(name).collect(),
            by_name: by.as_ref().map(name),
            x,
            y,
            by,
        })
    }
}

/// The first column that is no number; else the first, where others are left to draw.
fn default_x(schema: &SchemaRef, free: &impl Fn(&usize) -> bool) -> Option<usize> {
    let columns: Vec<usize> = (0..schema.fields().len()).filter(free).collect();
    let name = columns
        .iter()
        .find(|column| !is_number(schema.field(**column).data_type()));
    let several = columns.len() > 1 || columns.len() < schema.fields().len();
    name.or(columns.first().filter(|_| several)).copied()
}

/// Of a column of this type, or of the numbers of rows.
fn axis_kind(data_type: Option<&DataType>, kind: Kind) -> AxisKind {
    match data_type {
        // Bars stand beside one another, whatever the distance of their values.
        _ if kind == Kind::Bar => AxisKind::Names,
        Some(time @ (DataType::Date32 | DataType::Date64 | DataType::Timestamp(..))) => {
            AxisKind::Times(time.clone())
        }
        Some(data_type) if !is_number(data_type) => AxisKind::Names,
        _ => AxisKind::Numbers,
    }
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_numeric()
}

fn described(field: &Field) -> String {
    format!("{} ({})", field.name(), type_name(field.data_type()))
}

/// The column of a name: exactly, or in any case where that is clear.
fn position(name: &str, schema: &SchemaRef) -> Result<usize, String> {
    let names: Vec<&str> = (schema.fields().iter())
        .map(|field| field.name().as_str())
        .collect();
    if let Some(place) = names.iter().position(|own| *own == name) {
        return Ok(place);
    }
    let lower = name.to_lowercase();
    let alike: Vec<usize> = (0..names.len())
        .filter(|place| names[*place].to_lowercase() == lower)
        .collect();
    if let [only] = alike[..] {
        return Ok(only);
    }
    let nearest = names
        .iter()
        .map(|own| (distance(&own.to_lowercase(), &lower), own))
        .filter(|(changes, _)| *changes <= 1 + lower.len() / 4)
        .min_by_key(|(changes, _)| *changes);
    let meant = nearest.map(|(_, own)| format!(" did you mean `{own}`?"));
    let columns = schema.fields().iter().map(|field| described(field));
    let columns: Vec<String> = columns.collect();
    Err(format!(
        "no column named `{name}`;{} there are: {}",
        meant.unwrap_or_default(),
        columns.join(", ")
    ))
}

/// Characters to change, add or take away until the texts are the same; the same ones in another order are one slip.
fn distance(a: &str, b: &str) -> usize {
    let sorted = |text: &str| {
        let mut characters: Vec<char> = text.chars().collect();
        characters.sort_unstable();
        characters
    };
    if a != b && sorted(a) == sorted(b) {
        return 1;
    }
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut before = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let changed = before + usize::from(from != *to);
            before = row[j + 1];
            row[j + 1] = changed.min(before + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}
