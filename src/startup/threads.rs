//! How many threads wait for others: for callers and for the database.

use std::thread;

/// Threads of the web server, and as many for use cases and the database.
///
/// The cores belong to the hashing threads, of which there is one for each. What is left to do for
/// a request is a fiftieth of its hash, so half as many threads are never the narrow place; more of
/// them only wake each other and find their caches cold.
pub(crate) fn waiting_threads() -> usize {
    thread::available_parallelism().map_or(1, |cores| usize::from(cores).div_ceil(2))
}
