//! Aggregates that a plan has twice, as it does where a name bound by WITH is read twice: they become one [`RepeatedExec`].
//!
//! Two plans are the same if their nodes are and read the same files; names of columns do not count. Only aggregates are shared:
//! their rows are few, so that keeping them costs little.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use arrow::array::ArrayRef;
use datafusion::datasource::memory::MemorySourceConfig;
use datafusion::datasource::source::{DataSource, DataSourceExec};
use datafusion::physical_expr::aggregate::AggregateFunctionExpr;
use datafusion::physical_expr::expressions::Column;
use datafusion::physical_expr::{PhysicalExpr, ScalarFunctionExpr};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::aggregates::AggregateExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::{ChildrenPropertiesMode, ReplaceChildrenOptions};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::joins::HashJoinExec;
use datafusion::physical_plan::projection::{ProjectionExec, ProjectionExpr};

use crate::catalog::scan::TableScanExec;
use crate::error::Result;
use crate::plan::repeated::RepeatedExec;

/// The plan with equal aggregates shared.
pub(super) fn compute_once(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let mut groups = Groups::default();
    find(&plan, &mut groups);
    let mut groups = groups.all;
    groups.retain(|group| group.places.len() > 1);
    if groups.is_empty() {
        return Ok(plan);
    }
    let groups: Vec<(Arc<RepeatedExec>, Same)> = groups
        .into_iter()
        .map(|group| {
            (
                Arc::new(RepeatedExec::new(Arc::clone(&group.places[0]))),
                group,
            )
        })
        .collect();
    put(&plan, &groups)
}

/// Plans that give the same rows.
struct Same {
    places: Vec<Arc<dyn ExecutionPlan>>,
}

/// The groups, and which of them have a shape.
#[derive(Default)]
struct Groups {
    all: Vec<Same>,
    of_shape: HashMap<u64, Vec<usize>>,
    shapes: HashMap<*const (), u64>,
}

impl Groups {
    /// What plans that give the same rows have in common, as one number: each node is looked at once, while comparing every two
    /// aggregates of a plan would look at it as often as there are aggregates.
    fn shape(&mut self, plan: &Arc<dyn ExecutionPlan>) -> u64 {
        let address = Arc::as_ptr(plan).cast::<()>();
        if let Some(known) = self.shapes.get(&address) {
            return *known;
        }
        let mut hasher = DefaultHasher::new();
        plan.name().hash(&mut hasher);
        for field in plan.schema().fields() {
            (field.data_type(), field.is_nullable()).hash(&mut hasher);
        }
        for child in plan.children() {
            self.shape(child).hash(&mut hasher);
        }
        let shape = hasher.finish();
        self.shapes.insert(address, shape);
        shape
    }
}

/// Finds aggregates from the top down: what lies below one that is there twice goes with it.
fn find(plan: &Arc<dyn ExecutionPlan>, groups: &mut Groups) {
    if plan.is::<AggregateExec>() {
        let shape = groups.shape(plan);
        let Groups { all, of_shape, .. } = groups;
        let alike = of_shape.entry(shape).or_default();
        let mut indexes = alike.iter().copied();
        if let Some(known) = indexes.find(|index| same(&all[*index].places[0], plan)) {
            all[known].places.push(Arc::clone(plan));
            return;
        }
        alike.push(all.len());
        all.push(Same {
            places: vec![Arc::clone(plan)],
        });
    }
    for child in plan.children() {
        find(child, groups);
    }
}

fn put(
    plan: &Arc<dyn ExecutionPlan>,
    groups: &[(Arc<RepeatedExec>, Same)],
) -> Result<Arc<dyn ExecutionPlan>> {
    let is_here = |group: &Same| group.places.iter().any(|place| Arc::ptr_eq(place, plan));
    if let Some((shared, _)) = groups.iter().find(|(_, group)| is_here(group)) {
        return named_as(plan, Arc::clone(shared) as Arc<dyn ExecutionPlan>);
    }
    let children = plan.children();
    let changed = children
        .iter()
        .map(|child| put(child, groups))
        .collect::<Result<Vec<_>>>()?;
    let mut both = children.iter().zip(&changed);
    if both.all(|(old, new)| Arc::ptr_eq(old, new)) {
        return Ok(Arc::clone(plan));
    }
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
    Ok(Arc::clone(plan).replace_children(changed, options)?)
}

