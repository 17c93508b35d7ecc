//! Joins to pipelines: the left input ends in a build sink, the right input goes on through a probe operator.

use std::sync::{Arc, OnceLock};

use arrow::datatypes::{Schema, SchemaRef};
use datafusion::common::{JoinSide, JoinType, NullEquality};
use datafusion::logical_expr::Operator as Op;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::{self, BinaryExpr, Literal};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter, build_join_schema};
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, JoinOn, JoinOnRef, NestedLoopJoinExec,
};

use super::offers::{Offer, Offers, column_of};
use crate::error::{Error, Result};
use crate::exec::expr::checked;
use crate::exec::graph::{Branch, PipelineGraph, SinkId, Stream};
use crate::exec::operators::join::{
    Asked, BuildSink, Column, Fetch, JoinSpec, KeyFilter, OutputColumns, PairFilter, Probe,
    SpillJoin, SpilledSource, SpillingBuild, SpillingProbe, TableSlot, UnmatchedSource,
};

/// Lowers one of the inputs, to which something is offered.
pub(crate) type LowerInput<'a> =
    &'a mut dyn FnMut(JoinSide, Offers, &mut PipelineGraph) -> Result<Stream>;

/// An equi-join of any type. With `in_any_order` nobody sees in which order its rows come.
pub(crate) fn lower_hash_join(
    join: &HashJoinExec,
    offers: &Offers,
    input: LowerInput<'_>,
    in_any_order: bool,
    graph: &mut PipelineGraph,
) -> Result<Stream> {
    let sides = Sides::of(join.left(), join.right());
    let mut request = Request {
        kind: *join.join_type(),
        on: join.on().to_vec(),
        null_equality: join.null_equality(),
        null_aware: join.null_aware,
        filter: join.filter().map(FilterColumns::of),
        projection: join.projection.as_deref().map(<[usize]>::to_vec),
        schema: join.schema(),
        in_any_order,
    };
    if let (true, Some(filter)) = (request.null_aware, &request.filter) {
        // With a condition beside the key, which NULLs matter differs from row to row: no key, every pair is looked at.
        request.filter = Some(not_in_condition(filter, &request.on, &sides)?);
        request.on = Vec::new();
        request.null_aware = false;
    }
    let offers = offers.unless(join.fetch().is_some());
    let stream = lower(request, &sides, &offers, input, graph)?;
    Ok(match join.fetch() {
        Some(limit) => stream.then(Arc::new(Fetch::new(limit)), &[]),
        None => stream,
    })
}

/// A join on any condition.
pub(crate) fn lower_nested_loop_join(
    join: &NestedLoopJoinExec,
    offers: &Offers,
    input: LowerInput<'_>,
    graph: &mut PipelineGraph,
) -> Result<Stream> {
    let request = Request {
        kind: *join.join_type(),
        on: Vec::new(),
        null_equality: NullEquality::NullEqualsNothing,
        null_aware: false,
        filter: join.filter().map(FilterColumns::of),
        projection: join.projection().as_deref().map(<[usize]>::to_vec),
        schema: join.schema(),
        in_any_order: false,
    };
    let sides = Sides::of(join.left(), join.right());
    lower(request, &sides, offers, input, graph)
}

/// Every row of the one with every row of the other.
pub(crate) fn lower_cross_join(
    join: &CrossJoinExec,
    offers: &Offers,
    input: LowerInput<'_>,
    graph: &mut PipelineGraph,
) -> Result<Stream> {
    let request = Request {
        kind: JoinType::Inner,
        on: Vec::new(),
        null_equality: NullEquality::NullEqualsNothing,
        null_aware: false,
        filter: None,
        projection: None,
        schema: join.schema(),
        in_any_order: false,
    };
    let sides = Sides::of(join.left(), join.right());
    lower(request, &sides, offers, input, graph)
}

/// The inputs' schemas.
struct Sides {
    left: SchemaRef,
    right: SchemaRef,
}

impl Sides {
    fn of(left: &Arc<dyn ExecutionPlan>, right: &Arc<dyn ExecutionPlan>) -> Self {
        Sides {
            left: left.schema(),
            right: right.schema(),
        }
    }
}

/// What the kinds of join nodes have in common.
struct Request {
    kind: JoinType,
    on: JoinOn,
    null_equality: NullEquality,
    null_aware: bool,
    filter: Option<FilterColumns>,
    /// Columns of the join's whole output that are wanted.
    projection: Option<Vec<usize>>,
    /// After the projection.
    schema: SchemaRef,
    /// Nobody sees in which order the rows come.
    in_any_order: bool,
}

