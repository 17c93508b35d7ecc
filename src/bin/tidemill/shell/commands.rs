//! Lines that begin with a backslash. [`COMMANDS`] is the list: help, completion and what each does come from it.

use std::path::Path;
use std::process::Command as Program;
use std::time::{Duration, Instant};

use clap::ValueEnum;
use tidemill::nearest;

use super::look::ROWS_MAX;
use super::pager;
use super::session::Session;
use crate::flags::Format;
use crate::format::Expanded;
use crate::interrupt::is_interrupted;
use crate::texts;

/// What the shell does next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    Prompt,
    Leave,
}

/// What follows a command's name, for completion.
pub(super) enum Argument {
    Free,
    File,
    Table,
    OneOf(Vec<String>),
}

struct Command {
    name: &'static str,
    /// As `\?` shows it.
    argument: &'static str,
    about: &'static str,
    takes: fn() -> Argument,
    /// What is wrong, if something is.
    run: fn(&mut Session<'_>, &str) -> Result<Next, String>,
}

const COMMANDS: &[Command] = &[
    Command {
        name: "\\?",
        argument: "",
        about: "this help",
        takes: || Argument::Free,
        run: help,
    },
    Command {
        name: "\\q",
        argument: "",
        about: "leave, as Ctrl-D does",
        takes: || Argument::Free,
        run: |_, _| Ok(Next::Leave),
    },
    Command {
        name: "\\d",
        argument: "[TABLE]",
        about: "tables and views, or the columns of one or of a file",
        takes: || Argument::Table,
        run: describe,
    },
    Command {
        name: "\\df",
        argument: "[WORD]",
        about: "functions whose names hold the word",
        takes: || Argument::Free,
        run: functions,
    },
    Command {
        name: "\\g",
        argument: "",
        about: "run the last query again",
        takes: || Argument::Free,
        run: again,
    },
    Command {
        name: "\\p",
        argument: "",
        about: "print the last query",
        takes: || Argument::Free,
        run: print,
    },
    Command {
        name: "\\e",
        argument: "",
        about: "change the last query in $EDITOR, and run it",
        takes: || Argument::Free,
        run: edit,
    },
    Command {
        name: "\\i",
        argument: "FILE",
        about: "run a script",
        takes: || Argument::File,
        run: include,
    },
    Command {
        name: "\\watch",
        argument: "[SECONDS [TIMES]]",
        about: "run the last query over and over, until Ctrl-C",
        takes: || Argument::Free,
        run: watch,
    },
    Command {
        name: "\\x",
        argument: "[on|off|auto]",
        about: "a line for each value; auto: where rows are too wide",
        takes: || words(&["on", "off", "auto"]),
        run: expanded,
    },
    Command {
        name: "\\format",
        argument: "[FORMAT]",
        about: "table, csv, tsv, json, ndjson or markdown",
        takes: || Argument::OneOf(formats().map(|(name, _)| name).collect()),
        run: format,
    },
    Command {
        name: "\\rows",
        argument: "[N|screen]",
        about: "rows of a table that are shown; all are counted",
        takes: || words(&["screen"]),
        run: rows,
    },
    Command {
        name: "\\pager",
        argument: "[on|off]",
        about: "what is longer than the screen in $PAGER, or less",
        takes: || words(&["on", "off"]),
        run: page,
    },
    Command {
        name: "\\timing",
        argument: "[on|off]",
        about: "say how long each statement took",
        takes: || words(&["on", "off"]),
        run: timing,
    },
];

const KEYS: &str = "\
Enter     runs one line that is a whole query, and whatever ends with `;`;
          a text of several lines runs at `;` or at an empty line
|> …      goes on from the last query: FROM 'sales.csv', then |> WHERE qty > 10
Tab       completes columns, functions, tables and paths
Up, Down  the history, Ctrl-R searches it; a line that begins with a blank
          is not kept
Ctrl-C    stops the query that runs, or clears the line; Ctrl-D leaves";

fn words(words: &[&str]) -> Argument {
    Argument::OneOf(words.iter().map(|word| (*word).to_string()).collect())
}

/// The names of the commands.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    COMMANDS.iter().map(|command| command.name)
}

/// What follows the name of a command.
pub(super) fn argument(name: &str) -> Argument {
    let command = COMMANDS.iter().find(|command| command.name == name);
    command.map_or(Argument::Free, |command| (command.takes)())
}

