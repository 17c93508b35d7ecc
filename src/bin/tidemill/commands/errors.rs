//! `tidemill errors`: what an error code means, or a list of all of them.

use clap::Args;
use tidemill::codes::{self, CODES};

use super::{Reading, answer};
use crate::stop::Stop;

/// Explain an error code: what it means, how it comes about, what to do
#[derive(Debug, Args)]
pub(crate) struct Errors {
    /// A code, such as TM0203; without one all of them are listed
    #[arg(value_name = "CODE")]
    code: Option<String>,

    #[command(flatten)]
    pub(super) reading: Reading,
}

impl Errors {
    pub(super) fn run(&self) -> Result<(), Stop> {
        let Some(asked) = &self.code else {
            let lines = CODES
                .iter()
                .map(|code| format!("{}  {}\n", code.code, code.meaning));
            return answer(&lines.collect::<String>());
        };
        match codes::find(asked.trim_matches(['[', ']'])) {
            Some(code) => answer(&format!("{code}\n")),
            None => Err(Stop::Usage(format!(
                "no error has the code {asked}; `tidemill errors` lists all of them"
            ))),
        }
    }
}
