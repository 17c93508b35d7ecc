//! Queries that are stopped: cancelled, out of time, dropped, struck by a panic. They end alone, and leave nothing behind.

use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tempfile::TempDir;
use tidemill::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use tidemill::arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use tidemill::datafusion::catalog::{Session, TableProvider};
use tidemill::datafusion::datasource::empty::EmptyTable;
use tidemill::datafusion::logical_expr::{Expr, TableType};
use tidemill::datafusion::physical_plan::ExecutionPlan;
use tidemill::{Engine, ErrorKind, datafusion};

use crate::answer;
use crate::memory::{failure, is_empty, until};

const ROWS: i64 = 10_000;

/// An engine with little memory, and a function `tick` that does something at its n-th row.
struct Stage {
    engine: Engine,
    folder: TempDir,
    /// Rows until it happens.
    left: Arc<AtomicI64>,
}

impl Stage {
    fn new(happens: impl Fn(&Engine) + Send + Sync + 'static) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let engine = engine(folder.path());
        let left = Arc::new(AtomicI64::new(i64::MAX));
        let (counter, own) = (Arc::clone(&left), engine.clone());
        let tick = move |value: i64| -> i64 {
            if counter.fetch_sub(1, Ordering::SeqCst) == 1 {
                happens(&own);
            }
            value
        };
        engine.register_fn("tick", tick).expect("a function");
        Stage {
            engine,
            folder,
            left,
        }
    }

    fn leaves_nothing(&self, text: &str) {
        until(text, || self.engine.metrics().memory_bytes == 0);
        until(text, || self.engine.metrics().spill_bytes == 0);
        until(text, || is_empty(self.folder.path()));
    }
}

fn engine(folder: &Path) -> Engine {
    let engine = Engine::builder()
        .threads(2)
        .batch_rows(256)
        .memory_limit(512 << 10)
        .spill_dir(folder)
        .in_memory()
        .expect("an engine");
    let batches = (0..ROWS / 1000).map(|part| {
        let rows = part * 1000..(part + 1) * 1000;
        let text: StringArray = rows
            .clone()
            .map(|row| Some(format!("{row:0>200}")))
            .collect();
        let keys = rows.map(|row| row * 7919 % ROWS);
        RecordBatch::try_from_iter([
            (
                "k",
                Arc::new(Int64Array::from_iter_values(keys)) as ArrayRef,
            ),
            ("s", Arc::new(text) as ArrayRef),
        ])
        .expect("columns of one length")
    });
    engine
        .register_batches("t", batches.collect())
        .expect("a table");
    engine
}

/// Before, in and after every operator that holds rows.
const QUERIES: [&str; 10] = [
    "FROM t |> WHERE tick(k) >= 0 |> ORDER BY s DESC",
    "FROM t |> ORDER BY s DESC |> WHERE tick(k) >= 0",
    "FROM t |> AGGREGATE MAX(s) AS m, SUM(tick(k)) AS n GROUP BY k",
    "FROM t |> AGGREGATE MAX(s) AS m GROUP BY k |> WHERE tick(k) >= 0",
    "FROM t AS a |> JOIN t AS b ON tick(a.k) = b.k",
    "FROM t AS a |> FULL JOIN t AS b ON a.k = b.k |> WHERE tick(a.k) >= 0",
    "FROM t |> EXTEND LAG(s) OVER (PARTITION BY k / 100 ORDER BY tick(k)) AS p",
    "FROM t |> SELECT tick(k) AS k, s |> DISTINCT",
    "WITH x AS (FROM t |> SELECT tick(k) AS k, s |> DISTINCT) FROM x |> WHERE k < 5000 |> UNION ALL (FROM x |> WHERE k >= 5000)",
    "WITH x AS (FROM t |> SELECT k, s |> DISTINCT) FROM x |> WHERE tick(k) < 5000 |> UNION ALL (FROM x |> WHERE k >= 5000)",
];

/// The rows of the engine's table at which it happens.
const MOMENTS: [i64; 3] = [1, 3_000, 9_999];

#[test]
fn a_query_can_be_cancelled_at_any_row() {
    let stage = Stage::new(Engine::cancel_all);
    for text in QUERIES {
        for moment in MOMENTS {
            stage.left.store(moment, Ordering::SeqCst);
            match answer::rows(&stage.engine, text) {
                Err(error) => assert_eq!(error.code(), "TM0507", "{text} at {moment}: {error}"),
                // All rows were out before anyone looked, or the row never came.
                Ok(_) => assert!(moment > 5_000, "{text} at {moment}"),
            }
            stage.leaves_nothing(text);
        }
    }
    let metrics = stage.engine.metrics();
    assert!(metrics.queries_cancelled > 12, "{metrics:?}");
    assert_eq!(metrics.queries_failed, 0);
}