/// Runs the command of a line.
pub(super) fn run(session: &mut Session<'_>, line: &str) -> Next {
    let (name, argument) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    // Some end every line with one.
    let argument = argument.trim().trim_end_matches(';').trim_end();
    let name = name.trim_end_matches(';');
    let Some(command) = COMMANDS.iter().find(|command| command.name == name) else {
        let meant = match nearest(name, names()) {
            Some(meant) => format!("did you mean {meant}?"),
            None => "\\? shows those that there are".to_string(),
        };
        session.complain(&format!("there is no command {name}: {meant}"));
        return Next::Prompt;
    };
    match (command.run)(session, argument) {
        Ok(next) => next,
        Err(message) => {
            session.complain(&message);
            Next::Prompt
        }
    }
}

fn help(session: &mut Session<'_>, _argument: &str) -> Result<Next, String> {
    let form = |command: &Command| format!("{} {}", command.name, command.argument);
    let width = COMMANDS.iter().map(|command| form(command).len()).max();
    let mut lines: Vec<String> = KEYS.lines().map(str::to_string).collect();
    lines.push(String::new());
    for command in COMMANDS {
        let width = width.unwrap_or_default();
        lines.push(format!("  {:<width$}  {}", form(command), command.about));
    }
    pager::print(&lines, session.look.pager).map_err(|error| error.to_string())?;
    Ok(Next::Prompt)
}

fn describe(session: &mut Session<'_>, argument: &str) -> Result<Next, String> {
    let is_path = argument.contains(['/', '*']) || Path::new(argument).is_file();
    let text = match argument {
        "" => "SHOW TABLES".to_string(),
        path if path.starts_with('\'') => format!("FROM {path} |> DESCRIBE"),
        path if is_path => format!("FROM '{}' |> DESCRIBE", path.replace('\'', "''")),
        name => format!("DESCRIBE {name}"),
    };
    session.own(&text);
    Ok(Next::Prompt)
}

fn functions(session: &mut Session<'_>, argument: &str) -> Result<Next, String> {
    let word = argument.to_uppercase().replace('\'', "''");
    session.own(&format!(
        "SHOW FUNCTIONS |> WHERE CONTAINS(UPPER(name), '{word}') |> SELECT name, kind, signature, about"
    ));
    Ok(Next::Prompt)
}

fn again(session: &mut Session<'_>, _argument: &str) -> Result<Next, String> {
    if let Some(last) = session.last() {
        session.text("query", &last);
    }
    Ok(Next::Prompt)
}

fn print(session: &mut Session<'_>, _argument: &str) -> Result<Next, String> {
    if let Some(last) = session.last() {
        println!("{last}");
    }
    Ok(Next::Prompt)
}

fn include(session: &mut Session<'_>, argument: &str) -> Result<Next, String> {
    if argument.is_empty() || argument == "-" {
        return Err("\\i takes the path of a script".to_string());
    }
    let path = argument.trim_matches('\'');
    let text = texts::read(Path::new(path)).map_err(|_| format!("{path} cannot be read"))?;
    session.text(path, &text.text);
    Ok(Next::Prompt)
}

fn edit(session: &mut Session<'_>, _argument: &str) -> Result<Next, String> {
    let Some(last) = session.last() else {
        return Ok(Next::Prompt);
    };
    let wrong = |error: std::io::Error| format!("the editor cannot be used: {error}");
    let file = tempfile::Builder::new().suffix(".sql").tempfile();
    let file = file.map_err(wrong)?.into_temp_path();
    std::fs::write(&file, format!("{last}\n")).map_err(wrong)?;
    let own = std::env::var("VISUAL").or_else(|_| std::env::var("EDITOR"));
    let program = own.unwrap_or_else(|_| "vi".to_string());
    // The variable may hold flags as well.
    let ended = Program::new("sh")
        .args(["-c", &format!("{program} \"$1\""), "sh"])
        .arg(&file)
        .status();
    if !ended.map_err(wrong)?.success() {
        return Err(format!("`{program}` failed: nothing runs"));
    }
    let text = std::fs::read_to_string(&file).map_err(wrong)?;
    if !text.trim().is_empty() {
        println!("{}", text.trim_end());
        session.text("query", &text);
    }
    Ok(Next::Prompt)
}

/// The longest time between two runs.
const WATCH_MAX: f64 = 86_400.0;

