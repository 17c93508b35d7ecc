//! Operators over ten times the memory that they are given: time and peak of whole processes, beside DuckDB's where its program is
//! named. Answers under the limit must be those without it.

use std::error::Error;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use tidemill::arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};

use crate::Flags;

/// What queries may hold where no flag says it.
const LIMIT_BYTES: u64 = 64 << 20;
/// A row has three numbers and a text of a hundred bytes.
const ROW_BYTES: u64 = 124;
const BATCH_ROWS: i64 = 65_536;

/// The kinds of operators that must keep to a limit, in words that every engine understands.
const QUERIES: [(&str, &str); 12] = [
    (
        "aggregate",
        "SELECT COUNT(*) AS n, SUM(c) AS c, MIN(m) AS a, MAX(m) AS b FROM (SELECT g, MAX(s) AS m, COUNT(*) AS c FROM t GROUP BY g) AS x",
    ),
    (
        "distinct",
        "SELECT COUNT(*) AS n, MIN(s) AS a, MAX(s) AS b FROM (SELECT DISTINCT s FROM t) AS x",
    ),
    (
        "inner-join",
        "SELECT COUNT(*) AS n, SUM(a.k + b.k) AS s, MAX(a.s || b.s) AS m FROM t AS a JOIN t AS b ON a.k = b.g",
    ),
    (
        "left-join",
        "SELECT COUNT(*) AS n, COUNT(b.k) AS k, MIN(a.s) AS a, MAX(b.s) AS b FROM t AS a LEFT JOIN t AS b ON a.k = b.k * 2",
    ),
    (
        "full-join",
        "SELECT COUNT(*) AS n, COUNT(a.k) AS k, MIN(a.s) AS a, MAX(b.s) AS b FROM t AS a FULL JOIN t AS b ON a.k = b.k + 1000",
    ),
    (
        "semi-join",
        "SELECT COUNT(*) AS n, SUM(k) AS k, MAX(s) AS m FROM t WHERE s IN (SELECT s FROM t WHERE k % 2 = 0)",
    ),
    (
        "anti-join",
        "SELECT COUNT(*) AS n, SUM(k) AS k, MAX(s) AS m FROM t AS a WHERE NOT EXISTS (SELECT 1 FROM t AS b WHERE a.s = b.s AND b.k % 2 = 0)",
    ),
    (
        "skewed-join",
        "SELECT COUNT(*) AS n, SUM(a.k) AS k, MAX(a.s || b.s) AS m FROM t AS a JOIN t AS b ON a.h = b.k - 1",
    ),
    ("sort", "SELECT s, k FROM t ORDER BY s, k"),
    (
        "window",
        "SELECT COUNT(p) AS n, MIN(p) AS a, MAX(p) AS b FROM (SELECT LAG(s) OVER (PARTITION BY g % 10000 ORDER BY s) AS p FROM t) AS x",
    ),
    (
        "union",
        "SELECT COUNT(*) AS n, SUM(k) AS k, MAX(s) AS s FROM (SELECT k, s FROM t UNION SELECT g, s FROM t) AS x",
    ),
    (
        "wide-text",
        "SELECT COUNT(*) AS n, MIN(m) AS a, MAX(m) AS b FROM (SELECT s, MAX(s || s || s || s) AS m FROM t GROUP BY s) AS x",
    ),
];

pub(crate) fn run(flags: &Flags) -> Result<(), Box<dyn Error>> {
    let limit = flags.memory_limit.unwrap_or(LIMIT_BYTES);
    let rows = i64::try_from(limit * 10 / ROW_BYTES)?;
    let folder = flags.data.clone();
    let folder = folder.unwrap_or_else(|| PathBuf::from("target/bench/memory"));
    fs::create_dir_all(&folder)?;
    let data = folder.join(format!("t-{rows}.parquet"));
    if !data.exists() {
        eprintln!("making {}", data.display());
        make(&data, rows)?;
    }
    let engines = Engines {
        flags,
        folder: &folder,
        data: &data,
    };
    let idle = engines.tidemill("SELECT 1 AS one", None)?;
    println!(
        "limit {} MiB, {rows} rows; idle {} MiB",
        limit >> 20,
        idle.peak_mib
    );
    println!(
        "{:<12} {:>12} {:>12} {:>10} {:>12} {:>10}",
        "", "no limit ms", "limit ms", "peak MiB", "duckdb ms", "peak MiB"
    );
    for (name, query) in QUERIES {
        if !flags.names.is_empty() && !flags.names.iter().any(|wanted| wanted == name) {
            continue;
        }
        let free = engines.tidemill(query, None)?;
        let held = engines.tidemill(query, Some(limit))?;
        if free.answer != held.answer {
            return Err(format!("{name}: another answer under the limit").into());
        }
        let ms = |run: &Run| format!("{:.0}", run.time.as_secs_f64() * 1000.0);
        let duckdb = match &flags.duckdb {
            None => ["".to_string(), "".to_string()],
            Some(program) => match engines.duckdb(program, query, limit) {
                Ok(run) => [ms(&run), run.peak_mib.to_string()],
                Err(error) => [error.to_string(), String::new()],
            },
        };
        let [time, peak] = duckdb;
        println!(
            "{name:<12} {:>12} {:>12} {:>10} {time:>12} {peak:>10}",
            ms(&free),
            ms(&held),
            held.peak_mib
        );
    }
    Ok(())
}

