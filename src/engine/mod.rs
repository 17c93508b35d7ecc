//! The library's face: an [`Engine`] answers texts.
//!
//! `query.rs` is the walk of every text; the other files are what a program puts in (parameters, tables, functions) and takes
//! out (rows, handles, plans).

mod appender;
mod check;
mod complete;
mod config;
mod deadline;
mod define;
mod doctor;
mod dry;
mod explain;
mod functions;
mod hover;
mod import;
mod inspect;
mod interop;
mod job;
mod map_reduce;
mod metrics;
mod oracle;
mod params;
mod planning;
mod prepared;
mod progress;
mod query;
mod read_set;
mod register;
mod replicas;
mod result;
mod rewrite;
mod script;
mod sql;
mod steps;
mod stream;
mod syntax;
mod table_write;
mod tables;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use datafusion::execution::memory_pool::MemoryReservation;
use datafusion::execution::{SessionState, TaskContext};

use crate::catalog::Catalog;
use crate::error::{Error, ErrorKind, Result};
use crate::exec::graph::PipelineGraph;
use crate::exec::memory::{Budget, QueryMemory};
use crate::exec::operators::bridge::LazyRuntime;
use crate::exec::spill::{self, Disk, SpillSpace};
use crate::exec::{self, CancelToken, RunContext, task_within};
use crate::file::{ReadTally, ReadTotal};
use crate::lang::{self, ast};
use crate::plan::bind::Bounds;
use crate::plan::optimize::{PlanSettings, session_state};

pub use appender::{AppendMode, Appender, FlushPolicy};
pub use check::{Checked, CheckedStatement};
pub use complete::{Completion, CompletionKind, Completions};
pub use config::Builder;
pub use doctor::{Examination, Finding, Health};
pub use explain::{ColumnLineage, Explain, LINES_KEY, Measured, Plan, QueryStep, SourceColumn};
pub use functions::{FunctionArgument, FunctionResult, ScalarFn};
pub use hover::Hover;
pub use inspect::FileInfo;
pub use interop::QueryTable;
pub use job::{
    FileState, Input, Output, ParameterOrigin, ParameterReport, RunReport, RunStatus, Script,
    StepReport, StepStatus,
};
pub use map_reduce::{Emit, Table};
pub use metrics::{Histogram, Metrics};
pub use params::{ParamMap, Params, Value};
pub use prepared::Prepared;
pub use progress::{Progress, QueryHandle};
pub use register::FileSource;
pub use result::{Outcome, Rows, Summary};
pub use stream::RowStream;
pub use syntax::{Ending, Syntax, SyntaxClass, SyntaxPart};

/// An engine: names, functions, settings and the threads that run queries. Clones share all of it.
///
/// ```
/// let engine = tidemill::Engine::in_memory()?;
/// let rows = engine.query("SELECT 6 * 7 AS answer", ())?;
/// let answers: Vec<(i64,)> = rows.typed().collect::<Result<_, _>>()?;
/// assert_eq!(answers, [(42,)]);
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Engine(Arc<Shared>, Hinted);

/// What a statement's hints say to the engine that runs it.
#[derive(Debug, Clone, Default)]
struct Hinted {
    /// When the statement has to be over.
    ends_at: Option<Instant>,
    /// What it may hold, within what all may hold.
    budget: Option<Arc<Budget>>,
}

#[derive(Debug)]
struct Shared {
    catalog: Catalog,
    state: SessionState,
    settings: config::Settings,
    pool: Arc<rayon::ThreadPool>,
    runtime: Arc<LazyRuntime>,
    budget: Arc<Budget>,
    disk: Arc<Disk>,
    deadlines: Arc<deadline::Deadlines>,
    counters: Arc<metrics::Counters>,
    /// What its queries read of text files, and where rows go that they reject.
    read: Arc<ReadTotal>,
    /// What the rows of tables in memory are counted with, by the table's name.
    kept: Mutex<HashMap<String, Vec<MemoryReservation>>>,
    /// The program registered a table of its own kind.
    foreign_tables: AtomicBool,
    running: Mutex<Vec<QueryHandle>>,
    /// How often all queries were stopped.
    cancels: AtomicU64,
    /// When a script that runs as a whole must be over.
    run_ends: Mutex<Option<Instant>>,
    /// What the statements read and write that are bound now, for a script that runs as a whole.
    look: Mutex<Option<job::Look>>,
    /// Statements are only looked at: see [`Engine::dry`].
    is_dry: bool,
}

