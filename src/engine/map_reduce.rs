//! Map-reduce over a table with closures, on the same pipelines as queries.
//!
//! The shape is Dean and Ghemawat's ("MapReduce", OSDI 2004): map gives key-value pairs, combine joins values of one key where
//! they arise, pairs are exchanged by the key's hash, reduce makes one answer of each key.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrow::array::RecordBatch;
use foldhash::fast::FixedState;

use super::{Engine, query};
use crate::error::{Error, ErrorKind, Result, Span};
use crate::exec::graph::{After, Pipeline, PipelineGraph};
use crate::exec::{self, BatchStream, Flow, RunContext, Sink, Source, stream_of};
use crate::lang::ast;
use crate::plan;

/// A table by name, from [`Engine::table`].
///
/// ```
/// let engine = tidemill::Engine::in_memory()?;
/// engine.execute("CREATE TABLE n AS FROM UNNEST(GENERATE_SERIES(1, 10)) AS n", ())?;
/// let rows = engine.table("n")?.map_reduce(
///     |batch, out| Ok(out.emit((), batch.num_rows())),
///     |_, a, b| a + b,
///     |_, rows| rows,
/// )?;
/// assert_eq!(rows, [10]);
/// # Ok::<(), tidemill::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Table {
    engine: Engine,
    name: String,
}

/// Takes the pairs that `map` gives and combines those of equal keys.
///
/// ```
/// use tidemill::arrow::array::RecordBatch;
/// use tidemill::{Emit, Engine, Result};
/// fn sizes(batch: &RecordBatch, out: &mut Emit<'_, usize, usize>) -> Result<()> {
///     out.emit(batch.num_columns(), batch.num_rows());
///     Ok(())
/// }
/// let engine = Engine::in_memory()?;
/// engine.execute("CREATE TABLE t AS SELECT 1 AS a, 2 AS b", ())?;
/// let rows = engine.table("t")?.map_reduce(sizes, |_, a, b| a + b, |columns, rows| (columns, rows))?;
/// assert_eq!(rows, [(2, 1)]);
/// # Ok::<(), tidemill::Error>(())
/// ```
pub struct Emit<'a, K, V> {
    pairs: &'a mut HashMap<K, V, FixedState>,
    combine: &'a (dyn Fn(&K, V, V) -> V + Sync),
}

impl<K, V> fmt::Debug for Emit<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Emit with {} keys", self.pairs.len())
    }
}

impl<K: Hash + Eq, V> Emit<'_, K, V> {
    /// Gives one pair.
    pub fn emit(&mut self, key: K, value: V) {
        match self.pairs.remove_entry(&key) {
            None => self.pairs.insert(key, value),
            Some((key, older)) => {
                let value = (self.combine)(&key, older, value);
                self.pairs.insert(key, value)
            }
        };
    }
}

impl Engine {
    /// A table, view or registered file by name.
    ///
    /// ```
    /// let engine = tidemill::Engine::in_memory()?;
    /// assert_eq!(engine.table("nowhere").err().map(|error| error.code()), Some("TM0203"));
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// TM0203 if there is none.
    pub fn table(&self, name: &str) -> Result<Table> {
        if self.catalog().find(name)?.is_none() {
            return Err(Error::new(
                ErrorKind::Input,
                "TM0203",
                format!("there is no table `{name}`"),
            ));
        }
        Ok(Table {
            engine: self.clone(),
            name: name.to_string(),
        })
    }
}

