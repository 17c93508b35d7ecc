//! Physical plan to pipelines.

pub(crate) mod filter;
pub(crate) mod limit;
pub(crate) mod project;
pub(crate) mod recursive;
pub(crate) mod sort;
pub(crate) mod unnest;
pub(crate) mod values;
pub(crate) mod window;

#[cfg(test)]
mod row_tests;
