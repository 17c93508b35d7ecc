//! How long a piece of work took, on the clock and on the processors, and what it allocated.

use std::time::{Duration, Instant};

use cap::Cap;
use mimalloc::MiMalloc;

/// The allocator of the binary, counted.
#[global_allocator]
static ALLOCATOR: Cap<MiMalloc> = Cap::new(MiMalloc, usize::MAX);

/// Medians over the timed runs.
pub(crate) struct Figures {
    pub(crate) median: Duration,
    pub(crate) least: Duration,
    /// User and system time of all threads, a run.
    pub(crate) processors: Duration,
    /// Bytes asked of the allocator, a run.
    pub(crate) allocated_bytes: u64,
    /// The most bytes that lived at one time, over what lived before.
    pub(crate) peak_bytes: usize,
}

/// Runs `work` once to warm up, then `runs` times.
pub(crate) fn measure<E>(
    runs: usize,
    mut work: impl FnMut() -> Result<(), E>,
) -> Result<Figures, E> {
    work()?;
    let runs = runs.max(1);
    let before = ALLOCATOR.allocated();
    let (allocated, busy) = (ALLOCATOR.total_allocated(), processor_time());
    let mut times = Vec::with_capacity(runs);
    let mut peak = 0;
    for _ in 0..runs {
        let watch = Watch::start();
        let started = Instant::now();
        work()?;
        times.push(started.elapsed());
        peak = watch.stop().max(peak);
    }
    let processors = processor_time().saturating_sub(busy) / u32::try_from(runs).unwrap_or(1);
    let allocated = (ALLOCATOR.total_allocated() - allocated) as u64 / runs as u64;
    times.sort();
    Ok(Figures {
        median: times[times.len() / 2],
        least: times[0],
        processors,
        allocated_bytes: allocated,
        peak_bytes: peak.saturating_sub(before),
    })
}

/// Looks every millisecond at how many bytes live: the counter's own peak is that of the whole process and never falls.
struct Watch {
    stop: std::sync::mpsc::Sender<()>,
    thread: std::thread::JoinHandle<usize>,
}

impl Watch {
    fn start() -> Watch {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            let mut most = ALLOCATOR.allocated();
            while stopped.recv_timeout(Duration::from_millis(1))
                == Err(std::sync::mpsc::RecvTimeoutError::Timeout)
            {
                most = most.max(ALLOCATOR.allocated());
            }
            most
        });
        Watch { stop, thread }
    }

    fn stop(self) -> usize {
        drop(self.stop);
        self.thread.join().unwrap_or(0)
    }
}

/// User and system time of this process so far, where the system tells (Linux counts it in hundredths of a second).
fn processor_time() -> Duration {
    let Ok(stat) = std::fs::read_to_string("/proc/self/stat") else {
        return Duration::ZERO;
    };
    // The name in parentheses may hold spaces; user and system time are the 12th and 13th fields behind it.
    let fields = stat.rsplit(')').next().unwrap_or("").split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).flat_map(str::parse::<u64>).sum();
    Duration::from_millis(ticks * 10)
}

/// A row of the printed table.
pub(crate) fn print(name: &str, figures: &Figures) {
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let mib = |bytes: f64| bytes / f64::from(1 << 20);
    println!(
        "{name:<14} {:>10.2} {:>10.2} {:>10.2} {:>12.1} {:>12.1}",
        ms(figures.median),
        ms(figures.least),
        ms(figures.processors),
        mib(figures.allocated_bytes as f64),
        mib(figures.peak_bytes as f64),
    );
}

/// The head of the table.
pub(crate) fn print_head() {
    println!(
        "{:<14} {:>10} {:>10} {:>10} {:>12} {:>12}",
        "", "median ms", "least ms", "cpu ms", "alloc MiB", "peak MiB"
    );
}
