//! The syntax tree: what was written, with the place of every part, and nothing that needs a catalog to know.
//!
//! Chains of one associative operator (`AND`, `OR`, set operations) are flat lists, so that a long chain is wide and not deep.

use crate::error::Span;

/// A text of statements separated by `;`.
#[derive(Debug, Clone, PartialEq)]
pub struct Script {
    pub statements: Vec<Statement>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    pub kind: StatementKind,
    /// `@{…}` in front.
    pub hints: Vec<OptionSetting>,
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq)]
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

#[derive(Debug, Clone, PartialEq)]
pub struct CreateConstant {
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub name: Path,
    pub value: Expr,
}

/// `CREATE TEMP FUNCTION f(a INT64) [RETURNS T] AS (body)`
#[derive(Debug, Clone, PartialEq)]
pub struct CreateFunction {
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub name: Path,
    pub params: Vec<FunctionParam>,
    pub returns: Option<TypeName>,
    pub body: Expr,
}

/// `CREATE TEMP TABLE FUNCTION f(t ANY TABLE, n INT64) AS query`
#[derive(Debug, Clone, PartialEq)]
pub struct CreateTableFunction {
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub name: Path,
    pub params: Vec<FunctionParam>,
    pub body: Query,
}

#[derive(Debug, Clone, PartialEq)]
pub struct FunctionParam {
    pub name: Ident,
    pub kind: ParamKind,
    pub default: Option<Expr>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ParamKind {
    Typed(TypeName),
    /// `ANY TYPE`
    AnyType,
    /// `ANY TABLE`
    AnyTable,
}

/// `INSERT INTO t [(columns)] query`
#[derive(Debug, Clone, PartialEq)]
pub struct Insert {
    pub target: InsertTarget,
    pub query: Query,
}

#[derive(Debug, Clone, PartialEq)]
pub struct InsertTarget {
    pub name: Path,
    /// By position without any.
    pub columns: Vec<Ident>,
    pub overwrite: Option<Overwrite>,
}

/// `INSERT OVERWRITE t PARTITION (day = 3, region)`: the rows that go.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Overwrite {
    /// Columns of the partition: of one value, or of each that the new rows have. Every row of the table without any.
    pub partition: Vec<(Ident, Option<Expr>)>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Drop {
    pub kind: DropKind,
    pub if_exists: bool,
    pub name: Path,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropKind {
    Table,
    View,
    Function,
    TableFunction,
    Constant,
}

/// `DECLARE x, y T DEFAULT e`
#[derive(Debug, Clone, PartialEq)]
pub struct Declare {
    pub names: Vec<Ident>,
    pub data_type: Option<TypeName>,
    pub default: Option<Expr>,
}

/// `DECLARE PARAMETER @p T DEFAULT e`
#[derive(Debug, Clone, PartialEq)]
pub struct DeclareParameter {
    /// Without the `@`.
    pub name: Ident,
    pub data_type: TypeName,
    pub default: Option<Expr>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Explain {
    pub analyze: bool,
    pub statement: Box<Statement>,
}

/// `CREATE [OR REPLACE] [TEMP] TABLE [IF NOT EXISTS] name [(columns)] [layout] [AS query]`.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateTable {
    pub target: TableTarget,
    /// `None` in the pipe operator, whose input it is, and for an empty table.
    pub query: Option<Query>,
}

/// A table to be.
#[derive(Debug, Clone, PartialEq)]
pub struct TableTarget {
    pub or_replace: bool,
    pub temporary: bool,
    pub if_not_exists: bool,
    pub name: Path,
    /// As the query has them without any.
    pub columns: Vec<ColumnDefinition>,
    pub layout: TableLayout,
}

/// `[PARTITION BY a, b] [CLUSTER BY c] [DISTRIBUTE BY HASH(k) INTO n SHARDS]`
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TableLayout {
    pub partition_by: Vec<PartitionItem>,
    pub cluster_by: Vec<Ident>,
    pub shard_key: Vec<Ident>,
    pub shards: u64,
    /// As many shards as this table has.
    pub colocate_with: Option<Path>,
}

impl TableLayout {
    pub fn is_empty(&self) -> bool {
        self.partition_by.is_empty() && self.cluster_by.is_empty() && self.shard_key.is_empty()
    }
}

/// What changes a durable table, but for INSERT and DROP.
#[derive(Debug, Clone, PartialEq)]
pub struct TableStatement {
    pub table: Path,
    pub kind: TableStatementKind,
}

#[derive(Debug, Clone, PartialEq)]
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
    /// `ALTER TABLE t ADD COLUMN c STRING`
    AddColumn(ColumnDefinition),
}

/// `UPDATE t AS a SET c = e WHERE condition`
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    pub alias: Option<Ident>,
    pub changes: Vec<Change>,
    pub condition: Expr,
}