/// One statement of a parsed text.
///
/// ```
/// use tidemill::{Engine, ParamMap};
/// let engine = Engine::in_memory()?;
/// let statements = engine.statements("CREATE TABLE t AS SELECT 1 AS a; FROM t |> WHERE a = @a").unwrap();
/// assert_eq!(statements[1].text(), "FROM t |> WHERE a = @a");
/// assert_eq!(statements[1].parameters(), ["a"]);
/// engine.run(&statements[0], &ParamMap::new())?;
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Statement {
    parsed: lang::ast::Statement,
    /// The whole text: spans count from its start.
    text: Arc<str>,
    double_quotes_are_strings: bool,
}

impl Statement {
    /// The statement as written.
    pub fn text(&self) -> &str {
        &self.text[self.parsed.span.start..self.parsed.span.end]
    }

    /// The names of its parameters without `@`, in order of first sight; a `?` is named by its number, from 1.
    pub fn parameters(&self) -> Vec<String> {
        let options = lang::Options {
            double_quotes_are_strings: self.double_quotes_are_strings,
        };
        lang::parameter_names(self.text(), options)
    }

    /// Where it stands in the whole text.
    pub fn span(&self) -> crate::error::Span {
        self.parsed.span
    }

    /// Where the steps of its query stand in the whole text: what is before the first `|>`, then each pipe operator. Nothing
    /// where the statement has no query.
    pub fn steps(&self) -> Vec<crate::error::Span> {
        self.parsed
            .query()
            .map(ast::Query::steps)
            .unwrap_or_default()
    }

    /// The first `count` steps of its query as a statement of their own: what is cut before a `|>` is a query again. Where the
    /// statement stores the query's rows, the prefix gives them instead; where the last step of the prefix stores them, it does.
    ///
    /// ```
    /// use tidemill::{Engine, ParamMap};
    /// let engine = Engine::in_memory()?;
    /// let text = "CREATE TABLE t AS FROM (VALUES (1), (2)) AS v (n) |> WHERE n > 1 |> SELECT n + nothing";
    /// let statement = engine.statements(text).unwrap().remove(0);
    /// assert_eq!(statement.steps().len(), 3);
    /// let start = statement.prefix(2)?;
    /// assert_eq!(start.text(), "FROM (VALUES (1), (2)) AS v (n) |> WHERE n > 1");
    /// engine.run(&start, &ParamMap::new())?;
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// TM0315 where the statement has no query, or not so many steps.
    pub fn prefix(&self, count: usize) -> Result<Statement> {
        let refuse = |message: String| Err(Error::input("TM0315", message, self.parsed.span));
        let Some(query) = self.parsed.query() else {
            return refuse("only a query has steps".to_string());
        };
        let steps = query.steps();
        let (Some(first), Some(last)) = (steps.first(), count.checked_sub(1)) else {
            return refuse("the first step has the number 1".to_string());
        };
        let Some(last) = steps.get(last) else {
            let message = format!("there is no step {count}: the query has {}", steps.len());
            return refuse(message);
        };
        let mut query = query.clone();
        query.pipes.truncate(count - 1);
        query.span = trimmed(&self.text, first.to(*last));
        Ok(Statement {
            parsed: ast::Statement {
                span: query.span,
                kind: ast::StatementKind::Query(query),
                hints: self.parsed.hints.clone(),
            },
            text: Arc::clone(&self.text),
            double_quotes_are_strings: self.double_quotes_are_strings,
        })
    }
}

