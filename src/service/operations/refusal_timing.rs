//! How long a refused login takes (protocol.md 10.2): as long as the dearest kind of stored hash, so
//! that nobody tells from its time what a name is held against, or that there is such a user.

use std::sync::Arc;

use tokio::sync::Mutex;

use crate::service::Service;
use crate::{
    domain::stored_credential::{HashParameters, HashScheme},
    storage::{StorageError, credentials},
};

/// The kinds of stored hashes that were measured last.
#[derive(Default)]
pub(crate) struct RefusalTiming(Mutex<Vec<(HashScheme, HashParameters)>>);

impl Service {
    /// Looks which kinds of hashes there are, and measures what they take.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn measure_refusals(self: &Arc<Self>) -> Result<(), StorageError> {
        let mut connection = self.connection().await?;
        let kinds = credentials::list_kinds(&mut connection).await?;
        connection.release();
        let mut measured = self.refusal_timing.0.lock().await;
        if *measured == kinds {
            return Ok(());
        }
        measured.clone_from(&kinds);
        let service = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || service.hashing.measure_refusals(&kinds));
        if !matches!(done.await, Ok(Ok(()))) {
            tracing::error!("what refusals take could not be measured; it is tried again");
            measured.clear();
        }
        Ok(())
    }
}
