//! MATCH_RECOGNIZE: a plan node of our own that gives the rows of all matches, each with its match and symbol.
//!
//! [`MatchNode`] stands in the logical plan, [`MatchExec`] in the physical one; [`MatchPlanner`] makes the one of the other. What a
//! match gives is computed by an ordinary aggregate above.

mod exec;
mod node;
mod planner;

pub(crate) use exec::MatchExec;
pub(crate) use node::MatchNode;
pub(crate) use planner::MatchPlanner;
