//! Ctrl-C: it stops the query that runs, so that nothing half is left.

use std::sync::atomic::{AtomicBool, Ordering};

use tidemill::Engine;

use crate::stop::INTERRUPTED;

static INTERRUPT: AtomicBool = AtomicBool::new(false);

/// What a second Ctrl-C does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Second {
    /// It ends the program at once.
    EndsProgram,
    /// The same as the first: a shell goes on.
    StopsQuery,
}

/// Ctrl-C was pressed since the last [`forget`].
pub(crate) fn is_interrupted() -> bool {
    INTERRUPT.load(Ordering::Relaxed)
}

/// What was pressed before concerns nothing that follows.
pub(crate) fn forget() {
    INTERRUPT.store(false, Ordering::SeqCst);
}

/// Has Ctrl-C stop the engine's queries.
pub(crate) fn stops_queries(engine: &Engine, second: Second) {
    let engine = engine.clone();
    let handler = move || {
        let again = INTERRUPT.swap(true, Ordering::SeqCst);
        if again && second == Second::EndsProgram {
            std::process::exit(i32::from(INTERRUPTED));
        }
        engine.cancel_all();
    };
    if ctrlc::set_handler(handler).is_err() {
        anstream::eprintln!("warning: Ctrl-C will end the program without cleaning up");
    }
}
