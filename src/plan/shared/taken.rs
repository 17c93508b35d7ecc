//! What the readers of a shared table take of it.

use std::collections::BTreeSet;

use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, Result};
use datafusion::datasource::source_as_provider;
use datafusion::logical_expr::utils::conjunction;
use datafusion::logical_expr::{Expr, Filter, LogicalPlan, Projection, TableScan};
use std::sync::Arc;

use super::node::SharedKey;
use super::table::SharedTable;
use crate::plan::places::can_fail;

/// The table's plan with the columns and rows that some reader takes, and which columns these are; `None` where nobody reads it
/// any more. `readers` are optimized.
pub(crate) fn taken<'p>(
    table: &SharedTable,
    readers: impl IntoIterator<Item = &'p LogicalPlan>,
) -> Result<Option<(LogicalPlan, Vec<usize>)>> {
    let mut columns = BTreeSet::new();
    let mut conditions: Vec<Option<Expr>> = Vec::new();
    for reader in readers {
        reader.apply_with_subqueries(|node| {
            if let LogicalPlan::TableScan(scan) = node
                && is_scan_of(scan, table.key())?
            {
                match &scan.projection {
                    Some(projection) => columns.extend(projection.iter().copied()),
                    None => columns.extend(0..scan.source.schema().fields().len()),
                }
                let filters = scan.filters.iter().cloned().map(unqualified);
                conditions.push(conjunction(filters.collect::<Result<Vec<_>>>()?));
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    if conditions.is_empty() {
        return Ok(None);
    }
    if columns.is_empty() {
        // Rows that are only counted have one column all the same.
        columns.insert(0);
    }
    let columns: Vec<usize> = columns.into_iter().collect();
    let mut plan = table.plan().clone();
    let conditions: Option<Vec<Expr>> = conditions.into_iter().collect();
    if let Some(any) = conditions.and_then(|all| all.into_iter().reduce(Expr::or)) {
        plan = LogicalPlan::Filter(Filter::try_new(any, Arc::new(plan))?);
    }
    let schema = Arc::clone(plan.schema());
    if columns.len() < schema.fields().len() {
        let kept = columns
            .iter()
            .map(|column| Expr::Column(Column::new_unqualified(schema.field(*column).name())));
        plan = LogicalPlan::Projection(Projection::try_new(kept.collect(), Arc::new(plan))?);
    }
    Ok(Some((plan, columns)))
}

fn is_scan_of(scan: &TableScan, key: &SharedKey) -> Result<bool> {
    let provider = source_as_provider(&scan.source)?;
    let table = provider.downcast_ref::<SharedTable>();
    Ok(table.is_some_and(|table| table.key() == key))
}

/// A condition of a reader over the table's own columns.
fn unqualified(condition: Expr) -> Result<Expr> {
    let own = |part: Expr| match part {
        Expr::Column(column) => {
            let column = Column::new_unqualified(column.name);
            Ok(Transformed::yes(Expr::Column(column)))
        }
        other => Ok(Transformed::no(other)),
    };
    condition.transform_up(own).data()
}

/// Whether a reader's condition can be asked of every row, other readers' too: it cannot fail and says the same each time.
pub(super) fn is_harmless(condition: &Expr) -> bool {
    let harmful = condition.exists(|part| {
        let other = matches!(
            part,
            Expr::ScalarSubquery(_)
                | Expr::Exists(_)
                | Expr::InSubquery(_)
                | Expr::SetComparison(_)
                | Expr::OuterReferenceColumn(..)
                | Expr::Placeholder(_)
        );
        Ok(other || can_fail(part))
    });
    matches!(harmful, Ok(false)) && !condition.is_volatile()
}