/// The columns of `given` with the names that `plan` has for them.
fn named_as(
    plan: &Arc<dyn ExecutionPlan>,
    given: Arc<dyn ExecutionPlan>,
) -> Result<Arc<dyn ExecutionPlan>> {
    if plan.schema() == given.schema() {
        return Ok(given);
    }
    let from = given.schema();
    let names = plan.schema();
    let exprs = names
        .fields()
        .iter()
        .enumerate()
        .map(|(index, field)| ProjectionExpr {
            expr: Arc::new(Column::new(from.field(index).name(), index)),
            alias: field.name().clone(),
        });
    let exprs: Vec<ProjectionExpr> = exprs.collect();
    Ok(Arc::new(ProjectionExec::try_new(exprs, given)?))
}

/// Whether both certainly give the same rows.
fn same(one: &Arc<dyn ExecutionPlan>, other: &Arc<dyn ExecutionPlan>) -> bool {
    if Arc::ptr_eq(one, other) {
        return true;
    }
    same_node(one, other).unwrap_or(false) && same_types(one, other) && {
        let (ours, theirs) = (one.children(), other.children());
        ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(one, other)| same(one, other))
    }
}

fn same_types(one: &Arc<dyn ExecutionPlan>, other: &Arc<dyn ExecutionPlan>) -> bool {
    let (one, other) = (one.schema(), other.schema());
    let mut fields = one.fields().iter().zip(other.fields());
    one.fields().len() == other.fields().len()
        && fields.all(|(one, other)| {
            one.data_type() == other.data_type() && one.is_nullable() == other.is_nullable()
        })
}

/// The same for the nodes without what is below them; `None` where they are of two kinds or of one that is not known here.
fn same_node(one: &Arc<dyn ExecutionPlan>, other: &Arc<dyn ExecutionPlan>) -> Option<bool> {
    if let Some(one) = one.downcast_ref::<TableScanExec>() {
        let other = other.downcast_ref::<TableScanExec>()?;
        let conditions = [one.predicate(), other.predicate()];
        return Some(
            one.reads_what(other)
                && one.projection() == other.projection()
                && same_optional(conditions[0], conditions[1]),
        );
    }
    if one.is::<CooperativeExec>() {
        // It only gives others their turn.
        return Some(other.is::<CooperativeExec>());
    }
    if let Some(one) = in_memory(one) {
        return Some(same_memory(one, in_memory(other)?));
    }
    if let Some(one) = one.downcast_ref::<FilterExec>() {
        let other = other.downcast_ref::<FilterExec>()?;
        return Some(
            one.fetch().is_none()
                && other.fetch().is_none()
                && one.projection() == other.projection()
                && same_expr(one.predicate(), other.predicate()),
        );
    }
    if let Some(one) = one.downcast_ref::<ProjectionExec>() {
        let other = other.downcast_ref::<ProjectionExec>()?;
        let exprs = |plan: &ProjectionExec| -> Vec<Arc<dyn PhysicalExpr>> {
            let exprs = plan.expr().iter();
            exprs.map(|projected| Arc::clone(&projected.expr)).collect()
        };
        return Some(same_exprs(&exprs(one), &exprs(other)));
    }
    if let Some(one) = one.downcast_ref::<AggregateExec>() {
        return Some(same_aggregate(one, other.downcast_ref::<AggregateExec>()?));
    }
    if let Some(one) = one.downcast_ref::<HashJoinExec>() {
        return Some(same_join(one, other.downcast_ref::<HashJoinExec>()?));
    }
    None
}

fn in_memory(plan: &Arc<dyn ExecutionPlan>) -> Option<&MemorySourceConfig> {
    let scan = plan.downcast_ref::<DataSourceExec>()?;
    scan.data_source().downcast_ref::<MemorySourceConfig>()
}

/// Whether both are the same columns in memory, not equal ones.
fn same_memory(one: &MemorySourceConfig, other: &MemorySourceConfig) -> bool {
    let columns = |memory: &MemorySourceConfig| -> Vec<ArrayRef> {
        let batches = memory.partitions().iter().flatten();
        batches.flat_map(|batch| batch.columns().to_vec()).collect()
    };
    let (ours, theirs) = (columns(one), columns(other));
    let mut both = ours.iter().zip(&theirs);
    !ours.is_empty()
        && ours.len() == theirs.len()
        && both.all(|(one, other)| Arc::ptr_eq(one, other))
        && one.projection() == other.projection()
        && one.fetch().is_none()
        && other.fetch().is_none()
}

