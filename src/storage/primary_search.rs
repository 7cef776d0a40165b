//! Looks for the primary server when a statement gets no answer.
//!
//! Requests look for it when they open a connection. While a primary server is frozen or cut off,
//! all connections of the pool may wait for it, so that none is opened ([ADR
//! 78](../../docs/adr/0078-end-connections-after-a-promotion.md)).

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use deadpool::managed::{Pool, WeakPool};
use sqlx::Connection as _;

use super::connector::Connector;

/// How often the connections in use are looked at.
const PERIOD: Duration = Duration::from_millis(100);

/// A connection that is in use for longer may wait for a server that is gone. Ordinary statements
/// take milliseconds.
const SUSPECT: Duration = Duration::from_millis(500);

/// The time between two searches while the primary server stays the same.
const SEARCH_PERIOD: Duration = Duration::from_secs(1);

/// The connections in use, with the time at which each was acquired.
#[derive(Default)]
pub(super) struct ConnectionsInUse {
    since: Mutex<BTreeMap<u64, Instant>>,
    next: AtomicU64,
}

impl ConnectionsInUse {
    /// Counts a connection until the result is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> InUse {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.lock().insert(number, Instant::now());
        InUse { all: Arc::clone(self), number }
    }

    /// How long the connection is in use that was acquired first.
    fn longest(&self) -> Duration {
        self.lock().first_key_value().map_or(Duration::ZERO, |(_, since)| since.elapsed())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Instant>> {
        self.since.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection in use.
pub(super) struct InUse {
    all: Arc<ConnectionsInUse>,
    number: u64,
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.all.lock().remove(&self.number);
    }
}

/// Searches for the primary server whenever a connection is in use for long, until the pool ends.
/// Finding it at another host ends the connections to the former one.
pub(super) async fn run(pool: WeakPool<Connector>, in_use: Weak<ConnectionsInUse>) {
    loop {
        tokio::time::sleep(PERIOD).await;
        let (Some(pool), Some(in_use)) = (pool.upgrade(), in_use.upgrade()) else { return };
        if pool.is_closed() {
            return;
        }
        if in_use.longest() > SUSPECT {
            drop(in_use);
            search(&pool).await;
            drop(pool);
            tokio::time::sleep(SEARCH_PERIOD).await;
        }
    }
}

/// Opens a connection, which is not one of the pool, and closes it.
async fn search(pool: &Pool<Connector>) {
    match pool.manager().open().await {
        // It may already be closed.
        Ok(opened) => drop(opened.inner.close().await),
        Err(error) => {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(error, "a statement gets no answer, and no database server is usable");
        }
    }
}
