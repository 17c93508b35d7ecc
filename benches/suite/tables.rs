//! Durable tables: what shards, a checkpoint and a buffer give, each as a ratio against the same work without them.
//!
//! Everything is made once, below `target/bench`, and found again by the next run. `insert` also runs DuckDB's
//! program, which `--duckdb` names.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use tidemill::arrow::array::{ArrayRef, Int64Array, RecordBatch};
use tidemill::{AppendMode, Engine, Explain, FlushPolicy};

use crate::measure::{Figures, measure};
use crate::{Flags, tpch};

/// A point lookup in one of 64 shards against the unsharded table: so many times faster.
const LOOKUP: f64 = 20.0;
/// A join of tables that lie beside each other against one that moves rows.
const JOIN: f64 = 1.5;
/// INSERT into 16 shards against DuckDB's COPY into as many partitions: no slower.
const INSERT: f64 = 1.0;
/// Planning over the long log.
const PLANNING: Duration = Duration::from_millis(200);
/// Single rows that a buffer takes in a second.
const SINGLE_ROWS: f64 = 10_000.0;

/// Segments that each commit of the long log adds.
const EACH: u64 = 10;

type Done = Result<(), Box<dyn Error>>;

/// What one name on the command line measures.
type Part = fn(&Flags) -> Done;