fn same_aggregate(one: &AggregateExec, other: &AggregateExec) -> bool {
    let keys = |plan: &AggregateExec| -> Vec<Arc<dyn PhysicalExpr>> {
        let keys = plan.group_expr().expr().iter();
        keys.map(|(key, _)| Arc::clone(key)).collect()
    };
    let plain = |plan: &AggregateExec| {
        let groups = plan.group_expr();
        plan.limit_options().is_none() && (groups.is_single() || groups.expr().is_empty())
    };
    let (ours, theirs) = (one.aggr_expr(), other.aggr_expr());
    let (our_filters, their_filters) = (one.filter_expr(), other.filter_expr());
    one.mode() == other.mode()
        && plain(one)
        && plain(other)
        && same_exprs(&keys(one), &keys(other))
        && ours.len() == theirs.len()
        && ours
            .iter()
            .zip(theirs)
            .all(|(one, other)| same_function(one, other))
        && our_filters.len() == their_filters.len()
        && our_filters
            .iter()
            .zip(their_filters)
            .all(|(one, other)| same_optional(one.as_ref(), other.as_ref()))
}

fn same_function(one: &AggregateFunctionExpr, other: &AggregateFunctionExpr) -> bool {
    one.fun() == other.fun()
        && one.is_distinct() == other.is_distinct()
        && one.ignore_nulls() == other.ignore_nulls()
        && one.order_bys().is_empty()
        && other.order_bys().is_empty()
        && same_exprs(&one.expressions(), &other.expressions())
}

fn same_join(one: &HashJoinExec, other: &HashJoinExec) -> bool {
    let keys = |join: &HashJoinExec| -> Vec<Arc<dyn PhysicalExpr>> {
        let on = join.on().iter();
        on.flat_map(|(left, right)| [Arc::clone(left), Arc::clone(right)])
            .collect()
    };
    let filters = match (one.filter(), other.filter()) {
        (None, None) => true,
        (Some(one), Some(other)) => {
            one.column_indices() == other.column_indices()
                && same_expr(one.expression(), other.expression())
        }
        _ => false,
    };
    filters
        && one.join_type() == other.join_type()
        && one.null_equality() == other.null_equality()
        && one.null_aware == other.null_aware
        && one.projection == other.projection
        && one.fetch().is_none()
        && other.fetch().is_none()
        && same_exprs(&keys(one), &keys(other))
}

fn same_optional(
    one: Option<&Arc<dyn PhysicalExpr>>,
    other: Option<&Arc<dyn PhysicalExpr>>,
) -> bool {
    match (one, other) {
        (None, None) => true,
        (Some(one), Some(other)) => same_expr(one, other),
        _ => false,
    }
}

fn same_exprs(one: &[Arc<dyn PhysicalExpr>], other: &[Arc<dyn PhysicalExpr>]) -> bool {
    let mut both = one.iter().zip(other);
    one.len() == other.len() && both.all(|(one, other)| same_expr(one, other))
}

fn same_expr(one: &Arc<dyn PhysicalExpr>, other: &Arc<dyn PhysicalExpr>) -> bool {
    if let Some(one) = one.downcast_ref::<Column>() {
        let other = other.downcast_ref::<Column>();
        return other.is_some_and(|other| one.index() == other.index());
    }
    let (ours, theirs) = (one.children(), other.children());
    let mut both = ours.iter().zip(&theirs);
    !one.is_volatile_node()
        && ours.len() == theirs.len()
        && both.all(|(one, other)| same_expr(one, other))
        && same_outside(one, other)
}

/// The same without what they are applied to.
fn same_outside(one: &Arc<dyn PhysicalExpr>, other: &Arc<dyn PhysicalExpr>) -> bool {
    if let Some(one) = one.downcast_ref::<ScalarFunctionExpr>() {
        // Its name has those of its arguments in it.
        let other = other.downcast_ref::<ScalarFunctionExpr>();
        return other.is_some_and(|other| {
            one.fun() == other.fun() && one.return_type() == other.return_type()
        });
    }
    let empty = |expr: &Arc<dyn PhysicalExpr>| {
        let inside = expr.children().into_iter().enumerate();
        let inside =
            inside.map(|(place, _)| Arc::new(Column::new("", place)) as Arc<dyn PhysicalExpr>);
        Arc::clone(expr).with_new_children(inside.collect())
    };
    match (empty(one), empty(other)) {
        (Ok(one), Ok(other)) => one.eq(&other),
        _ => false,
    }
}
