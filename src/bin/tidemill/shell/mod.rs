//! The shell: `tidemill` on a terminal, without a query.
//!
//! [`session`] reads what is typed and runs it on one engine, so that what a statement leaves behind is there for the next.
//! [`editor`] is what happens while one types: colours, completion, and whether Enter runs the text or begins a line. Lines that
//! begin with a backslash are [`commands`]. [`display`] shows results as [`look`] has them, through [`pager`] where that is wanted; [`history`] keeps
//! what was typed. Nothing that goes wrong ends the shell, nor does Ctrl-C: Ctrl-D does.

mod commands;
mod display;
mod editor;
mod history;
mod look;
mod pager;
mod session;

use tidemill::Engine;

use crate::flags::Flags;
use crate::interrupt::{self, Second};
use crate::run::Settled;
use crate::stop::Stop;

/// Runs the shell until it is left.
pub(crate) fn run(flags: &Flags, engine: Engine) -> Result<(), Stop> {
    if flags.output.is_some() || flags.until.is_some() || flags.step.is_some() {
        return Err(Stop::Usage(
            "--output, --until and --step need a query or a script".to_string(),
        ));
    }
    let params = flags.values.params()?;
    let look = look::Look::new(flags)?;
    interrupt::stops_queries(&engine, Second::StopsQuery);
    let _settled = Settled(engine.clone());
    let mut editor = editor::editor(&engine).map_err(|error| Stop::Terminal(error.to_string()))?;
    let history = history::History::open(&mut editor);
    session::Session::new(flags, engine, params, look).read(&mut editor, history)
}