impl Table {
    /// Runs `map` over every batch of the table, on all workers; `combine` joins two values of one key, in any order and
    /// grouping; `reduce` makes the answer of each key from its last value. Answers come in no order.
    ///
    /// ```
    /// use tidemill::arrow::array::AsArray;
    /// # let engine = tidemill::Engine::in_memory()?;
    /// engine.execute("CREATE TABLE words AS FROM (VALUES ('a'), ('b'), ('a')) AS t (word)", ())?;
    /// let mut counts = engine.table("words")?.map_reduce(
    ///     |batch, out| {
    ///         let words = tidemill::arrow::compute::cast(batch.column(0), &tidemill::arrow::datatypes::DataType::Utf8)?;
    ///         words.as_string::<i32>().iter().flatten().for_each(|word| out.emit(word.to_string(), 1));
    ///         Ok(())
    ///     },
    ///     |_word, a: i64, b: i64| a + b,
    ///     |word, count| (word, count),
    /// )?;
    /// counts.sort();
    /// assert_eq!(counts, [("a".to_string(), 2), ("b".to_string(), 1)]);
    /// # Ok::<(), tidemill::Error>(())
    /// ```
    ///
    /// # Errors
    /// Whatever stops the scan, and the first error that `map` gives.
    pub fn map_reduce<K, V, R>(
        &self,
        map: impl Fn(&RecordBatch, &mut Emit<'_, K, V>) -> Result<()> + Send + Sync + 'static,
        combine: impl Fn(&K, V, V) -> V + Send + Sync + 'static,
        reduce: impl Fn(K, V) -> R + Send + Sync + 'static,
    ) -> Result<Vec<R>>
    where
        K: Hash + Eq + Send + Sync + 'static,
        V: Send + Sync + 'static,
        R: Send + 'static,
    {
        let query = self.bound()?;
        let (context, handle) = self.engine.context()?;
        let physical = query::optimize(&self.engine, &query, &context.cancel)?;
        let job = Arc::new(Job {
            map: Box::new(map),
            combine: Box::new(combine),
            reduce: Box::new(reduce),
            schema: super::result::named_schema(&physical.schema(), &query.columns),
            partitions: OnceLock::new(),
            answers: Mutex::new(Vec::new()),
        });
        let mut graph = plan::lower::lower(
            &query,
            &physical,
            Arc::new(MapSink(Arc::clone(&job))),
            self.engine.is_limited(),
        )?;
        let mapped = After::Sink(exec::graph::SinkId(graph.sinks.len() - 1));
        add_reduce(&mut graph, &job, mapped);
        self.engine.run_whole(graph, &context, &handle)?;
        Ok(std::mem::take(
            &mut *job.answers.lock().unwrap_or_else(PoisonError::into_inner),
        ))
    }

    fn bound(&self) -> Result<plan::BoundQuery> {
        let place = Span::default();
        let ident = ast::Ident {
            text: self.name.clone(),
            quoted: true,
            span: place,
        };
        let kind = ast::TableKind::Table(ast::Path {
            parts: vec![ident],
            span: place,
        });
        let table = ast::TableFactor {
            kind,
            alias: None,
            with_offset: None,
            hints: Vec::new(),
            sample: None,
            pivot: None,
            matching: None,
            span: place,
        };
        let body = ast::QueryBody::From(vec![ast::FromItem {
            table,
            joins: Vec::new(),
        }]);
        let query = ast::Query {
            with: None,
            body,
            pipes: Vec::new(),
            span: place,
        };
        let statement = ast::Statement {
            kind: ast::StatementKind::Query(query),
            hints: Vec::new(),
            span: place,
        };
        match query::bind(&self.engine, &statement, "", &plan::Parameters::default())?.bound {
            plan::bind::Bound::Query(query) => Ok(query),
            _ => Err(Error::bug("a query was bound to something else")),
        }
    }
}

type Map<K, V> = dyn Fn(&RecordBatch, &mut Emit<'_, K, V>) -> Result<()> + Send + Sync;
type Combine<K, V> = dyn Fn(&K, V, V) -> V + Send + Sync;
/// The pairs of one hash partition, a map for each worker that had some.
type Partition<K, V> = Mutex<Vec<Pairs<K, V>>>;
type Pairs<K, V> = HashMap<K, V, FixedState>;

struct Job<K, V, R> {
    map: Box<Map<K, V>>,
    combine: Box<Combine<K, V>>,
    reduce: Box<dyn Fn(K, V) -> R + Send + Sync>,
    schema: arrow::datatypes::SchemaRef,
    /// The pairs of each hash partition, as every worker left them; taken by the worker that reduces the partition.
    partitions: OnceLock<Vec<Partition<K, V>>>,
    answers: Mutex<Vec<R>>,
}

impl<K, V, R> fmt::Debug for Job<K, V, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("map-reduce")
    }
}

/// The map side: a worker's pairs, combined.
struct MapSink<K, V, R>(Arc<Job<K, V, R>>);

impl<K, V, R> fmt::Debug for MapSink<K, V, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MapSink")
    }
}

impl<K, V, R> Sink for MapSink<K, V, R>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    R: Send + 'static,
{
    type Local = Pairs<K, V>;

