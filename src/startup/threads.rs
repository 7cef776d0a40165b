//! The number of threads for I/O.

use std::thread;

/// The number of worker threads of the web server, and of the runtime for use cases and the
/// database.
///
/// Hashing has one thread per core. The other work of a request takes about 2 % of the time of its
/// hash, so half as many threads are enough. More threads cause context switches and cache misses.
pub(crate) fn waiting_threads() -> usize {
    thread::available_parallelism().map_or(1, |cores| usize::from(cores).div_ceil(2))
}
