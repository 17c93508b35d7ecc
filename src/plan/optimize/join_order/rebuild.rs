//! A plan made anew from the order that was found.

use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::common::{JoinSide, JoinType};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter};
use datafusion::physical_plan::joins::{HashJoinExecBuilder, JoinOn, PartitionMode};

use super::super::join_graph::{Condition, Inputs, JoinGraph, Place, Sieve, with_columns_at};
use super::search::{Tree, crosses};
use crate::error::{Error, Result};

/// A plan for some inputs, and what its columns are.
pub(super) struct Made {
    pub(super) plan: Arc<dyn ExecutionPlan>,
    pub(super) columns: Vec<Place>,
    inputs: Inputs,
}

impl Made {
    pub(super) fn position(&self, place: Place) -> Result<usize> {
        let position = self.columns.iter().position(|column| *column == place);
        position.ok_or_else(|| Error::bug("a join lost a column that is needed"))
    }

    fn column(&self, place: Place) -> Result<Arc<dyn PhysicalExpr>> {
        let index = self.position(place)?;
        let schema = self.plan.schema();
        Ok(Arc::new(Column::new(schema.field(index).name(), index)))
    }

    /// Pairs of columns of both sides that must be equal.
    fn keys(
        &self,
        other: &Made,
        equal: impl IntoIterator<Item = (Place, Place)>,
    ) -> Result<JoinOn> {
        let equal = equal.into_iter();
        equal
            .map(|(own, others)| Ok((self.column(own)?, other.column(others)?)))
            .collect()
    }
}

pub(super) struct Rebuild<'a> {
    pub(super) graph: &'a JoinGraph,
}

impl Rebuild<'_> {
    pub(super) fn joins(&self, tree: &Tree) -> Result<Made> {
        let (left, right) = match tree {
            Tree::Input(input) => return Ok(self.input(*input)),
            Tree::Join(sides) => (self.joins(&sides.0)?, self.joins(&sides.1)?),
        };
        let sieve = |made: &Made| self.graph.sieve(made.inputs);
        match (sieve(&left), sieve(&right)) {
            (Some(sieve), _) => self.sifted(sieve, &left, &right, true),
            (_, Some(sieve)) => self.sifted(sieve, &right, &left, false),
            (None, None) => self.inner(&left, &right),
        }
    }

    fn input(&self, input: usize) -> Made {
        let plan = Arc::clone(&self.graph.inputs[input]);
        let columns = 0..plan.schema().fields().len();
        let columns = columns.map(|column| Place { input, column }).collect();
        Made {
            plan,
            columns,
            inputs: 1 << input,
        }
    }

    fn inner(&self, left: &Made, right: &Made) -> Result<Made> {
        let equal = self.graph.classes.iter().filter_map(|class| {
            let of = |side: &Made| {
                let mut here = class
                    .iter()
                    .filter(|place| place.inputs() & side.inputs != 0);
                here.next().copied()
            };
            of(left).zip(of(right))
        });
        let on = left.keys(right, equal)?;
        let new = |condition: &&Condition| crosses(condition.inputs(), left.inputs, right.inputs);
        let filter = filter(left, right, self.graph.conditions.iter().filter(new))?;
        let all: Vec<Place> = left.columns.iter().chain(&right.columns).copied().collect();
        let inputs = left.inputs | right.inputs;
        let (kept, columns) = self.kept(&all, inputs);
        let (left, right) = (Arc::clone(&left.plan), Arc::clone(&right.plan));
        let join = HashJoinExecBuilder::new(left, right, on, JoinType::Inner)
            .with_filter(filter)
            .with_projection(Some(kept))
            .with_partition_mode(PartitionMode::CollectLeft)
            .build()?;
        Ok(Made {
            plan: Arc::new(join),
            columns,
            inputs,
        })
    }

    /// The rows of `outer` that a semi or anti join leaves.
    fn sifted(&self, sieve: &Sieve, own: &Made, outer: &Made, sieve_builds: bool) -> Result<Made> {
        let keys = sieve.keys.iter().map(|(place, column)| {
            let place = self.graph.standing_for(*place, outer.inputs);
            let place = place.ok_or_else(|| Error::bug("a semi join lost its key"))?;
            let own = Place {
                input: sieve.input,
                column: *column,
            };
            Ok((own, place))
        });
        let keys = keys.collect::<Result<Vec<_>>>()?;
        let (left, right) = match sieve_builds {
            true => (own, outer),
            false => (outer, own),
        };
        let on = match sieve_builds {
            true => left.keys(right, keys)?,
            false => left.keys(right, keys.into_iter().map(|(own, outer)| (outer, own)))?,
        };
        let kind = match (sieve.anti, sieve_builds) {
            (false, true) => JoinType::RightSemi,
            (false, false) => JoinType::LeftSemi,
            (true, true) => JoinType::RightAnti,
            (true, false) => JoinType::LeftAnti,
        };
        let filter = filter(left, right, &sieve.condition)?;
        let inputs = left.inputs | right.inputs;
        let (kept, columns) = self.kept(&outer.columns, inputs);
        let (left, right) = (Arc::clone(&left.plan), Arc::clone(&right.plan));
        let join = HashJoinExecBuilder::new(left, right, on, kind)
            .with_filter(filter)
            .with_projection(Some(kept))
            .with_null_equality(sieve.null_equality)
            .with_partition_mode(PartitionMode::CollectLeft)
            .build()?;
        Ok(Made {
            plan: Arc::new(join),
            columns,
            inputs,
        })
    }

    /// Which of `columns` are read above the join of `inputs`: their positions, and what they are.
    fn kept(&self, columns: &[Place], inputs: Inputs) -> (Vec<usize>, Vec<Place>) {
        let all: Inputs = (1 << self.graph.inputs.len()) - 1;
        if inputs == all {
            let place = |column: &Place| {
                let position = columns.iter().position(|place| place == column);
                Some((position?, *column))
            };
            return self.graph.output.iter().filter_map(place).unzip();
        }
        let columns = columns.iter().copied().enumerate();
        let wanted = |(_, column): &(usize, Place)| self.graph.wants(*column, inputs);
        columns.filter(wanted).unzip()
    }
}

/// All the conditions, over columns of both sides.
fn filter<'a>(
    left: &Made,
    right: &Made,
    conditions: impl IntoIterator<Item = &'a Condition>,
) -> Result<Option<JoinFilter>> {
    let (mut columns, mut fields, mut all) = (Vec::new(), Vec::new(), Vec::new());
    for condition in conditions {
        let first = columns.len();
        for place in &condition.places {
            let (made, side) = match place.inputs() & left.inputs != 0 {
                true => (left, JoinSide::Left),
                false => (right, JoinSide::Right),
            };
            let index = made.position(*place)?;
            fields.push(Arc::clone(&made.plan.schema().fields()[index]));
            columns.push(ColumnIndex { index, side });
        }
        all.push(with_columns_at(&condition.expression, |column| {
            first + column
        })?);
    }
    if all.is_empty() {
        return Ok(None);
    }
    let condition = datafusion::physical_expr::conjunction(all);
    let schema = Arc::new(Schema::new(fields));
    Ok(Some(JoinFilter::new(condition, columns, schema)))
}
