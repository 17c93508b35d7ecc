//! Where a statement looked in the table that it changes: what others add there meanwhile, they add where this one has decided.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use datafusion::catalog::TableProvider;
use datafusion::execution::SessionState;
use datafusion::logical_expr::Expr;

use super::{Engine, planning};
use crate::catalog::durable::SnapshotTable;
use crate::error::Result;
use crate::plan::BoundQuery;
use crate::plan::optimize::{Look, looks};
use crate::table::action::{Add, Tags};
use crate::table::database::DurableTable;
use crate::table::layout::Overwritten;

/// Scans of a table with their conditions, and partitions that were looked at whole.
#[derive(Default)]
pub(super) struct ReadSet {
    state: Option<SessionState>,
    looks: Vec<(Arc<dyn TableProvider>, Vec<Expr>)>,
    partitions: Option<(Overwritten, BTreeSet<Tags>)>,
}

impl fmt::Debug for ReadSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} looks, {:?}", self.looks.len(), self.partitions)
    }
}

impl ReadSet {
    /// What the queries read of the table.
    pub(super) fn of<'q>(
        engine: &Engine,
        table: &DurableTable,
        queries: impl IntoIterator<Item = &'q BoundQuery>,
    ) -> Result<Self> {
        let state = &engine.0.state;
        let mut set = ReadSet::default();
        for query in queries {
            let found: Vec<Look> = planning::on_planner_stack(|| looks(query, state, &table.name))?;
            set.looks.extend(found);
        }
        set.state = (!set.looks.is_empty()).then(|| state.clone());
        Ok(set)
    }

    /// Looks at what another step looked at too.
    pub(super) fn extend(&mut self, other: ReadSet) {
        self.state = self.state.take().or(other.state);
        self.looks.extend(other.looks);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.looks.is_empty()
    }

    /// The partitions that an overwrite replaces.
    pub(super) fn and_partitions(&mut self, overwritten: Overwritten, new: BTreeSet<Tags>) {
        self.partitions = Some((overwritten, new));
    }

    /// Whether the statement would have read the segment.
    pub(super) fn holds(&self, add: &Add) -> bool {
        let overwritten = self.partitions.as_ref().is_some_and(|(overwritten, new)| {
            overwritten.holds(&add.partition_values, &new.iter().collect())
        });
        let looked = |(provider, filters): &Look| {
            let table = provider
                .downcast_ref::<SnapshotTable>()
                .zip(self.state.as_ref());
            table.is_none_or(|(table, state)| table.would_read(state, filters, add))
        };
        overwritten || self.looks.iter().any(looked)
    }
}
