//! Measures the duration of a refused login
//! (docs/reference/wire-contract.md#d2-one-response-for-failed-authentication). A refusal takes as
//! long as the most expensive kind of stored hash, so that the time reveals neither the kind of a
//! user's hash nor whether the user exists.

use std::sync::Arc;

use tokio::sync::Mutex;

use crate::{
    domain::stored_credential::{HashParameters, HashScheme},
    security::hashing::HashingEngine,
    storage::{Database, StorageError},
};

/// Measures the duration of refused logins.
pub(crate) struct RefusalTiming {
    database: Database,
    hashing: Arc<HashingEngine>,
    /// The kinds of hashes of the last measurement.
    measured: Mutex<Vec<(HashScheme, HashParameters)>>,
}

impl RefusalTiming {
    /// Starts without a measurement.
    pub(crate) fn new(database: Database, hashing: Arc<HashingEngine>) -> Self {
        Self { database, hashing, measured: Mutex::default() }
    }

    /// Measures again when the kinds of stored hashes have changed.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(super) async fn measure(&self) -> Result<(), StorageError> {
        let mut connection = self.database.connection().await?;
        let kinds = self.database.statements().list_hash_kinds(&mut connection).await?;
        connection.release();
        let mut measured = self.measured.lock().await;
        if *measured == kinds {
            return Ok(());
        }
        measured.clone_from(&kinds);
        let hashing = Arc::clone(&self.hashing);
        let done = tokio::task::spawn_blocking(move || hashing.measure_refusals(&kinds));
        if !matches!(done.await, Ok(Ok(()))) {
            tracing::error!("failed to measure the duration of refused logins; retrying later");
            measured.clear();
        }
        Ok(())
    }
}
