//! Sources, operators and sinks: one relational idea per file, with all its roles.

pub(crate) mod aggregate;
pub(crate) mod assert;
pub(crate) mod bridge;
pub(crate) mod collect;
pub(crate) mod files;
pub(crate) mod filter;
pub(crate) mod first_rows;
pub(crate) mod join;
pub(crate) mod kept;
pub(crate) mod limit;
pub(crate) mod matching;
pub(crate) mod memory;
pub(crate) mod project;
pub(crate) mod recursive;
pub(crate) mod sort;
pub(crate) mod sort_keys;
pub(crate) mod sort_merge;
pub(crate) mod top_k;
pub(crate) mod unnest;
pub(crate) mod window;
mod window_runs;
pub(crate) mod write;
