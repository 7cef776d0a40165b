//! The order in which tasks get connections, and the number that they may use.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::{callers::Callers, error::StorageError};

/// The connections that may be in use now.
#[derive(Clone)]
pub(super) struct Permits {
    /// One permit for each connection. Waiters are served in order.
    connections: Arc<Semaphore>,
    /// Permits that were removed, because the server has too many connections.
    withheld: Arc<AtomicUsize>,
    maximum: usize,
    /// One permit for each connection that may be in use for other purposes than logins. `None`: this
    /// is the view of the logins.
    shares: Option<Arc<Semaphore>>,
    callers: Callers,
}

/// A place among the connections of one caller. `None` for a task that works for no caller.
pub(super) struct Place(
    #[expect(dead_code, reason = "kept until it is dropped")] Option<OwnedSemaphorePermit>,
);

/// A place in the line of those who wait for connections.
pub(super) struct Turn {
    _place: Place,
    /// `None` for a login.
    share: Option<OwnedSemaphorePermit>,
}

/// What a connection in use keeps others from. It is returned after the connection.
pub(super) struct Permit {
    _connection: OwnedSemaphorePermit,
    turn: Turn,
}

impl Permit {
    /// The permit of one connection.
    pub(super) fn new(connection: OwnedSemaphorePermit, turn: Turn) -> Self {
        Self { _connection: connection, turn }
    }

    /// The share of a connection that the pool has given up.
    pub(super) fn into_share(self) -> Option<OwnedSemaphorePermit> {
        self.turn.share
    }
}

impl Permits {
    /// The permits of a pool.
    pub(super) fn new(maximum: usize) -> Self {
        Self {
            connections: Arc::new(Semaphore::new(maximum)),
            withheld: Arc::default(),
            maximum,
            shares: Some(Arc::new(Semaphore::new(maximum - reserved_for_logins(maximum)))),
            callers: Callers::new(maximum),
        }
    }

    /// The same permits for logins.
    pub(super) fn for_logins(&self) -> Self {
        Self { shares: None, ..self.clone() }
    }

    /// The maximum number of connections.
    pub(super) fn maximum(&self) -> usize {
        self.maximum
    }

    /// Waits for a place among the connections of the caller.
    pub(super) async fn place(&self) -> Place {
        Place(self.callers.place().await)
    }

    /// Waits for a share of the connections that are not reserved for logins.
    pub(super) async fn turn(&self, place: Place) -> Result<Turn, StorageError> {
        let share = match &self.shares {
            Some(shares) => Some(acquire(shares).await?),
            None => None,
        };
        Ok(Turn { _place: place, share })
    }

    /// Waits for the permit of one connection.
    pub(super) async fn connection(&self) -> Result<OwnedSemaphorePermit, StorageError> {
        acquire(&self.connections).await
    }

    /// Removes a permit until [`Self::restore`], because the server has too many connections; returns
    /// the number of removed ones. `None`: there would be fewer permits than `open` connections.
    pub(super) fn withhold(&self, permit: OwnedSemaphorePermit, open: usize) -> Option<usize> {
        let usable = self.maximum.saturating_sub(self.withheld.load(Ordering::Relaxed));
        if usable <= open {
            return None;
        }
        permit.forget();
        Some(self.withheld.fetch_add(1, Ordering::Relaxed) + 1)
    }

    /// Restores the permits that were removed.
    pub(super) fn restore(&self) {
        self.connections.add_permits(self.withheld.swap(0, Ordering::Relaxed));
    }
}

async fn acquire(semaphore: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, StorageError> {
    let closed = |_| StorageError::NoConnection(sqlx::Error::PoolClosed);
    Arc::clone(semaphore).acquire_owned().await.map_err(closed)
}

/// The number of connections that only logins use.
fn reserved_for_logins(maximum: usize) -> usize {
    if maximum > 1 { (maximum / 4).max(1) } else { 0 }
}
