//! The order of inner joins, and which side of a join is kept in memory.
//!
//! DataFusion joins in the order of the text. Here the tree of inner joins at the top of a plan becomes a [`JoinGraph`], and the
//! cheapest tree over it is found by putting together the best trees of smaller parts ([`Search`]); then the plan is made again.
//! Joins that are not inner keep their place, and the smaller input becomes the build side.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::Schema;
use datafusion::common::{JoinSide, JoinType};
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::joins::utils::{ColumnIndex, JoinFilter};
use datafusion::physical_plan::joins::{HashJoinExec, HashJoinExecBuilder, PartitionMode};
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};

use super::estimate::{Estimate, estimate, share_of_pairs};
use super::join_graph::{Inputs, JoinGraph, Place, with_columns_at};
use crate::error::{Error, Result};

/// Up to this many inputs every tree is looked at.
const ALL_TREES: u32 = 10;
/// What a row costs where it is put into a table, looked up, and given. Looking up is the cheapest: most rows that find nothing
/// are left out by the scan.
const BUILD: f64 = 3.0;
const PROBE: f64 = 0.5;
const GIVE: f64 = 1.0;
/// How much smaller the probe side must be, to change the sides of a join that is not inner.
const MUCH_SMALLER: f64 = 0.7;

/// The plan with its joins in a better order.
pub(super) fn order_joins(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    if let Some(graph) = JoinGraph::of(&plan)? {
        return in_order(&plan, graph);
    }
    let children = plan.children();
    if children.is_empty() {
        return Ok(plan);
    }
    let ordered = children
        .iter()
        .map(|child| order_joins(Arc::clone(child)))
        .collect::<Result<Vec<_>>>()?;
    let same = children
        .iter()
        .zip(&ordered)
        .all(|(old, new)| Arc::ptr_eq(old, new));
    let plan = match same {
        true => plan,
        false => {
            let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
            plan.replace_children(ordered, options)?
        }
    };
    smaller_side_builds(plan)
}

fn in_order(plan: &Arc<dyn ExecutionPlan>, mut graph: JoinGraph) -> Result<Arc<dyn ExecutionPlan>> {
    graph.inputs = graph
        .inputs
        .into_iter()
        .map(order_joins)
        .collect::<Result<_>>()?;
    let estimates: Vec<Estimate> = graph.inputs.iter().map(estimate).collect();
    let Some(tree) = Search::new(&graph, &estimates).best() else {
        return Err(Error::bug("a tree of joins falls apart"));
    };
    let top = Rebuild { graph: &graph }.joins(&tree)?;
    named_as(plan, top, &graph.output)
}

/// The columns in the order and with the names of `plan`.
fn named_as(
    plan: &Arc<dyn ExecutionPlan>,
    made: Made,
    output: &[Place],
) -> Result<Arc<dyn ExecutionPlan>> {
    let schema = plan.schema();
    let given = made.plan.schema();
    let mut names = given.fields().iter().zip(schema.fields());
    let same_names = names.all(|(one, other)| one.name() == other.name());
    if made.columns == output && same_names {
        return Ok(made.plan);
    }
    let exprs = output.iter().zip(schema.fields()).map(|(place, field)| {
        let index = made.position(*place)?;
        let from = made.plan.schema();
        Ok(ProjectionExpr {
            expr: Arc::new(Column::new(from.field(index).name(), index)),
            alias: field.name().clone(),
        })
    });
    let exprs = exprs.collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(ProjectionExec::try_new(exprs, made.plan)?))
}

/// Joins that are not inner: a join of any type can be written with its sides changed.
fn smaller_side_builds(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let Some(join) = plan.downcast_ref::<HashJoinExec>() else {
        return Ok(plan);
    };
    let fixed = *join.join_type() == JoinType::Inner || join.null_aware || join.fetch().is_some();
    if fixed || plan.properties().output_ordering().is_some() {
        return Ok(plan);
    }
    let (left, right) = (estimate(join.left()).rows, estimate(join.right()).rows);
    if right >= left * MUCH_SMALLER {
        return Ok(plan);
    }
    Ok(join.swap_inputs(PartitionMode::CollectLeft)?)
}

/// Which inputs are joined to which, the build side first.
#[derive(Debug, Clone)]
enum Tree {
    Input(usize),
    Join(Arc<(Tree, Tree)>),
}