/// Rows whose keys are all different (`k`), the same in another order (`g`), and one key for three rows of ten (`h`).
fn make(path: &Path, rows: i64) -> Result<(), Box<dyn Error>> {
    let part = path.with_extension("part");
    let settings = WriterProperties::builder()
        .set_compression(Compression::SNAPPY)
        .set_max_row_group_row_count(Some(122_880))
        .build();
    let mut writer = None;
    for start in (0..rows).step_by(usize::try_from(BATCH_ROWS)?) {
        let numbers = start..rows.min(start + BATCH_ROWS);
        // A step without a common divisor with the rows visits each once.
        let step = if rows % 7919 == 0 { 7907 } else { 7919 };
        let shuffled = |k: i64| k * step % rows;
        let column = |number: &dyn Fn(i64) -> i64| -> ArrayRef {
            Arc::new(Int64Array::from_iter_values(numbers.clone().map(number)))
        };
        let text = numbers.clone().map(|k| {
            let hash = shuffled(k).wrapping_mul(0x9e37_79b9_7f4a_7c15_u64 as i64);
            format!("{hash:016x}-{}", "abcdefghijklmnopqrstuvwxyz".repeat(4))[..100].to_string()
        });
        let text: ArrayRef = Arc::new(StringArray::from_iter_values(text));
        let batch = RecordBatch::try_from_iter([
            ("k", column(&|k| k)),
            ("g", column(&shuffled)),
            ("h", column(&|k| if k % 10 < 3 { 7 } else { shuffled(k) })),
            ("s", text),
        ])?;
        let writer = match &mut writer {
            Some(writer) => writer,
            none => none.insert(ArrowWriter::try_new(
                File::create(&part)?,
                batch.schema(),
                Some(settings.clone()),
            )?),
        };
        writer.write(&batch)?;
    }
    if let Some(writer) = writer {
        writer.close()?;
    }
    Ok(fs::rename(part, path)?)
}

struct Run {
    time: Duration,
    peak_mib: u64,
    answer: Vec<u8>,
}

struct Engines<'a> {
    flags: &'a Flags,
    folder: &'a Path,
    data: &'a Path,
}

impl Engines<'_> {
    fn tidemill(&self, query: &str, limit: Option<u64>) -> Result<Run, Box<dyn Error>> {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidemill"));
        let table = self.data.display();
        command
            .args(["--format", "csv", "--threads"])
            .arg(self.flags.threads.to_string());
        if let Some(limit) = limit {
            command.args(["--memory-limit", &limit.to_string()]);
        }
        command.arg("-c").arg(format!(
            "CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '{table}'; {query}"
        ));
        self.whole(command)
    }

    fn duckdb(&self, program: &Path, query: &str, limit: u64) -> Result<Run, Box<dyn Error>> {
        let spill = tempfile::tempdir_in(self.folder)?;
        let mut command = Command::new(program);
        command.args(["-csv", "-c"]).arg(format!(
            "SET memory_limit = '{limit} B'; SET threads = {}; SET temp_directory = '{}'; \
             CREATE VIEW t AS FROM '{}'; {query}",
            self.flags.threads,
            spill.path().display(),
            self.data.display()
        ));
        self.whole(command)
    }

    /// From start to end of a process, and the most memory that it had.
    fn whole(&self, mut command: Command) -> Result<Run, Box<dyn Error>> {
        let answer = tempfile::NamedTempFile::new_in(self.folder)?;
        let errors = tempfile::NamedTempFile::new_in(self.folder)?;
        let started = Instant::now();
        let mut child = command
            .stdin(Stdio::null())
            .stdout(answer.reopen()?)
            .stderr(errors.reopen()?)
            .spawn()?;
        let mut peak_kib = 0;
        let status = loop {
            peak_kib = peak_kib.max(peak_of(child.id()));
            match child.try_wait()? {
                Some(status) => break status,
                None => std::thread::sleep(Duration::from_millis(2)),
            }
        };
        let time = started.elapsed();
        if !status.success() {
            let text = fs::read_to_string(errors.path())?;
            return Err(text.lines().next().unwrap_or("failed").to_string().into());
        }
        Ok(Run {
            time,
            peak_mib: peak_kib >> 10,
            answer: fs::read(answer.path())?,
        })
    }
}

/// Peak resident memory of a process in KiB, where the system tells.
fn peak_of(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.trim().split(' ').next()?.parse().ok());
    number.unwrap_or(0)
}
