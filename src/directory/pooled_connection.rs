//! The connections of a pool. One returns to it only if another operation can use it.

use std::{sync::Arc, time::Duration};

use deadpool::managed::{Manager, Metrics, Object, RecycleError, RecycleResult};

use super::{connection::Connection, connector::Connector, error::DirectoryError};

/// A connection that was idle for longer is not used again, but closed before the next operation.
/// Servers close idle connections, too.
const MAXIMUM_IDLE: Duration = Duration::from_mins(1);

/// Whom the connections of a pool belong to when they are opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    /// The account of the service.
    Service,
    /// Nobody: each bind makes the connection that of a user, and nothing else uses it.
    Nobody,
}

/// Opens the connections of a pool, and checks them before reuse.
pub(super) struct ConnectionManager {
    pub(super) connector: Arc<Connector>,
    pub(super) owner: Owner,
}

impl Manager for ConnectionManager {
    type Type = Connection;
    type Error = DirectoryError;

    async fn create(&self) -> Result<Connection, DirectoryError> {
        // Boxed: this rare branch is much larger than the rest of the future.
        match self.owner {
            Owner::Service => Box::pin(self.connector.open()).await,
            Owner::Nobody => Box::pin(self.connector.open_unbound()).await,
        }
    }

    async fn recycle(
        &self,
        connection: &mut Connection,
        metrics: &Metrics,
    ) -> RecycleResult<DirectoryError> {
        if !connection.is_reusable() {
            return Err(RecycleError::message("it is closed, or an operation was not finished"));
        }
        if metrics.last_used() > MAXIMUM_IDLE {
            return Err(RecycleError::message("it was idle for too long"));
        }
        Ok(())
    }
}

/// A connection of the pool. When it is dropped during an operation, or after one that failed, it is
/// closed at once, so that the server stops answering.
pub(super) struct PooledConnection(Option<Object<ConnectionManager>>);

impl PooledConnection {
    pub(super) fn new(connection: Object<ConnectionManager>) -> Self {
        Self(Some(connection))
    }

    /// True when the connection was in the pool before.
    pub(super) fn was_idle(&self) -> bool {
        self.0.as_ref().is_some_and(|object| Object::metrics(object).recycle_count > 0)
    }

    /// The connection.
    ///
    /// # Errors
    /// Never: it is there until it is dropped.
    pub(super) fn get(&mut self) -> Result<&mut Connection, DirectoryError> {
        self.0.as_deref_mut().ok_or(DirectoryError::Closed)
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        if let Some(mut object) = self.0.take()
            && !object.is_reusable()
        {
            drop(Object::take(object));
        }
    }
}