/// The span without the blanks at its end.
fn trimmed(text: &str, span: crate::error::Span) -> crate::error::Span {
    let written = text.get(span.start..span.end).unwrap_or_default();
    crate::error::Span::new(span.start, span.start + written.trim_end().len())
}

impl Engine {
    /// An engine with default settings: every core, no memory bound, nothing on disk.
    pub fn in_memory() -> Result<Engine> {
        Engine::builder().in_memory()
    }

    /// An engine with default settings whose tables are kept in a directory. It is made if it is not there.
    ///
    /// Any number of programs may read and write the same directory. A statement sees one version of each table, and what it
    /// changes is one new version, there whole or not at all. Tables are in the Delta Lake format, for others to read.
    ///
    /// ```
    /// use tidemill::Engine;
    /// let directory = tempfile::tempdir().unwrap();
    /// let engine = Engine::open(directory.path().join("shop"))?;
    /// engine.execute("CREATE TABLE sales AS SELECT 'north' AS region, 12 AS amount", ())?;
    /// engine.execute("INSERT INTO sales VALUES ('south', 30)", ())?;
    /// let again = Engine::open(directory.path().join("shop"))?;
    /// let sum: (i64,) = again.query("FROM sales |> AGGREGATE SUM(amount)", ())?.one()?;
    /// assert_eq!(sum.0, 42);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// TM0701 where the directory cannot be made or read.
    pub fn open(directory: impl AsRef<std::path::Path>) -> Result<Engine> {
        Engine::builder().open(directory)
    }

    /// Settings first, then [`Builder::in_memory`] or [`Builder::open`].
    pub fn builder() -> Builder {
        Builder::default()
    }

    fn with_settings(settings: config::Settings) -> Result<Engine> {
        let catalog = Catalog::new()?;
        catalog.change_session(|session| {
            session.settings.double_quotes_are_strings = settings.double_quotes_are_strings;
            session.settings.bad_rows = settings.bad_rows.clone();
        });
        let state = session_state(
            catalog.functions(),
            PlanSettings {
                batch_rows: settings.batch_rows,
            },
        )?;
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(settings.threads)
            .thread_name(|worker| format!("tidemill-{worker}"))
            // Expressions are trees that are walked; a worker's stack is as deep as the planner allows them to be.
            .stack_size(config::WORKER_STACK_BYTES)
            .build()
            .map_err(|error| {
                Error::new(
                    ErrorKind::Io,
                    "TM0701",
                    format!("no threads could be started: {error}"),
                )
            })?;
        let disk = Disk::new(settings.spill_dir.clone(), settings.spill_limit);
        if settings.memory_limit.is_some() {
            spill::remove_abandoned(&disk.folder());
        }
        Ok(Engine::over(Shared {
            catalog,
            budget: Budget::new(settings.memory_limit),
            disk,
            deadlines: Arc::default(),
            counters: Arc::default(),
            read: Arc::default(),
            kept: Mutex::default(),
            state,
            settings,
            pool: Arc::new(pool),
            runtime: Arc::default(),
            foreign_tables: AtomicBool::new(false),
            running: Mutex::default(),
            cancels: AtomicU64::new(0),
            run_ends: Mutex::default(),
            look: Mutex::default(),
            is_dry: false,
        }))
    }

    fn over(shared: Shared) -> Engine {
        Engine(Arc::new(shared), Hinted::default())
    }

    /// This engine for a statement with `bounds` from now on; for one without, as it is.
    fn within(&self, bounds: Bounds) -> Engine {
        let ends_at = bounds
            .timeout
            .and_then(|timeout| Instant::now().checked_add(timeout));
        let hinted = Hinted {
            ends_at: [self.1.ends_at, ends_at].into_iter().flatten().min(),
            budget: match bounds.memory {
                Some(memory) => Some(Budget::within(self.budget(), memory)),
                None => self.1.budget.clone(),
            },
        };
        Engine(Arc::clone(&self.0), hinted)
    }

