//! `tidemill completions`: what a shell needs to complete the command line.

use clap::{Args, CommandFactory};
use clap_complete::{Shell, generate};

use super::answer;
use crate::flags::Flags;
use crate::stop::Stop;

/// Print what a shell needs to complete commands, flags and their values
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tidemill completions bash > ~/.local/share/bash-completion/completions/tidemill
  tidemill completions zsh > \"${fpath[1]}/_tidemill\"
  tidemill completions fish > ~/.config/fish/completions/tidemill.fish")]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self) -> Result<(), Stop> {
        let mut script = Vec::new();
        let mut command = Flags::command();
        generate(self.shell, &mut command, "tidemill", &mut script);
        answer(&String::from_utf8_lossy(&script))
    }
}
