//! Statements, and the tables that some of them make or change.

use serde::Serialize;

use super::{Expr, Ident, Merge, OptionSetting, Path, Query, StringLiteral, TypeName, Update};
use crate::error::Span;
use crate::lang::json::place;

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Statement {
    #[serde(flatten)]
    pub kind: StatementKind,
    /// `@{…}` in front.
    pub hints: Vec<OptionSetting>,
    #[serde(serialize_with = "place")]
    pub span: Span,
}

impl Statement {
    /// The query that the statement answers or stores.
    pub fn query(&self) -> Option<&Query> {
        match &self.kind {
            StatementKind::Query(query) => Some(query),
            StatementKind::CreateTable(create) => create.query.as_ref(),
            StatementKind::CreateView(create) => Some(&create.query),
            StatementKind::Insert(insert) => Some(&insert.query),
            _ => None,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "node", content = "of", rename_all = "snake_case")]
pub enum StatementKind {
    Query(Query),
    Explain(Explain),
    CreateTable(CreateTable),
    CreateView(CreateView),
    CreateExternalTable(CreateExternalTable),
    CreateConstant(CreateConstant),
    CreateFunction(CreateFunction),
    CreateTableFunction(CreateTableFunction),
    Insert(Insert),
    Table(TableStatement),
    Drop(Drop),
    Declare(Declare),
    DeclareParameter(DeclareParameter),
    /// `SET x = e`, `SET (x, y) = (a, b)`
    SetVariables {
        names: Vec<Ident>,
        values: Vec<Expr>,
    },
    /// `SET @@name = value`
    SetSetting {
        name: Ident,
        value: Expr,
    },
    /// `IF … THEN … [ELSEIF … THEN …] [ELSE …] END IF`
    If {
        branches: Vec<(Expr, Vec<Statement>)>,
        otherwise: Vec<Statement>,
    },
    /// `ASSERT condition [AS 'message']`
    Assert {
        condition: Expr,
        message: Option<StringLiteral>,
    },
    /// `IMPORT MODULE 'path' [AS name]`
    Import {
        path: StringLiteral,
        name: Option<Ident>,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CreateConstant {
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub name: Path,
    pub value: Expr,
}

/// `CREATE TEMP FUNCTION f(a INT64) [RETURNS T] AS (body)`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CreateFunction {
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub name: Path,
    pub params: Vec<FunctionParam>,
    pub returns: Option<TypeName>,
    pub body: Expr,
}

/// `CREATE TEMP TABLE FUNCTION f(t ANY TABLE, n INT64) AS query`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CreateTableFunction {
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub name: Path,
    pub params: Vec<FunctionParam>,
    pub body: Query,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FunctionParam {
    pub name: Ident,
    pub kind: ParamKind,
    pub default: Option<Expr>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "node", content = "of", rename_all = "snake_case")]
pub enum ParamKind {
    Typed(TypeName),
    /// `ANY TYPE`
    AnyType,
    /// `ANY TABLE`
    AnyTable,
}

/// `INSERT INTO t [(columns)] query`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Insert {
    pub target: InsertTarget,
    pub query: Query,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InsertTarget {
    pub name: Path,
    /// By position without any.
    pub columns: Vec<Ident>,
    pub overwrite: Option<Overwrite>,
}

/// `INSERT OVERWRITE t PARTITION (day = 3, region)`: the rows that go.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Overwrite {
    /// Columns of the partition: of one value, or of each that the new rows have. Every row of the table without any.
    pub partition: Vec<(Ident, Option<Expr>)>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Drop {
    pub kind: DropKind,
    pub if_exists: bool,
    pub name: Path,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DropKind {
    Table,
    View,
    Function,
    TableFunction,
    Constant,
}

/// `DECLARE x, y T DEFAULT e`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Declare {
    pub names: Vec<Ident>,
    pub data_type: Option<TypeName>,
    pub default: Option<Expr>,
}

/// `DECLARE PARAMETER @p T DEFAULT e`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeclareParameter {
    /// Without the `@`.
    pub name: Ident,
    pub data_type: TypeName,
    pub default: Option<Expr>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explain {
    pub analyze: bool,
    pub topic: ExplainTopic,
    pub format: ExplainFormat,
    pub statement: Box<Statement>,
}

/// What EXPLAIN tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExplainTopic {
    Pipelines,
    /// `STEPS`: each pipe operator.
    Steps,
    /// `LINEAGE`: where each column comes from.
    Lineage,
    /// `ROUTE`: from which replica each segment would be read.
    Route,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExplainFormat {
    /// Lines for people.
    Tree,
    Json,
}

/// `CREATE [OR REPLACE] [TEMP] TABLE [IF NOT EXISTS] name [(columns)] [layout] [AS query]`.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CreateTable {
    pub target: TableTarget,
    /// `None` in the pipe operator, whose input it is, and for an empty table.
    pub query: Option<Query>,
}

