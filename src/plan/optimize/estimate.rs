//! How many rows a plan gives, and how many different values its columns have: guesses good enough to choose between plans.
//!
//! They start from what files say of themselves (rows, smallest and largest values, values that repeat) and follow the plan
//! upwards. The number of different values is mostly not known, only bounded: by the rows of the table and by the range of a
//! whole number.

use std::sync::Arc;

use datafusion::common::stats::Precision;
use datafusion::common::{JoinType, ScalarValue, Statistics};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::joins::utils::build_join_schema;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::statistics::{StatisticsArgs, StatisticsContext};

use super::selectivity::selectivity;
use crate::catalog::scan::TableScanExec;
use crate::plan::shared::SharedScanExec;

/// Who asks about groups looks for the few that stand out; and groups are estimated at their most.
const HAVING: f64 = 0.1;
/// Rows of an input nobody knows anything about.
const UNKNOWN_ROWS: f64 = 100_000.0;
/// The share of rows that is taken to find a partner where nothing says more.
const SOME: f64 = 0.5;

#[derive(Debug, Clone)]
pub(super) struct Estimate {
    pub(super) rows: f64,
    pub(super) columns: Vec<ColumnEstimate>,
}

/// Of a column before filters: that of a foreign key has the values of the whole table, whatever rows are left.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct ColumnEstimate {
    /// Different values, at most.
    pub(super) distinct: f64,
    /// That many are known to be there, about.
    pub(super) counted: bool,
    /// Smallest and largest value, of numbers and dates.
    pub(super) range: Option<(f64, f64)>,
}

impl ColumnEstimate {
    fn of_rows(rows: f64) -> Self {
        ColumnEstimate {
            distinct: rows.max(1.0),
            counted: false,
            range: None,
        }
    }

    /// The share of the values that lie in the other column's range.
    pub(super) fn overlap(&self, other: &ColumnEstimate) -> f64 {
        let (Some((low, high)), Some((other_low, other_high))) = (self.range, other.range) else {
            return 1.0;
        };
        let common = high.min(other_high) - low.max(other_low) + 1.0;
        (common / (high - low + 1.0)).clamp(0.0, 1.0)
    }
}

impl Estimate {
    fn unknown(rows: f64, columns: usize) -> Self {
        Estimate {
            rows,
            columns: vec![ColumnEstimate::of_rows(rows); columns],
        }
    }

    fn with_rows(self, rows: f64) -> Self {
        Estimate {
            rows: rows.max(1.0),
            ..self
        }
    }

    /// What is known of an expression's values.
    fn column_of(&self, expr: &Arc<dyn PhysicalExpr>) -> ColumnEstimate {
        let column = expr.downcast_ref::<Column>();
        column
            .and_then(|column| self.columns.get(column.index()).copied())
            .unwrap_or_else(|| ColumnEstimate::of_rows(self.rows))
    }
}

/// What `plan` is going to give.
pub(super) fn estimate(plan: &Arc<dyn ExecutionPlan>) -> Estimate {
    if let Some(scan) = plan.downcast_ref::<TableScanExec>() {
        return of_scan(scan);
    }
    if let Some(filter) = plan.downcast_ref::<FilterExec>() {
        let input = estimate(filter.input());
        let mut rows = input.rows * selectivity(filter.predicate(), &input.columns);
        if filter.input().is::<AggregateExec>() {
            rows *= HAVING;
        }
        return match filter.projection().as_ref() {
            None => input.with_rows(rows),
            Some(kept) => Estimate {
                columns: kept.iter().map(|column| input.columns[*column]).collect(),
                rows: rows.max(1.0),
            },
        };
    }
    if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        let input = estimate(projection.input());
        let exprs = projection.expr().iter();
        return Estimate {
            columns: exprs
                .map(|projected| input.column_of(&projected.expr))
                .collect(),
            rows: input.rows,
        };
    }
    if let Some(scan) = plan.downcast_ref::<SharedScanExec>() {
        let table = estimate(scan.plan());
        let columns = scan.projection().iter();
        return Estimate {
            columns: columns.map(|column| table.columns[*column]).collect(),
            rows: table.rows,
        };
    }
    if let Some(aggregate) = plan.downcast_ref::<AggregateExec>() {
        return of_aggregate(aggregate);
    }
    if let Some(join) = plan.downcast_ref::<HashJoinExec>() {
        return of_join(join);
    }
    if let [input] = plan.children()[..]
        && input.schema().fields().len() == plan.schema().fields().len()
    {
        let input = estimate(input);
        let rows = plan
            .fetch()
            .map_or(input.rows, |fetch| input.rows.min(fetch as f64));
        return input.with_rows(rows);
    }
    of_any(plan)
}

