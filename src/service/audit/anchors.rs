//! Anchors: signed heads of audit chains, for a place where a writer of the database cannot write. They
//! reveal a database that was rolled back.

use std::{sync::Arc, time::Duration};

use data_encoding::HEXLOWER;

use super::changed_chains::ChangedChains;
use crate::{
    log_events::anchor,
    security::{anchor::Anchor, keyring::Keyring},
    storage::{Database, StorageError, chain_heads},
};

/// Heads of one statement.
const BATCH: usize = 500;

/// Anchors of one page.
const PAGE: i64 = 500;

/// Lists anchors, and logs those of changed chains.
pub(crate) struct Anchors {
    pub(crate) database: Database,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) changed_chains: Arc<ChangedChains>,
}

impl Anchors {
    /// Logs anchors of changed chains in each period; never returns.
    pub(crate) async fn run(&self, period: Duration) {
        let mut period = tokio::time::interval(period);
        loop {
            period.tick().await;
            self.log_due().await;
            self.changed_chains.make_due();
        }
    }

    /// Logs anchors of all changed chains, after the last change before a shutdown.
    pub(crate) async fn log_rest(&self) {
        self.changed_chains.make_due();
        self.log_due().await;
    }

    async fn log_due(&self) {
        loop {
            let user_ids = self.changed_chains.take(BATCH);
            if user_ids.is_empty() {
                return;
            }
            if let Err(error) = self.log(&user_ids).await {
                self.changed_chains.put_back(&user_ids);
                tracing::warn!(%error, "anchors could not be written; they are written later");
                return;
            }
        }
    }

    async fn log(&self, user_ids: &[i32]) -> Result<(), StorageError> {
        let mut connection = self.database.connection().await?;
        let heads = chain_heads::find(&mut connection, user_ids).await?;
        connection.release();
        for head in &heads {
            let anchor = Anchor::of(&self.keyring, head);
            anchor!(
                user.id = anchor.user_id.as_i32(),
                audit.sequence = anchor.sequence,
                audit.mac = HEXLOWER.encode(&anchor.mac),
                key.id = anchor.key_id,
                anchor.signature = HEXLOWER.encode(&anchor.signature),
            );
        }
        Ok(())
    }

    /// The anchors of the next page of users after an id; empty at the end.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn list_after(&self, after: i32) -> Result<Vec<Anchor>, StorageError> {
        let mut connection = self.database.connection().await?;
        let heads = chain_heads::list_after(&mut connection, after, PAGE).await?;
        Ok(heads.iter().map(|head| Anchor::of(&self.keyring, head)).collect())
    }
}
