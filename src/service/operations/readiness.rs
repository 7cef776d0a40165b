//! Whether this instance can do its work.

use crate::service::Service;
use crate::storage::{self, StorageError};

/// Why an instance is not ready.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotReady {
    /// The reason is the database's own.
    #[error(transparent)]
    Database(#[from] StorageError),
    #[error("{0} migrations are not applied")]
    PendingMigrations(usize),
}

impl Service {
    /// Ready when the database answers and every migration this binary knows is applied. Newer
    /// ones are tolerated: a release is rolled out instance by instance.
    ///
    /// # Errors
    /// What is missing.
    pub(crate) async fn check_readiness(&self) -> Result<(), NotReady> {
        self.database.require_writable().await?;
        match storage::pending_migrations(&self.database).await? {
            0 => Ok(()),
            pending => Err(NotReady::PendingMigrations(pending)),
        }
    }
}