fn of_scan(scan: &TableScanExec) -> Estimate {
    let all = of_statistics(&scan.table_statistics());
    let share = scan
        .predicate()
        .map_or(1.0, |condition| selectivity(condition, &all.columns));
    Estimate {
        columns: scan
            .projection()
            .iter()
            .map(|column| all.columns[*column])
            .collect(),
        rows: (all.rows * share).max(1.0),
    }
}

fn of_aggregate(aggregate: &AggregateExec) -> Estimate {
    let input = estimate(aggregate.input());
    let groups = aggregate.group_expr().expr();
    let keys: Vec<ColumnEstimate> = groups.iter().map(|(key, _)| input.column_of(key)).collect();
    let combinations: f64 = keys.iter().map(|key| key.distinct).product();
    let rows = combinations.min(input.rows).max(1.0);
    let mut columns = keys;
    columns.resize(
        aggregate.schema().fields().len(),
        ColumnEstimate::of_rows(rows),
    );
    Estimate { rows, columns }
}

fn of_join(join: &HashJoinExec) -> Estimate {
    use JoinType::{
        Full, Inner, Left, LeftAnti, LeftMark, LeftSemi, Right, RightAnti, RightMark, RightSemi,
    };
    let (left, right) = (estimate(join.left()), estimate(join.right()));
    let (_, columns) = build_join_schema(
        &join.left().schema(),
        &join.right().schema(),
        join.join_type(),
    );
    let keys: Vec<(ColumnEstimate, ColumnEstimate)> = join
        .on()
        .iter()
        .map(|(l, r)| (left.column_of(l), right.column_of(r)))
        .collect();
    let pairs = left.rows * right.rows * share_of_pairs(&keys, left.rows, right.rows);
    let swapped: Vec<_> = keys.iter().map(|(l, r)| (*r, *l)).collect();
    let rows = match join.join_type() {
        Inner => pairs,
        Left => pairs.max(left.rows),
        Right => pairs.max(right.rows),
        Full => pairs.max(left.rows).max(right.rows),
        LeftSemi => left.rows * share_with_partner(&keys, right.rows),
        RightSemi => right.rows * share_with_partner(&swapped, left.rows),
        LeftAnti => left.rows * SOME,
        RightAnti => right.rows * SOME,
        LeftMark => left.rows,
        RightMark => right.rows,
    };
    let of_column = |side, index: usize| match side {
        datafusion::common::JoinSide::Left => left.columns[index],
        datafusion::common::JoinSide::Right => right.columns[index],
        datafusion::common::JoinSide::None => ColumnEstimate::of_rows(2.0),
    };
    let all: Vec<ColumnEstimate> = columns
        .iter()
        .map(|column| of_column(column.side, column.index))
        .collect();
    let columns = match join.projection.as_deref() {
        None => all,
        Some(kept) => kept.iter().map(|column| all[*column]).collect(),
    };
    Estimate {
        rows: rows.max(1.0),
        columns,
    }
}

/// The share of all pairs of rows that agree in every key. The rows bound how many combinations of keys a side has.
pub(super) fn share_of_pairs(
    keys: &[(ColumnEstimate, ColumnEstimate)],
    left_rows: f64,
    right_rows: f64,
) -> f64 {
    let (mut share, mut combinations) = (1.0, 1.0);
    for (left, right) in keys {
        // Values of a foreign key are among those of the key: the smaller number is that of the key.
        let (ours, theirs) = (left.overlap(right), right.overlap(left));
        share *= ours * theirs;
        combinations *= (left.distinct * ours).min(right.distinct * theirs).max(1.0);
    }
    if keys.len() > 1 {
        combinations = combinations.min(left_rows.max(right_rows).max(1.0));
    }
    share / combinations
}

