//! A tree of inner joins as a graph: its inputs, and which of their columns must be equal. Semi and anti joins among them are
//! inputs too, which give no columns: when such a [`Sieve`] is asked changes how many rows there are on the way, not the answer.

use std::sync::Arc;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{JoinSide, JoinType, NullEquality};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::ExecutionPlanProperties;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter, build_join_schema};
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

/// An input that only says which rows of the others stay: the other side of a semi or anti join.
#[derive(Debug)]
pub(super) struct Sieve {
    pub(super) input: usize,
    /// Rows that find a partner go, instead of those that find none.
    pub(super) anti: bool,
    pub(super) null_equality: NullEquality,
    /// Columns of the others, and those of the sieve that must equal them.
    pub(super) keys: Vec<(Place, usize)>,
    /// What must be true of a partner beside that.
    pub(super) condition: Option<Condition>,
}

impl Sieve {
    pub(super) fn inputs(&self) -> Inputs {
        1 << self.input
    }

    /// The inputs that the condition reads beside the sieve.
    fn condition_inputs(&self) -> Inputs {
        let read = self.condition.as_ref().map_or(0, Condition::inputs);
        read & !self.inputs()
    }
}

#[derive(Debug, Default)]
pub(super) struct JoinGraph {
    pub(super) inputs: Vec<Arc<dyn ExecutionPlan>>,
    pub(super) sieves: Vec<Sieve>,
    /// Columns that are equal in every row of the join; of each input at most one.
    pub(super) classes: Vec<Vec<Place>>,
    pub(super) conditions: Vec<Condition>,
    /// What the joins give.
    pub(super) output: Vec<Place>,
}

/// Bytes that a value of text or of a nested type is taken to have.
const LONG: usize = 32;

/// More inputs than anyone joins by hand; [`Inputs`] has room for them.
const MOST_INPUTS: usize = 60;

