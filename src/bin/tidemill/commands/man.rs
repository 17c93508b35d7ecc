//! `tidemill man`: the manual, made of the same list as `--help`.

use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory};
use clap_mangen::Man as Page;

use super::answer;
use crate::flags::Flags;
use crate::stop::Stop;
use crate::target::write_whole;

/// Print the manual page, or write those of all commands
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tidemill man | man -l -
  tidemill man run | man -l -
  tidemill man --dir ~/.local/share/man/man1")]
pub(crate) struct Man {
    /// The page of this command
    #[arg(value_name = "COMMAND")]
    command: Option<String>,

    /// Write every page into this directory, which must be there
    #[arg(long, value_name = "DIRECTORY", conflicts_with = "command")]
    dir: Option<PathBuf>,
}

impl Man {
    pub(super) fn run(&self) -> Result<(), Stop> {
        let mut all = Flags::command();
        all.build();
        if let Some(directory) = &self.dir {
            write(&all, "tidemill", directory)?;
            for command in all.get_subcommands() {
                write(
                    command,
                    &format!("tidemill-{}", command.get_name()),
                    directory,
                )?;
            }
            return Ok(());
        }
        let Some(name) = &self.command else {
            return answer(&page(&all)?);
        };
        let mut commands = all.get_subcommands();
        match commands.find(|command| command.get_name() == name) {
            Some(command) => answer(&page(command)?),
            None => {
                let names: Vec<&str> = all.get_subcommands().map(Command::get_name).collect();
                let names = names.join(", ");
                let message = format!("there is no command `{name}`; there are {names}");
                Err(Stop::Usage(message))
            }
        }
    }
}

fn page(command: &Command) -> Result<String, Stop> {
    let mut bytes = Vec::new();
    Page::new(command.clone()).render(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn write(command: &Command, name: &str, directory: &Path) -> Result<(), Stop> {
    let path = directory.join(format!("{name}.1"));
    let text = page(command)?;
    write_whole(&path, &text)
}