/// A table to be.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TableTarget {
    pub or_replace: bool,
    pub temporary: bool,
    pub if_not_exists: bool,
    pub name: Path,
    /// As the query has them without any.
    pub columns: Vec<ColumnDefinition>,
    /// `PRIMARY KEY (a, b) NOT ENFORCED`: for readers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub key: Vec<Ident>,
    pub layout: TableLayout,
}

/// `[PARTITION BY a, b] [CLUSTER BY c] [DISTRIBUTE BY HASH(k) INTO n SHARDS] [OPTIONS (…)]`
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct TableLayout {
    pub partition_by: Vec<PartitionItem>,
    pub cluster_by: Vec<Ident>,
    pub shard_key: Vec<Ident>,
    pub shards: u64,
    /// As many shards as this table has.
    pub colocate_with: Option<Path>,
    pub options: Vec<OptionSetting>,
}

impl TableLayout {
    pub fn is_empty(&self) -> bool {
        self.partition_by.is_empty()
            && self.cluster_by.is_empty()
            && self.shard_key.is_empty()
            && self.options.is_empty()
    }
}

/// What a table is partitioned by.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PartitionItem {
    pub column: Ident,
    /// `None`: the column's own values.
    pub transform: Option<PartitionTransform>,
    #[serde(serialize_with = "place")]
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "node", content = "of", rename_all = "snake_case")]
pub enum PartitionTransform {
    /// `DATE_TRUNC(column, DAY)`
    Truncate(Ident),
    /// `BUCKET(16, column)`
    Bucket(u32),
}

/// What changes a durable table, but for INSERT and DROP.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TableStatement {
    pub table: Path,
    #[serde(flatten)]
    pub kind: TableStatementKind,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "node", content = "of", rename_all = "snake_case")]
pub enum TableStatementKind {
    /// `DELETE FROM t WHERE condition`
    Delete(Expr),
    Update(Update),
    Merge(Box<Merge>),
    Truncate,
    Optimize,
    Vacuum {
        retain_hours: Option<u64>,
    },
    Restore(AsOf),
    /// Compares every segment with its checksum.
    Verify,
    /// `ALTER TABLE t SHARDS 16`
    Reshard(u64),
    /// `ALTER TABLE t SET OPTIONS (…)`
    SetOptions(Vec<OptionSetting>),
    /// `ALTER TABLE t ADD COLUMN c STRING`
    AddColumn(ColumnDefinition),
    AddReplica(AddReplica),
    /// `ALTER TABLE t DROP REPLICA '/mnt/two/t'`
    DropReplica(StringLiteral),
    /// `ALTER TABLE t PROMOTE REPLICA '/mnt/two/t' [FORCE]`
    Promote {
        path: StringLiteral,
        /// Also where the directory that takes commits now cannot be told.
        force: bool,
    },
    /// `ALTER TABLE t REPAIR [REPLICA '/mnt/two/t']`
    Repair(Option<StringLiteral>),
}

/// `ALTER TABLE t ADD REPLICA '/mnt/two/t' [WEIGHT 3] [SYNC | ASYNC] [COLUMNS (a, b)] [SORT BY b]`
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AddReplica {
    pub path: StringLiteral,
    pub weight: Option<u64>,
    /// Commits wait for it.
    pub is_sync: Option<bool>,
    /// `COLUMNS (a, b)`: it has these alone.
    pub columns: Vec<Ident>,
    /// `SORT BY b`: its rows lie in this order.
    pub sort_by: Vec<Ident>,
    #[serde(serialize_with = "place")]
    pub span: Span,
}

/// `VERSION AS OF n`, `SYSTEM_TIME AS OF ts`
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "node", content = "of", rename_all = "snake_case")]
pub enum AsOf {
    Version(Expr),
    Time(Expr),
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CreateView {
    pub or_replace: bool,
    pub temporary: bool,
    pub if_not_exists: bool,
    pub name: Path,
    pub query: Query,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CreateExternalTable {
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub name: Path,
    pub columns: Vec<ColumnDefinition>,
    /// `STORED AS CSV`: in upper case, as a keyword is.
    pub stored_as: Option<Ident>,
    pub location: Option<StringLiteral>,
    pub options: Vec<OptionSetting>,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ColumnDefinition {
    pub name: Ident,
    pub data_type: TypeName,
    pub not_null: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default: Option<Expr>,
}