impl Tree {
    fn inputs(&self) -> Inputs {
        match self {
            Tree::Input(input) => 1 << input,
            Tree::Join(sides) => sides.0.inputs() | sides.1.inputs(),
        }
    }
}

/// The best tree found for some inputs.
#[derive(Debug, Clone)]
struct Found {
    tree: Tree,
    rows: f64,
    cost: f64,
}

struct Search<'a> {
    graph: &'a JoinGraph,
    estimates: &'a [Estimate],
    found: HashMap<Inputs, Found>,
}

impl<'a> Search<'a> {
    fn new(graph: &'a JoinGraph, estimates: &'a [Estimate]) -> Self {
        let found = estimates.iter().enumerate().map(|(input, estimate)| {
            let found = Found {
                tree: Tree::Input(input),
                rows: estimate.rows,
                cost: 0.0,
            };
            (1 << input, found)
        });
        Search {
            graph,
            estimates,
            found: found.collect(),
        }
    }

    fn best(mut self) -> Option<Tree> {
        let count = self.estimates.len() as u32;
        let all = (1 << count) - 1;
        if count <= ALL_TREES {
            for inputs in 1..=all {
                self.best_of(inputs);
            }
        } else {
            self.greedy(count);
        }
        self.found.remove(&all).map(|found| found.tree)
    }

    /// Every way to cut `inputs` in two, whose parts are known already: their numbers are smaller.
    fn best_of(&mut self, inputs: Inputs) {
        let mut part = (inputs - 1) & inputs;
        while part > inputs ^ part {
            self.consider(part, inputs ^ part);
            part = (part - 1) & inputs;
        }
    }

    /// Joins next the two parts that give the fewest rows.
    fn greedy(&mut self, count: u32) {
        let mut parts: Vec<Inputs> = (0..count).map(|input| 1 << input).collect();
        while parts.len() > 1 {
            let mut best: Option<(usize, usize, f64)> = None;
            for one in 1..parts.len() {
                for other in 0..one {
                    self.consider(parts[one], parts[other]);
                    let rows = self.found.get(&(parts[one] | parts[other]));
                    if let Some(rows) = rows.map(|found| found.rows)
                        && best.is_none_or(|(_, _, least)| rows < least)
                    {
                        best = Some((one, other, rows));
                    }
                }
            }
            let Some((one, other, _)) = best else { return };
            let part = parts.swap_remove(one);
            parts[other] |= part;
        }
    }

    fn consider(&mut self, one: Inputs, other: Inputs) {
        let (Some(left), Some(right)) = (self.found.get(&one), self.found.get(&other)) else {
            return;
        };
        let Some(share) = self.share(one, other, left.rows, right.rows) else {
            return;
        };
        let known = self.found.get(&(one | other));
        // Whatever the order, the rows are the same: the first guess stands.
        let rows = known.map_or((left.rows * right.rows * share).max(1.0), |known| {
            known.rows
        });
        let (build, probe) = match left.rows <= right.rows {
            true => (left, right),
            false => (right, left),
        };
        let own = BUILD * build.rows + PROBE * probe.rows + GIVE * rows;
        let cost = left.cost + right.cost + own;
        if known.is_none_or(|known| cost < known.cost) {
            let tree = Tree::Join(Arc::new((build.tree.clone(), probe.tree.clone())));
            self.found.insert(one | other, Found { tree, rows, cost });
        }
    }

    /// The share of pairs of rows that match; none where no column of the one must equal one of the other.
    fn share(&self, one: Inputs, other: Inputs, one_rows: f64, other_rows: f64) -> Option<f64> {
        let column = |place: &Place| self.estimates[place.input].columns[place.column];
        let first = |class: &[Place], inputs| {
            let mut own = class
                .iter()
                .filter(|place| place.inputs() & inputs != 0)
                .map(column);
            let first = own.next()?;
            // Where more columns are equal already, the smallest number of values is left.
            Some(
                own.fold(first, |least, next| match next.distinct < least.distinct {
                    true => next,
                    false => least,
                }),
            )
        };
        let keys: Vec<_> = self
            .graph
            .classes
            .iter()
            .filter_map(|class| first(class, one).zip(first(class, other)))
            .collect();
        if keys.is_empty() {
            return None;
        }
        let conditions = self
            .graph
            .conditions
            .iter()
            .filter(|condition| crosses(condition.inputs(), one, other));
        let by_conditions = CONDITION.powi(conditions.count() as i32);
        Some(share_of_pairs(&keys, one_rows, other_rows) * by_conditions)
    }
}

