//! Hashes that cost less than today's are made anew when their owner logs in.
//!
//! Off the response's path and only when nothing else is to be hashed: one at a time, and dropped
//! when it cannot be done soon. The next login tries again.

use tokio::sync::{Mutex, mpsc};

use crate::service::Service;
use crate::{
    domain::{
        credential::CredentialValue,
        stored_credential::{HashScheme, StoredCredential},
    },
    security::sealing::{Binding, Envelope, seal},
    storage::credential_writes::{self, HashReplacement},
};

/// Upgrades that may wait. They hold passwords, so they are few.
const MAXIMUM_WAITING: usize = 16;

/// A row below the target, and the secret it was made from.
struct Rehash {
    row: StoredCredential,
    value: CredentialValue,
}

/// The upgrades that wait for an idle moment.
pub(crate) struct RehashQueue {
    sender: mpsc::Sender<Rehash>,
    receiver: Mutex<mpsc::Receiver<Rehash>>,
}

impl Default for RehashQueue {
    fn default() -> Self {
        let (sender, receiver) = mpsc::channel(MAXIMUM_WAITING);
        Self { sender, receiver: Mutex::new(receiver) }
    }
}

impl RehashQueue {
    /// Remembers a row to be upgraded, if there is room.
    pub(in crate::service) fn push(&self, row: StoredCredential, value: CredentialValue) {
        // When there is none, the next login tries again.
        let _ = self.sender.try_send(Rehash { row, value });
    }
}

impl Service {
    /// Upgrades what logins found, for ever.
    pub(crate) async fn rehash_outdated(&self) {
        let mut waiting = self.rehash_queue.receiver.lock().await;
        while let Some(upgrade) = waiting.recv().await {
            let user_id = upgrade.row.user_id;
            match self.rehash(upgrade).await {
                Ok(true) => tracing::info!(user.id = %user_id, "a hash was upgraded"),
                Ok(false) => {}
                Err(error) => tracing::warn!(
                    user.id = %user_id,
                    error = error.as_ref() as &dyn std::error::Error,
                    "a hash could not be upgraded; the next login tries again"
                ),
            }
        }
    }

    /// True when the row was replaced; false when there was no time, or it is another row by now.
    async fn rehash(
        &self,
        Rehash { row, value }: Rehash,
    ) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
        let Some(envelope) = self.open(&row)? else { return Ok(false) };
        let Some(hash) = self.hashing.hash_when_idle(&value).await? else { return Ok(false) };
        let key = self.keyring.writing();
        let hash_parameters = hash.parameters();
        // The credential is the one it was: its version stays.
        let binding =
            Binding { hash_scheme: HashScheme::Argon2id, hash_parameters, ..Binding::of(&row) };
        let envelope = Envelope { phc: hash.to_phc_string()?, identifier: envelope.identifier };
        let replacement = HashReplacement {
            sealed_hash: seal(key, binding, &envelope)?,
            key_id: key.id().to_owned(),
            hash_parameters,
            row,
        };
        let mut connection = self.connection().await?;
        Ok(credential_writes::replace_hash(&mut connection, &replacement).await?)
    }
}
