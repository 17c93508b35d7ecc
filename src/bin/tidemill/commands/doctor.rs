//! `tidemill doctor`: what is broken in a database.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use tidemill::{Examination, Finding, Health};

use super::{Reading, answer};
use crate::stop::Stop;

const BROKEN: u8 = 3;
const DEGRADED: u8 = 5;

/// Say what is broken in a database: its logs, segments and replicas; nothing is changed
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 all is well, 3 rows are lost or cannot be read, 5 every row is there and a replica or a
checkpoint is not as it should be, 2 wrong usage"
)]
pub(crate) struct Doctor {
    /// The database
    #[arg(long, value_name = "DIRECTORY")]
    db: PathBuf,

    /// Compare sizes only, instead of reading every byte
    #[arg(long)]
    quick: bool,

    /// How the findings are written
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,

    #[command(flatten)]
    pub(super) reading: Reading,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

impl Doctor {
    pub(super) fn run(&self) -> Result<(), Stop> {
        let engine = self.reading.engine(Some(&self.db))?;
        let examined = engine.examine(!self.quick).map_err(Stop::Unopened)?;
        answer(&match self.format {
            Format::Text => text(&examined, !self.quick),
            Format::Json => json(&examined)?,
        })?;
        match examined.worst() {
            Some(Health::Broken) => Err(Stop::Said(BROKEN)),
            Some(Health::Degraded) => Err(Stop::Said(DEGRADED)),
            _ => Ok(()),
        }
    }
}

fn json(examined: &Examination) -> Result<String, Stop> {
    let text = serde_json::to_string_pretty(examined);
    let text = text.map_err(|error| Stop::Output(error.into()))?;
    Ok(text + "\n")
}

fn text(examined: &Examination, deep: bool) -> String {
    let mut text = String::new();
    for finding in &examined.findings {
        text += &line(finding);
    }
    let count = |health: Health| {
        let found = examined.findings.iter();
        found.filter(|finding| finding.health == health).count()
    };
    let verb = if deep { "read" } else { "found by size" };
    text += &format!(
        "{}, {}, {}, {} bytes {verb}: {} broken, {} degraded, {}\n",
        several(examined.tables, "table"),
        several(examined.commits, "version"),
        several(examined.segments, "segment"),
        examined.bytes,
        count(Health::Broken),
        count(Health::Degraded),
        several(count(Health::Note) as u64, "note"),
    );
    text
}

fn several(count: u64, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        _ => format!("{count} {what}s"),
    }
}

fn line(finding: &Finding) -> String {
    let health = match finding.health {
        Health::Broken => "broken",
        Health::Degraded => "degraded",
        _ => "note",
    };
    let table = finding.table.as_deref().unwrap_or("database");
    let mut line = format!(
        "{health}: {table}, {}: {}\n",
        finding.check, finding.message
    );
    if let Some(path) = &finding.path {
        line += &format!("  {}\n", path.display());
    }
    if let Some(hint) = &finding.hint {
        line += &format!("  hint: {hint}\n");
    }
    line
}