impl JoinGraph {
    /// The joins at the top of `plan`; none if these are not several inner joins that may be done in another order.
    pub(super) fn of(plan: &Arc<dyn ExecutionPlan>) -> Result<Option<Self>> {
        if plan.output_ordering().is_some() || !(2..=MOST_INPUTS).contains(&inputs(plan)) {
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
        Ok((clear && apart).then_some(graph))
    }

    /// The sieve that `inputs` is, if it is one alone.
    pub(super) fn sieve(&self, inputs: Inputs) -> Option<&Sieve> {
        self.sieves.iter().find(|sieve| sieve.inputs() == inputs)
    }

    /// Whether `inputs` have all that the sieve is to look at.
    pub(super) fn can_sift(&self, sieve: &Sieve, inputs: Inputs) -> bool {
        let has = |key: &(Place, usize)| self.standing_for(key.0, inputs).is_some();
        sieve.condition_inputs() & !inputs == 0 && sieve.keys.iter().all(has)
    }

    /// The column of `inputs` that equals `place` in every row of the join.
    pub(super) fn standing_for(&self, place: Place, inputs: Inputs) -> Option<Place> {
        if place.inputs() & inputs != 0 {
            return Some(place);
        }
        let class = self.classes.iter().find(|class| class.contains(&place))?;
        let mut here = class.iter().filter(|equal| equal.inputs() & inputs != 0);
        here.next().copied()
    }

    /// Whether a column is read above the join of `inputs`.
    pub(super) fn wants(&self, column: Place, inputs: Inputs) -> bool {
        let mut later = self
            .sieves
            .iter()
            .filter(|sieve| sieve.inputs() & inputs == 0);
        let by_later = |sieve: &Sieve| {
            let mut keys = sieve.keys.iter();
            keys.any(|(key, _)| self.standing_for(*key, inputs) == Some(column))
                || sieve.condition.iter().any(|c| c.places.contains(&column))
        };
        let in_conditions = self.conditions.iter().any(|condition| {
            condition.inputs() & !inputs != 0 && condition.places.contains(&column)
        });
        // Any column of a class stands for the others; the first that is here is used.
        let in_classes = self.classes.iter().any(|class| {
            let mut here = class.iter().filter(|place| place.inputs() & inputs != 0);
            let above = class.iter().any(|place| place.inputs() & inputs == 0);
            above && here.next() == Some(&column)
        });
        in_conditions || in_classes || later.any(by_later) || self.output.contains(&column)
    }

    /// Bytes of a row of the join of `inputs`, about.
    pub(super) fn width(&self, inputs: Inputs) -> f64 {
        let here = (0..self.inputs.len()).filter(|input| 1 << input & inputs != 0);
        let bytes = here.map(|input| {
            let schema = self.inputs[input].schema();
            let fields = schema.fields().iter().enumerate();
            fields
                .filter(|(column, _)| {
                    let column = *column;
                    self.wants(Place { input, column }, inputs)
                })
                .map(|(_, field)| field.data_type().primitive_width().unwrap_or(LONG))
                .sum::<usize>()
        });
        bytes.sum::<usize>() as f64
    }

    /// Adds the joins of a plan, or the plan as an input, and says where its columns are.
    fn add(&mut self, plan: &Arc<dyn ExecutionPlan>) -> Result<Vec<Place>> {
        if let Some(join) = free_join(plan) {
            return match join.join_type() {
                JoinType::Inner => self.add_inner(join),
                _ => self.add_sieve(join),
            };
        }
        if let Some((input, columns)) = picked(plan)
            && free_join(below_projections(input)).is_some()
        {
            let input = self.add(input)?;
            return Ok(columns.iter().map(|column| input[*column]).collect());
        }
        let input = self.inputs.len();
        self.inputs.push(Arc::clone(plan));
        let columns = 0..plan.schema().fields().len();
        Ok(columns.map(|column| Place { input, column }).collect())
    }

    fn add_inner(&mut self, join: &HashJoinExec) -> Result<Vec<Place>> {
        let left = self.add(join.left())?;
        let right = self.add(join.right())?;
        for (one, other) in join.on() {
            let one = left[column(one)?];
            let other = right[column(other)?];
            self.equate(one, other);
        }
        self.conditions.extend(condition(join, &left, &right)?);
        let (_, all) = build_join_schema(
            &join.left().schema(),
            &join.right().schema(),
            join.join_type(),
        );
        let all: Option<Vec<Place>> = all
            .iter()
            .map(|place| on_side(place, &left, &right))
            .collect();
        Ok(projected(join, all.ok_or_else(unknown_column)?))
    }

    fn add_sieve(&mut self, join: &HashJoinExec) -> Result<Vec<Place>> {
        let keeps_left = matches!(join.join_type(), JoinType::LeftSemi | JoinType::LeftAnti);
        let (kept, other) = match keeps_left {
            true => (join.left(), join.right()),
            false => (join.right(), join.left()),
        };
        let outer = self.add(kept)?;
        let input = self.inputs.len();
        self.inputs.push(Arc::clone(other));
        let own: Vec<Place> = (0..other.schema().fields().len())
            .map(|column| Place { input, column })
            .collect();
        let keys = join.on().iter().map(|(left, right)| {
            let (outer_key, own_key) = if keeps_left {
                (left, right)
            } else {
                (right, left)
            };
            Ok((outer[column(outer_key)?], column(own_key)?))
        });
        let keys = keys.collect::<Result<_>>()?;
        let condition = match keeps_left {
            true => condition(join, &outer, &own)?,
            false => condition(join, &own, &outer)?,
        };
        self.sieves.push(Sieve {
            input,
            anti: matches!(join.join_type(), JoinType::LeftAnti | JoinType::RightAnti),
            null_equality: join.null_equality(),
            keys,
            condition,
        });
        Ok(projected(join, outer))
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

/// The place of a join's column.
fn on_side(column: &ColumnIndex, left: &[Place], right: &[Place]) -> Option<Place> {
    match column.side {
        JoinSide::Left => left.get(column.index).copied(),
        JoinSide::Right => right.get(column.index).copied(),
        JoinSide::None => None,
    }
}

/// What the join asks beside its keys.
fn condition(join: &HashJoinExec, left: &[Place], right: &[Place]) -> Result<Option<Condition>> {
    let of_filter = |filter: &JoinFilter| {
        let columns = filter.column_indices().iter();
        let places = columns.map(|column| on_side(column, left, right));
        Ok(Condition {
            expression: Arc::clone(filter.expression()),
            places: places.collect::<Option<_>>().ok_or_else(unknown_column)?,
        })
    };
    join.filter().map(of_filter).transpose()
}

fn projected(join: &HashJoinExec, all: Vec<Place>) -> Vec<Place> {
    match join.projection.as_deref() {
        None => all,
        Some(kept) => kept.iter().map(|column| all[*column]).collect(),
    }
}

/// How many inputs the joins at the top of a plan have, or more than [`MOST_INPUTS`] as soon as that is known.
fn inputs(plan: &Arc<dyn ExecutionPlan>) -> usize {
    let (mut count, mut plans) = (0, vec![plan]);
    while let Some(plan) = plans.pop() {
        if let Some(join) = free_join(plan) {
            plans.extend([join.left(), join.right()]);
        } else {
            let above = picked(plan).map(|(input, _)| input);
            match above.filter(|input| free_join(below_projections(input)).is_some()) {
                Some(input) => plans.push(input),
                None => count += 1,
            }
        }
        if count + plans.len() > MOST_INPUTS {
            return MOST_INPUTS + 1;
        }
    }
    count
}

fn free_join(plan: &Arc<dyn ExecutionPlan>) -> Option<&HashJoinExec> {
    let join = plan.downcast_ref::<HashJoinExec>();
    join.filter(|join| is_free(join))
}

/// What a projection reads that computes nothing, and the columns that it takes of that.
fn picked(plan: &Arc<dyn ExecutionPlan>) -> Option<(&Arc<dyn ExecutionPlan>, Vec<usize>)> {
    let projection = plan.downcast_ref::<ProjectionExec>()?;
    let columns = projection.expr().iter().map(|projected| {
        let column = projected.expr.downcast_ref::<Column>();
        column.map(Column::index)
    });
    Some((projection.input(), columns.collect::<Option<_>>()?))
}

/// Whether the join may be done at another time than the plan has it.
fn is_free(join: &HashJoinExec) -> bool {
    use JoinType::{Inner, LeftAnti, LeftSemi, RightAnti, RightSemi};
    let plain = |key: &Arc<dyn PhysicalExpr>| key.is::<Column>();
    let may_move = match join.join_type() {
        Inner => join.null_equality() == NullEquality::NullEqualsNothing,
        LeftSemi | LeftAnti | RightSemi | RightAnti => !join.null_aware,
        _ => false,
    };
    may_move
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
