//! How far a statement is, on standard error: a line that is drawn over and erased, or JSON for programs.
//!
//! One thread looks at the engine's queries while a statement runs. It also repeats what Ctrl-C asked for: the statement may have
//! begun its next query in the moment of the first call.

mod line;

use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use serde_json::json;
use tidemill::{Engine, Progress, QueryHandle};

use crate::interrupt::is_interrupted;

/// Columns behind the line that stay free: where a terminal writes `^C` there all the same, it begins no second line.
const LEFT_FREE: usize = 3;

/// What is done in less needs no line.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(100);
/// Between two lines of JSON.
const REPORT: Duration = Duration::from_millis(500);

/// Who is told how far a statement is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tell {
    /// A person at the terminal, where a statement takes more than two seconds
    Auto,
    /// Nobody
    Never,
    /// A program: one JSON object a line
    Json,
}

/// Tells how far one statement is until it is dropped. What was drawn is then gone.
pub(crate) struct Watch {
    shared: Arc<Mutex<Screen>>,
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<Seen>>,
    /// The number of the statement, where programs are told.
    json: Option<usize>,
}

/// The line on the screen.
#[derive(Default)]
struct Screen {
    is_drawn: bool,
    /// Nothing more is drawn.
    is_quiet: bool,
}

/// The query that was seen last, and how many there were.
#[derive(Default)]
struct Seen {
    query: Option<QueryHandle>,
    /// Its progress where nobody has it any more.
    last: Progress,
    queries: usize,
}

impl Watch {
    /// Begins with the statement `number`.
    pub(crate) fn begin(engine: &Engine, tell: Tell, number: usize) -> Self {
        let draws = tell == Tell::Auto && io::stderr().is_terminal();
        let mut watch = Watch {
            shared: Arc::default(),
            stop: None,
            thread: None,
            json: (tell == Tell::Json).then_some(number),
        };
        watch.lock().is_quiet = !draws;
        let (stop, stopped) = channel();
        let (engine, shared, json) = (engine.clone(), Arc::clone(&watch.shared), watch.json);
        let seen = Seen::before(&engine);
        let look = move || look(seen, &engine, &shared, &stopped, json);
        // Without a thread the statement runs all the same, and nobody is told.
        if let Ok(thread) = std::thread::Builder::new()
            .name("tidemill-watch".to_string())
            .spawn(look)
        {
            (watch.stop, watch.thread) = (Some(stop), Some(thread));
        }
        watch
    }

    /// Does what writes to the terminal, with no line in the way.
    pub(crate) fn aside<T>(&self, work: impl FnOnce() -> T) -> T {
        let mut screen = self.lock();
        screen.erase();
        work()
    }

    /// Rows go to the terminal from now on: no line is drawn among them.
    pub(crate) fn be_quiet(&self) {
        let mut screen = self.lock();
        screen.erase();
        screen.is_quiet = true;
    }

    fn lock(&self) -> MutexGuard<'_, Screen> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The statement is over.
    pub(crate) fn end(mut self, ok: bool) {
        self.close(ok);
    }

    fn close(&mut self, ok: bool) {
        self.stop = None;
        let Some(thread) = self.thread.take() else {
            return;
        };
        let seen = thread.join().unwrap_or_default();
        self.be_quiet();
        if let Some(statement) = self.json {
            let state = if ok { "done" } else { "failed" };
            seen.report(statement, state);
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.close(false);
    }
}

/// Looks until the statement is over.
fn look(
    mut seen: Seen,
    engine: &Engine,
    shared: &Mutex<Screen>,
    stopped: &Receiver<()>,
    json: Option<usize>,
) -> Seen {
    let since = Instant::now();
    let mut reported = since;
    loop {
        match stopped.recv_timeout(LOOK) {
            Err(RecvTimeoutError::Timeout) => {}
            // Also a query that began and ended since the last look was one.
            _ => {
                seen.look(engine);
                return seen;
            }
        }
        if is_interrupted() {
            engine.cancel_all();
        }
        seen.look(engine);
        if since.elapsed() >= PATIENCE {
            let mut screen = shared.lock().unwrap_or_else(PoisonError::into_inner);
            screen.draw(&seen, since.elapsed());
        }
        if let Some(statement) = json
            && reported.elapsed() >= REPORT
        {
            reported = Instant::now();
            seen.report(statement, "running");
        }
    }
}

impl Seen {
    /// What ran before is none of the statement's.
    fn before(engine: &Engine) -> Self {
        Seen {
            query: engine.latest(),
            ..Seen::default()
        }
    }

    fn look(&mut self, engine: &Engine) {
        let Some(newest) = engine.latest() else {
            return;
        };
        let is_known = (self.query.as_ref()).is_some_and(|known| known.is_same(&newest));
        if !is_known {
            self.queries += 1;
        }
        if self.queries > 0 {
            self.last = newest.progress();
        }
        self.query = Some(newest);
    }

    fn report(&self, statement: usize, state: &str) {
        let now = self.last;
        let remaining = match state {
            "running" => now.remaining().map(|time| time.as_millis() as u64),
            _ => Some(0),
        };
        let object = json!({
            "event": "progress",
            "statement": statement,
            "query": self.queries,
            "state": state,
            "fraction": now.fraction,
            "rows": now.rows,
            "bytes": now.bytes,
            "rows_per_second": now.rows_per_second().round(),
            "bytes_per_second": now.bytes_per_second().round(),
            "rows_given": now.rows_given,
            "elapsed_ms": now.elapsed.as_millis() as u64,
            "remaining_ms": remaining,
            "memory_bytes": now.memory_bytes,
            "spilled_bytes": now.spilled_bytes,
        });
        eprintln!("{object}");
    }
}

/// The terminal's own `^C` comes before or behind it, and not into the middle. Where nobody sees it, nobody misses it.
fn written_at_once(text: &str) {
    let mut out = io::stderr().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

impl Screen {
    fn draw(&mut self, seen: &Seen, elapsed: Duration) {
        if self.is_quiet {
            return;
        }
        let width = terminal_size::terminal_size_of(io::stderr());
        let width = width.map_or(80, |(width, _)| usize::from(width.0));
        let width = width.saturating_sub(LEFT_FREE);
        let text = line::text(&seen.last, seen.queries, elapsed, width);
        // The rest of the line is blanked: not every terminal can erase.
        let blank = " ".repeat(width.saturating_sub(line::columns(&text)));
        written_at_once(&format!("\r{text}{blank}\r"));
        self.is_drawn = true;
    }

    fn erase(&mut self) {
        if std::mem::take(&mut self.is_drawn) {
            let width = terminal_size::terminal_size_of(io::stderr());
            let width = width.map_or(80, |(width, _)| usize::from(width.0));
            let blank = " ".repeat(width.saturating_sub(1));
            written_at_once(&format!("\r{blank}\r"));
        }
    }
}