pub(crate) fn run(flags: &Flags) -> Done {
    println!(
        "{:<44} {:>12} {:>12} {:>8} {:>8}",
        "", "this ms", "other ms", "ratio", "goal"
    );
    let parts: [(&str, Part); 5] = [
        ("lookup", lookup),
        ("join", join),
        ("insert", insert),
        ("planning", planning),
        ("ingest", ingest),
    ];
    for (name, part) in parts {
        if flags.names.is_empty() || flags.names.iter().any(|wanted| wanted == name) {
            part(flags)?;
        }
    }
    Ok(())
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// How many times faster the first is than the other.
fn row(name: &str, this: Duration, other: Duration, goal: f64) {
    println!(
        "{name:<44} {:>12.2} {:>12.2} {:>8.2} {goal:>8.2}",
        ms(this),
        ms(other),
        ms(other) / ms(this)
    );
}

fn engine(flags: &Flags, directory: &Path) -> Result<Engine, tidemill::Error> {
    let builder = Engine::builder().threads(flags.threads);
    let builder = match flags.memory_limit {
        Some(limit) => builder.memory_limit(limit),
        None => builder,
    };
    builder.open(directory)
}

fn directory(name: &str) -> PathBuf {
    PathBuf::from(format!("target/bench/tables-{name}"))
}

/// A directory that is there only when it was made whole.
fn made(directory: &Path, make: impl FnOnce(&Path) -> Done) -> Done {
    let ready = directory.join("ready");
    if ready.exists() {
        return Ok(());
    }
    if directory.exists() {
        fs::remove_dir_all(directory)?;
    }
    fs::create_dir_all(directory)?;
    make(directory)?;
    fs::write(ready, "")?;
    Ok(())
}

fn timed(flags: &Flags, engine: &Engine, text: &str) -> Result<Figures, tidemill::Error> {
    measure(flags.runs, || {
        engine.query(text, ())?.collect_batches().map(drop)
    })
}

/// Rows whose keys lie in no order, so that no bound leaves a segment out.
fn rows(count: u64) -> String {
    format!(
        "SELECT n * 7919 % {count} AS k, n AS v, n % 1000 AS g FROM UNNEST(generate_series(1, {count})) AS n"
    )
}

fn sharded(flags: &Flags) -> Result<PathBuf, Box<dyn Error>> {
    let directory = directory(&format!("rows{}", flags.rows));
    made(&directory, |directory| {
        let engine = engine(flags, directory)?;
        let rows = rows(flags.rows);
        for (name, layout) in [
            ("plain", ""),
            ("sharded", "DISTRIBUTE BY HASH(k) INTO 64 SHARDS"),
            ("beside", "DISTRIBUTE BY HASH(k) INTO 64 SHARDS"),
            ("plain_beside", ""),
        ] {
            engine.execute(&format!("CREATE TABLE {name} {layout} AS {rows}"), ())?;
        }
        Ok(())
    })?;
    Ok(directory)
}

fn lookup(flags: &Flags) -> Done {
    let engine = engine(flags, &sharded(flags)?)?;
    let key = flags.rows / 3;
    let query = |table: &str| format!("FROM {table} |> WHERE k = {key} |> SELECT v");
    let plan = engine.explain(&query("sharded"), Explain::Pipelines)?;
    let plan = plan.to_string();
    if !plan.contains("shards 1 of 64") {
        return Err(format!("more than one shard is opened:\n{plan}").into());
    }
    let this = timed(flags, &engine, &query("sharded"))?;
    let other = timed(flags, &engine, &query("plain"))?;
    let name = format!("lookup by shard key, {} rows", flags.rows);
    row(&name, this.median, other.median, LOOKUP);
    Ok(())
}

fn join(flags: &Flags) -> Done {
    let engine = engine(flags, &sharded(flags)?)?;
    let query = |one: &str, other: &str| {
        format!(
            "FROM {one} AS a |> JOIN {other} AS b ON a.k = b.k |> AGGREGATE COUNT(*), SUM(a.v + b.v)"
        )
    };
    let this = timed(flags, &engine, &query("sharded", "beside"))?;
    let other = timed(flags, &engine, &query("plain", "plain_beside"))?;
    let name = format!("co-located join, {0} x {0} rows", flags.rows);
    row(&name, this.median, other.median, JOIN);
    let query = |table: &str| {
        format!("FROM {table} |> AGGREGATE SUM(v) AS s GROUP BY k |> AGGREGATE COUNT(*), MAX(s)")
    };
    let this = timed(flags, &engine, &query("sharded"))?;
    let other = timed(flags, &engine, &query("plain"))?;
    let name = format!("aggregate by shard key, {} rows", flags.rows);
    row(&name, this.median, other.median, 1.0);
    Ok(())
}

fn insert(flags: &Flags) -> Done {
    let data = tpch::made(flags)?.join("lineitem.parquet");
    let data = data.to_string_lossy().replace('\'', "''");
    let directory = tempfile::tempdir_in("target/bench")?;
    let engine = engine(flags, directory.path())?;
    engine.execute(
        &format!(
            "CREATE EXTERNAL TABLE source STORED AS PARQUET LOCATION '{data}';
             CREATE TABLE lineitem DISTRIBUTE BY HASH(l_orderkey) INTO 16 SHARDS AS FROM source |> LIMIT 0"
        ),
        (),
    )?;
    let mut times = Vec::new();
    for _ in 0..=flags.runs {
        let started = Instant::now();
        engine.execute("INSERT INTO lineitem FROM source", ())?;
        times.push(started.elapsed());
        engine.execute("TRUNCATE TABLE lineitem", ())?;
        engine.execute("VACUUM lineitem RETAIN 0 HOURS", ())?;
    }
    let this = median(times);
    let name = format!("INSERT of lineitem SF{} into 16 shards", flags.scale);
    let Some(program) = &flags.duckdb else {
        println!("{name:<44} {:>12.2} (without --duckdb alone)", ms(this));
        return Ok(());
    };
    // As many parts and the same compression; DuckDB does not sync.
    let out = directory.path().join("duckdb");
    let copy = format!(
        "SET threads = {}; COPY (SELECT *, hash(l_orderkey) % 16 AS part FROM '{data}') TO '{}' (FORMAT parquet, PARTITION_BY (part), COMPRESSION snappy)",
        flags.threads,
        out.display()
    );
    let mut times = Vec::new();
    for _ in 0..=flags.runs {
        let started = Instant::now();
        let output = Command::new(program).args(["-c", &copy]).output()?;
        times.push(started.elapsed());
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
        }
        fs::remove_dir_all(&out)?;
    }
    row(&name, this, median(times), INSERT);
    Ok(())
}

/// Of all but the first, which warms up.
fn median(mut times: Vec<Duration>) -> Duration {
    times.remove(0);
    times.sort();
    times.get(times.len() / 2).copied().unwrap_or_default()
}

