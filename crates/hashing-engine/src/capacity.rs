//! Capacity of the engine on this machine, and the queue length that follows from it.

use std::time::Duration;

/// The shortest queue, however slow the machine is.
const MINIMUM_QUEUE: usize = 128;

/// The part of the measured rate that is left under load. The rest of the cores answers requests
/// and, on the same machine, runs the database.
const RATE_UNDER_LOAD: f64 = 0.7;

/// Capacity of the engine on this machine, measured at start.
#[derive(Debug, Clone, Copy)]
pub struct Capacity {
    /// Implementation of argon2id: `avx2`, `neon` or `portable`.
    pub kernel: &'static str,
    /// Number of hashing threads.
    pub threads: usize,
    /// Hashes per second of all threads together.
    pub hashes_per_second: f64,
    /// Number of jobs that may wait.
    pub queue_length: usize,
    /// Memory of all threads, in KiB.
    pub memory_kib: u64,
}

/// Rate times deadline: the last job of a full queue still meets its deadline.
pub(crate) fn queue_length(hashes_per_second: f64, deadline: Duration) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the cast saturates, and the rate is positive"
    )]
    let length = (hashes_per_second * RATE_UNDER_LOAD * deadline.as_secs_f64()) as usize;
    length.max(MINIMUM_QUEUE)
}

/// Converts a small count to a float.
#[expect(clippy::cast_precision_loss, reason = "counts of threads and jobs are far below 2^52")]
pub(crate) fn count(number: usize) -> f64 {
    number as f64
}