#[test]
fn a_panic_ends_its_query_alone() {
    let stage = Stage::new(|_| panic!("a function of the program's own"));
    for text in QUERIES {
        for moment in MOMENTS {
            stage.left.store(moment, Ordering::SeqCst);
            let other = stage
                .engine
                .query("FROM t |> ORDER BY k", ())
                .expect("a query");
            match answer::rows(&stage.engine, text) {
                Err(error) => assert_ne!(error.kind(), ErrorKind::Cancelled, "{text}: {error}"),
                Ok(_) => assert!(stage.left.load(Ordering::SeqCst) > 0, "{text} at {moment}"),
            }
            let rows: usize = other.map(|batch| batch.expect("rows").num_rows()).sum();
            assert_eq!(rows as i64, ROWS, "the other query goes on");
            stage.leaves_nothing(text);
        }
    }
}

#[test]
fn rows_that_are_dropped_stop_their_query() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = engine(folder.path());
    for text in QUERIES.map(|text| text.replace("tick", "abs")) {
        for batches in [0, 1, 3] {
            let mut rows = engine.query(&text, ()).expect("a query");
            for _ in 0..batches {
                rows.next().expect("a batch").expect("rows");
            }
            drop(rows);
            until(&text, || engine.metrics().memory_bytes == 0);
            until(&text, || is_empty(folder.path()));
        }
    }
    assert_eq!(engine.metrics().queries_cancelled, 30);
}

/// Ten billion pairs.
const ENDLESS: &str =
    "FROM t AS a |> CROSS JOIN t AS b |> CROSS JOIN t AS c |> AGGREGATE SUM(a.k * b.k - c.k) AS s";

#[test]
fn a_timeout_stops_what_never_ends() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = engine(folder.path());
    let rows = engine.query(ENDLESS, ()).expect("a query");
    rows.handle()
        .set_timeout(Duration::from_millis(20))
        .expect("a deadline");
    let error = rows.collect_batches().expect_err("it never ends");
    assert_eq!((error.kind(), error.code()), (ErrorKind::Timeout, "TM0512"));
    assert_eq!(error.exit_code(), 4);
    let hurried = Engine::builder()
        .timeout(Duration::from_millis(1))
        .in_memory();
    let hurried = hurried.expect("an engine");
    let series = "FROM UNNEST(GENERATE_SERIES(1, 100000)) AS n";
    let text =
        format!("{series} |> AS a |> CROSS JOIN ({series} |> AS b) |> AGGREGATE COUNT(*) AS n");
    let error = hurried.execute(&text, ()).expect_err("it runs for long");
    assert_eq!(error.code(), "TM0512");
    assert_eq!(hurried.metrics().queries_timed_out, 1);
}

#[test]
fn progress_goes_on_and_never_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = engine(folder.path());
    let rows = engine
        .query(
            "FROM t AS a |> JOIN t AS b ON a.k = b.k |> ORDER BY a.s",
            (),
        )
        .expect("a query");
    let handle = rows.handle();
    let mut before = handle.progress();
    for batch in rows {
        batch.expect("rows");
        let now = handle.progress();
        assert!((0.0..=1.0).contains(&now.fraction));
        assert!(now.fraction >= before.fraction && now.units_done >= before.units_done);
        assert!(now.rows >= before.rows && now.bytes >= before.bytes);
        before = now;
    }
    let end = handle.progress();
    assert_eq!((end.fraction, end.rows as i64), (1.0, 2 * ROWS));
    assert!(end.spilled_bytes > 0 && end.units_done > 0 && end.bytes > 0);
    assert_eq!(engine.metrics().query_rows_read.sum, end.rows);
}

#[test]
fn it_runs_inside_a_pool_and_inside_a_runtime_of_the_caller() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = engine(folder.path());
    let sorted = |engine: &Engine| {
        let rows = engine.query("FROM t |> ORDER BY s", ()).expect("a query");
        rows.map(|batch| batch.expect("rows").num_rows() as i64)
            .sum::<i64>()
    };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .expect("a pool");
    assert_eq!(pool.install(|| sorted(&engine)), ROWS);
    assert_eq!(
        pool.install(|| rayon::join(|| sorted(&engine), || sorted(&engine))),
        (ROWS, ROWS)
    );
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    assert_eq!(runtime.block_on(async { sorted(&engine) }), ROWS);
}

