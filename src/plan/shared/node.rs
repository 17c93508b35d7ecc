//! The logical node.

use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use datafusion::common::DFSchemaRef;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNodeRecursion};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, Extension, LogicalPlan, UserDefinedLogicalNodeCore};

/// Which table it is, wherever it is read.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SharedKey {
    /// One word, which no other table of the plan has.
    pub(crate) id: Arc<str>,
    /// The recursion in whose rounds it is defined: it runs once in each.
    pub(crate) within: Option<Arc<str>>,
    /// Every mention of a view stands for a query of its own: only one that always gives the same may run once for all.
    pub(crate) is_view: bool,
}

/// Stands for its input, which other places of the plan may read too.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct SharedNode {
    pub(crate) key: SharedKey,
    pub(crate) input: LogicalPlan,
}

impl SharedNode {
    pub(crate) fn over(input: LogicalPlan, key: SharedKey) -> LogicalPlan {
        let node = Arc::new(SharedNode { key, input });
        LogicalPlan::Extension(Extension { node })
    }

    /// The node, if the plan is one.
    pub(crate) fn of(plan: &LogicalPlan) -> Option<&SharedNode> {
        match plan {
            LogicalPlan::Extension(extension) => extension.node.as_any().downcast_ref(),
            _ => None,
        }
    }
}

/// Visits the nodes of a plan and of its subqueries, those of a shared table once, however many places read it.
pub(crate) fn visit_once(
    plan: &LogicalPlan,
    mut visit: impl FnMut(&LogicalPlan) -> Result<TreeNodeRecursion>,
) -> Result<()> {
    let mut seen = HashSet::new();
    plan.apply_with_subqueries(|node| match SharedNode::of(node) {
        Some(shared) if !seen.insert(shared.key.clone()) => Ok(TreeNodeRecursion::Jump),
        _ => visit(node),
    })?;
    Ok(())
}

/// The plan with tables that no other place reads: a view that is mentioned again runs again. `within` is the recursion around.
pub(crate) fn renewed(
    plan: LogicalPlan,
    within: Option<&Arc<str>>,
    fresh: impl Fn(&str) -> Arc<str>,
) -> Result<LogicalPlan> {
    let mut ids: HashMap<Arc<str>, Arc<str>> = HashMap::new();
    let plan = plan.transform_down_with_subqueries(|part| {
        let Some(node) = SharedNode::of(&part) else {
            return Ok(Transformed::no(part));
        };
        let own = Arc::clone(&node.key.id);
        let id = Arc::clone(ids.entry(own).or_insert_with(|| fresh(&node.key.id)));
        let key = SharedKey {
            id,
            within: node.key.within.clone().or_else(|| within.cloned()),
            is_view: node.key.is_view,
        };
        Ok(Transformed::yes(SharedNode::over(node.input.clone(), key)))
    });
    plan.data()
}

impl PartialOrd for SharedNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.key.partial_cmp(&other.key)
    }
}

impl UserDefinedLogicalNodeCore for SharedNode {
    fn name(&self) -> &str {
        "Shared"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        Vec::new()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Shared: {}", self.key.id)
    }

    fn with_exprs_and_inputs(&self, _exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let mut inputs = inputs.into_iter();
        let input = inputs
            .next()
            .ok_or_else(|| DataFusionError::Internal("a shared table has one input".to_string()))?;
        Ok(SharedNode {
            key: self.key.clone(),
            input,
        })
    }
}
