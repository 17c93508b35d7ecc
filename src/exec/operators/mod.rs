//! Sources, operators and sinks: one relational idea per file, with all its roles.

pub(crate) mod bridge;
pub(crate) mod files;
