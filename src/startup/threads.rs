//! The number of threads for I/O.
//!
//! Hashing has one thread per core, at a lower priority.

use std::thread;

/// The number of worker threads of the web server: one per core.
///
/// A burst of more requests than the service can hash is refused by the workers alone. With one worker
/// per core it hears of it in two thirds of the time of half as many, at the same rate of saves
/// (`docs/explanation/performance.md`).
pub(super) fn web_threads() -> usize {
    cores()
}

/// The number of threads of the runtime for use cases and the database.
///
/// Their work takes a few percent of the time of a hash, so half as many threads as cores are enough.
/// More threads cause context switches and cache misses.
pub(crate) fn waiting_threads() -> usize {
    cores().div_ceil(2)
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}
