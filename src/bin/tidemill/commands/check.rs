//! `tidemill check`: what is wrong with scripts, without running them.

use std::path::PathBuf;

use clap::Args;
use tidemill::Checked;

use crate::report::{list, list_warnings};
use crate::settings::Reading;
use crate::stop::{Stop, WRONG_USAGE};
use crate::texts;
use crate::values::Values;

/// Say what is wrong with scripts; nothing runs and no row is read
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// Scripts, - for standard input
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,

    /// Know the tables in this directory
    #[arg(long, value_name = "DIRECTORY", env = "TIDEMILL_DB", hide_env = true)]
    db: Option<PathBuf>,

    #[command(flatten)]
    values: Values,

    #[command(flatten)]
    pub(super) reading: Reading,
}

impl Check {
    pub(super) fn run(&self) -> Result<(), Stop> {
        let params = self.values.params()?;
        let engine = self.reading.engine(self.db.as_deref())?;
        let format = self.reading.error_format;
        let (mut is_ok, mut asked) = (true, Vec::new());
        for file in &self.files {
            let text = texts::read(file)?;
            let checked: Checked = engine.check(&text.text, &params);
            list(&checked.errors, &text, format);
            list_warnings(&checked.warnings, &text, format);
            is_ok &= checked.is_ok();
            let statements = checked.statements.into_iter();
            asked.extend(statements.flat_map(|statement| statement.parameters));
        }
        if !is_ok {
            return Err(Stop::Said(WRONG_USAGE));
        }
        self.values.are_used(&asked)
    }
}
