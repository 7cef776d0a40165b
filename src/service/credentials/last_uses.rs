//! Records when credentials were last used, at most once a minute for each. Recording never delays
//! a response: uses are queued, and dropped when the queue is full.

use std::{
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
};

use lru::LruCache;
use time::{Duration, OffsetDateTime};
use tokio::sync::mpsc;

use crate::{
    domain::{
        client_info::ClientInfo, principal::AuthenticationScheme,
        stored_credential::StoredCredential, user::UserId,
    },
    storage::{Database, StorageError, credential_uses::CredentialUse},
};

/// The minimum time between two records of one credential.
const INTERVAL: Duration = Duration::MINUTE;

/// The maximum number of queued uses; more are dropped.
const MAXIMUM_WAITING: usize = 1000;

/// The maximum number of uses per statement.
const BATCH: usize = 100;

/// The number of credentials whose last record is cached, so that most uses need no statement.
const CACHED: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// The queue of uses to record, and a cache of recorded ones.
pub(crate) struct LastUses {
    recorded: Mutex<LruCache<(UserId, String), OffsetDateTime>>,
    sender: mpsc::Sender<CredentialUse>,
    receiver: tokio::sync::Mutex<mpsc::Receiver<CredentialUse>>,
}

impl Default for LastUses {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(MAXIMUM_WAITING);
        let recorded = Mutex::new(LruCache::new(CACHED));
        Self { recorded, sender, receiver: tokio::sync::Mutex::new(receiver) }
    }
}

impl LastUses {
    /// Queues a use of a credential, unless one was recorded within the last minute.
    pub(in crate::service) fn push(
        &self,
        row: &StoredCredential,
        scheme: AuthenticationScheme,
        client_info: &ClientInfo,
        now: OffsetDateTime,
    ) {
        if !self.is_due(row, now) {
            return;
        }
        // When the queue is full, the use is dropped; a later one is recorded.
        let _ = self.sender.try_send(CredentialUse {
            user_id: row.user_id,
            credential_type: row.credential_type.clone(),
            version: row.version,
            at: now,
            scheme: scheme.as_str(),
            address: client_info.address.map(|address| address.to_string()),
        });
    }

    fn is_due(&self, row: &StoredCredential, now: OffsetDateTime) -> bool {
        let key = (row.user_id, row.credential_type.clone());
        // A panic of another holder leaves the cache consistent.
        let mut recorded = self.recorded.lock().unwrap_or_else(PoisonError::into_inner);
        if recorded.get(&key).is_some_and(|last| now - *last < INTERVAL) {
            return false;
        }
        recorded.put(key, now);
        true
    }

    /// Writes queued uses to the database; never returns.
    pub(crate) async fn run(&self, database: &Database) {
        let mut waiting = self.receiver.lock().await;
        let mut uses = Vec::with_capacity(BATCH);
        while waiting.recv_many(&mut uses, BATCH).await > 0 {
            if let Err(error) = write(database, &uses).await {
                tracing::debug!(%error, "failed to record the last use of credentials");
            }
            uses.clear();
        }
    }
}

async fn write(database: &Database, uses: &[CredentialUse]) -> Result<(), StorageError> {
    let mut connection = database.connection().await?;
    let statements = database.statements();
    for uses in uses.chunks(statements.maximum_uses()) {
        run_step!(statements, connection, |connection| {
            statements.record_uses(connection, uses, INTERVAL)
        });
    }
    connection.release();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{
        stored_credential::{HashParameters, HashScheme},
        validity::Validity,
    };

    fn row(user_id: i32) -> StoredCredential {
        StoredCredential {
            user_id: UserId::try_from(user_id).unwrap(),
            credential_type: "CRM5/PASSWORD".to_owned(),
            sealed_hash: Vec::new(),
            key_id: "key".to_owned(),
            hash_scheme: HashScheme::Argon2id,
            hash_parameters: HashParameters { memory_kib: 64, iterations: 1, parallelism: 1 },
            version: 1,
            validity: Validity::default(),
            change_required: None,
        }
    }

    async fn waiting(uses: &LastUses) -> usize {
        uses.receiver.lock().await.len()
    }

    #[tokio::test]
    async fn a_use_is_queued_once_a_minute_and_dropped_when_the_queue_is_full() {
        let uses = LastUses::default();
        let client_info =
            ClientInfo { address: None, request_id: "request".to_owned(), device: None };
        let now = OffsetDateTime::UNIX_EPOCH;
        let push =
            |user_id, at| uses.push(&row(user_id), AuthenticationScheme::Basic, &client_info, at);
        push(1, now);
        push(1, now + Duration::seconds(59));
        assert_eq!(waiting(&uses).await, 1);
        push(1, now + Duration::seconds(60));
        assert_eq!(waiting(&uses).await, 2);
        // Nothing empties the queue; a login does not wait for it.
        for user_id in 2..5_000 {
            push(user_id, now);
        }
        assert_eq!(waiting(&uses).await, MAXIMUM_WAITING);
    }
}
