//! Settings from files: `tidemill.toml` in the configuration directory and in the working directory.
//!
//! What they give becomes the default of the flag of that name, so the environment and the command line win.

use std::path::{Path, PathBuf};

use clap::{Arg, ArgAction, Command, CommandFactory};
use tidemill::nearest;

use crate::flags::Flags;
use crate::stop::Stop;
use crate::toml_file::TomlFile;

const FILE: &str = "tidemill.toml";

/// Names the one file to read, or none where it is empty.
const FILE_VARIABLE: &str = "TIDEMILL_CONFIG";

/// A setting that a file gives.
#[derive(Debug)]
pub(crate) struct FileSetting {
    /// As files call it.
    pub(crate) name: String,
    value: String,
    /// `file:line`
    pub(crate) place: String,
}

/// The files that are read where they are there; what a later one gives wins.
pub(crate) fn paths() -> Vec<PathBuf> {
    if let Some(only) = std::env::var_os(FILE_VARIABLE) {
        return Some(PathBuf::from(only))
            .filter(|path| !path.as_os_str().is_empty())
            .into_iter()
            .collect();
    }
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let home = || variable("HOME").map(|home| Path::new(&home).join(".config"));
    // The specification has relative paths ignored.
    let folder = variable("XDG_CONFIG_HOME").map(PathBuf::from);
    let folder = folder.filter(|folder| folder.is_absolute()).or_else(home);
    let of_user = folder.map(|folder| folder.join("tidemill").join(FILE));
    of_user.into_iter().chain([PathBuf::from(FILE)]).collect()
}

/// The settings of all files.
pub(crate) fn read() -> Result<Vec<FileSetting>, Stop> {
    let mut settings: Vec<FileSetting> = Vec::new();
    let mut command = None;
    for path in paths() {
        let Some(file) = TomlFile::find(&path)? else {
            continue;
        };
        // Most runs have no file, and need not know the flags for one.
        let command: &Command = command.get_or_insert_with(Flags::command);
        for (name, entry) in file.entries()? {
            let setting = checked(command, &file, &name, &entry)?;
            settings.retain(|other| other.name != name);
            settings.push(setting);
        }
    }
    Ok(settings)
}

fn checked(
    command: &Command,
    file: &TomlFile,
    name: &str,
    entry: &toml::Spanned<toml::Value>,
) -> Result<FileSetting, Stop> {
    let wrong = |message: &str| file.wrong(entry.span(), message);
    let Some(arg) = arguments(command).find(|arg| name_of(arg).as_deref() == Some(name)) else {
        let known: Vec<String> = arguments(command).filter_map(name_of).collect();
        let near = nearest(&name.replace('-', "_"), known.iter().map(String::as_str));
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there are {}", known.join(", ")),
        };
        return Err(wrong(&format!("there is no setting `{name}`; {help}")));
    };
    let is_switch = matches!(arg.get_action(), ArgAction::SetTrue);
    let value = match (entry.get_ref(), is_switch) {
        (toml::Value::Boolean(truth), true) => truth.to_string(),
        (toml::Value::String(text), false) => text.clone(),
        (toml::Value::Integer(number), false) => number.to_string(),
        (_, true) => return Err(wrong(&format!("`{name}` is true or false"))),
        (_, false) => return Err(wrong(&format!("`{name}` is a text or a whole number"))),
    };
    if !is_switch {
        let flag = format!("--{}={value}", arg.get_long().unwrap_or_default());
        let alone = Command::new("settings")
            .no_binary_name(true)
            .arg(arg.clone());
        let parsed = alone.try_get_matches_from([flag]);
        parsed
            .map_err(|error| wrong(&format!("`{name}` cannot be `{value}`{}", reason(&error))))?;
    }
    Ok(FileSetting {
        name: name.to_string(),
        place: file.place(&entry.span()),
        value,
    })
}

/// What clap says of a value, without what it says around it.
fn reason(error: &clap::Error) -> String {
    use clap::error::{ContextKind, ContextValue};
    if let Some(ContextValue::Strings(known)) = error.get(ContextKind::ValidValue) {
        return format!("; it is one of {}", known.join(", "));
    }
    std::error::Error::source(error)
        .map(|source| format!(": {source}"))
        .unwrap_or_default()
}

/// Every setting's flag, each once.
pub(crate) fn arguments(command: &Command) -> impl Iterator<Item = &Arg> {
    command
        .get_arguments()
        .filter(|arg| arg.get_env().is_some())
}

/// What files call a flag; `None` where it is no setting.
pub(crate) fn name_of(arg: &Arg) -> Option<String> {
    let variable = arg.get_env()?.to_str()?;
    Some(variable.strip_prefix("TIDEMILL_")?.to_lowercase())
}

/// The command line, with what files give as defaults.
pub(crate) fn command(files: &[FileSetting]) -> Command {
    let mut command = Flags::command();
    if files.is_empty() {
        return command;
    }
    let subcommands: Vec<String> = command
        .get_subcommands()
        .map(|subcommand| subcommand.get_name().to_string())
        .collect();
    command = with_defaults(command, files);
    for name in subcommands {
        command = command.mut_subcommand(name, |subcommand| with_defaults(subcommand, files));
    }
    command
}

fn with_defaults(command: Command, files: &[FileSetting]) -> Command {
    command.mut_args(|arg| {
        let name = name_of(&arg);
        let given = files
            .iter()
            .find(|setting| Some(&setting.name) == name.as_ref());
        match given {
            // clap keeps defaults for as long as the program runs; there are few.
            Some(given) => arg.default_value(&*String::leak(given.value.clone())),
            None => arg,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_is_called_as_its_flag() {
        let command = Flags::command();
        let all = std::iter::once(&command).chain(command.get_subcommands());
        let mut seen = 0;
        for arg in all.flat_map(arguments) {
            let long = arg.get_long().expect("a long flag").replace('-', "_");
            assert_eq!(name_of(arg), Some(long));
            seen += 1;
        }
        assert!(seen > 10, "{seen} settings");
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Flags::command().debug_assert();
    }
}