#[test]
fn many_queries_share_the_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let engine = engine(folder.path());
    std::thread::scope(|scope| {
        for text in QUERIES.map(|text| text.replace("tick", "abs")) {
            let engine = &engine;
            scope.spawn(move || {
                // All rows, or the limit that the others already fill: never fewer rows, never another error.
                match answer::rows(engine, &text) {
                    Ok(rows) => assert_eq!(rows.rows.len() as i64, ROWS, "{text}"),
                    Err(error) => assert!(error.to_string().contains("TM0506"), "{text}: {error}"),
                }
            });
        }
    });
    until("memory is given back", || {
        engine.metrics().memory_bytes == 0
    });
    until("the folder is empty", || is_empty(folder.path()));
}

/// A table that takes its time to be planned: until its sender is gone.
#[derive(Debug)]
struct Slow {
    gate: Mutex<Receiver<()>>,
    rows: EmptyTable,
}

type Planned<'future> = Pin<
    Box<dyn Future<Output = datafusion::error::Result<Arc<dyn ExecutionPlan>>> + Send + 'future>,
>;

impl TableProvider for Slow {
    fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn scan<'table, 'state, 'projection, 'filters, 'future>(
        &'table self,
        state: &'state dyn Session,
        projection: Option<&'projection Vec<usize>>,
        filters: &'filters [Expr],
        limit: Option<usize>,
    ) -> Planned<'future>
    where
        'table: 'future,
        'state: 'future,
        'projection: 'future,
        'filters: 'future,
    {
        let gate = self.gate.lock().expect("a gate");
        assert!(gate.recv().is_err(), "nothing is sent");
        drop(gate);
        self.rows.scan(state, projection, filters, limit)
    }
}

#[test]
fn planning_is_not_waited_for_when_the_query_is_over() {
    let slow = |engine: &Engine| {
        let (open, gate) = channel::<()>();
        let column = Field::new("n", DataType::Int64, true);
        let table = Slow {
            gate: Mutex::new(gate),
            rows: EmptyTable::new(Arc::new(Schema::new(vec![column]))),
        };
        engine
            .register_provider("slow", Arc::new(table))
            .expect("a table");
        open
    };
    let builder = Engine::builder().timeout(Duration::from_millis(20));
    let engine = builder.in_memory().expect("an engine");
    let open = slow(&engine);
    assert_eq!(failure(&engine, "FROM slow").code(), "TM0512");
    drop(open);

    let engine = Engine::in_memory().expect("an engine");
    let open = slow(&engine);
    std::thread::scope(|scope| {
        let waiting = scope.spawn(|| failure(&engine, "FROM slow"));
        while !waiting.is_finished() {
            engine.cancel_all();
            std::thread::yield_now();
        }
        assert_eq!(waiting.join().expect("an error").code(), "TM0507");
    });
    drop(open);
    assert_eq!(
        answer::rows(&engine, "FROM slow").expect("rows").rows.len(),
        0
    );
}

#[test]
fn a_statement_can_bring_its_own_timeout() {
    let engine = Engine::builder().threads(2).in_memory().expect("an engine");
    let numbers = "FROM generate_series(1, 100000)";
    let endless = format!(
        "{numbers} AS a |> CROSS JOIN ({numbers} AS b) |> CROSS JOIN ({numbers} AS c) |> AGGREGATE MAX(a + b + c) AS m"
    );
    for text in [
        format!("@{{timeout_ms = 50}} {endless}"),
        format!("@{{timeout_ms = 50}} {endless} |> CREATE TABLE never"),
        format!("@{{timeout_ms = 50}} CREATE TABLE never AS {endless}"),
    ] {
        let error = engine.execute(&text, ()).expect_err(&text);
        assert_eq!(
            (error.kind(), error.code()),
            (ErrorKind::Timeout, "TM0512"),
            "{text}"
        );
        let hint = error
            .notes()
            .iter()
            .any(|(_, note)| note.contains("--timeout"));
        assert!(hint, "{error}");
    }
    assert!(engine.query("FROM never", ()).is_err());
    let next = engine.query(&format!("{numbers} AS n |> AGGREGATE MAX(n)"), ());
    let (most,): (i64,) = next
        .and_then(tidemill::Rows::one)
        .expect("the next statement has no timeout");
    assert_eq!(most, 100_000);
}