fn watch(session: &mut Session<'_>, argument: &str) -> Result<Next, String> {
    let mut parts = argument.split_whitespace();
    let seconds = parts.next().unwrap_or("2").parse::<f64>().ok();
    let times = parts
        .next()
        .map_or(Some(u64::MAX), |times| times.parse().ok());
    let (Some(seconds), Some(times), None) = (seconds, times, parts.next()) else {
        return Err("\\watch takes seconds, and how often".to_string());
    };
    if !(0.0..=WATCH_MAX).contains(&seconds) {
        return Err(format!("\\watch takes 0 to {WATCH_MAX} seconds"));
    }
    let Some(last) = session.last() else {
        return Ok(Next::Prompt);
    };
    for run in 1..=times {
        println!("run {run}, every {seconds}s");
        session.text("query", &last);
        let next = Instant::now() + Duration::from_secs_f64(seconds);
        while run < times && !is_interrupted() && Instant::now() < next {
            let left = next.saturating_duration_since(Instant::now());
            std::thread::park_timeout(left.min(Duration::from_millis(50)));
        }
        if is_interrupted() {
            break;
        }
    }
    Ok(Next::Prompt)
}

fn expanded(session: &mut Session<'_>, argument: &str) -> Result<Next, String> {
    let look = &mut session.look;
    look.expanded = match (argument, look.expanded) {
        ("", Expanded::Always) => Expanded::Auto,
        ("" | "on", _) => Expanded::Always,
        ("off", _) => Expanded::Never,
        ("auto", _) => Expanded::Auto,
        (other, _) => return Err(format!("\\x takes on, off or auto, not {other}")),
    };
    println!(
        "Rows are expanded {}.",
        match look.expanded {
            Expanded::Always => "always",
            Expanded::Never => "never",
            Expanded::Auto => "where they are wider than the screen",
        }
    );
    Ok(Next::Prompt)
}

/// Those that a terminal can show, by name.
fn formats() -> impl Iterator<Item = (String, Format)> {
    let all = Format::value_variants().iter();
    let shown = all.filter(|format| !format.is_binary());
    shown.filter_map(|format| Some((format.to_possible_value()?.get_name().to_string(), *format)))
}

fn format(session: &mut Session<'_>, argument: &str) -> Result<Next, String> {
    let wanted = argument.to_ascii_lowercase();
    if !wanted.is_empty() {
        let found = formats().find(|(name, _)| *name == wanted);
        let Some((_, format)) = found else {
            let names: Vec<String> = formats().map(|(name, _)| name).collect();
            let meant = match nearest(&wanted, names.iter().map(String::as_str)) {
                Some(meant) => format!("did you mean {meant}?"),
                None => format!("there are {}", names.join(", ")),
            };
            return Err(format!("a terminal shows no format {wanted}: {meant}"));
        };
        session.look.format = format;
    }
    let own = formats().find(|(_, format)| *format == session.look.format);
    let name = own.map(|(name, _)| name).unwrap_or_default();
    println!("Results are written as {name}.");
    Ok(Next::Prompt)
}

fn rows(session: &mut Session<'_>, argument: &str) -> Result<Next, String> {
    match argument {
        "" => {}
        "screen" => session.look.rows = None,
        number => match number.parse() {
            Ok(rows @ 1..=ROWS_MAX) => session.look.rows = Some(rows),
            _ => return Err(format!("\\rows takes 1 to {ROWS_MAX}, or screen")),
        },
    }
    match session.look.rows {
        Some(rows) => println!("Tables show {rows} rows."),
        None => println!("Tables show as many rows as the screen holds."),
    }
    Ok(Next::Prompt)
}

fn page(session: &mut Session<'_>, argument: &str) -> Result<Next, String> {
    session.look.pager = switched("\\pager", session.look.pager, argument)?;
    match session.look.pager {
        true => println!("What is longer than the screen goes to the pager."),
        false => println!("Results are cut to the screen."),
    }
    Ok(Next::Prompt)
}

fn timing(session: &mut Session<'_>, argument: &str) -> Result<Next, String> {
    session.look.timing = switched("\\timing", session.look.timing, argument)?;
    println!(
        "Timing is {}.",
        if session.look.timing { "on" } else { "off" }
    );
    Ok(Next::Prompt)
}

/// Without a word it is turned over.
fn switched(name: &str, now: bool, argument: &str) -> Result<bool, String> {
    match argument {
        "" => Ok(!now),
        "on" => Ok(true),
        "off" => Ok(false),
        other => Err(format!("{name} takes on or off, not {other}")),
    }
}
