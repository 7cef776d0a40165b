//! Measures hashes with chosen parameters on this machine, as the hashing threads compute them: on
//! all threads at the same time, each with memory of its own and the priority of a hashing thread.

use std::{
    io,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use super::{
    capacity::count, error::HashingError, event::OnEvent, formats::phc::SALT_LENGTH,
    hash_parameters::HashParameters, kernel::Kernel, kernel::allocate, pool::NICENESS,
};

/// The least number of measured hashes of each thread.
const MINIMUM_RUNS: usize = 3;

/// Measures hashes with the kernel of this machine.
#[derive(Debug, Clone, Copy)]
pub struct CostMeter {
    kernel: Kernel,
    threads: usize,
}

/// The measured cost of hashes with the same parameters.
#[derive(Debug, Clone, Copy)]
pub struct MeasuredCost {
    /// The parameters of the hashes.
    pub parameters: HashParameters,
    /// Number of measured hashes.
    pub hashes: usize,
    /// Median of their times while all threads hash.
    pub median: Duration,
    /// The longest of their times.
    pub slowest: Duration,
    /// Hashes per second of all threads together.
    pub hashes_per_second: f64,
}

/// What one thread measured.
struct Part {
    times: Vec<Duration>,
    started: Instant,
    ended: Instant,
}

impl CostMeter {
    /// A meter for this many threads. `None`: one for each core.
    #[must_use]
    pub fn new(threads: Option<usize>, on_event: OnEvent) -> Self {
        let cores = || thread::available_parallelism().map_or(1, usize::from);
        Self { kernel: Kernel::choose(on_event), threads: threads.unwrap_or_else(cores).max(1) }
    }

    /// Implementation of argon2id: `avx2`, `neon` or `portable`.
    #[must_use]
    pub fn kernel(&self) -> &'static str {
        self.kernel.as_str()
    }

    /// Number of threads that hash at the same time.
    #[must_use]
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// Computes `runs` hashes on each thread, or fewer, but at least three, if they do not end before
    /// `until`. Blocks. One more hash on each thread, before the others, is not measured.
    ///
    /// # Errors
    /// When argon2 does not support the parameters, or the operating system starts no thread.
    pub fn measure(
        &self,
        parameters: HashParameters,
        runs: usize,
        until: Instant,
    ) -> Result<MeasuredCost, HashingError> {
        let parts = thread::scope(|scope| {
            let threads: Vec<_> = (0..self.threads)
                .map(|number| {
                    thread::Builder::new()
                        .name(format!("calibration-{number}"))
                        .spawn_scoped(scope, || {
                            self.measure_on_this_thread(parameters, runs, until)
                        })
                })
                .collect();
            let finished = threads.into_iter().map(|thread| {
                let thread = thread.map_err(|error| HashingError::ThreadStart(Arc::new(error)))?;
                let panicked = |_| io::Error::other("the thread panicked");
                let measured = thread.join().map_err(panicked);
                measured.map_err(|error| HashingError::ThreadStart(Arc::new(error)))?
            });
            finished.collect::<Result<Vec<Part>, _>>()
        })?;
        Ok(summarize(parameters, &parts))
    }

    fn measure_on_this_thread(
        &self,
        parameters: HashParameters,
        runs: usize,
        until: Instant,
    ) -> Result<Part, HashingError> {
        // Without the permission, the thread keeps its priority.
        let _ = rustix::process::setpriority_process(None, NICENESS);
        let mut memory = allocate(parameters.memory_kib);
        let mut hash = || {
            let start = Instant::now();
            self.kernel.argon2id(b"measured", &[0; SALT_LENGTH], parameters, &mut memory)?;
            Ok::<_, HashingError>(start.elapsed())
        };
        // The first hash also pays for the pages of the memory.
        hash()?;
        let started = Instant::now();
        let mut times = Vec::new();
        while times.len() < runs && (times.len() < MINIMUM_RUNS || Instant::now() < until) {
            times.push(hash()?);
        }
        Ok(Part { times, started, ended: Instant::now() })
    }
}

fn summarize(parameters: HashParameters, parts: &[Part]) -> MeasuredCost {
    let mut times: Vec<_> = parts.iter().flat_map(|part| part.times.iter().copied()).collect();
    times.sort_unstable();
    let started = parts.iter().map(|part| part.started).min();
    let ended = parts.iter().map(|part| part.ended).max();
    let elapsed = started.zip(ended).map(|(started, ended)| ended - started);
    let seconds = elapsed.unwrap_or_default().as_secs_f64().max(f64::EPSILON);
    MeasuredCost {
        parameters,
        hashes: times.len(),
        median: times.get(times.len() / 2).copied().unwrap_or_default(),
        slowest: times.last().copied().unwrap_or_default(),
        hashes_per_second: count(times.len()) / seconds,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COST: HashParameters = HashParameters { memory_kib: 64, iterations: 1, parallelism: 1 };

    #[test]
    fn all_threads_are_measured_and_a_late_one_stops_early() {
        let meter = CostMeter::new(Some(2), |_| ());
        let later = Instant::now() + Duration::from_secs(60);
        let measured = meter.measure(COST, 5, later).unwrap();
        assert_eq!((measured.hashes, measured.parameters), (10, COST));
        assert!(measured.median > Duration::ZERO && measured.median <= measured.slowest);
        assert!(measured.hashes_per_second > 0.0);
        let stopped = meter.measure(COST, 1000, Instant::now()).unwrap();
        assert_eq!(stopped.hashes, 2 * MINIMUM_RUNS);
    }

    #[test]
    fn invalid_parameters_are_refused() {
        let meter = CostMeter::new(Some(2), |_| ());
        let invalid = HashParameters { memory_kib: 7, ..COST };
        let refused = meter.measure(invalid, 1, Instant::now());
        assert!(matches!(refused, Err(HashingError::InvalidParameters)), "{refused:?}");
    }

    #[test]
    fn the_rate_counts_the_time_of_all_threads_together() {
        let started = Instant::now();
        let part = |milliseconds: [u64; 2]| Part {
            times: milliseconds.map(Duration::from_millis).to_vec(),
            started,
            ended: started + Duration::from_millis(milliseconds.iter().sum()),
        };
        let measured = summarize(COST, &[part([10, 20]), part([30, 70])]);
        assert_eq!(measured.median, Duration::from_millis(30));
        assert_eq!(measured.slowest, Duration::from_millis(70));
        assert!((measured.hashes_per_second - 40.0).abs() < 0.001, "{measured:?}");
    }
}
