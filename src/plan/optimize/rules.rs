//! DataFusion's optimizer rules, and what stands between them.

use std::sync::Arc;

use datafusion::optimizer::OptimizerRule;
use datafusion::optimizer::optimizer::Optimizer;

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
        "extract_equijoin_predicate" => vec![Arc::new(KeysOfEquality(rule))],
        _ => vec![rule],
    }
}
