//! Syntax tree to logical plan.
