//! From flags to results: gather the texts, run their statements in order, stop at the first error.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::Instant;

use tidemill::{Engine, Error, Outcome, ParamMap, Rows, Statement};

use crate::cut;
use crate::flags::{DoubleQuotes, Flags, Format};
use crate::format::{self, Style};
use crate::interrupt::{self, Second, is_interrupted};
use crate::progress::Watch;
use crate::report::{Text, report, warn};
use crate::shell;
use crate::stop::{INTERRUPTED, Stop};
use crate::target::{Target, stdout_is_terminal};
use crate::texts;

/// Runs the program; the exit code.
pub(crate) fn run(flags: &Flags) -> u8 {
    match try_run(flags) {
        Ok(()) => 0,
        Err(stop) => stop.end(flags.error_format),
    }
}

/// Dropped last: a worker may still hold files of a query that ended.
pub(crate) struct Settled(pub(crate) Engine);

impl Drop for Settled {
    fn drop(&mut self) {
        self.0.settle();
    }
}

fn try_run(flags: &Flags) -> Result<(), Stop> {
    if flags.asks_for_nothing() && io::stdin().is_terminal() && stdout_is_terminal() {
        return shell::run(flags, engine(flags).map_err(Stop::of_engine)?);
    }
    let texts = gathered(flags)?;
    let format = output_format(flags)?;
    let params = flags.values.params()?;
    let engine = engine(flags).map_err(Stop::of_engine)?;
    let mut parsed = parsed(&engine, &texts, flags)?;
    let statements = parsed.iter().flat_map(|(_, statements)| statements);
    let asked: Vec<String> = statements.flat_map(Statement::parameters).collect();
    flags.values.are_used(&asked)?;
    cut::cut(flags, &mut parsed)?;
    interrupt::stops_queries(&engine, Second::EndsProgram);
    let _settled = Settled(engine.clone());
    let mut session = Session {
        engine,
        flags,
        format,
        params,
        style: style(flags),
        statements: 0,
        results: 0,
        file: None,
    };
    let mut failed = None;
    for (text, statements) in &parsed {
        for statement in statements {
            match session.statement(statement, text) {
                Err(Stop::Said(code)) if flags.keep_going && !interrupted() => {
                    failed.get_or_insert(code);
                    // What failed may have been to give the last result: an earlier one is not taken for it.
                    session.file = None;
                }
                ended => ended?,
            }
        }
    }
    session.file.map_or(Ok(()), Target::commit)?;
    match failed {
        Some(code) => Err(Stop::Said(code)),
        None => Ok(()),
    }
}

/// The statements of every text. Nothing runs where one of them cannot be read, and all that is wrong is said.
fn parsed<'t>(
    engine: &Engine,
    texts: &'t [Text],
    flags: &Flags,
) -> Result<Vec<(&'t Text, Vec<Statement>)>, Stop> {
    let (mut parsed, mut failed) = (Vec::new(), None);
    for text in texts {
        match engine.statements(&text.text) {
            Ok(statements) => parsed.push((text, statements)),
            Err(errors) => {
                let stop = Stop::wrong_text(errors, text, flags.error_format);
                failed.get_or_insert(stop);
            }
        }
    }
    match failed {
        Some(stop) => Err(stop),
        None => Ok(parsed),
    }
}

struct Session<'a> {
    engine: Engine,
    flags: &'a Flags,
    format: Format,
    params: ParamMap,
    style: Style,
    /// Statements begun.
    statements: usize,
    /// Results written so far.
    results: usize,
    /// The last result on its way to the file of --output.
    file: Option<Target>,
}

impl Session<'_> {
    fn statement(&mut self, statement: &Statement, text: &Text) -> Result<(), Stop> {
        if is_interrupted() {
            return Err(Stop::Said(INTERRUPTED));
        }
        let started = Instant::now();
        self.statements += 1;
        let watch = Watch::begin(&self.engine, self.flags.progress, self.statements);
        let outcome = self.engine.run(statement, &self.params);
        let done = match outcome {
            Ok(outcome) => self.outcome(outcome, text, &watch),
            Err(error) => Err(watch.aside(|| self.failed(&error, text))),
        };
        watch.end(done.is_ok());
        done?;
        if self.flags.timing {
            anstream::eprintln!("Time: {:.1} ms", started.elapsed().as_secs_f64() * 1e3);
        }
        Ok(())
    }

    fn outcome(&mut self, outcome: Outcome, text: &Text, watch: &Watch) -> Result<(), Stop> {
        match outcome {
            Outcome::Several(outcomes) => {
                for outcome in outcomes {
                    self.outcome(outcome, text, watch)?;
                }
            }
            Outcome::Rows(mut rows) => {
                watch.aside(|| warn(rows.warnings(), text, self.flags.error_format));
                let mut target = self.target()?;
                let separator = self.separator();
                let written = write_rows(
                    &mut rows,
                    &mut target,
                    separator,
                    self.format,
                    &self.style,
                    watch,
                );
                written.map_err(|error| match error {
                    WriteError::Query(error) => watch.aside(|| self.failed(&error, text)),
                    WriteError::Output(error) => Stop::Output(error),
                })?;
                watch.aside(|| warn(&rows.notes(), text, self.flags.error_format));
                self.results += 1;
                match target {
                    Target::Stdout(_) | Target::Stream(_) => target.commit()?,
                    // An earlier result's temporary file goes away here.
                    Target::File { .. } => self.file = Some(target),
                }
            }
            Outcome::Done(summary) => {
                watch.aside(|| {
                    warn(&summary.warnings, text, self.flags.error_format);
                    if io::stderr().is_terminal() {
                        anstream::eprintln!("Done: {} rows", summary.rows);
                    }
                });
            }
            _ => {}
        }
        Ok(())
    }

    /// Says what failed; the program ends with its exit code.
    fn failed(&self, error: &Error, text: &Text) -> Stop {
        report(error, text, self.flags.error_format);
        Stop::Said(if is_interrupted() {
            INTERRUPTED
        } else {
            error.exit_code()
        })
    }

    fn target(&self) -> Result<Target, Stop> {
        if let Some(path) = &self.flags.output {
            return Target::file(path).map_err(|error| {
                let reason = format!("{}: {}", path.display(), error.kind());
                Stop::Output(io::Error::new(error.kind(), reason))
            });
        }
        if self.format.is_binary() && self.results > 0 {
            return Err(Stop::Usage(
                "arrow and parquet output hold one result; the text gives more".to_string(),
            ));
        }
        Ok(Target::stdout())
    }

    /// An empty line keeps the results of several statements apart.
    fn separator(&self) -> &'static [u8] {
        let is_apart = self.flags.output.is_none()
            && self.results > 0
            && matches!(self.format, Format::Csv | Format::Tsv | Format::Markdown);
        if is_apart { b"\n" } else { b"" }
    }
}

