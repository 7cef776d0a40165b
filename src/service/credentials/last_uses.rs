//! Notes of when credentials were last used: at most once a minute for each, off the response's
//! path, and dropped when there is too much else to do.

use std::{
    num::NonZeroUsize,
    sync::{Mutex, PoisonError},
};

use lru::LruCache;
use time::{Duration, OffsetDateTime};
use tokio::sync::mpsc;

use crate::service::Service;
use crate::{
    domain::{
        client_info::ClientInfo, principal::AuthenticationScheme,
        stored_credential::StoredCredential, user::UserId,
    },
    storage::{
        StorageError,
        credential_uses::{self, CredentialUse},
    },
};

/// A credential is noted at most so often.
const STEP: Duration = Duration::MINUTE;

/// Notes that may wait; more are dropped.
const MAXIMUM_WAITING: usize = 1000;

/// Notes of one statement.
const BATCH: usize = 100;

/// Credentials whose last note is remembered here, so that most uses cost nothing.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();

/// The notes that wait, and what was noted lately.
pub(crate) struct LastUses {
    noted: Mutex<LruCache<(UserId, String), OffsetDateTime>>,
    sender: mpsc::Sender<CredentialUse>,
    receiver: tokio::sync::Mutex<mpsc::Receiver<CredentialUse>>,
}

impl Default for LastUses {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(MAXIMUM_WAITING);
        let noted = Mutex::new(LruCache::new(REMEMBERED));
        Self { noted, sender, receiver: tokio::sync::Mutex::new(receiver) }
    }
}

impl LastUses {
    /// Notes that this credential has logged somebody in, unless it was noted a moment ago.
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
        // When there is no room, a later use is noted.
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
        // Its data is whole whatever happened to the last holder.
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        if noted.get(&key).is_some_and(|last| now - *last < STEP) {
            return false;
        }
        noted.put(key, now);
        true
    }
}

impl Service {
    /// Writes what was noted, for ever.
    pub(crate) async fn note_uses(&self) {
        let mut waiting = self.last_uses.receiver.lock().await;
        let mut uses = Vec::with_capacity(BATCH);
        while waiting.recv_many(&mut uses, BATCH).await > 0 {
            if let Err(error) = self.write_uses(&uses).await {
                tracing::debug!(%error, "the last use of credentials could not be noted");
            }
            uses.clear();
        }
    }

    async fn write_uses(&self, uses: &[CredentialUse]) -> Result<(), StorageError> {
        let mut connection = self.connection().await?;
        credential_uses::note(&mut connection, uses, STEP).await?;
        connection.release();
        Ok(())
    }
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
        }
    }

    async fn waiting(uses: &LastUses) -> usize {
        uses.receiver.lock().await.len()
    }

    #[tokio::test]
    async fn one_credential_waits_once_a_minute_and_what_is_too_much_is_dropped() {
        let uses = LastUses::default();
        let client_info = ClientInfo { address: None, request_id: "request".to_owned() };
        let now = OffsetDateTime::UNIX_EPOCH;
        let push =
            |user_id, at| uses.push(&row(user_id), AuthenticationScheme::Basic, &client_info, at);
        push(1, now);
        push(1, now + Duration::seconds(59));
        assert_eq!(waiting(&uses).await, 1);
        push(1, now + Duration::seconds(60));
        assert_eq!(waiting(&uses).await, 2);
        // Nobody writes them: whoever logs in waits for nothing all the same.
        for user_id in 2..5_000 {
            push(user_id, now);
        }
        assert_eq!(waiting(&uses).await, MAXIMUM_WAITING);
    }
}
