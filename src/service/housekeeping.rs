//! What is done in the background, in small batches.

use std::time::Duration;

use super::Service;
use crate::{
    clock,
    storage::{StorageError, tickets},
};

/// How often the sweeper looks.
const PERIOD: Duration = Duration::from_secs(60);

/// Rows of one statement: short enough to be in nobody's way.
const BATCH: i64 = 500;

impl Service {
    /// Deletes expired tickets, for ever, which have stopped counting long before, and closes
    /// connections that nobody needs.
    pub(crate) async fn sweep(&self) {
        let mut period = tokio::time::interval(PERIOD);
        loop {
            period.tick().await;
            self.database.close_idle().await;
            if let Err(error) = self.sweep_tickets().await {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "expired tickets could not be swept; they are swept later"
                );
            }
        }
    }

    async fn sweep_tickets(&self) -> Result<(), StorageError> {
        loop {
            let mut connection = self.connection().await?;
            let swept = tickets::delete_expired(&mut connection, clock::now(), BATCH).await?;
            if swept < BATCH.unsigned_abs() {
                return Ok(());
            }
        }
    }
}