    /// What the statement that runs here may hold.
    fn budget(&self) -> &Arc<Budget> {
        self.1.budget.as_ref().unwrap_or(&self.0.budget)
    }

    /// An engine with the names of this one whose statements run nothing: they make names known, in a catalog of its own.
    fn dry(&self) -> Engine {
        let shared = &self.0;
        Engine::over(Shared {
            catalog: shared.catalog.copy(),
            state: shared.state.clone(),
            settings: shared.settings.clone(),
            pool: Arc::clone(&shared.pool),
            runtime: Arc::clone(&shared.runtime),
            budget: Arc::clone(&shared.budget),
            disk: Arc::clone(&shared.disk),
            deadlines: Arc::clone(&shared.deadlines),
            counters: Arc::clone(&shared.counters),
            read: Arc::clone(&shared.read),
            kept: Mutex::default(),
            foreign_tables: AtomicBool::new(shared.foreign_tables.load(Ordering::Relaxed)),
            running: Mutex::default(),
            cancels: AtomicU64::new(0),
            run_ends: Mutex::default(),
            look: Mutex::default(),
            is_dry: true,
        })
    }

    fn is_dry(&self) -> bool {
        self.0.is_dry
    }

    /// Parses a text of statements separated by `;`. Nothing is looked up and nothing runs.
    ///
    /// ```
    /// let engine = tidemill::Engine::in_memory()?;
    /// let errors = engine.statements("SELECT 1; SELEC 2; WERE 3").unwrap_err();
    /// assert_eq!(errors.len(), 2);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// Every error that was found, in the order of the text: after one, reading goes on at the next pipe operator.
    pub fn statements(&self, text: &str) -> Result<Vec<Statement>, Vec<Error>> {
        let options = self.lang_options();
        let shared: Arc<str> = Arc::from(text);
        let script = planning::on_planner_stack(|| Ok(lang::parse_with(text, options)))
            .map_err(|error| vec![error])??;
        Ok(script
            .statements
            .into_iter()
            .map(|parsed| Statement {
                parsed,
                text: Arc::clone(&shared),
                double_quotes_are_strings: options.double_quotes_are_strings,
            })
            .collect())
    }

