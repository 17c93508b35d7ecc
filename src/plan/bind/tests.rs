//! Queries bound and run by DataFusion itself.