/// A log as a long life leaves it: so many commits, of ten segments each, and one checkpoint at its end.
fn long_log(flags: &Flags, directory: &Path) -> Done {
    let engine = engine(flags, directory)?;
    engine.execute(
        "CREATE TABLE t (p INT64, k INT64, v FLOAT64, s STRING) PARTITION BY p DISTRIBUTE BY HASH(k) INTO 16 SHARDS",
        (),
    )?;
    drop(engine);
    let log = directory.join("t/_delta_log");
    for version in 1..flags.commits {
        let mut text = String::new();
        for part in 0..EACH {
            let number = version * EACH + part;
            let (partition, shard) = (number % 1000, number % 16);
            let stats = json!({
                "numRecords": 1000,
                "minValues": {"k": number * 1000, "v": 0.5, "s": format!("row {number}")},
                "maxValues": {"k": number * 1000 + 999, "v": 99.5, "s": format!("row {number} z")},
                "nullCount": {"k": 0, "v": 3, "s": 0},
            });
            let buckets = format!("{}-{}", shard * 256, shard * 256 + 255);
            let add = json!({"add": {
                "path": format!("p={partition}/s{shard:04}-{number:032x}.parquet"),
                "partitionValues": {"p": partition.to_string()},
                "size": 123_456, "modificationTime": 1_700_000_000_000_u64, "dataChange": true,
                "stats": stats.to_string(),
                "tags": {"tidemill.buckets": buckets, "tidemill.xxh64": format!("{number:016x}"), "tidemill.tail": format!("{number:016x}")},
            }});
            text += &format!("{add}\n");
        }
        let info = json!({"commitInfo": {"timestamp": 1_700_000_000_000_u64 + version, "operation": "WRITE", "isBlindAppend": true}});
        fs::write(
            log.join(format!("{version:020}.json")),
            format!("{info}\n{text}"),
        )?;
    }
    // The next version is a multiple of ten, which writes the checkpoint, and has the one segment whose file is there.
    let engine = self::engine(flags, directory)?;
    engine.execute("INSERT INTO t VALUES (5000, -1, 1.0, 'here')", ())?;
    Ok(())
}

fn planning(flags: &Flags) -> Done {
    let commits = flags.commits / 10 * 10;
    let directory = directory(&format!("log{commits}"));
    made(&directory, |directory| long_log(flags, directory))?;
    for (name, condition) in [
        ("by partition", "p = 5000"),
        ("by shard and bounds", "k = -1"),
        ("by bounds", "s < 'i' AND v = 1.0"),
    ] {
        let query = format!("FROM t |> WHERE {condition} |> SELECT s");
        let count = engine(flags, &directory)?
            .query(&query, ())?
            .one::<(String,)>()?;
        assert_eq!(count.0, "here");
        // A new engine each time: nothing is known before.
        let figures = measure(flags.runs, || {
            let engine = engine(flags, &directory)?;
            engine.explain(&query, Explain::Pipelines).map(drop)
        })?;
        let name = format!("planning {name}, {} segments", commits * EACH);
        row(&name, figures.median, PLANNING, 1.0);
    }
    Ok(())
}

/// Single rows into a buffer, from several threads, each safe before the next.
fn ingest(flags: &Flags) -> Done {
    const THREADS: u64 = 16;
    let each = (flags.rows / 1000).clamp(10, 2000);
    let directory = tempfile::tempdir_in("target/bench")?;
    let engine = engine(flags, directory.path())?;
    engine.execute(
        "CREATE TABLE t (k INT64, v INT64) OPTIONS (ingest = 'buffered');
         CREATE TABLE behind (k INT64)",
        (),
    )?;
    let started = Instant::now();
    std::thread::scope(|scope| {
        let insert = |thread: u64| {
            for number in 0..each {
                let key = thread * each + number;
                engine.execute(&format!("INSERT INTO t VALUES ({key}, 0)"), ())?;
            }
            Ok::<(), tidemill::Error>(())
        };
        let threads: Vec<_> = (0..THREADS)
            .map(|thread| scope.spawn(move || insert(thread)))
            .collect();
        threads
            .into_iter()
            .try_for_each(|thread| match thread.join() {
                Ok(done) => done,
                Err(_) => Ok(()),
            })
    })?;
    let rows = THREADS * each;
    let goal = Duration::from_secs_f64(rows as f64 / SINGLE_ROWS);
    row(
        &format!("{rows} INSERTs of a row"),
        started.elapsed(),
        goal,
        1.0,
    );
    let mut appender =
        engine.appender("behind", AppendMode::WriteBehind(FlushPolicy::default()))?;
    let started = Instant::now();
    for key in 0..each as i64 {
        let keys: ArrayRef = std::sync::Arc::new(Int64Array::from(vec![key]));
        appender.append(&RecordBatch::try_from_iter([("k", keys)])?)?;
    }
    let goal = Duration::from_secs_f64(each as f64 / SINGLE_ROWS);
    let name = format!("{each} rows of one appender");
    row(&name, started.elapsed(), goal, 1.0);
    Ok(())
}
