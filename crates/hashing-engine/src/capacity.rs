//! Capacity of the engine on this machine, and the number of jobs that may wait.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// The shortest queue, however slow the machine is.
const MINIMUM_QUEUE: usize = 128;

/// The part of the rate at start that is left under load. The rest of the cores answers requests
/// and, on the same machine, runs the database.
const RATE_UNDER_LOAD: f64 = 0.7;

/// The part of the present rate that the queue counts on. The load is in that rate already.
const PRESENT_RATE: f64 = 0.9;

/// Capacity of the engine on this machine, measured at start.
#[derive(Debug, Clone, Copy)]
pub struct Capacity {
    /// Implementation of argon2id: `avx2`, `neon` or `portable`.
    pub kernel: &'static str,
    /// Number of hashing threads.
    pub threads: usize,
    /// Hashes per second of all threads together.
    pub hashes_per_second: f64,
    /// Number of jobs that may wait at present.
    pub queue_length: usize,
    /// Memory of all threads, in KiB.
    pub memory_kib: u64,
}

/// How many jobs may wait: as many as the threads compute before the deadline of the last one, at the
/// present speed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct QueueLimit {
    threads: usize,
    deadline: Duration,
    /// By the speed at start. While few hashes are computed, the threads are faster than under load.
    maximum: usize,
}

impl QueueLimit {
    /// The limit of `threads` that all took `hash_time` for a hash at start.
    pub(crate) fn new(threads: usize, deadline: Duration, hash_time: Duration) -> Self {
        let limit = Self { threads, deadline, maximum: MINIMUM_QUEUE };
        let maximum = MINIMUM_QUEUE.max(limit.jobs(hash_time, RATE_UNDER_LOAD));
        Self { maximum, ..limit }
    }

    /// A limit of that many jobs at any speed.
    #[cfg(test)]
    pub(crate) fn fixed(jobs: usize) -> Self {
        Self { threads: 1, deadline: Duration::ZERO, maximum: jobs }
    }

    /// The number of jobs at the speed at start.
    pub(crate) fn maximum(self) -> usize {
        self.maximum
    }

    /// The number of jobs that may wait while a hash takes `hash_time`.
    pub(crate) fn at(self, hash_time: Duration) -> usize {
        self.jobs(hash_time, PRESENT_RATE).max(MINIMUM_QUEUE).min(self.maximum)
    }

    /// How long `jobs` wait while a hash takes `hash_time`: not after the deadline, when they are
    /// refused.
    pub(crate) fn wait(self, jobs: usize, hash_time: Duration) -> Duration {
        let seconds = hash_time.as_secs_f64() * count(jobs) / count(self.threads.max(1));
        Duration::try_from_secs_f64(seconds).unwrap_or(self.deadline).min(self.deadline)
    }

    /// The hashes until the deadline, when that part of the rate is left.
    fn jobs(self, hash_time: Duration, part: f64) -> usize {
        let hashes = self.deadline.as_secs_f64() / hash_time.as_secs_f64().max(f64::EPSILON);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the cast saturates, and no factor is negative"
        )]
        let jobs = (part * hashes * count(self.threads)) as usize;
        jobs
    }
}

/// The number of jobs that may wait at present. Cloning shares it.
#[derive(Debug, Clone)]
pub(crate) struct Places(Arc<AtomicUsize>);

impl Places {
    pub(crate) fn new(number: usize) -> Self {
        Self(Arc::new(AtomicUsize::new(number)))
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn set(&self, number: usize) {
        self.0.store(number, Ordering::Relaxed);
    }
}

/// Converts a small count to a float.
#[expect(clippy::cast_precision_loss, reason = "counts of threads and jobs are far below 2^52")]
pub(crate) fn count(number: usize) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_jobs_wait_as_meet_their_deadline_at_the_present_speed() {
        let milliseconds = Duration::from_millis;
        // 400 hashes a second, of which 0.7 are left under load.
        let limit = QueueLimit::new(4, Duration::from_secs(2), milliseconds(10));
        assert_eq!(limit.at(milliseconds(10)), 560);
        assert_eq!(limit.at(milliseconds(20)), 360);
        assert_eq!(limit.at(milliseconds(30)), 240);
        assert_eq!(limit.at(milliseconds(5)), 560, "not more than by the speed at start");
        assert_eq!(limit.at(Duration::from_secs(1)), 128, "however slow");
        assert_eq!(limit.at(Duration::ZERO), 560);
    }

    #[test]
    fn a_wait_is_that_of_all_threads_at_the_present_speed() {
        let limit = QueueLimit::new(4, Duration::from_secs(2), Duration::from_millis(10));
        assert_eq!(limit.wait(100, Duration::from_millis(20)), Duration::from_millis(500));
        assert_eq!(limit.wait(0, Duration::from_millis(20)), Duration::ZERO);
        // As after a pause of the machine.
        assert_eq!(limit.wait(100, Duration::from_secs(10)), Duration::from_secs(2));
        assert_eq!(limit.wait(usize::MAX, Duration::MAX), Duration::from_secs(2));
    }
}
