//! Sources, operators and sinks: one relational idea per file, with all its roles.

pub(crate) mod aggregate;
pub(crate) mod bridge;
