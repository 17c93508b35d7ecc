//! bind (syntax tree to logical plan), decorrelate and optimize (to DataFusion's physical plan), lower (to pipelines).

pub(crate) mod assert;
pub(crate) mod bind;
mod chart;
mod decorrelate;
pub(crate) mod lineage;
pub(crate) mod lower;
mod matching;
pub(crate) mod optimize;
pub(crate) mod places;
mod planner;
mod repeated;
pub(crate) mod shared;

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use datafusion::logical_expr::LogicalPlan;

use crate::catalog::Sources;
use places::Places;

pub use chart::{Chart, ChartKind};

/// The values of `@name` and `?`.
#[derive(Debug, Clone, Default)]
pub(crate) struct Parameters {
    pub(crate) named: Vec<(String, ScalarValue)>,
    pub(crate) positional: Vec<ScalarValue>,
    /// The module whose statements run: what they name is looked for there first.
    pub(crate) module: Option<String>,
    /// Nothing will run: a parameter without a value is a NULL.
    pub(crate) absent_are_null: bool,
}

/// A query whose names are resolved. Inside the plan every column has a unique name of its own; `columns` holds the names that
/// the user sees, one for each column of the plan, in order.
#[derive(Debug, Clone)]
pub(crate) struct BoundQuery {
    pub(crate) plan: LogicalPlan,
    pub(crate) columns: Vec<OutputColumn>,
    /// Where in the text its expressions stand.
    pub(crate) places: Places,
    pub(crate) sources: Sources,
    /// How its rows are to be drawn.
    pub(crate) chart: Option<Chart>,
}

/// The columns of a query's rows under the names that the user sees. Whether NULL can occur is the plan's guess: a reader must
/// be ready for it.
pub(crate) fn output_schema(query: &BoundQuery) -> SchemaRef {
    let fields = query.plan.schema().fields().iter().zip(&query.columns);
    let fields = fields
        .map(|(field, column)| Field::new(column.name.clone(), field.data_type().clone(), true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// A result column's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct OutputColumn {
    /// The name, or for an anonymous column its source text.
    pub(crate) name: String,
    /// Nothing can refer to it by name, and nothing that stores rows takes it.
    pub(crate) anonymous: bool,
}