/// `c = e` or `t.c = e`
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub column: Path,
    pub value: Expr,
}

/// `MERGE INTO t AS a USING source ON condition WHEN …`
#[derive(Debug, Clone, PartialEq)]
pub struct Merge {
    pub alias: Option<Ident>,
    pub source: TableFactor,
    pub on: Expr,
    pub clauses: Vec<MergeClause>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct MergeClause {
    pub rows: MergeRows,
    pub condition: Option<Expr>,
    pub action: MergeAction,
    pub span: Span,
}

/// Which rows a clause is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeRows {
    /// Rows of the table that have a partner in the source.
    Matched,
    /// Rows of the source that have none in the table.
    NotMatched,
    /// Rows of the table that have none in the source.
    NotMatchedBySource,
}

#[derive(Debug, Clone, PartialEq)]
pub enum MergeAction {
    Update(Vec<Change>),
    /// `UPDATE SET *`: every column that the source has, by name.
    UpdateAll,
    Delete,
    Insert {
        columns: Vec<Ident>,
        values: Vec<Expr>,
        span: Span,
    },
    /// `INSERT *`
    InsertAll,
}

/// What a table is partitioned by.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionItem {
    pub column: Ident,
    /// `None`: the column's own values.
    pub transform: Option<PartitionTransform>,
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub enum PartitionTransform {
    /// `DATE_TRUNC(column, DAY)`
    Truncate(Ident),
    /// `BUCKET(16, column)`
    Bucket(u32),
}

/// `VERSION AS OF n`, `SYSTEM_TIME AS OF ts`
#[derive(Debug, Clone, PartialEq)]
pub enum AsOf {
    Version(Expr),
    Time(Expr),
}

