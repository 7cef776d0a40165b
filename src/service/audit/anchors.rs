//! Anchors: signed heads of audit chains. Kept outside the database, they detect that the database
//! was rolled back.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use data_encoding::HEXLOWER;
use time::OffsetDateTime;

use super::changed_chains::ChangedChains;
use crate::{
    clock,
    log_events::{LOST_LINES, anchor},
    security::{anchor::Anchor, keyring_handle::KeyringHandle},
    storage::{Database, StorageError, chain_heads},
};

/// The maximum number of heads per statement.
const BATCH: usize = 500;

/// The maximum number of anchors per page.
const PAGE: i64 = 500;

/// The time between two looks at changes that are not committed yet, at shutdown.
const PAUSE: Duration = Duration::from_millis(100);

/// Lists anchors, and logs the anchors of changed chains.
pub(crate) struct Anchors {
    database: Database,
    keyring: KeyringHandle,
    changed_chains: Arc<ChangedChains>,
    /// When this instance last logged anchors.
    logged_at: Mutex<Option<OffsetDateTime>>,
}

/// Anchors were not logged.
#[derive(Debug, thiserror::Error)]
enum AnchorError {
    #[error("the log cannot be written")]
    Unwritten,
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The anchors of this instance.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct AnchorState {
    /// When this instance last logged anchors; `None` since its start.
    pub(crate) logged_at: Option<OffsetDateTime>,
    /// The chains that changed since their last anchor.
    pub(crate) waiting: usize,
    /// The time since the first change without an anchor; zero without one.
    pub(crate) age: Duration,
}

impl Anchors {
    /// The anchors of the chains that this instance changes.
    pub(crate) fn new(
        database: Database,
        keyring: KeyringHandle,
        changed_chains: Arc<ChangedChains>,
    ) -> Self {
        Self { database, keyring, changed_chains, logged_at: Mutex::default() }
    }

    /// The anchors of this instance.
    pub(in crate::service) fn state(&self) -> AnchorState {
        // The value is consistent after a panic of another holder.
        let logged_at = *self.logged_at.lock().unwrap_or_else(PoisonError::into_inner);
        let chains = &self.changed_chains;
        AnchorState { logged_at, waiting: chains.count(), age: chains.age() }
    }

    /// Logs the anchors of changed chains once per period; never returns.
    pub(crate) async fn run(&self, period: Duration) {
        let mut period = clock::ticks(period);
        loop {
            period.tick().await;
            if let Err(error) = self.log_due().await {
                tracing::warn!(%error, "failed to log anchors; retrying later");
            }
            self.changed_chains.make_due();
        }
    }

    /// Logs the anchors of all remaining changed chains within a time limit, also of changes whose
    /// commits are not answered yet. Called at shutdown, after the last change.
    pub(crate) async fn log_rest(&self, limit: Duration) {
        let logged = tokio::time::timeout(limit, self.log_all()).await;
        let chains = self.changed_chains.count();
        match logged {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(%error, chains, "failed to log the last anchors; run `audit anchor`");
            }
            Err(_) => {
                tracing::warn!(
                    chains,
                    "timed out waiting for commits or logging the last anchors; run `audit anchor` \
                     when the database has committed the changes"
                );
            }
        }
    }

    async fn log_all(&self) -> Result<(), AnchorError> {
        loop {
            self.changed_chains.make_due();
            self.log_due().await?;
            if self.changed_chains.count() == 0 {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn log_due(&self) -> Result<(), AnchorError> {
        while let Some(taken) = self.changed_chains.take(BATCH) {
            self.log(&taken.user_ids).await?;
            taken.complete();
        }
        Ok(())
    }

    async fn log(&self, user_ids: &[i32]) -> Result<(), AnchorError> {
        let mut connection = self.database.connection().await?;
        let heads = chain_heads::find(&mut connection, user_ids).await?;
        connection.release();
        let keyring = self.keyring.current();
        let lost = LOST_LINES.count();
        for stored in &heads {
            let anchor = Anchor::of(&keyring, &stored.head);
            anchor!(
                user.id = anchor.user_id.as_i32(),
                audit.sequence = anchor.sequence,
                audit.mac = HEXLOWER.encode(&anchor.mac),
                key.id = anchor.key_id,
                anchor.signature = HEXLOWER.encode(&anchor.signature),
            );
        }
        if LOST_LINES.count() > lost {
            return Err(AnchorError::Unwritten);
        }
        *self.logged_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(clock::now());
        Ok(())
    }

    /// The anchors of the next page of users after an id; empty at the end.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn list_after(&self, after: i32) -> Result<Vec<Anchor>, StorageError> {
        let mut connection = self.database.connection().await?;
        let heads = chain_heads::list_after(&mut connection, after, PAGE).await?;
        let keyring = self.keyring.current();
        Ok(heads.iter().map(|stored| Anchor::of(&keyring, &stored.head)).collect())
    }
}
