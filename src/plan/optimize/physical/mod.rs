//! DataFusion's rules for physical plans, two of them put together anew. DataFusion's own ask every node for its statistics, which
//! asks all nodes below: a plan of a thousand nodes takes a million answers, each of as many columns as a node has.
//! [`SmallerFirst`] asks each node once, [`Requirements`] none.

mod requirements;
mod smaller_first;

use std::sync::Arc;

use datafusion::physical_optimizer::PhysicalOptimizerRule;
use datafusion::physical_optimizer::optimizer::PhysicalOptimizer;

use requirements::Requirements;
use smaller_first::SmallerFirst;

type Rule = Arc<dyn PhysicalOptimizerRule + Send + Sync>;

/// The rules of a session, in their order.
pub(super) fn rules() -> Vec<Rule> {
    let rules = PhysicalOptimizer::new().rules.into_iter();
    rules.map(replaced).collect()
}

fn replaced(rule: Rule) -> Rule {
    match rule.name() {
        "join_selection" => Arc::new(SmallerFirst(rule)),
        "EnsureRequirements" => Arc::new(Requirements),
        _ => rule,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_that_are_replaced_are_there() {
        let names = |rules: &[Rule]| -> Vec<String> {
            rules.iter().map(|rule| rule.name().to_string()).collect()
        };
        let (theirs, ours) = (names(&PhysicalOptimizer::new().rules), names(&rules()));
        assert!(theirs.iter().any(|name| name == "join_selection"));
        assert!(theirs.iter().any(|name| name == "EnsureRequirements"));
        assert_eq!(ours.len(), theirs.len());
        assert!(ours.iter().any(|name| name == "smaller_first"));
        assert!(ours.iter().any(|name| name == "requirements"));
    }
}
