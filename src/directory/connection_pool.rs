//! A pool of connections to the server, and the operations on them.

use std::{io, sync::Arc};

use deadpool::managed::{Pool, PoolError};
use ldap3::LdapResult;

use super::{
    connection::SearchRequest,
    connector::Connector,
    entry::Entry,
    error::DirectoryError,
    metrics::DirectoryConnections,
    pooled_connection::{ConnectionManager, Owner, PooledConnection},
};

/// A bounded number of connections, which are opened on demand.
pub(super) struct ConnectionPool(Pool<ConnectionManager>);

impl ConnectionPool {
    /// A pool without connections.
    ///
    /// # Errors
    /// Never: the pool has no time limits, which would need a runtime.
    pub(super) fn new(
        connector: Arc<Connector>,
        owner: Owner,
        maximum: usize,
    ) -> Result<Self, DirectoryError> {
        let pool = Pool::builder(ConnectionManager { connector, owner }).max_size(maximum).build();
        pool.map(Self).map_err(|error| DirectoryError::System(io::Error::other(error)))
    }

    /// The connections, for metrics.
    pub(super) fn connections(&self) -> DirectoryConnections {
        let status = self.0.status();
        DirectoryConnections { open: status.size, maximum: status.max_size }
    }

    /// Searches. Repeats the search once when an idle connection turns out to be closed.
    ///
    /// # Errors
    /// See [`DirectoryError`].
    pub(super) async fn search(
        &self,
        request: &SearchRequest,
    ) -> Result<Vec<Entry>, DirectoryError> {
        let mut connection = self.connection().await?;
        let was_idle = connection.was_idle();
        match connection.get()?.search(request).await {
            Err(DirectoryError::Closed) if was_idle => {
                drop(connection);
                self.connection().await?.get()?.search(request).await
            }
            found => found,
        }
    }

    /// Binds as a user, once: the server counts failed binds.
    ///
    /// # Errors
    /// See [`DirectoryError`].
    pub(super) async fn bind(
        &self,
        dn: &str,
        password: &str,
    ) -> Result<LdapResult, DirectoryError> {
        self.connection().await?.get()?.bind(dn, password).await
    }

    /// Asks whether the server is there. Returns the result code of its answer.
    ///
    /// # Errors
    /// See [`DirectoryError`].
    pub(super) async fn probe(&self) -> Result<u32, DirectoryError> {
        self.connection().await?.get()?.probe().await
    }

    async fn connection(&self) -> Result<PooledConnection, DirectoryError> {
        self.0.get().await.map(PooledConnection::new).map_err(|error| match error {
            PoolError::Backend(error) => error,
            PoolError::Closed
            | PoolError::Timeout(_)
            | PoolError::NoRuntimeSpecified
            | PoolError::PostCreateHook(_) => DirectoryError::Closed,
        })
    }
}
