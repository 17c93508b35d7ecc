//! `tidemill parse`: the syntax tree of a text.

use std::path::{Path, PathBuf};

use clap::Args;

use super::answer;
use crate::report::Text;
use crate::settings::Reading;
use crate::stop::Stop;
use crate::texts;

/// Write the syntax tree of a script
#[derive(Debug, Args)]
pub(crate) struct Parse {
    /// A script, - for standard input [default: standard input]
    #[arg(value_name = "FILE", conflicts_with = "command")]
    file: Option<PathBuf>,

    /// Parse this text
    #[arg(
        short,
        long = "command",
        value_name = "TEXT",
        allow_hyphen_values = true
    )]
    command: Option<String>,

    /// As JSON; otherwise as the canonical text that has this tree
    #[arg(long)]
    json: bool,

    #[command(flatten)]
    pub(super) reading: Reading,
}

impl Parse {
    pub(super) fn run(&self) -> Result<(), Stop> {
        let text = self.text()?;
        let syntax = self.reading.syntax();
        let tree = if self.json {
            syntax.json(&text.text)
        } else {
            syntax.canonical(&text.text)
        };
        match tree {
            Ok(tree) => answer(&tree),
            Err(errors) => Err(Stop::wrong_text(errors, &text, self.reading.error_format)),
        }
    }

    fn text(&self) -> Result<Text, Stop> {
        match &self.command {
            Some(text) => Ok(texts::given(text)),
            None => texts::read(self.file.as_deref().unwrap_or(Path::new("-"))),
        }
    }
}
