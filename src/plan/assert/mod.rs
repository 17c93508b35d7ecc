//! ASSERT: a plan node of our own, so that no condition and no limit from above moves below it.
//!
//! [`AssertNode`] stands in the logical plan, [`AssertExec`] in the physical one; [`AssertPlanner`] makes the one of the other.

mod exec;
mod node;
mod planner;

pub(crate) use exec::AssertExec;
pub(crate) use node::{AssertNode, AssertRule};
pub(crate) use planner::AssertPlanner;
