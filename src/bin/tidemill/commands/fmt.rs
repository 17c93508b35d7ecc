//! `tidemill fmt`: scripts in their canonical layout, in place or from standard input to standard output.

use std::path::{Path, PathBuf};

use clap::Args;

use super::answer;
use crate::report::Text;
use crate::settings::Reading;
use crate::stop::Stop;
use crate::target::write_whole;
use crate::texts;

/// A file differs from its layout, found by --check.
const WOULD_CHANGE: u8 = 1;

/// Lay out scripts: in place, or standard input to standard output
#[derive(Debug, Args)]
pub(crate) struct Fmt {
    /// Scripts to write anew, - for standard input [default: standard input]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,

    /// Write nothing: list what would change, and exit with 1 if anything would
    #[arg(long)]
    check: bool,

    /// Characters that a line should hold
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u16).range(20..=1000))]
    width: u16,

    #[command(flatten)]
    pub(super) reading: Reading,
}

impl Fmt {
    pub(super) fn run(&self) -> Result<(), Stop> {
        let standard_input = [PathBuf::from("-")];
        let files = if self.files.is_empty() {
            &standard_input[..]
        } else {
            &self.files
        };
        // One bad file leaves the others to be done.
        let (mut code, mut changes) = (0, String::new());
        for file in files {
            match self.file(file, &mut changes) {
                Ok(()) => {}
                Err(stop @ Stop::Output(_)) => return Err(stop),
                Err(stop) => code = code.max(stop.end(self.reading.error_format)),
            }
        }
        answer(&changes)?;
        match (code, changes.is_empty()) {
            (0, true) => Ok(()),
            (0, false) => Err(Stop::Said(WOULD_CHANGE)),
            (code, _) => Err(Stop::Said(code)),
        }
    }

    fn file(&self, path: &Path, changes: &mut String) -> Result<(), Stop> {
        let text = texts::read(path)?;
        let syntax = self.reading.syntax().width(usize::from(self.width));
        let formatted = syntax
            .format(&text.text)
            .map_err(|errors| Stop::wrong_text(errors, &text, self.reading.error_format))?;
        if self.check {
            if formatted != text.text {
                *changes += &difference(&text, &formatted);
            }
            return Ok(());
        }
        if path.as_os_str() == "-" {
            return answer(&formatted);
        }
        if formatted != text.text {
            write_whole(path, &formatted)?;
        }
        Ok(())
    }
}

/// The lines between the first and the last that differ, as `diff -U0` would write one change.
fn difference(before: &Text, after: &str) -> String {
    let old: Vec<&str> = before.text.split_inclusive('\n').collect();
    let new: Vec<&str> = after.split_inclusive('\n').collect();
    let same = |(a, b): &(&&str, &&str)| a == b;
    let above = old.iter().zip(&new).take_while(same).count();
    let below = old[above..]
        .iter()
        .rev()
        .zip(new[above..].iter().rev())
        .take_while(same)
        .count();
    let (old, new) = (
        &old[above..old.len() - below],
        &new[above..new.len() - below],
    );
    let name = &before.name;
    let mut lines = format!("--- {name}\n+++ {name}\n");
    lines += &format!("@@ -{} +{} @@\n", range(above, old), range(above, new));
    for (sign, part) in [('-', old), ('+', new)] {
        for line in part {
            lines.push(sign);
            lines += line;
            if !line.ends_with('\n') {
                lines += "\n\\ No newline at end of file\n";
            }
        }
    }
    lines
}

/// `first,count`; the line before where there is none.
fn range(above: usize, lines: &[&str]) -> String {
    match lines.len() {
        0 => format!("{above},0"),
        count => format!("{},{count}", above + 1),
    }
}
