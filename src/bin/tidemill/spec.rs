//! `tidemill --spec`: every command and flag as JSON, for programs that call this one.

use clap::{Arg, Command, CommandFactory};
use serde_json::{Value, json};

use crate::flags::Flags;

/// The whole program.
pub(crate) fn spec() -> Value {
    let mut command = Flags::command();
    command.build();
    let mut all = of_command(&command);
    all["version"] = json!(command.get_version());
    let commands = command.get_subcommands().map(of_command);
    all["commands"] = commands.collect();
    all
}

fn of_command(command: &Command) -> Value {
    let about = command.get_about().map(ToString::to_string);
    json!({
        "name": command.get_name(),
        "about": about,
        "arguments": command.get_arguments().map(of_argument).collect::<Vec<_>>(),
    })
}

fn of_argument(argument: &Arg) -> Value {
    let help = argument.get_long_help().or(argument.get_help());
    let takes = argument.get_action().takes_values();
    let defaults = argument.get_default_values().iter();
    let defaults = defaults.map(|value| value.to_string_lossy());
    let choices = argument.get_possible_values();
    let choices = choices
        .iter()
        .filter(|_| takes)
        .map(|value| value.get_name());
    let names = argument.get_value_names().filter(|_| takes);
    json!({
        "name": argument.get_id().as_str(),
        "long": argument.get_long(),
        "short": argument.get_short(),
        "help": help.map(ToString::to_string),
        "value": names.map(|names| names.join(" ")),
        "choices": choices.collect::<Vec<_>>(),
        "default": defaults.filter(|_| takes).collect::<Vec<_>>(),
        "repeats": matches!(argument.get_action(), clap::ArgAction::Append),
        "required": argument.is_required_set(),
        "environment": argument.get_env().map(|name| name.to_string_lossy()),
    })
}
