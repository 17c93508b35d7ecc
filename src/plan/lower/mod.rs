//! Physical plan to pipelines.

pub(crate) mod aggregate;
