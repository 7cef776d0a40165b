//! Anchors in the log: now and then the heads of the chains that have moved, for a log that is kept
//! where nobody who writes to the database writes.

use std::{
    collections::BTreeSet,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::service::Service;
use crate::{
    domain::{hexadecimal, user::UserId},
    log_events::anchor,
    security::anchor::Anchor,
    storage::{StorageError, chain_heads},
};

/// Heads of one statement.
const BATCH: usize = 500;

/// Users whose chain moves, until there is an anchor of it.
#[derive(Default)]
pub(crate) struct ChangedChains(Mutex<Waiting>);

/// They are told of before their change is committed, so each waits for one period before its head
/// is read.
#[derive(Default)]
struct Waiting {
    fresh: BTreeSet<i32>,
    due: BTreeSet<i32>,
}

impl ChangedChains {
    /// Something happens to that user. Should it be undone, an anchor more is no harm.
    pub(in crate::service) fn push(&self, user_id: UserId) {
        self.lock().fresh.insert(user_id.as_i32());
    }

    /// A period is over.
    fn age(&self) {
        let mut waiting = self.lock();
        let fresh = std::mem::take(&mut waiting.fresh);
        waiting.due.extend(fresh);
    }

    fn take(&self) -> Vec<i32> {
        let mut waiting = self.lock();
        let taken: Vec<_> = waiting.due.iter().copied().take(BATCH).collect();
        for user_id in &taken {
            waiting.due.remove(user_id);
        }
        taken
    }

    fn put_back(&self, user_ids: &[i32]) {
        self.lock().due.extend(user_ids);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Waiting> {
        // Its data is whole whatever happened to the last holder.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Service {
    /// Writes anchors into the log, for ever.
    pub(crate) async fn anchor(&self, period: Duration) {
        let mut period = tokio::time::interval(period);
        loop {
            period.tick().await;
            self.anchor_due().await;
            self.moved.age();
        }
    }

    /// Writes anchors of all chains that have moved, when nothing moves any more.
    pub(crate) async fn anchor_rest(&self) {
        self.moved.age();
        self.anchor_due().await;
    }

    async fn anchor_due(&self) {
        loop {
            let moved = self.moved.take();
            if moved.is_empty() {
                return;
            }
            if let Err(error) = self.write_anchors(&moved).await {
                self.moved.put_back(&moved);
                tracing::warn!(%error, "anchors could not be written; they are written later");
                return;
            }
        }
    }

    async fn write_anchors(&self, user_ids: &[i32]) -> Result<(), StorageError> {
        let mut connection = self.connection().await?;
        let heads = chain_heads::find(&mut connection, user_ids).await?;
        connection.release();
        for head in &heads {
            let anchor = Anchor::of(&self.keyring, head);
            anchor!(
                user.id = anchor.user_id.as_i32(),
                audit.sequence = anchor.sequence,
                audit.mac = hexadecimal::text(&anchor.mac),
                key.id = anchor.key_id,
                anchor.signature = hexadecimal::text(&anchor.signature),
            );
        }
        Ok(())
    }

    /// Anchors of the next users behind `after`; an empty page is the end.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn list_anchors_after(&self, after: i32) -> Result<Vec<Anchor>, StorageError> {
        let mut connection = self.connection().await?;
        let heads = chain_heads::list_after(&mut connection, after, 500).await?;
        Ok(heads.iter().map(|head| Anchor::of(&self.keyring, head)).collect())
    }
}
