//! Work on very many small things, split over the processors: a table may have a hundred thousand segments.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::thread::{Builder, available_parallelism};

/// Threads that share the work of one table.
const THREADS_MAX: usize = 4;

/// The results of `work` on consecutive parts of `items`, in order: one part, unless each of several has at least `least`.
pub(crate) fn in_parts<T: Sync, R: Send>(
    items: &[T],
    least: usize,
    work: impl Fn(&[T]) -> R + Sync,
) -> Vec<R> {
    let processors = available_parallelism().map_or(1, NonZero::get);
    let parts = processors.min(THREADS_MAX).min(items.len() / least.max(1));
    if parts < 2 {
        return vec![work(items)];
    }
    let work = &work;
    std::thread::scope(|scope| {
        let chunks = items.chunks(items.len().div_ceil(parts));
        let threads: Vec<_> = chunks
            .map(|part| (part, Builder::new().spawn_scoped(scope, move || work(part))))
            .collect();
        let results = threads.into_iter().map(|(part, thread)| match thread {
            Ok(thread) => thread.join().unwrap_or_else(|panic| resume_unwind(panic)),
            // Without another thread this one has the time.
            Err(_) => work(part),
        });
        results.collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_worked_on_once_and_in_order() {
        for count in [0, 1, 7, 100, 1001] {
            let items: Vec<usize> = (0..count).collect();
            for least in [1, 10, 2000] {
                let parts = in_parts(&items, least, <[usize]>::to_vec);
                assert_eq!(parts.concat(), items, "{count} {least}");
                assert!(parts.len() <= THREADS_MAX);
            }
        }
    }
}