#[derive(Debug, Clone, PartialEq)]
pub struct CreateView {
    pub or_replace: bool,
    pub temporary: bool,
    pub if_not_exists: bool,
    pub name: Path,
    pub query: Query,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CreateExternalTable {
    pub or_replace: bool,
    pub if_not_exists: bool,
    pub name: Path,
    pub columns: Vec<ColumnDefinition>,
    /// `STORED AS CSV`, upper case as a keyword is: the word as written.
    pub stored_as: Option<Ident>,
    pub location: Option<StringLiteral>,
    pub options: Vec<OptionSetting>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct ColumnDefinition {
    pub name: Ident,
    pub data_type: TypeName,
    pub not_null: bool,
}

/// `name = value` in OPTIONS, `name => value` in a call.
#[derive(Debug, Clone, PartialEq)]
pub struct OptionSetting {
    pub name: Ident,
    pub value: Expr,
}

/// A name as written. `quoted` when it stood in backticks or double quotes.
#[derive(Debug, Clone, PartialEq)]
pub struct Ident {
    pub text: String,
    pub quoted: bool,
    pub span: Span,
}

/// One or more names joined by dots.
#[derive(Debug, Clone, PartialEq)]
pub struct Path {
    pub parts: Vec<Ident>,
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub struct StringLiteral {
    pub value: String,
    pub span: Span,
}

/// A query: a body, then pipe operators.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    pub with: Option<With>,
    pub body: QueryBody,
    pub pipes: Vec<Pipe>,
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub struct With {
    pub recursive: bool,
    pub tables: Vec<CommonTable>,
}

/// A common table expression: `name [(columns)] AS (query)`.
#[derive(Debug, Clone, PartialEq)]
pub struct CommonTable {
    pub name: Ident,
    pub columns: Vec<Ident>,
    pub query: Query,
}

#[derive(Debug, Clone, PartialEq)]
pub enum QueryBody {
    /// `SHOW TABLES`, `DESCRIBE t`: rows about what there is.
    Catalog(CatalogQuery),
    /// `FROM a, b`
    From(Vec<FromItem>),
    /// Standard SQL: a SELECT, VALUES, TABLE, parenthesised query or set operation, then ORDER BY and LIMIT.
    Standard {
        set: SetExpr,
        order_by: Vec<OrderItem>,
        limit: Option<Limit>,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub enum CatalogQuery {
    Show(Ident),
    /// `SHOW SHARDS t`
    Shards(Path),
    Describe(Path),
}

#[derive(Debug, Clone, PartialEq)]
pub enum SetExpr {
    Select(Box<Select>),
    Values {
        rows: Vec<Vec<Expr>>,
        span: Span,
    },
    /// `TABLE path`
    Table(Path),
    Query {
        query: Box<Query>,
        alias: Option<Ident>,
    },
    /// `a UNION ALL b UNION ALL c`: folded from the left, all with the same operator.
    Operation {
        operator: SetOperator,
        inputs: Vec<SetExpr>,
        span: Span,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub struct SetOperator {
    pub kind: SetKind,
    /// Multiset arithmetic (`ALL`); otherwise rows are made distinct.
    pub all: bool,
    pub columns: ColumnMatch,
    pub span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetKind {
    Union,
    Intersect,
    Except,
}

/// How the columns of a set operation's inputs find each other.
#[derive(Debug, Clone, PartialEq)]
pub enum ColumnMatch {
    Position,
    /// `BY NAME`, `FULL|LEFT|INNER … BY NAME [ON (…)]`; `CORRESPONDING` is `Inner`, `STRICT CORRESPONDING` is `Strict`.
    Name {
        mode: NameMatch,
        on: Option<Vec<Ident>>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NameMatch {
    /// The same set of names on every side.
    Strict,
    /// Only the common columns.
    Inner,
    /// The first input's columns, missing ones NULL.
    Left,
    /// Every column, in order of first sight, missing ones NULL.
    Full,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Select {
    pub distinct: bool,
    pub shape: SelectShape,
    pub items: Vec<SelectItem>,
    pub from: Vec<FromItem>,
    pub filter: Option<Expr>,
    pub group_by: Option<GroupBy>,
    pub having: Option<Expr>,
    pub qualify: Option<Expr>,
    pub windows: Vec<NamedWindow>,
    pub span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SelectShape {
    Plain,
    /// `SELECT AS STRUCT`
    Struct,
    /// `SELECT AS VALUE`
    Value,
}

#[derive(Debug, Clone, PartialEq)]
pub enum SelectItem {
    Expr {
        expr: Expr,
        alias: Option<Ident>,
    },
    /// `*`, or `expr.*` when `of` is given.
    Star {
        of: Option<Expr>,
        except: Vec<Ident>,
        replace: Vec<(Expr, Ident)>,
        span: Span,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub struct GroupBy {
    pub items: Vec<GroupItem>,
    pub hints: Vec<OptionSetting>,
    /// `GROUP AND ORDER BY`
    pub ordered: bool,
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub struct GroupItem {
    pub kind: GroupKind,
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub enum GroupKind {
    Expr {
        expr: Expr,
        alias: Option<Ident>,
        sort: Option<SortOrder>,
    },
    /// `()`
    Empty,
    Rollup(Vec<Vec<Expr>>),
    Cube(Vec<Vec<Expr>>),
    /// `GROUPING SETS (…)`; each element is a set, a ROLLUP or a CUBE.
    Sets(Vec<GroupItem>),
    /// `(a, b)` as an element of GROUPING SETS.
    Set(Vec<Expr>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct NamedWindow {
    pub name: Ident,
    pub spec: WindowSpec,
}

#[derive(Debug, Clone, PartialEq)]
pub struct OrderItem {
    pub expr: Expr,
    pub order: SortOrder,
}

/// `ASC|DESC [NULLS FIRST|LAST]`. `None` where it was not written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SortOrder {
    pub descending: Option<bool>,
    pub nulls_first: Option<bool>,
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Limit {
    /// `None`: only an OFFSET, or `LIMIT ALL`.
    pub limit: Option<Expr>,
    pub offset: Option<Expr>,
}

/// A table, then its joins from left to right.
#[derive(Debug, Clone, PartialEq)]
pub struct FromItem {
    pub table: TableFactor,
    pub joins: Vec<Join>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Join {
    pub kind: JoinKind,
    pub right: TableFactor,
    pub constraint: JoinConstraint,
    pub hints: Vec<OptionSetting>,
    pub span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JoinKind {
    Cross,
    Inner,
    Left,
    Right,
    Full,
    LeftSemi,
    LeftAnti,
}

#[derive(Debug, Clone, PartialEq)]
pub enum JoinConstraint {
    None,
    On(Expr),
    Using(Vec<Ident>),
}

#[derive(Debug, Clone, PartialEq)]
pub struct TableFactor {
    pub kind: TableKind,
    pub alias: Option<TableAlias>,
    /// `WITH OFFSET [AS name]`, only after UNNEST. The inner `None` means the default name `offset`.
    pub with_offset: Option<Option<Ident>>,
    pub hints: Vec<OptionSetting>,
    pub sample: Option<TableSample>,
    pub pivot: Option<Pivot>,
    pub span: Span,
}

/// `TABLESAMPLE BERNOULLI (10 PERCENT) REPEATABLE (7)`
#[derive(Debug, Clone, PartialEq)]
pub struct TableSample {
    /// BERNOULLI, SYSTEM or RESERVOIR, as written.
    pub method: Ident,
    pub size: Expr,
    /// The size is a share, otherwise a number of rows.
    pub percent: bool,
    pub seed: Option<Expr>,
    pub span: Span,
}

/// `PIVOT (…) [AS alias]`, `UNPIVOT (…) [AS alias]`
#[derive(Debug, Clone, PartialEq)]
pub struct Pivot {
    pub kind: PivotKind,
    pub alias: Option<Ident>,
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub enum PivotKind {
    Columns {
        aggregates: Vec<NamedExpr>,
        key: Expr,
        values: Vec<NamedExpr>,
    },
    Rows {
        include_nulls: bool,
        /// The columns of values.
        values: Vec<Ident>,
        /// The column that says where a value comes from.
        name: Ident,
        sources: Vec<UnpivotSource>,
    },
}

/// An expression and the name it is given.
#[derive(Debug, Clone, PartialEq)]
pub struct NamedExpr {
    pub expr: Expr,
    pub alias: Option<Ident>,
}

/// `(q1, q2) AS 'first half'` in UNPIVOT
#[derive(Debug, Clone, PartialEq)]
pub struct UnpivotSource {
    pub columns: Vec<Ident>,
    pub label: Option<Expr>,
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub struct TableAlias {
    pub name: Ident,
    pub columns: Vec<Ident>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum TableKind {
    Table(Path),
    /// `t FOR VERSION AS OF n`
    TableAt {
        path: Path,
        as_of: AsOf,
    },
    /// `FROM 'path'`: a file, directory or glob.
    File(StringLiteral),
    /// `read_csv('x', header => TRUE)` and other table functions.
    Function {
        path: Path,
        args: Vec<Argument>,
        lateral: bool,
    },
    Unnest(Expr),
    Subquery {
        query: Box<Query>,
        lateral: bool,
    },
    /// `( a JOIN b … )`
    Nested(Box<FromItem>),
}

/// One `|>` and its operator.
#[derive(Debug, Clone, PartialEq)]
pub struct Pipe {
    pub op: PipeOp,
    /// From the `|>` to the operator's end.
    pub span: Span,
    /// The operator's keyword alone.
    pub keyword: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub enum PipeOp {
    Where(Expr),
    Select {
        distinct: bool,
        shape: SelectShape,
        items: Vec<SelectItem>,
        windows: Vec<NamedWindow>,
    },
    Extend {
        items: Vec<SelectItem>,
        windows: Vec<NamedWindow>,
    },
    Set(Vec<(Ident, Expr)>),
    Drop(Vec<Ident>),
    Rename(Vec<(Ident, Ident)>),
    As(Ident),
    Aggregate {
        items: Vec<AggregateItem>,
        group_by: Option<GroupBy>,
    },
    Distinct,
    Join(Box<Join>),
    OrderBy(Vec<OrderItem>),
    Limit(Limit),
    SetOperation {
        operator: SetOperator,
        queries: Vec<Query>,
    },
    With(With),
    /// `CALL f(7) AS t`
    Call {
        function: Path,
        args: Vec<Argument>,
        alias: Option<Ident>,
    },
    Sample(TableSample),
    Pivot(Pivot),
    RecursiveUnion {
        operator: SetOperator,
        body: RecursiveBody,
        alias: Option<Ident>,
    },
    Assert {
        condition: Expr,
        payload: Vec<Expr>,
        on_violation: OnViolation,
    },
    Describe,
    StaticDescribe,
    Log(Option<Vec<Pipe>>),
    /// `IF c THEN (…) ELSEIF c THEN (…) ELSE (…)`
    If {
        branches: Vec<(Expr, Vec<Pipe>)>,
        otherwise: Option<Vec<Pipe>>,
    },
    /// Without any subpipe the input itself is the extra result.
    Tee(Vec<Vec<Pipe>>),
    Fork(Vec<Vec<Pipe>>),
    CreateTable(TableTarget),
    Insert(InsertTarget),
    Export(Vec<OptionSetting>),
    /// Deprecated: EXTEND with window functions.
    Window(Vec<SelectItem>),
}

#[derive(Debug, Clone, PartialEq)]
pub enum RecursiveBody {
    Pipes(Vec<Pipe>),
    Query(Box<Query>),
}

/// What ASSERT does with a row that it does not hold for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnViolation {
    Fail,
    Drop,
    Warn,
}

#[derive(Debug, Clone, PartialEq)]
pub struct AggregateItem {
    pub expr: Expr,
    pub alias: Option<Ident>,
    pub sort: Option<SortOrder>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    pub kind: Box<ExprKind>,
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "an Expr holds its kind in a box of its own, so the size of the largest is the size of one allocation"
)]
pub enum ExprKind {
    Literal(Literal),
    Parameter(Parameter),
    /// `@@name`
    Setting(Ident),
    /// `a`, `a.b.c`: which part is a table, a column or a field is for the binder to say.
    Path(Path),
    Unary {
        op: UnaryOp,
        operand: Expr,
    },
    Binary {
        op: BinaryOp,
        left: Expr,
        right: Expr,
    },
    /// `a AND b AND c`, flat.
    And(Vec<Expr>),
    /// `a OR b OR c`, flat.
    Or(Vec<Expr>),
    Is {
        operand: Expr,
        test: IsTest,
        negated: bool,
    },
    IsDistinctFrom {
        left: Expr,
        right: Expr,
        negated: bool,
    },
    Between {
        operand: Expr,
        low: Expr,
        high: Expr,
        negated: bool,
    },
    Like {
        operand: Expr,
        pattern: Expr,
        escape: Option<StringLiteral>,
        ignore_case: bool,
        negated: bool,
    },
    InList {
        operand: Expr,
        list: Vec<Expr>,
        negated: bool,
    },
    InQuery {
        operand: Expr,
        query: Box<Query>,
        negated: bool,
    },
    /// `x IN UNNEST(array)` and `x IN @array`.
    InArray {
        operand: Expr,
        array: Expr,
        negated: bool,
    },
    /// `x > ANY (query)`, `x = ALL (query)`.
    Quantified {
        operand: Expr,
        op: BinaryOp,
        all: bool,
        query: Box<Query>,
    },
    Case {
        operand: Option<Expr>,
        branches: Vec<(Expr, Expr)>,
        otherwise: Option<Expr>,
    },
    Cast {
        operand: Expr,
        data_type: TypeName,
        try_: bool,
    },
    Extract {
        part: Ident,
        operand: Expr,
    },
    Exists(Box<Query>),
    Subquery(Box<Query>),
    ArrayQuery(Box<Query>),
    Array {
        element_type: Option<TypeName>,
        items: Vec<Expr>,
    },
    /// `STRUCT(1 AS a)`, `STRUCT<a INT64>(1)`, `(1, 2)`.
    Struct {
        fields: Vec<(Expr, Option<Ident>)>,
        types: Vec<(Option<Ident>, TypeName)>,
    },
    Interval {
        value: Expr,
        part: Option<Ident>,
    },
    Call(Call),
    Field {
        base: Expr,
        name: Ident,
    },
    Subscript {
        base: Expr,
        index: Expr,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub enum Literal {
    Null,
    Bool(bool),
    /// Decimal digits or `0x…`, as written, without a sign.
    Integer(String),
    /// `1.5`, `.5`: exact or FLOAT64 by its neighbours.
    Decimal(String),
    /// `1e9`
    Float(String),
    String(String),
    Bytes(Vec<u8>),
    /// `DATE '…'`, `NUMERIC '…'` …: the type's name in upper case and the text.
    Typed {
        type_name: String,
        text: String,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub enum Parameter {
    Named(String),
    /// `?`, counted from 0 through the script.
    Positional(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnaryOp {
    Not,
    Minus,
    Plus,
    BitNot,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BinaryOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Concat,
    ShiftLeft,
    ShiftRight,
    BitAnd,
    BitXor,
    BitOr,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    /// `<=>`: equal, NULLs equal too.
    NullSafeEqual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsTest {
    Null,
    True,
    False,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Call {
    pub function: Path,
    pub distinct: bool,
    pub args: Vec<Argument>,
    /// `Some(true)` for IGNORE NULLS, `Some(false)` for RESPECT NULLS.
    pub ignore_nulls: Option<bool>,
    pub order_by: Vec<OrderItem>,
    pub limit: Option<Limit>,
    pub filter: Option<Expr>,
    pub within_group: Vec<OrderItem>,
    pub over: Option<Over>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Argument {
    /// `name => value`
    pub name: Option<Ident>,
    pub value: ArgumentValue,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ArgumentValue {
    Expr(Expr),
    /// `COUNT(*)`
    Star(Span),
    /// `TABLE t`, for a table function.
    Table(Path),
    /// `INPUT TABLE`: which table parameter the input of a pipe CALL is for.
    InputTable(Span),
    /// `x -> x + 1`, `(x, y) -> x + y`
    Lambda {
        params: Vec<Ident>,
        body: Expr,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub enum Over {
    Name(Ident),
    Spec(WindowSpec),
}

#[derive(Debug, Clone, PartialEq)]
pub struct WindowSpec {
    pub base: Option<Ident>,
    pub partition_by: Vec<Expr>,
    pub order_by: Vec<OrderItem>,
    pub frame: Option<Frame>,
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Frame {
    pub unit: FrameUnit,
    pub start: FrameBound,
    /// `None`: only a start was written, the end is the current row.
    pub end: Option<FrameBound>,
    pub span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameUnit {
    Rows,
    Range,
    Groups,
}

#[derive(Debug, Clone, PartialEq)]
pub enum FrameBound {
    UnboundedPreceding,
    Preceding(Expr),
    CurrentRow,
    Following(Expr),
    UnboundedFollowing,
}

/// A type as written: `DECIMAL(10, 2)`, `ARRAY<INT64>`, `STRUCT<a INT64>`, `MAP<STRING, INT64>`.
#[derive(Debug, Clone, PartialEq)]
pub struct TypeName {
    pub kind: TypeKind,
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub enum TypeKind {
    /// The name in upper case and its numbers in parentheses.
    Named {
        name: String,
        args: Vec<i64>,
    },
    Array(Box<TypeName>),
    Struct(Vec<(Option<Ident>, TypeName)>),
    Map(Box<TypeName>, Box<TypeName>),
}