enum WriteError {
    Query(Error),
    Output(io::Error),
}

fn write_rows(
    rows: &mut Rows,
    target: &mut Target,
    separator: &[u8],
    format: Format,
    style: &Style,
    watch: &Watch,
) -> Result<(), WriteError> {
    let schema = rows.schema().clone();
    // A query that fails at once leaves not even a header behind.
    let first = rows.next().transpose().map_err(WriteError::Query)?;
    let out = target.writer();
    out.write_all(separator).map_err(WriteError::Output)?;
    let mut writer = format::writer(format, &schema, style, out).map_err(WriteError::Output)?;
    for batch in first.map(Ok).into_iter().chain(rows) {
        let batch = batch.map_err(WriteError::Query)?;
        if style.width.is_some() && format != Format::Table {
            watch.be_quiet();
        }
        writer.batch(&batch).map_err(WriteError::Output)?;
    }
    watch.aside(|| writer.finish().map_err(WriteError::Output))
}

fn engine(flags: &Flags) -> tidemill::Result<Engine> {
    let mut builder =
        Engine::builder().double_quotes_are_strings(flags.double_quotes == DoubleQuotes::String);
    if let Some(threads) = flags.threads {
        builder = builder.threads(threads);
    }
    if let Some(bytes) = flags.memory_limit {
        builder = builder.memory_limit(bytes);
    }
    if let Some(folder) = &flags.spill_dir {
        builder = builder.spill_dir(folder);
    }
    if let Some(bytes) = flags.spill_limit {
        builder = builder.spill_limit(bytes);
    }
    if let Some(timeout) = flags.timeout {
        builder = builder.timeout(timeout);
    }
    match &flags.db {
        Some(directory) => builder.open(directory),
        None => builder.in_memory(),
    }
}

/// The texts to run, in order.
fn gathered(flags: &Flags) -> Result<Vec<Text>, Stop> {
    let mut texts = Vec::new();
    match flags.query.as_deref() {
        Some(path) if path == "-" || is_script(Path::new(path)) => {
            texts.push(texts::read(Path::new(path))?);
        }
        Some(query) => texts.push(texts::given(query)),
        None => {}
    }
    texts.extend(flags.command.iter().map(|text| texts::given(text)));
    for path in &flags.file {
        texts.push(texts::read(path)?);
    }
    if texts.is_empty() {
        if io::stdin().is_terminal() {
            return Err(Stop::Usage(
                "nothing to run: give a query, a script or -; --help shows how".to_string(),
            ));
        }
        texts.push(texts::standard_input()?);
    }
    Ok(texts)
}

/// A path with a script's ending. One that does not exist is then a missing file, not a strange query.
fn is_script(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    matches!(ending, Some("tide" | "tidemill" | "sql"))
        && !path
            .as_os_str()
            .to_string_lossy()
            .contains(['\n', '|', '\''])
}

fn output_format(flags: &Flags) -> Result<Format, Stop> {
    let of_file = flags.output.as_deref().and_then(Format::of_path);
    let to_terminal = flags.output.is_none() && stdout_is_terminal();
    let fallback = if to_terminal {
        Format::Table
    } else {
        Format::Csv
    };
    let format = flags.format.or(of_file).unwrap_or(fallback);
    if format.is_binary() && to_terminal {
        return Err(Stop::Usage(
            "a terminal cannot show arrow or parquet; use --output FILE or a pipe".to_string(),
        ));
    }
    Ok(format)
}

fn style(flags: &Flags) -> Style {
    let width = (flags.output.is_none() && stdout_is_terminal())
        .then(|| terminal_size::terminal_size().map_or(80, |(width, _)| width.0));
    Style {
        null: flags.null.clone(),
        width,
    }
}
