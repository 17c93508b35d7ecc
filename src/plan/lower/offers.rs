//! What the running query learns, on its way down to the scans that may leave out rows for it.
//!
//! A join that drops probe rows without partner offers its build side's keys, a top-k its last key so far. Lowering goes from
//! the top to the scans, and each node says which of its input's columns an offered column is, if leaving out input rows by
//! their values there leaves out no more than the output rows with these values.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrow::datatypes::DataType;
use datafusion::common::{JoinSide, JoinType, ScalarValue};
use datafusion::logical_expr::Operator;
use datafusion::physical_expr::expressions::{BinaryExpr, Column, Literal};
use datafusion::physical_expr::window::WindowExpr;
use datafusion::physical_expr::{PhysicalExpr, split_conjunction};
use datafusion::physical_plan::aggregates::{AggregateExec, AggregateMode};
use datafusion::physical_plan::joins::JoinOnRef;
use datafusion::physical_plan::joins::utils::ColumnIndex;
use datafusion::physical_plan::projection::ProjectionExec;

use crate::exec::expr::can_fail;
use crate::exec::graph::{SinkId, Stream};
use crate::file::RuntimeFilter;

/// Rows whose values in some columns do not pass are of no use.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    /// The filter's keys, as columns of the node in hand.
    keys: Vec<usize>,
    filter: Arc<dyn RuntimeFilter>,
    /// The sink that tells the filter all it will know; none where it learns as it goes.
    after: Option<SinkId>,
    /// Whether any scan took it.
    taken: Arc<AtomicBool>,
    /// What is offered in its stead where not all keys have a column: less, of one key each.
    parts: Vec<Offer>,
}

impl Offer {
    pub(crate) fn new(
        keys: Vec<usize>,
        filter: Arc<dyn RuntimeFilter>,
        after: Option<SinkId>,
        taken: Arc<AtomicBool>,
    ) -> Self {
        Offer {
            keys,
            filter,
            after,
            taken,
            parts: Vec::new(),
        }
    }

    #[must_use]
    pub(crate) fn with_parts(self, parts: Vec<Offer>) -> Self {
        Offer { parts, ..self }
    }

    /// The offer with its keys in other columns, or the parts of it whose key has one.
    fn through(&self, column: &impl Fn(usize) -> Option<usize>) -> Vec<Offer> {
        let parts = self.parts.iter().flat_map(|part| part.through(column));
        let keys = self.keys.iter().map(|key| column(*key));
        match keys.collect::<Option<_>>() {
            None => parts.collect(),
            Some(keys) => vec![Offer {
                keys,
                parts: parts.collect(),
                ..self.clone()
            }],
        }
    }
}

/// All that is offered to a node.
#[derive(Debug, Clone, Default)]
pub(crate) struct Offers {
    learned: Vec<Offer>,
    /// Rows with more than this in the column are of no use.
    at_most: Vec<(usize, u64)>,
}

impl Offers {
    #[must_use]
    pub(crate) fn and(mut self, offers: impl IntoIterator<Item = Offer>) -> Self {
        self.learned.extend(offers);
        self
    }

    /// What a condition on rows says of the largest numbers that are of use.
    #[must_use]
    pub(crate) fn and_at_most_of(mut self, condition: &Arc<dyn PhysicalExpr>) -> Self {
        // A part that can fail must meet the rows that reach it.
        let parts = split_conjunction(condition).into_iter();
        let parts = parts.take_while(|part| !can_fail(part));
        self.at_most.extend(parts.filter_map(at_most));
        self
    }

    /// Whether anything is offered that the running query learns.
    pub(crate) fn are_learned(&self) -> bool {
        !self.learned.is_empty()
    }

    /// The largest number in the column that is of use, where that is known.
    pub(crate) fn at_most(&self, column: usize) -> Option<u64> {
        let limits = self.at_most.iter();
        limits
            .filter(|(limited, _)| *limited == column)
            .map(|(_, most)| *most)
            .min()
    }

    /// The columns that filters are asked about.
    pub(crate) fn keys(&self) -> BTreeSet<usize> {
        let keys = self.learned.iter().flat_map(|offer| &offer.keys);
        keys.copied().collect()
    }

