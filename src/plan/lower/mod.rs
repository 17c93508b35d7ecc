//! Physical plan to pipelines.
