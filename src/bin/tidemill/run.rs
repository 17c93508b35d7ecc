//! From flags to results: gather the texts, run their statements in order, stop at the first error.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::Instant;

use tidemill::{BadRows, Engine, Error, Explain, Outcome, ParamMap, Rows, Statement};

use crate::flags::{Flags, Format, PlanForm};
use crate::format::{self, Style};
use crate::interrupt::{self, Second, is_interrupted};
use crate::plot::{self, Canvas, PlotSpec, Undrawn};
use crate::progress::Watch;
use crate::report::{Text, report, say_read, warn};
use crate::results::{one_field, stdout_format, stdout_width};
use crate::shell;
use crate::stop::{INTERRUPTED, Stop};
use crate::target::{Target, stdout_is_terminal};
use crate::texts;
use crate::{commands, cut, spec};

/// Runs the program; the exit code.
pub(crate) fn run(flags: &Flags) -> u8 {
    match try_run(flags) {
        Ok(()) => 0,
        Err(stop) => stop.end(flags.error_format()),
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
    if flags.spec {
        return commands::answer(&format!("{:#}\n", spec::spec()));
    }
    if flags.asks_for_nothing() && io::stdin().is_terminal() && stdout_is_terminal() {
        return shell::run(flags, flags.engine(true)?);
    }
    let texts = gathered(flags)?;
    let format = output_format(flags)?;
    let params = flags.values.params()?;
    let holds_script = texts.iter().any(|text| text.name == texts::STANDARD_INPUT);
    let engine = flags.engine(holds_script)?;
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
    let last = match flags.explain {
        Some(form) => cut::last(&mut parsed).map(|last| (form, last)),
        None => None,
    };
    let mut failed = None;
    for (text, statements) in &parsed {
        for statement in statements {
            match session.statement(statement, text) {
                Err(Stop::Said(code)) if flags.keep_going && !is_interrupted() => {
                    failed.get_or_insert(code);
                    // What failed may have been to give the last result: an earlier one is not taken for it.
                    session.file = None;
                }
                ended => ended?,
            }
        }
    }
    if let (Some((form, (text, statement))), None) = (&last, failed) {
        session.plan(*form, statement, text)?;
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
                let stop = Stop::wrong_text(errors, text, flags.error_format());
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
        let before = self.engine.metrics().read;
        self.statements += 1;
        let watch = Watch::begin(
            &self.engine,
            self.flags.settings.telling.progress,
            self.statements,
        );
        let outcome = self.engine.run(statement, &self.params);
        let done = match outcome {
            Ok(outcome) => self.outcome(outcome, text, &watch),
            Err(error) => Err(watch.aside(|| self.failed(&error, text))),
        };
        watch.end(done.is_ok());
        done?;
        let read = self.engine.metrics().read.since(&before);
        let is_tolerant = self.flags.settings.engine.bad_rows != BadRows::Fail && read.read > 0;
        if is_tolerant || read.rejected > 0 || read.nulled > 0 {
            say_read(&read, self.flags.error_format());
        }
        if self.flags.settings.timing {
            anstream::eprintln!("Time: {:.1} ms", started.elapsed().as_secs_f64() * 1e3);
        }
        Ok(())
    }

    /// The plan of a statement in place of its result.
    fn plan(&mut self, form: PlanForm, statement: &Statement, text: &Text) -> Result<(), Stop> {
        let engine = &self.engine;
        let plan = engine.explain_statement(statement, &self.params, Explain::Analyze);
        let plan = plan.map_err(|error| self.failed(&error, text))?;
        let mut target = self.target()?;
        let written = match form {
            PlanForm::Tree => (plan.to_string().lines())
                .map(|line| format::cut(line, self.style.width.map(usize::from)) + "\n")
                .collect(),
            PlanForm::Json => format!("{}\n", plan.to_json()),
            PlanForm::Html => plan.to_html(),
        };
        target.writer().write_all(written.as_bytes())?;
        self.keep(target)
    }

    /// A chart of the rows.
    fn chart(
        &self,
        spec: &PlotSpec,
        rows: &mut Rows,
        text: &Text,
        watch: &Watch,
    ) -> Result<Vec<u8>, Stop> {
        let drawn = plot::drawn(spec, rows, canvas(self.flags, &self.style)?);
        drawn
            .map(|(chart, _)| chart)
            .map_err(|undrawn| match undrawn {
                Undrawn::Query(error) => watch.aside(|| self.failed(&error, text)),
                Undrawn::Unfit(reason) => Stop::Usage(format!("no chart: {reason}")),
            })
    }

    /// What is drawn in place of rows, if anything is.
    fn drawn_as(&self, rows: &Rows) -> Option<PlotSpec> {
        let of_path = self.flags.output.as_deref().and_then(Format::of_path);
        let format = self.flags.settings.output.format.or(of_path);
        let given = self.flags.plot.clone();
        given.or_else(|| plot::asked_by(rows, format))
    }

    /// A result is written: it is there at once, or at the end where it goes into a file.
    fn keep(&mut self, target: Target) -> Result<(), Stop> {
        self.results += 1;
        match target {
            Target::Stdout(_) | Target::Stream(_) => target.commit()?,
            // An earlier result's temporary file goes away here.
            Target::File { .. } => self.file = Some(target),
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
            // They are those of a statement before the one that is explained.
            Outcome::Rows(rows) if self.flags.explain.is_some() => {
                for batch in rows {
                    batch.map_err(|error| watch.aside(|| self.failed(&error, text)))?;
                }
            }
            Outcome::Rows(mut rows) => {
                watch.aside(|| warn(rows.warnings(), text, self.flags.error_format()));
                let mut target = self.target()?;
                if let Some(spec) = self.drawn_as(&rows) {
                    let chart = self.chart(&spec, &mut rows, text, watch)?;
                    target.writer().write_all(&chart)?;
                    watch.aside(|| warn(&rows.notes(), text, self.flags.error_format()));
                    return self.keep(target);
                }
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
                watch.aside(|| warn(&rows.notes(), text, self.flags.error_format()));
                self.keep(target)?;
            }
            Outcome::Done(summary) => {
                watch.aside(|| {
                    warn(&summary.warnings, text, self.flags.error_format());
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
        report(error, text, self.flags.error_format());
        Stop::Said(if is_interrupted() {
            INTERRUPTED
        } else {
            error.exit_code()
        })
    }

    fn target(&self) -> Result<Target, Stop> {
        if let Some(path) = &self.flags.output {
            return Target::file(path);
        }
        next_stdout(self.format, self.results)
    }

    fn separator(&self) -> &'static [u8] {
        match self.flags.output {
            Some(_) => b"",
            None => separator(self.format, self.results),
        }
    }
}

/// Standard output for one more result after `before` others.
pub(crate) fn next_stdout(format: Format, before: usize) -> Result<Target, Stop> {
    if format.is_binary() && before > 0 {
        return Err(Stop::Usage(
            "arrow and parquet output hold one result; the text gives more".to_string(),
        ));
    }
    Ok(Target::stdout())
}

/// An empty line keeps the results of several statements apart.
pub(crate) fn separator(format: Format, before: usize) -> &'static [u8] {
    let is_apart = before > 0 && matches!(format, Format::Csv | Format::Tsv | Format::Markdown);
    if is_apart { b"\n" } else { b"" }
}

pub(crate) enum WriteError {
    Query(Error),
    Output(io::Error),
}

/// Writes a result; how many rows it has.
pub(crate) fn write_rows(
    rows: &mut Rows,
    target: &mut Target,
    separator: &[u8],
    format: Format,
    style: &Style,
    watch: &Watch,
) -> Result<u64, WriteError> {
    let mut count = 0;
    let schema = rows.schema().clone();
    // A query that fails at once leaves not even a header behind.
    let first = rows.next().transpose().map_err(WriteError::Query)?;
    let out = target.writer();
    out.write_all(separator).map_err(WriteError::Output)?;
    let mut writer = format::writer(format, &schema, style, out).map_err(WriteError::Output)?;
    for batch in first.map(Ok).into_iter().chain(rows) {
        let batch = batch.map_err(WriteError::Query)?;
        count += batch.num_rows() as u64;
        if style.width.is_some() && format != Format::Table {
            watch.be_quiet();
        }
        writer.batch(&batch).map_err(WriteError::Output)?;
    }
    watch.aside(|| writer.finish().map_err(WriteError::Output))?;
    Ok(count)
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
pub(crate) fn is_script(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str());
    matches!(ending, Some("tide" | "tidemill" | "sql"))
        && !path
            .as_os_str()
            .to_string_lossy()
            .contains(['\n', '|', '\''])
}

fn output_format(flags: &Flags) -> Result<Format, Stop> {
    let asked = flags.settings.output.format;
    let Some(path) = &flags.output else {
        return stdout_format(&flags.settings.output);
    };
    let format = asked.or(Format::of_path(path)).unwrap_or(Format::Csv);
    one_field(format, &flags.settings.output.null)?;
    Ok(format)
}

/// A picture into a file of such an ending, characters elsewhere.
fn canvas(flags: &Flags, style: &Style) -> Result<Canvas, Stop> {
    let ending = flags.output.as_deref().and_then(Path::extension);
    let ending = ending.map(|ending| ending.to_string_lossy().to_ascii_lowercase());
    match ending.as_deref() {
        Some("svg") => Ok(Canvas::Svg),
        Some("png") => Ok(Canvas::Png),
        None | Some("txt") => Ok(Canvas::Text(usize::from(style.width.unwrap_or(80)))),
        Some(other) => Err(Stop::Usage(format!(
            "a chart is written as .svg, .png or .txt, not as .{other}"
        ))),
    }
}

fn style(flags: &Flags) -> Style {
    let width = stdout_width().filter(|_| flags.output.is_none());
    flags.settings.output.style(width)
}
