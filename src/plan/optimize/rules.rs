//! DataFusion's optimizer rules, and what stands between them.

use std::sync::Arc;

use datafusion::common::JoinType;
use datafusion::common::tree_node::{Transformed, TreeNodeRecursion};
use datafusion::error::Result;
use datafusion::logical_expr::LogicalPlan;
use datafusion::optimizer::optimizer::Optimizer;
use datafusion::optimizer::{OptimizerConfig, OptimizerRule};

use super::fence::Fence;
use super::null_safe::KeysOfEquality;

type Rule = Arc<dyn OptimizerRule + Send + Sync>;

/// The rules of a session, in their order.
pub(super) fn rules() -> Vec<Rule> {
    let rules = Optimizer::new().rules.into_iter();
    rules.flat_map(guarded).collect()
}

fn guarded(rule: Rule) -> Vec<Rule> {
    match rule.name() {
        "push_down_filter" => vec![
            Arc::new(Fence { stands: true }),
            rule,
            Arc::new(Fence { stands: false }),
        ],
        "eliminate_cross_join" => vec![Arc::new(OfCrossJoins(rule))],
        "extract_equijoin_predicate" => vec![Arc::new(KeysOfEquality(rule))],
        _ => vec![rule],
    }
}

/// DataFusion's rule that finds keys for joins without any, where there are such joins and conditions that may be keys: it takes all
/// inner joins apart, and asks of each two inputs whether a key is theirs.
#[derive(Debug)]
struct OfCrossJoins(Rule);

impl OptimizerRule for OfCrossJoins {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        let (mut without, mut conditions) = (false, false);
        plan.apply_with_subqueries(|node| {
            match node {
                LogicalPlan::Join(join) if join.join_type == JoinType::Inner => {
                    without |= join.on.is_empty();
                    conditions |= !join.on.is_empty();
                }
                LogicalPlan::Filter(filter) => {
                    conditions |= matches!(filter.input.as_ref(), LogicalPlan::Join(_));
                }
                _ => {}
            }
            Ok(match without && conditions {
                true => TreeNodeRecursion::Stop,
                false => TreeNodeRecursion::Continue,
            })
        })?;
        match without && conditions {
            true => self.0.rewrite(plan, config),
            false => Ok(Transformed::no(plan)),
        }
    }
}