    /// The language as the session's settings have it.
    ///
    /// ```
    /// use tidemill::{Engine, Ending};
    /// let engine = Engine::in_memory()?;
    /// engine.execute("SET @@double_quotes = 'string'", ())?;
    /// assert_eq!(engine.syntax().ending("SELECT \"it\\\"s\""), Ending::WithoutFrom);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn syntax(&self) -> Syntax {
        let strings = self.lang_options().double_quotes_are_strings;
        Syntax::new().double_quotes_are_strings(strings)
    }

    fn lang_options(&self) -> lang::Options {
        let session = self.catalog().session();
        lang::Options {
            double_quotes_are_strings: session.settings.double_quotes_are_strings,
        }
    }

    /// Runs one parsed statement.
    ///
    /// # Errors
    /// Whatever is wrong with the statement or, for statements without rows, with its run.
    pub fn run(&self, statement: &Statement, params: &ParamMap) -> Result<Outcome> {
        query::run_statement(
            self,
            &statement.parsed,
            &statement.text,
            params.parameters(),
        )
    }

    /// Runs a text and gives the rows of its last statement; the statements before it run to their end first.
    ///
    /// ```
    /// # use tidemill::Engine;
    /// let engine = Engine::in_memory()?;
    /// let rows = engine.query("CREATE TABLE t AS SELECT 1 AS x; FROM t |> WHERE x >= ?", (1,))?;
    /// assert_eq!(rows.count(), 1);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first statement's first error. What goes wrong while rows are made comes from [`Rows`] itself.
    pub fn query(&self, text: &str, params: impl Params) -> Result<Rows> {
        let mut params_map = ParamMap::new();
        params.bind(&mut params_map);
        let statements = self.statements(text).map_err(Error::together)?;
        let mut last = None;
        for statement in &statements {
            for rows in last.take().into_iter().flat_map(Outcome::into_rows) {
                finish(rows)?;
            }
            last = Some(self.run(statement, &params_map)?);
        }
        match last {
            Some(outcome) => outcome.into_last_rows(),
            None => Err(Error::new(
                ErrorKind::Input,
                "TM0103",
                "the text holds no statement",
            )),
        }
    }

    /// Runs a text to its end and counts the rows of its last statement.
    ///
    /// ```
    /// let engine = tidemill::Engine::in_memory()?;
    /// let summary = engine.execute("FROM UNNEST(GENERATE_SERIES(1, 10)) AS n |> WHERE n > 7", ())?;
    /// assert_eq!(summary.rows, 3);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first error of any statement.
    pub fn execute(&self, text: &str, params: impl Params) -> Result<Summary> {
        finish(self.query(text, params)?)
    }

    /// Parses now, runs later with parameters.
    ///
    /// ```
    /// # use tidemill::{Engine, params};
    /// let engine = Engine::in_memory()?;
    /// let add = engine.prepare("SELECT @a + @b AS sum")?;
    /// assert_eq!(add.parameters(), ["a", "b"]);
    /// let sum: (i64,) = add.query(params! { a: 1, b: 2 })?.one()?;
    /// assert_eq!(sum.0, 3);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// The first error of the text, which must hold exactly one statement.
    pub fn prepare(&self, text: &str) -> Result<Prepared> {
        Prepared::new(self, text)
    }

    /// Waits until every worker is done with the batch that it has in hand. What queries that ended held, in memory and on disk,
    /// is let go then: a program that ends without it may leave files that did not fit into memory for the next one to remove.
    ///
    /// ```
    /// let engine = tidemill::Engine::in_memory()?;
    /// drop(engine.query("FROM UNNEST(GENERATE_SERIES(1, 1000)) AS n", ())?);
    /// engine.settle();
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn settle(&self) {
        self.0.pool.broadcast(|_| ());
    }

    /// Stops every query that runs on this engine.
    ///
    /// ```
    /// let engine = tidemill::Engine::in_memory()?;
    /// let rows = engine.query("FROM UNNEST(GENERATE_SERIES(1, 100000)) AS a |> CROSS JOIN UNNEST(GENERATE_SERIES(1, 100000)) AS b", ())?;
    /// engine.cancel_all();
    /// let end = rows.filter_map(Result::err).next();
    /// assert_eq!(end.map(|error| error.code()), Some("TM0507"));
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn cancel_all(&self) {
        self.0.cancels.fetch_add(1, Ordering::Relaxed);
        let running = std::mem::take(&mut *self.handles());
        running.iter().for_each(QueryHandle::cancel);
    }

    /// Handles of the queries that run on this engine now, the oldest first: also of those that no [`Rows`] belong to, such as the
    /// query of an INSERT.
    ///
    /// ```
    /// use tidemill::Engine;
    /// let engine = Engine::in_memory()?;
    /// engine.execute("CREATE TABLE n AS FROM UNNEST(GENERATE_SERIES(1, 2000)) AS n", ())?;
    /// let rows = engine.query("FROM n AS a |> CROSS JOIN n AS b", ())?;
    /// engine.running()[0].cancel();
    /// assert_eq!(rows.collect_batches().unwrap_err().code(), "TM0507");
    /// assert!(engine.running().is_empty());
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn running(&self) -> Vec<QueryHandle> {
        let handles = self.handles();
        let going = handles.iter().filter(|handle| handle.is_going());
        going.cloned().collect()
    }

    /// A handle of the query that began last on this engine, running or over, until another one begins or all are cancelled.
    ///
    /// ```
    /// let engine = tidemill::Engine::in_memory()?;
    /// assert!(engine.latest().is_none());
    /// engine.execute("CREATE TABLE t AS FROM (VALUES (1), (2)) AS v (n)", ())?;
    /// assert_eq!(engine.latest().expect("a query").progress().rows, 2);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    pub fn latest(&self) -> Option<QueryHandle> {
        self.handles().last().cloned()
    }

    fn handles(&self) -> MutexGuard<'_, Vec<QueryHandle>> {
        let running = self.0.running.lock();
        running.unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps the rows of a table counted, beside those that it had where they are `more`.
    fn keep(&self, table: String, memory: MemoryReservation, more: bool) {
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let of_table = kept.entry(table).or_default();
        if !more {
            of_table.clear();
        }
        of_table.push(memory);
    }

    /// A table is gone.
    fn forget(&self, table: &str) {
        let mut kept = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.remove(table);
    }

    /// What a statement may keep in memory beside its pipelines.
    fn share_of_memory(&self) -> u64 {
        let limit = self.budget().limit();
        limit.map_or(u64::MAX, |limit| limit as u64 / 8)
    }

    /// Whether operators may have to write out what they hold.
    fn is_limited(&self) -> bool {
        self.budget().limit().is_some()
    }

    /// A context for one query, and the handle that shows it once it runs.
    fn context(&self) -> Result<(Arc<RunContext>, QueryHandle)> {
        self.context_for(false)
    }

    /// The same; `analyze` has every step measured.
    fn context_for(&self, analyze: bool) -> Result<(Arc<RunContext>, QueryHandle)> {
        let cancel = CancelToken::default();
        let handle = QueryHandle::new(&cancel, &self.0.deadlines);
        let mut running = self.handles();
        running.retain(QueryHandle::is_shared);
        running.push(handle.clone());
        drop(running);
        let rest = self.1.ends_at.map(|at| at - Instant::now());
        let timeouts = [self.0.settings.timeout, rest];
        if let Some(timeout) = timeouts.into_iter().flatten().min() {
            self.0.deadlines.add(&cancel, timeout)?;
        }
        let ends = *self.run_ends();
        if let Some(ends) = ends {
            let left = ends.saturating_duration_since(Instant::now());
            self.0.deadlines.add(&cancel, left)?;
        }
        let memory = QueryMemory::new(self.budget());
        let tally = ReadTally::new(&self.0.read);
        let context = RunContext {
            analyze,
            batch_rows: self.0.settings.batch_rows,
            threads: self.0.settings.threads,
            pool: Arc::clone(&self.0.pool),
            cancel,
            task: task_within(TaskContext::from(&self.0.state), &memory, &tally),
            charged: None,
            memory,
            spill: SpillSpace::new(&self.0.disk),
            runtime: Arc::clone(&self.0.runtime),
            max_recursion: self.catalog().session().settings.max_recursion,
            notes: Arc::default(),
            tally,
        };
        Ok((Arc::new(context), handle))
    }

    /// Runs a graph to its end.
    fn run_whole(
        &self,
        graph: PipelineGraph,
        context: &Arc<RunContext>,
        handle: &QueryHandle,
    ) -> Result<()> {
        let execution = exec::run(graph, context);
        handle.shows(&execution);
        let ended = execution.wait();
        // What it says of itself outlives it.
        handle.progress();
        ended?;
        context.tally.publish()
    }

    fn run_ends(&self) -> MutexGuard<'_, Option<Instant>> {
        let ends = self.0.run_ends.lock();
        ends.unwrap_or_else(PoisonError::into_inner)
    }

    fn look(&self) -> MutexGuard<'_, Option<job::Look>> {
        self.0.look.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn catalog(&self) -> &Catalog {
        &self.0.catalog
    }
}

/// Runs a query to its end for its effect and its row count.
fn finish(rows: Rows) -> Result<Summary> {
    let (mut rows, mut count) = (rows, 0);
    for batch in rows.by_ref() {
        count += batch?.num_rows() as u64;
    }
    Ok(Summary {
        read: rows.read_counts(),
        ..Summary::new(count)
    })
}
