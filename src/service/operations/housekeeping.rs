//! What is done in the background, in small batches.

use std::{sync::Arc, time::Duration};

use crate::service::Service;
use crate::{
    clock,
    domain::attempts::ADDRESS_WINDOW,
    storage::{StorageError, attempts, tickets},
};

/// How often the sweeper looks.
const PERIOD: Duration = Duration::from_secs(60);

/// Rows of one statement: short enough to be in nobody's way.
const BATCH: i64 = 500;

impl Service {
    /// Deletes, for ever, expired tickets and failures of addresses, which have stopped counting long
    /// before; closes connections that nobody needs; and measures what refusals have to take.
    pub(crate) async fn sweep(self: Arc<Self>) {
        let mut period = tokio::time::interval(PERIOD);
        loop {
            period.tick().await;
            self.database.close_idle().await;
            let measured = self.measure_refusals().await;
            for swept in [measured, self.sweep_tickets().await, self.sweep_callers().await] {
                if let Err(error) = swept {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "the database could not be looked after; it is done later"
                    );
                }
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

    async fn sweep_callers(&self) -> Result<(), StorageError> {
        loop {
            let before = clock::now() - ADDRESS_WINDOW;
            let mut connection = self.connection().await?;
            let swept = attempts::delete_callers_before(&mut connection, before, BATCH).await?;
            if swept < BATCH.unsigned_abs() {
                return Ok(());
            }
        }
    }
}
