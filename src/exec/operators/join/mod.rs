//! Joins: one design for every type of join, with keys or without.
//!
//! The build side (left) ends in a [`BuildSink`], which keeps the columns that are needed later ([`rows`]), encodes the keys
//! ([`encode`], [`keys`]) and indexes them ([`index`], [`hash`]); the result is one [`JoinTable`] in a slot. The probe side (right) streams through a
//! [`Probe`] operator: it looks up each batch's keys, walks the pairs of rows that may match in pieces of about one batch
//! ([`candidates`]), lets the residual filter decide, and gathers the output ([`output`]). Build rows whose fate is only known
//! when the last probe row was seen come from an [`UnmatchedSource`].
//!
//! Before that, the scan below the probe side may ask which keys can find a partner at all ([`key_filter`]), of a set that is
//! small enough for the cache ([`members`], [`bloom`]).
//!
//! A nested-loop or cross join is the same without keys: every build row is a candidate for every probe row.

mod bloom;
mod build;
mod candidates;
mod encode;
mod fetch;
mod hash;
mod index;
mod key_filter;
mod keys;
mod members;
mod output;
mod probe;
mod rows;
mod spilled;
mod table;
mod unmatched;

use std::sync::{Arc, OnceLock};

use datafusion::common::{JoinType, NullEquality};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_expr_common::physical_expr::fmt_sql;

pub(crate) use build::BuildSink;
pub(crate) use fetch::Fetch;
pub(crate) use key_filter::{Asked, KeyFilter};
pub(crate) use output::{Column, OutputColumns, PairFilter};
pub(crate) use probe::Probe;
pub(crate) use spilled::{SpillJoin, SpilledSource, SpillingBuild, SpillingProbe};
pub(crate) use table::JoinTable;
pub(crate) use unmatched::UnmatchedSource;

/// Where the build side's result lies for those who wait for it.
pub(crate) type TableSlot = Arc<OnceLock<JoinTable>>;

/// One join, as the plan wants it.
#[derive(Debug, Clone)]
pub(crate) struct JoinSpec {
    pub(crate) kind: JoinType,
    /// Key expressions, one for each key, over the inputs of either side. None: every pair is a candidate.
    pub(crate) build_keys: Vec<Arc<dyn PhysicalExpr>>,
    pub(crate) probe_keys: Vec<Arc<dyn PhysicalExpr>>,
    pub(crate) null_equality: NullEquality,
    /// `NOT IN`: a NULL among the probe keys means that nothing is certainly absent.
    pub(crate) null_aware: bool,
    /// Decides which candidates match. [`Column::Build`] counts in `build_columns`.
    pub(crate) filter: Option<PairFilter>,
    /// Columns of the build input that are kept: what `output` and `filter` read.
    pub(crate) build_columns: Vec<usize>,
    /// [`Column::Build`] counts in `build_columns`.
    pub(crate) output: OutputColumns,
}

impl JoinSpec {
    /// Whether some output is only known when every probe row was seen.
    pub(crate) fn ends_with_build_rows(&self) -> bool {
        use JoinType::{Full, Left, LeftAnti, LeftMark, LeftSemi};
        matches!(self.kind, Left | Full | LeftSemi | LeftAnti | LeftMark)
    }

    /// Whether a probe row without partner is of no use, so that an empty build side ends the join.
    fn needs_build_rows(&self) -> bool {
        use JoinType::{Inner, Left, LeftAnti, LeftMark, LeftSemi, RightSemi};
        matches!(
            self.kind,
            Inner | Left | LeftSemi | LeftAnti | LeftMark | RightSemi
        )
    }

    fn describe(&self) -> String {
        let keys: Vec<String> = self
            .build_keys
            .iter()
            .zip(&self.probe_keys)
            .map(|(build, probe)| {
                format!("{} = {}", fmt_sql(build.as_ref()), fmt_sql(probe.as_ref()))
            })
            .collect();
        let filter = self
            .filter
            .as_ref()
            .map(|filter| format!(" where {}", fmt_sql(filter.expression.as_ref())))
            .unwrap_or_default();
        let how = if keys.is_empty() {
            "nested loop"
        } else {
            "hash"
        };
        let on = if keys.is_empty() {
            String::new()
        } else {
            format!(" on {}", keys.join(", "))
        };
        format!("{how} join ({}){on}{filter}", self.kind)
    }
}