/// A condition and the columns it reads, in the order of its own schema.
struct FilterColumns {
    expression: Arc<dyn PhysicalExpr>,
    columns: Vec<ColumnIndex>,
    schema: SchemaRef,
}

impl FilterColumns {
    fn of(filter: &JoinFilter) -> Self {
        FilterColumns {
            expression: Arc::clone(filter.expression()),
            columns: filter.column_indices().to_vec(),
            schema: Arc::clone(filter.schema()),
        }
    }
}

fn lower(
    request: Request,
    sides: &Sides,
    offers: &Offers,
    input: LowerInput<'_>,
    graph: &mut PipelineGraph,
) -> Result<Stream> {
    let columns = request.columns(sides)?;
    let through = |side| match request.null_aware {
        // Whether the list has rows, and a NULL among them, counts by itself.
        true if side == JoinSide::Right => Offers::default(),
        _ => offers.through_join(side, request.kind, &columns, &request.on),
    };
    let (to_left, to_right) = (through(JoinSide::Left), through(JoinSide::Right));
    let probe_keys = request.on.iter().map(|(_, probe)| column_of(probe));
    let probe_keys: Vec<Option<usize>> = probe_keys.collect();
    let in_any_order = request.in_any_order;
    let spec = Arc::new(spec(request, &columns)?);
    let slot = TableSlot::new(OnceLock::new());
    let asked = Arc::new(Asked::new(spec.build_keys.len()));
    let build = BuildSink::new(
        Arc::clone(&spec),
        Arc::clone(&sides.left),
        Arc::clone(&slot),
        Arc::clone(&asked),
    );
    let left = input(JoinSide::Left, to_left, graph)?;
    let (built, right) = if graph.limited {
        let mut right = input(JoinSide::Right, to_right, graph)?;
        right.ordered &= !in_any_order;
        // Rows that are written out come back in another order.
        if !right.ordered {
            return Ok(spilling(&spec, sides, &slot, build, (left, right), graph));
        }
        (left.into_sink(graph, Arc::new(build)), right)
    } else {
        let built = left.into_sink(graph, Arc::new(build));
        let own = key_offers(&spec, &sides.right, &slot, &probe_keys, (built, &asked))?;
        (built, input(JoinSide::Right, to_right.and(own), graph)?)
    };
    let probe = Probe::new(
        Arc::clone(&spec),
        Arc::clone(&sides.right),
        Arc::clone(&slot),
    );
    let mut stream = right.then(Arc::new(probe), &[built]);
    if spec.ends_with_build_rows() {
        let probes = (0..stream.branches.len()).collect();
        stream.branches.push(Branch {
            source: Arc::new(UnmatchedSource::new(spec, slot)),
            operators: Vec::new(),
            after: vec![built],
            reads: Vec::new(),
            after_branches: probes,
        });
    }
    Ok(stream)
}

/// What the build side is going to know of the probe side's keys.
fn key_offers(
    spec: &Arc<JoinSpec>,
    probe: &SchemaRef,
    slot: &TableSlot,
    columns: &[Option<usize>],
    (built, asked): (SinkId, &Asked),
) -> Result<Vec<Offer>> {
    let offer = |columns, filter, part| {
        Offer::new(columns, Arc::new(filter), Some(built), asked.flag(part))
    };
    let mut parts = Vec::new();
    for (key, column) in columns.iter().enumerate() {
        if let Some(column) = column
            && let Some(filter) = KeyFilter::of_part(spec, key, probe, Arc::clone(slot))?
        {
            parts.push(offer(vec![*column], filter, Some(key)));
        }
    }
    let all: Option<Vec<usize>> = columns.iter().copied().collect();
    let whole = KeyFilter::new(spec, probe, Arc::clone(slot))?;
    Ok(match all.zip(whole) {
        Some((columns, filter)) => vec![offer(columns, filter, None).with_parts(parts)],
        None => parts,
    })
}