/// The share of rows that find their keys among `others` rows; of each pair of columns the first is that of the rows.
pub(super) fn share_with_partner(keys: &[(ColumnEstimate, ColumnEstimate)], others: f64) -> f64 {
    let (mut share, mut combinations) = (1.0, 1.0);
    for (own, other) in keys {
        share *= own.overlap(other);
        combinations *= own.distinct.min(other.distinct).max(1.0);
    }
    // One key of the other side for each of its rows, of as many as there are.
    share * (others / combinations).min(1.0)
}

/// From what DataFusion knows of any node.
fn of_any(plan: &Arc<dyn ExecutionPlan>) -> Estimate {
    let columns = plan.schema().fields().len();
    let known = StatisticsContext::new().compute(plan.as_ref(), &StatisticsArgs::new());
    match known {
        Ok(known) if known.column_statistics.len() == columns => of_statistics(&known),
        _ => Estimate::unknown(UNKNOWN_ROWS, columns),
    }
}

fn of_statistics(known: &Statistics) -> Estimate {
    let rows = known
        .num_rows
        .get_value()
        .map_or(UNKNOWN_ROWS, |rows| *rows as f64);
    let columns = known.column_statistics.iter().map(|column| {
        let value = |value: &Precision<ScalarValue>| number(value.get_value()?);
        let range = value(&column.min_value).zip(value(&column.max_value));
        let counted = column.distinct_count.get_value().map(|count| *count as f64);
        // Between two numbers with fractions there is no end of others.
        let whole = column.min_value.get_value().is_some_and(is_whole);
        let by_range = range
            .filter(|_| whole)
            .map_or(f64::INFINITY, |(low, high)| high - low + 1.0);
        ColumnEstimate {
            distinct: counted
                .unwrap_or(f64::INFINITY)
                .min(by_range)
                .min(rows)
                .max(1.0),
            counted: counted.is_some(),
            range,
        }
    });
    Estimate {
        rows: rows.max(1.0),
        columns: columns.collect(),
    }
}

fn is_whole(value: &ScalarValue) -> bool {
    value.data_type().is_integer() || matches!(value, ScalarValue::Date32(_))
}

/// A number or a point in time, to compare with others of its type.
pub(super) fn number(value: &ScalarValue) -> Option<f64> {
    use ScalarValue::{
        Date32, Date64, Decimal32, Decimal64, Decimal128, Float32, Float64, Int8, Int16, Int32,
        Int64, TimestampMicrosecond, TimestampMillisecond, TimestampNanosecond, TimestampSecond,
        UInt8, UInt16, UInt32, UInt64,
    };
    let scaled = |value: f64, scale: i8| value / 10f64.powi(i32::from(scale));
    match value {
        Int8(value) => value.map(f64::from),
        Int16(value) => value.map(f64::from),
        Int32(value) | Date32(value) => value.map(f64::from),
        Int64(value) | Date64(value) => value.map(|value| value as f64),
        TimestampSecond(value, _)
        | TimestampMillisecond(value, _)
        | TimestampMicrosecond(value, _)
        | TimestampNanosecond(value, _) => value.map(|value| value as f64),
        UInt8(value) => value.map(f64::from),
        UInt16(value) => value.map(f64::from),
        UInt32(value) => value.map(f64::from),
        UInt64(value) => value.map(|value| value as f64),
        Float32(value) => value.map(f64::from),
        Float64(value) => *value,
        Decimal32(value, _, scale) => value.map(|value| scaled(f64::from(value), *scale)),
        Decimal64(value, _, scale) => value.map(|value| scaled(value as f64, *scale)),
        Decimal128(value, _, scale) => value.map(|value| scaled(value as f64, *scale)),
        _ => None,
    }
    .filter(|value| value.is_finite())
}
