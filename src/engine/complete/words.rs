//! Words of the language that a completion offers.

pub(super) const STATEMENTS: &[&str] = &[
    "FROM",
    "SELECT",
    "WITH",
    "CREATE TABLE",
    "CREATE VIEW",
    "CREATE TEMP FUNCTION",
    "CREATE TEMP TABLE FUNCTION",
    "CREATE CONSTANT",
    "CREATE EXTERNAL TABLE",
    "INSERT INTO",
    "DECLARE",
    "DECLARE PARAMETER",
    "SET",
    "DROP TABLE",
    "DROP VIEW",
    "EXPLAIN",
    "EXPLAIN ANALYZE",
    "EXPLAIN STEPS",
    "EXPLAIN LINEAGE",
    "DESCRIBE",
    "SUMMARIZE",
    "SHOW TABLES",
    "SHOW FUNCTIONS",
    "SHOW SETTINGS",
    "SHOW SHARDS",
    "IF",
    "ASSERT",
    "IMPORT MODULE",
    "DELETE FROM",
    "UPDATE",
    "MERGE INTO",
    "INSERT OVERWRITE",
    "VALUES",
];

/// Words that begin an operand.
pub(super) const OPERANDS: &[&str] = &[
    "CASE",
    "CAST",
    "NOT",
    "NULL",
    "TRUE",
    "FALSE",
    "EXISTS",
    "INTERVAL",
    "DATE",
    "TIMESTAMP",
    "EXTRACT",
    "ARRAY",
    "STRUCT",
];

/// Words that go on behind an operand.
pub(super) const BEHIND_OPERANDS: &[&str] = &[
    "AND",
    "OR",
    "IS NULL",
    "IS NOT NULL",
    "IN",
    "NOT IN",
    "LIKE",
    "BETWEEN",
    "OVER",
];

pub(super) const TYPES: &[&str] = &[
    "INT64",
    "INT32",
    "INT16",
    "TINYINT",
    "UINT64",
    "FLOAT64",
    "FLOAT32",
    "DECIMAL",
    "BOOL",
    "STRING",
    "BYTES",
    "DATE",
    "TIME",
    "TIMESTAMP",
    "DATETIME",
    "INTERVAL",
    "ARRAY",
    "STRUCT",
    "MAP",
];

/// What is called in FROM and is no table function to SHOW FUNCTIONS, and how it is called.
pub(super) const READERS: &[(&str, &str)] = &[
    ("generate_series", "generate_series(first, last [, step])"),
    (
        "CHANGES",
        "CHANGES(TABLE t, from_version => INT64, to_version => INT64)",
    ),
];
