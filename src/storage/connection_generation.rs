//! Invalidates all open connections at once.
//!
//! When the server is demoted, restarted or changed, one statement fails, but every other
//! connection is stale, too. Such an error starts a new generation. Connections of an earlier
//! generation are replaced before their next use.

use std::sync::atomic::{AtomicU64, Ordering};

/// The number of invalidations in this process.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// The current generation, for a new connection.
pub(super) fn generation() -> u64 {
    GENERATION.load(Ordering::Acquire)
}

/// Invalidates every open connection.
pub(super) fn invalidate_all() {
    GENERATION.fetch_add(1, Ordering::AcqRel);
}
