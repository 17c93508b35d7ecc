//! Which parts of a durable table a query reads: its scans, with the conditions that reach them.

use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::datasource::source_as_provider;
use datafusion::execution::SessionState;
use datafusion::logical_expr::expr_rewriter::unnormalize_cols;
use datafusion::logical_expr::{Expr, LogicalPlan};

use super::readers;
use crate::catalog::durable::SnapshotTable;
use crate::error::Result;
use crate::plan::BoundQuery;

/// A scan of the table and what holds for all rows that are read of it.
pub(crate) type Look = (Arc<dyn TableProvider>, Vec<Expr>);

/// The scans of the table that is called so, at its newest version.
pub(crate) fn looks(query: &BoundQuery, state: &SessionState, table: &str) -> Result<Vec<Look>> {
    let mut looks = Vec::new();
    for plan in readers(query, state)?.plans {
        plan.apply_with_subqueries(|node| {
            if let LogicalPlan::TableScan(scan) = node {
                let provider = source_as_provider(&scan.source)?;
                let own = provider.downcast_ref::<SnapshotTable>();
                if own.is_some_and(|own| own.table.name == table && !own.fixed) {
                    looks.push((provider, unnormalize_cols(scan.filters.clone())));
                }
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    Ok(looks)
}