    fn start(&self, _context: &Arc<RunContext>) -> Result<Self::Local> {
        Ok(HashMap::with_hasher(FixedState::default()))
    }

    fn push(&self, pairs: &mut Self::Local, batch: RecordBatch) -> Result<Flow> {
        let named = RecordBatch::try_new(Arc::clone(&self.0.schema), batch.columns().to_vec())?;
        (self.0.map)(
            &named,
            &mut Emit {
                pairs,
                combine: self.0.combine.as_ref(),
            },
        )?;
        Ok(Flow::More)
    }

    fn finish(&self, locals: Vec<Self::Local>, context: &Arc<RunContext>) -> Result<()> {
        let count = context.partitions();
        let mut partitions: Vec<Vec<Pairs<K, V>>> =
            std::iter::repeat_with(Vec::new).take(count).collect();
        let hasher = FixedState::with_seed(PARTITION_SEED);
        for local in locals {
            let mut split: Vec<Pairs<K, V>> =
                std::iter::repeat_with(|| HashMap::with_hasher(FixedState::default()))
                    .take(count)
                    .collect();
            for (key, value) in local {
                let partition = std::hash::BuildHasher::hash_one(&hasher, &key) as usize % count;
                split[partition].insert(key, value);
            }
            partitions
                .iter_mut()
                .zip(split)
                .for_each(|(partition, pairs)| partition.push(pairs));
        }
        self.0
            .partitions
            .set(partitions.into_iter().map(Mutex::new).collect())
            .map_err(|_| Error::bug("map finished twice"))
    }

    fn describe(&self) -> String {
        "map".to_string()
    }
}

/// Keys are spread by another hash than the tables inside a partition use.
const PARTITION_SEED: u64 = 0x7469_6465;

/// The reduce side: one unit for each partition.
struct ReduceSource<K, V, R>(Arc<Job<K, V, R>>);

impl<K, V, R> fmt::Debug for ReduceSource<K, V, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReduceSource")
    }
}

impl<K, V, R> Source for ReduceSource<K, V, R>
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    R: Send + 'static,
{
    fn units(&self, _context: &Arc<RunContext>) -> Result<usize> {
        Ok(self.0.partitions.get().map_or(0, Vec::len))
    }

    fn open(&self, unit: usize, _context: &Arc<RunContext>) -> Result<BatchStream> {
        let partitions = self
            .0
            .partitions
            .get()
            .ok_or_else(|| Error::bug("reduce before map"))?;
        let maps = std::mem::take(
            &mut *partitions[unit]
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        );
        let mut merged: Pairs<K, V> = HashMap::with_hasher(FixedState::default());
        let mut emit = Emit {
            pairs: &mut merged,
            combine: self.0.combine.as_ref(),
        };
        maps.into_iter()
            .flatten()
            .for_each(|(key, value)| emit.emit(key, value));
        let answers: Vec<R> = merged
            .into_iter()
            .map(|(key, value)| (self.0.reduce)(key, value))
            .collect();
        self.0
            .answers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(answers);
        Ok(stream_of(std::iter::empty()))
    }

    fn describe(&self) -> String {
        "reduce".to_string()
    }
}

/// The answers lie in the job; the pipeline's own end is empty.
#[derive(Debug)]
struct Nowhere;

impl Sink for Nowhere {
    type Local = ();

    fn start(&self, _context: &Arc<RunContext>) -> Result<()> {
        Ok(())
    }

    fn push(&self, (): &mut (), _batch: RecordBatch) -> Result<Flow> {
        Ok(Flow::More)
    }

    fn finish(&self, _locals: Vec<()>, _context: &Arc<RunContext>) -> Result<()> {
        Ok(())
    }

    fn describe(&self) -> String {
        "answers".to_string()
    }
}

fn add_reduce<K, V, R>(graph: &mut PipelineGraph, job: &Arc<Job<K, V, R>>, mapped: After)
where
    K: Hash + Eq + Send + Sync + 'static,
    V: Send + Sync + 'static,
    R: Send + 'static,
{
    let sink = graph.add_sink(Arc::new(Nowhere));
    let source = Arc::new(ReduceSource(Arc::clone(job)));
    graph.add_pipeline(Pipeline {
        source,
        operators: Vec::new(),
        sink,
        after: vec![mapped],
        reads: Vec::new(),
        ordered: false,
    });
}