/// The same with sides that are written out where the build side does not fit.
fn spilling(
    spec: &Arc<JoinSpec>,
    sides: &Sides,
    slot: &TableSlot,
    build: BuildSink,
    (left, right): (Stream, Stream),
    graph: &mut PipelineGraph,
) -> Stream {
    let join = SpillJoin::new(spec, &sides.left, &sides.right);
    let built = left.into_sink(graph, Arc::new(SpillingBuild::new(&join, build)));
    let probe = Probe::new(Arc::clone(spec), Arc::clone(&sides.right), Arc::clone(slot));
    let mut stream = right.then(Arc::new(SpillingProbe::new(&join, probe)), &[built]);
    let probes = (0..stream.branches.len()).collect();
    stream.branches.push(Branch {
        source: Arc::new(SpilledSource::new(&join, slot)),
        operators: Vec::new(),
        after: vec![built],
        reads: Vec::new(),
        after_branches: probes,
    });
    stream
}

impl Request {
    /// Where each column of the output comes from.
    fn columns(&self, sides: &Sides) -> Result<Vec<ColumnIndex>> {
        let (_, all) = build_join_schema(&sides.left, &sides.right, &self.kind);
        let Some(projection) = &self.projection else {
            return Ok(all);
        };
        let wanted = projection.iter().map(|column| all.get(*column).cloned());
        wanted
            .collect::<Option<_>>()
            .ok_or_else(|| Error::bug("a join gives a column that it does not have"))
    }
}

fn spec(request: Request, columns: &[ColumnIndex]) -> Result<JoinSpec> {
    let mut kept = KeptColumns::default();
    let output = OutputColumns {
        columns: columns.iter().map(|column| kept.place(column)).collect(),
        schema: request.schema,
    };
    let filter = request
        .filter
        .map(|filter| {
            Ok::<_, Error>(PairFilter {
                expression: checked(&filter.expression)?,
                input: OutputColumns {
                    columns: filter
                        .columns
                        .iter()
                        .map(|column| kept.place(column))
                        .collect(),
                    schema: filter.schema,
                },
            })
        })
        .transpose()?;
    let (mut build_keys, mut probe_keys) = (Vec::new(), Vec::new());
    for (build, probe) in &request.on {
        build_keys.push(checked(build)?);
        probe_keys.push(checked(probe)?);
    }
    Ok(JoinSpec {
        kind: request.kind,
        build_keys,
        probe_keys,
        null_equality: request.null_equality,
        null_aware: request.null_aware,
        filter,
        build_columns: kept.columns,
        output,
    })
}

/// Columns of the build side that someone reads.
#[derive(Default)]
struct KeptColumns {
    columns: Vec<usize>,
}

impl KeptColumns {
    fn place(&mut self, column: &ColumnIndex) -> Column {
        match column.side {
            JoinSide::None => Column::Mark,
            JoinSide::Right => Column::Probe(column.index),
            JoinSide::Left => {
                let known = self.columns.iter().position(|kept| *kept == column.index);
                Column::Build(known.unwrap_or_else(|| {
                    self.columns.push(column.index);
                    self.columns.len() - 1
                }))
            }
        }
    }
}

/// `NOT IN` as a condition on pairs: a row of the list counts against the left row unless the keys certainly differ.
fn not_in_condition(
    filter: &FilterColumns,
    on: JoinOnRef<'_>,
    sides: &Sides,
) -> Result<FilterColumns> {
    let mut fields: Vec<_> = filter.schema.fields().iter().cloned().collect();
    let mut columns = filter.columns.clone();
    let mut condition = Arc::clone(&filter.expression);
    for (left, right) in on {
        let mut add = |key: &Arc<dyn PhysicalExpr>, side: JoinSide, schema: &Schema| {
            let column = key
                .downcast_ref::<expressions::Column>()
                .ok_or_else(|| Error::bug("a NOT IN key is not a column"))?;
            let index = column.index();
            fields.push(Arc::new(schema.field(index).clone()));
            columns.push(ColumnIndex { index, side });
            let place = fields.len() - 1;
            Ok::<_, Error>(Arc::new(expressions::Column::new(column.name(), place)))
        };
        let left = add(left, JoinSide::Left, &sides.left)?;
        let right = add(right, JoinSide::Right, &sides.right)?;
        let equal = Arc::new(BinaryExpr::new(left, Op::Eq, right));
        let no = Arc::new(Literal::new(false.into()));
        let perhaps = Arc::new(BinaryExpr::new(equal, Op::IsDistinctFrom, no));
        condition = Arc::new(BinaryExpr::new(condition, Op::And, perhaps));
    }
    Ok(FilterColumns {
        expression: condition,
        columns,
        schema: Arc::new(Schema::new(fields)),
    })
}

#[cfg(test)]
mod tests;
