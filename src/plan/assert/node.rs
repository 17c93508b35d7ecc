//! The logical node.

use std::cmp::Ordering;
use std::fmt;

use datafusion::common::DFSchemaRef;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{Expr, LogicalPlan, UserDefinedLogicalNodeCore};

use crate::error::Span;
use crate::exec::operators::assert::OnViolation;

/// What is asserted of every row that passes.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct AssertNode {
    pub(crate) input: LogicalPlan,
    /// The condition, then the values that a message shows.
    pub(crate) exprs: Vec<Expr>,
    pub(crate) rule: AssertRule,
}

/// What to do with a row that the condition does not hold for, and how to speak of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct AssertRule {
    pub(crate) on_violation: OnViolation,
    /// The condition as written.
    pub(crate) text: String,
    pub(crate) place: Option<Span>,
    /// Which part of the script it is.
    pub(crate) context: String,
    /// The last expression is the file that a row came from.
    pub(crate) names_file: bool,
}

impl PartialOrd for AssertNode {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        match self.input.partial_cmp(&other.input) {
            Some(Ordering::Equal) => self.exprs.partial_cmp(&other.exprs),
            order => order,
        }
    }
}

impl UserDefinedLogicalNodeCore for AssertNode {
    fn name(&self) -> &str {
        "Assert"
    }

    fn inputs(&self) -> Vec<&LogicalPlan> {
        vec![&self.input]
    }

    fn schema(&self) -> &DFSchemaRef {
        self.input.schema()
    }

    fn expressions(&self) -> Vec<Expr> {
        self.exprs.clone()
    }

    fn fmt_for_explain(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Assert: {}", self.rule.text)
    }

    fn with_exprs_and_inputs(&self, exprs: Vec<Expr>, inputs: Vec<LogicalPlan>) -> Result<Self> {
        let mut inputs = inputs.into_iter();
        let input = inputs
            .next()
            .ok_or_else(|| DataFusionError::Internal("an assertion has one input".to_string()))?;
        Ok(AssertNode {
            input,
            exprs,
            rule: self.rule.clone(),
        })
    }

    fn necessary_children_exprs(&self, output_columns: &[usize]) -> Option<Vec<Vec<usize>>> {
        // The columns of the expressions are added by the caller.
        Some(vec![output_columns.to_vec()])
    }
}
