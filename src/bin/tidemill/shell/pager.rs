//! What is longer than the screen, through the program that people page with.

use std::io::{self, Write};
use std::process::{Child, Command, Stdio};

use super::look::screen;

/// A pager that runs.
pub(super) struct Pager(Child);

impl Pager {
    /// Starts `$PAGER`, or `less` that cuts long lines and leaves the screen as it is.
    pub(super) fn start() -> io::Result<Self> {
        let own = std::env::var("PAGER").ok();
        let mut command = match own.filter(|own| !own.trim().is_empty()) {
            Some(own) => {
                let mut shell = Command::new("sh");
                shell.args(["-c", &own]);
                shell
            }
            None => {
                let mut less = Command::new("less");
                less.arg("-SRFX");
                less
            }
        };
        let started = command.stdin(Stdio::piped()).spawn();
        started.map(Pager).map_err(|error| {
            let message = format!("the pager cannot be started: {error}; \\pager off does without");
            io::Error::new(error.kind(), message)
        })
    }

    /// Where its text goes. Who leaves it before the end has seen enough.
    pub(super) fn writer(&mut self) -> io::Result<&mut (dyn Write + Send)> {
        match &mut self.0.stdin {
            Some(input) => Ok(input),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Waits until it is left.
    pub(super) fn end(mut self) -> io::Result<()> {
        drop(self.0.stdin.take());
        self.0.wait().map(drop)
    }
}

/// Writes lines: through the pager where it is wanted and they are more than the screen holds.
pub(super) fn print(lines: &[String], is_wanted: bool) -> io::Result<()> {
    match is_wanted && lines.len() + 1 > usize::from(screen().1) {
        true => through(lines),
        false => write(lines, &mut io::stdout().lock()),
    }
}

/// Writes lines through the pager.
pub(super) fn through(lines: &[String]) -> io::Result<()> {
    let mut pager = Pager::start()?;
    let written = write(lines, pager.writer()?);
    pager.end()?;
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

fn write(lines: &[String], out: &mut dyn Write) -> io::Result<()> {
    let mut text = lines.join("\n");
    text.push('\n');
    out.write_all(text.as_bytes())?;
    out.flush()
}
