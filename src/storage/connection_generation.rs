//! Invalidates all open connections at once.
//!
//! When the server is demoted, restarted or changed, one statement fails, but every other
//! connection is stale, too. Such an error starts a new generation. Connections of an earlier
//! generation are replaced before their next use.

use std::sync::LazyLock;

use tokio::sync::watch;

/// The number of invalidations in this process.
static GENERATION: LazyLock<watch::Sender<u64>> = LazyLock::new(|| watch::Sender::new(0));

/// The current generation, for a new connection.
pub(super) fn generation() -> u64 {
    *GENERATION.borrow()
}

/// Invalidates every open connection.
pub(super) fn invalidate_all() {
    GENERATION.send_modify(|generation| *generation += 1);
}

/// Waits until the connections of this generation are invalidated.
pub(super) async fn invalidated(generation: u64) {
    // The sender is never dropped.
    let _ = GENERATION.subscribe().wait_for(|current| *current > generation).await;
}