/// What a condition on several inputs lets pass.
const CONDITION: f64 = 0.3;

/// Whether both parts together have what neither has alone.
fn crosses(needed: Inputs, one: Inputs, other: Inputs) -> bool {
    needed & !(one | other) == 0 && needed & !one != 0 && needed & !other != 0
}

/// A plan for some inputs, and what its columns are.
struct Made {
    plan: Arc<dyn ExecutionPlan>,
    columns: Vec<Place>,
}

impl Made {
    fn position(&self, place: Place) -> Result<usize> {
        let position = self.columns.iter().position(|column| *column == place);
        position.ok_or_else(|| Error::bug("a join lost a column that is needed"))
    }
}

struct Rebuild<'a> {
    graph: &'a JoinGraph,
}

impl Rebuild<'_> {
    fn joins(&self, tree: &Tree) -> Result<Made> {
        let (left, right) = match tree {
            Tree::Input(input) => {
                let plan = Arc::clone(&self.graph.inputs[*input]);
                let columns = 0..plan.schema().fields().len();
                let columns = columns
                    .map(|column| Place {
                        input: *input,
                        column,
                    })
                    .collect();
                return Ok(Made { plan, columns });
            }
            Tree::Join(sides) => (&sides.0, &sides.1),
        };
        let (one, other) = (left.inputs(), right.inputs());
        let (left, right) = (self.joins(left)?, self.joins(right)?);
        let mut on = Vec::new();
        for class in &self.graph.classes {
            let of = |inputs: Inputs| class.iter().find(|place| place.inputs() & inputs != 0);
            if let (Some(build), Some(probe)) = (of(one), of(other)) {
                let key = |made: &Made, place: Place| {
                    let index = made.position(place)?;
                    let name = made.plan.schema().field(index).name().clone();
                    Ok::<_, Error>(Arc::new(Column::new(&name, index)) as _)
                };
                on.push((key(&left, *build)?, key(&right, *probe)?));
            }
        }
        let all = left.columns.iter().chain(&right.columns);
        let wanted = self.wanted(one | other);
        let (kept, columns): (Vec<usize>, Vec<Place>) = match one | other == self.all() {
            true => {
                let all: Vec<Place> = all.copied().collect();
                let place = |column: &Place| Some((all.iter().position(|c| c == column)?, *column));
                self.graph.output.iter().filter_map(place).unzip()
            }
            false => all
                .copied()
                .enumerate()
                .filter(|(_, column)| wanted(*column))
                .unzip(),
        };
        let filter = self.filter(&left, &right, one, other)?;
        let join = HashJoinExecBuilder::new(left.plan, right.plan, on, JoinType::Inner)
            .with_filter(filter)
            .with_projection(Some(kept))
            .with_partition_mode(PartitionMode::CollectLeft)
            .build()?;
        Ok(Made {
            plan: Arc::new(join),
            columns,
        })
    }

    fn all(&self) -> Inputs {
        (1 << self.graph.inputs.len()) - 1
    }

    /// Whether a column is read above the join of `inputs`.
    fn wanted(&self, inputs: Inputs) -> impl Fn(Place) -> bool {
        move |column| {
            let in_conditions = self.graph.conditions.iter().any(|condition| {
                condition.inputs() & !inputs != 0 && condition.places.contains(&column)
            });
            // Any column of a class stands for the others; the first that is here is used.
            let in_classes = self.graph.classes.iter().any(|class| {
                let mut here = class.iter().filter(|place| place.inputs() & inputs != 0);
                let above = class.iter().any(|place| place.inputs() & inputs == 0);
                above && here.next() == Some(&column)
            });
            in_conditions || in_classes || self.graph.output.contains(&column)
        }
    }

    /// The conditions that can be asked for the first time.
    fn filter(
        &self,
        left: &Made,
        right: &Made,
        one: Inputs,
        other: Inputs,
    ) -> Result<Option<JoinFilter>> {
        let (mut columns, mut fields, mut all) = (Vec::new(), Vec::new(), Vec::new());
        for condition in &self.graph.conditions {
            if !crosses(condition.inputs(), one, other) {
                continue;
            }
            let first = columns.len();
            for place in &condition.places {
                let (made, side) = match place.inputs() & one != 0 {
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
}

#[cfg(test)]
mod tests;
