//! Tables that a query reads several times and runs once: those of WITH, and views.
//!
//! Binding puts a [`SharedNode`] where such a table is read. Before anything is optimized, [`share`] decides which of them run
//! once: each of those becomes a scan of a [`SharedTable`], the others give way to what they stand for. A shared table is
//! optimized by itself, cut down to the columns and rows that its readers take ([`taken`]), and lowered to pipelines of its own
//! whose rows every reader finds in one place.

mod choose;
mod node;
mod table;
mod taken;

#[cfg(test)]
pub(crate) use choose::inlined;
pub(crate) use choose::{Shared, share, share_between};
pub(crate) use node::{SharedKey, SharedNode, renewed, visit_once};
pub(crate) use table::{SharedScanExec, SharedTable};
pub(crate) use taken::taken;
