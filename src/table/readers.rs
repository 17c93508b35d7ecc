//! Threads that read copies of segments, so that whoever waits for one can turn to another.
//!
//! A read that hangs holds its thread and nobody else. There are no more threads than [`THREADS_MOST`]: with all of them held,
//! callers read by themselves.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};

/// Threads that there may be.
const THREADS_MOST: usize = 64;

/// A thread that has had nothing to do for so long ends.
const IDLE: Duration = Duration::from_secs(5);

/// What a thread is to do.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// The threads. They end when this is dropped, as soon as their reads do.
#[derive(Debug)]
pub(crate) struct Readers {
    /// Takes a job only where a thread waits for one.
    jobs: Sender<Job>,
    waiting: Receiver<Job>,
    threads: Arc<AtomicUsize>,
    most: usize,
}

impl Default for Readers {
    fn default() -> Self {
        Readers::with_most(THREADS_MOST)
    }
}

impl Readers {
    fn with_most(most: usize) -> Self {
        let (jobs, waiting) = bounded(0);
        Readers {
            jobs,
            waiting,
            threads: Arc::default(),
            most,
        }
    }

    /// Has a thread do the job; gives it back where all are held.
    pub(crate) fn run(&self, job: Job) -> Result<(), Job> {
        let job = match self.jobs.try_send(job) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Full(job) | TrySendError::Disconnected(job)) => job,
        };
        let held = Held(Arc::clone(&self.threads));
        if self.threads.fetch_add(1, Ordering::Relaxed) >= self.most {
            return Err(job);
        }
        let waiting = self.waiting.clone();
        // A job that no thread could be made for is lost with its closure: whoever waits for it learns that.
        let spawned = std::thread::Builder::new()
            .name("tidemill-read".to_string())
            .spawn(move || {
                let _held = held;
                let mut next = Some(job);
                while let Some(job) = next {
                    // Whoever waits for an answer is told that there is none.
                    let _ = catch_unwind(AssertUnwindSafe(job));
                    next = waiting.recv_timeout(IDLE).ok();
                }
            });
        drop(spawned);
        Ok(())
    }
}

/// One of the threads, counted until it ends.
struct Held(Arc<AtomicUsize>);

impl Drop for Held {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[test]
    fn jobs_that_hang_hold_their_threads_and_no_others() {
        let readers = Readers::with_most(3);
        let (release, hang) = channel::<()>();
        let hang = Arc::new(std::sync::Mutex::new(hang));
        let (told, tell) = channel();
        for _ in 0..2 {
            let (hang, told) = (Arc::clone(&hang), told.clone());
            let job = move || {
                told.send("hangs").unwrap();
                let _ = hang.lock().unwrap().recv();
                told.send("went on").unwrap();
            };
            assert!(readers.run(Box::new(job)).is_ok());
        }
        assert_eq!((tell.recv(), tell.recv()), (Ok("hangs"), Ok("hangs")));
        let mut done = 0;
        while done < 50 {
            let told = told.clone();
            let job = Box::new(move || told.send("done").unwrap());
            if readers.run(job).is_ok() {
                assert_eq!(tell.recv(), Ok("done"));
                done += 1;
            }
        }
        let panics = || -> () { std::panic::resume_unwind(Box::new("stopped")) };
        while readers.run(Box::new(panics)).is_err() {}
        release.send(()).unwrap();
        release.send(()).unwrap();
        assert_eq!((tell.recv(), tell.recv()), (Ok("went on"), Ok("went on")));
    }

    #[test]
    fn with_all_threads_held_a_job_comes_back() {
        let readers = Readers::with_most(1);
        let (release, hang) = channel::<()>();
        assert!(
            readers
                .run(Box::new(move || hang.recv().unwrap_or_default()))
                .is_ok()
        );
        let (told, tell) = channel();
        let job = readers.run(Box::new(move || told.send(7).unwrap()));
        job.expect_err("all threads are held")();
        assert_eq!(tell.recv(), Ok(7));
        drop(release);
    }
}
