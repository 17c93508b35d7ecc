//! `tidemill config`: what each setting is, and who says so.

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Args, CommandFactory};
use serde_json::json;

use super::answer;
use crate::config::{FileSetting, arguments, name_of, paths};
use crate::flags::{ErrorFormat, Flags, Format};
use crate::settings::Settings;
use crate::stop::Stop;

/// List the settings, each with its value and where it comes from
#[derive(Debug, Args)]
#[command(
    after_help = "Files that are read where they are there: tidemill/tidemill.toml in the configuration directory
($XDG_CONFIG_HOME, or ~/.config), then ./tidemill.toml, whose values win. TIDEMILL_CONFIG=FILE has one
file read instead, and an empty TIDEMILL_CONFIG none. A file has one NAME = VALUE on each line:

  threads = 4
  memory_limit = \"2GB\"

--format json lists them for programs."
)]
pub(crate) struct Config {
    #[command(flatten)]
    settings: Settings,
}

/// A setting as it is now.
struct Shown {
    name: String,
    value: Option<String>,
    origin: String,
}

impl Config {
    pub(super) fn error_format(&self) -> ErrorFormat {
        self.settings.engine.reading.error_format
    }

    pub(super) fn run(&self, matches: &ArgMatches, files: &[FileSetting]) -> Result<(), Stop> {
        let command = Flags::command();
        let own = matches.subcommand_matches("config").unwrap_or(matches);
        let list = command.find_subcommand("config").unwrap_or(&command);
        let shown = arguments(list).filter_map(|arg| shown(arg, own, files));
        let shown: Vec<Shown> = shown.collect();
        match self.settings.output.format {
            Some(Format::Json) => answer(&as_json(&shown)),
            _ => answer(&as_text(&shown)),
        }
    }
}

fn shown(arg: &Arg, matches: &ArgMatches, files: &[FileSetting]) -> Option<Shown> {
    let name = name_of(arg)?;
    let id = arg.get_id().as_str();
    let raw = matches.get_raw(id).and_then(|mut values| values.next());
    let raw = raw.map(|value| value.to_string_lossy().into_owned());
    let file = files.iter().find(|setting| setting.name == name);
    let variable = arg.get_env().unwrap_or_default().to_string_lossy();
    let (value, origin) = match (matches.value_source(id), file) {
        (Some(ValueSource::CommandLine), _) => (raw, format!("flag --{}", arg.get_long()?)),
        (Some(ValueSource::EnvVariable), _) => (raw, format!("environment {variable}")),
        (Some(_), Some(file)) => (raw, format!("file {}", file.place)),
        _ => (raw.or_else(|| said_default(arg)), "default".to_string()),
    };
    Some(Shown {
        name,
        value,
        origin,
    })
}

/// The default as the flag's help has it: `[default: all cores]`.
fn said_default(arg: &Arg) -> Option<String> {
    let help = arg.get_help()?.to_string();
    let (_, rest) = help.split_once("[default: ")?;
    let said = rest.split([';', ']']).next()?;
    Some(format!("({said})"))
}

fn as_text(all: &[Shown]) -> String {
    let value = |shown: &Shown| match shown.value.as_deref() {
        None | Some("") => "-".to_string(),
        Some(value) => value.to_string(),
    };
    let wide = |of: &dyn Fn(&Shown) -> usize| all.iter().map(of).max().unwrap_or_default();
    let names = wide(&|shown| shown.name.len());
    let values = wide(&|shown| value(shown).chars().count());
    let mut text = String::new();
    for shown in all {
        let (name, value, origin) = (&shown.name, value(shown), &shown.origin);
        text += &format!("{name:names$}  {value:values$}  {origin}\n");
    }
    let paths: Vec<String> = paths()
        .iter()
        .map(|path| path.display().to_string())
        .collect();
    if !paths.is_empty() {
        text += &format!("\nfiles, where they are there: {}\n", paths.join(", "));
    }
    text
}

fn as_json(all: &[Shown]) -> String {
    let all = all.iter().map(|shown| {
        let (name, value, origin) = (&shown.name, &shown.value, &shown.origin);
        json!({"name": name, "value": value, "origin": origin})
    });
    let all: Vec<_> = all.collect();
    format!("{:#}\n", json!(all))
}
