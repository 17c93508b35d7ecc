//! A tree of inner joins as a graph: its inputs, and which of their columns must be equal.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{JoinSide, JoinType, NullEquality};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::ExecutionPlanProperties;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::joins::utils::build_join_schema;
use datafusion::physical_plan::projection::ProjectionExec;

use crate::error::{Error, Result};
use crate::exec::expr::can_fail;

/// Inputs of a join, by number, as bits.
pub(super) type Inputs = u64;

/// A column of one of the inputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) input: usize,
    pub(super) column: usize,
}

impl Place {
    pub(super) fn inputs(self) -> Inputs {
        1 << self.input
    }
}

/// A condition beside the equalities.
#[derive(Debug)]
pub(super) struct Condition {
    /// Over `places`, by number.
    pub(super) expression: Arc<dyn PhysicalExpr>,
    pub(super) places: Vec<Place>,
}

impl Condition {
    pub(super) fn inputs(&self) -> Inputs {
        self.places
            .iter()
            .fold(0, |all, place| all | place.inputs())
    }
}

#[derive(Debug, Default)]
pub(super) struct JoinGraph {
    pub(super) inputs: Vec<Arc<dyn ExecutionPlan>>,
    /// Columns that are equal in every row of the join; of each input at most one.
    pub(super) classes: Vec<Vec<Place>>,
    pub(super) conditions: Vec<Condition>,
    /// What the joins give.
    pub(super) output: Vec<Place>,
}

/// More inputs than anyone joins by hand; [`Inputs`] has room for them.
const MOST_INPUTS: usize = 60;

impl JoinGraph {
    /// The joins at the top of `plan`; none if these are not several inner joins that may be done in another order.
    pub(super) fn of(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<Self>> {
        if plan.output_ordering().is_some() {
            return Ok(None);
        }
        let mut graph = JoinGraph::default();
        graph.output = graph.add(plan)?;
        let clear = graph.classes.iter().all(|class| {
            let mut inputs: Vec<usize> = class.iter().map(|place| place.input).collect();
            inputs.sort_unstable();
            inputs.windows(2).all(|two| two[0] != two[1])
        });
        let apart = graph
            .conditions
            .iter()
            .all(|condition| condition.inputs().count_ones() > 1);
        let count = graph.inputs.len();
        Ok((clear && apart && (2..=MOST_INPUTS).contains(&count)).then_some(graph))
    }

    /// Adds the joins of a plan, or the plan as an input, and says where its columns are.
    fn add(&mut self, plan: &Arc<dyn ExecutionPlan>) -> Result<Vec<Place>> {
        if let Some(join) = plan
            .downcast_ref::<HashJoinExec>()
            .filter(|join| is_free(join))
        {
            return self.add_join(join);
        }
        if let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
            let columns = projection.expr().iter().map(|projected| {
                let column = projected.expr.downcast_ref::<Column>();
                column.map(Column::index)
            });
            let below = below_projections(projection.input());
            let joins = below.downcast_ref::<HashJoinExec>().is_some_and(is_free);
            if let (true, Some(columns)) = (joins, columns.collect::<Option<Vec<usize>>>()) {
                let input = self.add(projection.input())?;
                return Ok(columns.iter().map(|column| input[*column]).collect());
            }
        }
        let input = self.inputs.len();
        self.inputs.push(Arc::clone(plan));
        let columns = 0..plan.schema().fields().len();
        Ok(columns.map(|column| Place { input, column }).collect())
    }

    fn add_join(&mut self, join: &HashJoinExec) -> Result<Vec<Place>> {
        let left = self.add(join.left())?;
        let right = self.add(join.right())?;
        for (one, other) in join.on() {
            let one = left[column(one)?];
            let other = right[column(other)?];
            self.equate(one, other);
        }
        let side = |side, index: usize| match side {
            JoinSide::Left => left.get(index),
            JoinSide::Right => right.get(index),
            JoinSide::None => None,
        };
        if let Some(filter) = join.filter() {
            let places = filter.column_indices().iter();
            let places = places.map(|place| side(place.side, place.index).copied());
            self.conditions.push(Condition {
                expression: Arc::clone(filter.expression()),
                places: places.collect::<Option<_>>().ok_or_else(unknown_column)?,
            });
        }
        let (_, all) = build_join_schema(
            &join.left().schema(),
            &join.right().schema(),
            join.join_type(),
        );
        let all: Option<Vec<Place>> = all
            .iter()
            .map(|place| side(place.side, place.index).copied())
            .collect();
        let all = all.ok_or_else(unknown_column)?;
        Ok(match join.projection.as_deref() {
            None => all,
            Some(kept) => kept.iter().map(|column| all[*column]).collect(),
        })
    }

    fn equate(&mut self, one: Place, other: Place) {
        let class_of = |place, classes: &[Vec<Place>]| {
            classes
                .iter()
                .position(|class: &Vec<Place>| class.contains(&place))
        };
        let mut class = match class_of(one, &self.classes) {
            Some(known) => self.classes.swap_remove(known),
            None => vec![one],
        };
        if !class.contains(&other) {
            match class_of(other, &self.classes) {
                Some(known) => class.extend(self.classes.swap_remove(known)),
                None => class.push(other),
            }
        }
        self.classes.push(class);
    }
}

fn unknown_column() -> Error {
    Error::bug("a join names a column that it does not have")
}

/// Whether the join may be done at another time than the plan has it.
fn is_free(join: &HashJoinExec) -> bool {
    let plain = |key: &Arc<dyn PhysicalExpr>| key.is::<Column>();
    *join.join_type() == JoinType::Inner
        && join.null_equality() == NullEquality::NullEqualsNothing
        && join.fetch().is_none()
        && join.on().iter().all(|(l, r)| plain(l) && plain(r))
        // What can fail must not meet other rows than it was written for.
        && join.filter().is_none_or(|filter| !can_fail(filter.expression()))
}

fn below_projections(mut plan: &Arc<dyn ExecutionPlan>) -> &Arc<dyn ExecutionPlan> {
    while let Some(projection) = plan.downcast_ref::<ProjectionExec>() {
        plan = projection.input();
    }
    plan
}

fn column(expr: &Arc<dyn PhysicalExpr>) -> Result<usize> {
    let column = expr.downcast_ref::<Column>();
    column.map(Column::index).ok_or_else(unknown_column)
}

/// `expression` with its columns moved.
pub(super) fn with_columns_at(
    expression: &Arc<dyn PhysicalExpr>,
    place: impl Fn(usize) -> usize,
) -> Result<Arc<dyn PhysicalExpr>> {
    let moved = Arc::clone(expression).transform_up(|part| {
        Ok(match part.downcast_ref::<Column>() {
            Some(column) => {
                let moved = Column::new(column.name(), place(column.index()));
                Transformed::yes(Arc::new(moved) as Arc<dyn PhysicalExpr>)
            }
            None => Transformed::no(part),
        })
    });
    Ok(moved.data()?)
}
