//! What the engine can do on this machine, and so what it takes on.

use std::time::Duration;

/// The queue is never shorter than this, however slow the machine.
const MINIMUM_QUEUE: usize = 128;

/// What the engine can do on this machine, measured at start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Capacity {
    /// Which implementation of the hash: `avx2` or `portable`.
    pub(crate) kernel: &'static str,
    pub(crate) threads: usize,
    /// Hashes per second, all threads together.
    pub(crate) hashes_per_second: f64,
    /// Jobs that may wait.
    pub(crate) queue_length: usize,
    /// All threads' memory, in KiB.
    pub(crate) memory_kib: u64,
}

/// What part of the measured rate is left when requests come: the rest of the cores answers them,
/// and is the database's, where that is on the same machine.
const RATE_UNDER_LOAD: f64 = 0.7;

/// Rate times deadline: a job at the end of a full queue is still hashed in time.
pub(super) fn queue_length(hashes_per_second: f64, deadline: Duration) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a float becomes the nearest integer in range"
    )]
    let length = (hashes_per_second * RATE_UNDER_LOAD * deadline.as_secs_f64()) as usize;
    length.max(MINIMUM_QUEUE)
}

/// A small count as a float.
#[expect(clippy::cast_precision_loss, reason = "counts of threads and jobs are far below 2^52")]
pub(super) fn count(number: usize) -> f64 {
    number as f64
}