    /// What of it goes on to the input; `column` says where a column comes from.
    pub(crate) fn through(&self, column: impl Fn(usize) -> Option<usize>) -> Self {
        let learned = self.learned.iter();
        let learned = learned.flat_map(|offer| offer.through(&column));
        let limits = self.at_most.iter();
        let limits = limits.filter_map(|(limited, most)| Some((column(*limited)?, *most)));
        Offers {
            learned: learned.collect(),
            at_most: limits.collect(),
        }
    }

    /// All of it, where nothing counts the rows.
    pub(crate) fn unless(&self, counted: bool) -> Self {
        if counted {
            Offers::default()
        } else {
            self.clone()
        }
    }

    /// Hands it to the stream's sources. Those that take an offer start when it is known.
    #[must_use]
    pub(crate) fn hand_over(self, mut stream: Stream) -> Stream {
        for offer in self.learned {
            for branch in &mut stream.branches {
                if branch.source.offer(&offer.keys, &offer.filter) {
                    offer.taken.store(true, Ordering::Relaxed);
                    branch.after.extend(offer.after);
                }
            }
        }
        stream
    }

    pub(crate) fn through_projection(&self, projection: &ProjectionExec) -> Self {
        self.through(|column| column_of(&projection.expr().get(column)?.expr))
    }

    /// Rows of a group are left out together.
    pub(crate) fn through_aggregate(&self, aggregate: &AggregateExec) -> Self {
        let groups = aggregate.group_expr();
        if *aggregate.mode() != AggregateMode::Single || !groups.is_single() {
            return Offers::default();
        }
        self.unless(aggregate.limit_options().is_some())
            .through(|column| column_of(&groups.expr().get(column)?.0))
    }

    /// Rows of a window's partition are left out together.
    pub(crate) fn through_window(&self, exprs: &[Arc<dyn WindowExpr>]) -> Self {
        let is_key = |column: usize| {
            exprs.iter().all(|expr| {
                let mut keys = expr.partition_by().iter();
                keys.any(|key| column_of(key) == Some(column))
            })
        };
        self.through(|column| is_key(column).then_some(column))
    }

    /// What of it goes on to one side of a join whose output has `columns`. Where the sides' keys are equal in every row that
    /// counts, a key of the one is offered to the other.
    pub(crate) fn through_join(
        &self,
        side: JoinSide,
        kind: JoinType,
        columns: &[ColumnIndex],
        on: JoinOnRef<'_>,
    ) -> Self {
        use JoinType::{
            Full, Inner, Left, LeftAnti, LeftMark, LeftSemi, Right, RightAnti, RightMark, RightSemi,
        };
        // The side whose rows decide alone which rows come out; for an inner join, both.
        let decides = |side| match kind {
            Inner => side != JoinSide::None,
            Left | LeftSemi | LeftAnti | LeftMark => side == JoinSide::Left,
            Right | RightSemi | RightAnti | RightMark => side == JoinSide::Right,
            Full => false,
        };
        self.through(|column| {
            let from = columns.get(column)?;
            if !decides(from.side) {
                return None;
            }
            if from.side == side {
                return Some(from.index);
            }
            on.iter().find_map(|(left, right)| match side {
                JoinSide::Left if column_of(right)? == from.index => column_of(left),
                JoinSide::Right if column_of(left)? == from.index => column_of(right),
                _ => None,
            })
        })
    }
}

/// A condition that a column is no more than a number.
fn at_most(part: &Arc<dyn PhysicalExpr>) -> Option<(usize, u64)> {
    let binary = part.downcast_ref::<BinaryExpr>()?;
    let (column, op, value) = match binary.right().downcast_ref::<Literal>() {
        Some(value) => (binary.left(), *binary.op(), value),
        None => {
            let value = binary.left().downcast_ref::<Literal>()?;
            (binary.right(), binary.op().swap()?, value)
        }
    };
    let (column, value) = (column_of(column)?, value.value());
    if !value.data_type().is_integer() {
        return None;
    }
    let ScalarValue::Int64(Some(value)) = value.cast_to(&DataType::Int64).ok()? else {
        return None;
    };
    let most = match op {
        Operator::Lt => value.saturating_sub(1),
        Operator::LtEq | Operator::Eq => value,
        _ => return None,
    };
    Some((column, u64::try_from(most).unwrap_or(0)))
}

/// The column that the expression is, unchanged.
pub(crate) fn column_of(expr: &Arc<dyn PhysicalExpr>) -> Option<usize> {
    Some(expr.downcast_ref::<Column>()?.index())
}
