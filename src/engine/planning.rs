//! Planning on a thread of its own, which a query that is over does not wait for.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crossbeam_channel::{bounded, select};

use super::config;
use crate::error::{Error, ErrorKind, Result};
use crate::exec::CancelToken;
use crate::file::panic_text;

/// Runs `work` on a stack that holds the deepest text and plan that the limits of the language allow.
pub(super) fn on_planner_stack<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    std::thread::scope(|scope| {
        let thread = planner_thread().spawn_scoped(scope, work);
        let ended = thread.map_err(no_thread)?.join();
        ended.unwrap_or_else(|panic| Err(panicked(panic.as_ref())))
    })
}

/// The same, until the query is over: plans of some texts take long, and DataFusion's rules cannot be stopped halfway. What nobody
/// waits for any more ends by itself, and its plan is dropped.
pub(super) fn while_wanted<T: Send + 'static>(
    query: &CancelToken,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    query.check()?;
    let (done, answer) = bounded(1);
    let (stop, over) = bounded(1);
    // Who is called back late finds the channel full or closed, and has nothing to say.
    query.on_cancel(move || {
        let _ = stop.try_send(());
    });
    planner_thread()
        .spawn(move || {
            let ended = catch_unwind(AssertUnwindSafe(work));
            // Who is gone wants no plan.
            let _ = done.send(ended.unwrap_or_else(|panic| Err(panicked(panic.as_ref()))));
        })
        .map_err(no_thread)?;
    select! {
        recv(answer) -> answer => answer.unwrap_or_else(|_| Err(Error::bug("planning ended without a plan"))),
        recv(over) -> _ => {
            query.check()?;
            Err(Error::bug("a query was stopped without a reason"))
        }
    }
}

fn planner_thread() -> std::thread::Builder {
    std::thread::Builder::new()
        .name("tidemill-plan".to_string())
        .stack_size(config::PLANNER_STACK_BYTES)
}

fn no_thread(error: std::io::Error) -> Error {
    let message = format!("no thread could be started: {error}");
    Error::new(ErrorKind::Io, "TM0701", message)
}

fn panicked(panic: &(dyn Any + Send)) -> Error {
    let text = panic_text(panic);
    let first = text.lines().next().unwrap_or_default();
    Error::bug(format!("planning panicked: {first}"))
}
