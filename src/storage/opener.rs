//! Opens the connections of the pool in the background, so that an attempt that takes longer than its
//! request waits is of use to the next one.
//!
//! After an outage, every request opens a connection at once. On a busy machine none of them may be
//! ready in time; if each attempt ended with its request, the service would never recover
//! ([ADR 79](../../docs/adr/0079-ask-the-server-about-stalled-statements.md)).

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use deadpool::managed::{Manager, Metrics, RecycleError, RecycleResult};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, oneshot};

use super::{
    connection_generation,
    connector::{Connector, Pooled},
    error::StorageError,
};

/// A connection that was idle for longer is checked before use.
const UNCHECKED_IDLE: Duration = Duration::from_secs(1);

/// The maximum age of a connection: the memory of a PostgreSQL session only grows.
const MAXIMUM_AGE: Duration = Duration::from_mins(30);

/// The time limit for an attempt to connect whose request no longer waits.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(15);

/// A connection whose request no longer waited when it was ready.
struct Spare {
    connection: Pooled,
    /// Bounds the number of attempts and spare connections.
    _permit: OwnedSemaphorePermit,
}

/// Opens connections, and checks them before reuse.
#[derive(Clone)]
pub(super) struct Opener {
    pub(super) connector: Arc<Connector>,
    spares: Arc<Mutex<Vec<Spare>>>,
    is_spare_ready: Arc<Notify>,
    /// One permit for each attempt that may outlast its request.
    attempts: Arc<Semaphore>,
}

impl Opener {
    /// At most `maximum` attempts outlast their requests.
    pub(super) fn new(connector: Connector, maximum: usize) -> Self {
        Self {
            connector: Arc::new(connector),
            spares: Arc::default(),
            is_spare_ready: Arc::default(),
            attempts: Arc::new(Semaphore::new(maximum)),
        }
    }

    /// Closes the connections that nothing has waited for.
    pub(super) fn drop_spares(&self) {
        self.spares().clear();
    }

    /// A spare connection, or a new one. The attempt goes on when the result is dropped.
    async fn open(&self) -> Result<Pooled, StorageError> {
        let (sender, receiver) = oneshot::channel();
        let Ok(permit) = Arc::clone(&self.attempts).try_acquire_owned() else {
            // Enough attempts are under way; this one ends with its request.
            return self.connector.open().await;
        };
        let this = self.clone();
        tokio::spawn(async move {
            let late = |_| Err(StorageError::NoConnection(sqlx::Error::PoolTimedOut));
            let attempt = tokio::time::timeout(ATTEMPT_LIMIT, this.connector.open()).await;
            if let Err(Ok(connection)) = sender.send(attempt.unwrap_or_else(late)) {
                this.spares().push(Spare { connection, _permit: permit });
                this.is_spare_ready.notify_one();
            }
        });
        // The task ends with its runtime.
        let closed = |_| Err(StorageError::NoConnection(sqlx::Error::PoolClosed));
        receiver.await.unwrap_or_else(closed)
    }

    fn take_spare(&self) -> Option<Pooled> {
        let mut spares = self.spares();
        let generation = connection_generation::generation();
        spares.retain(|spare| spare.connection.generation >= generation);
        spares.pop().map(|spare| spare.connection)
    }

    fn spares(&self) -> MutexGuard<'_, Vec<Spare>> {
        self.spares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Manager for Opener {
    type Type = Pooled;
    type Error = StorageError;

    async fn create(&self) -> Result<Pooled, StorageError> {
        if let Some(spare) = self.take_spare() {
            return Ok(spare);
        }
        // Boxed: this rare branch is seven times as large as the rest of the future.
        let mut opening = Box::pin(self.open());
        loop {
            tokio::select! {
                opened = &mut opening => return opened,
                () = self.is_spare_ready.notified() => {
                    if let Some(spare) = self.take_spare() {
                        return Ok(spare);
                    }
                }
            }
        }
    }

    async fn recycle(
        &self,
        connection: &mut Pooled,
        metrics: &Metrics,
    ) -> RecycleResult<StorageError> {
        if metrics.age() > MAXIMUM_AGE {
            return Err(RecycleError::message("it reached its maximum age"));
        }
        if connection.generation < connection_generation::generation() {
            return Err(RecycleError::message("it was invalidated"));
        }
        if metrics.last_used() > UNCHECKED_IDLE {
            Box::pin(connection.check_within(self.connector.check_timeout)).await?;
        }
        Ok(())
    }
}
