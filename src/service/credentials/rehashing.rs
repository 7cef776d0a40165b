//! Replaces outdated hashes when their users log in.
//!
//! A hash is outdated when it costs less than a new one or another system computed it. Rehashing
//! never delays a response. It runs one hash at a time, only while no other hash waits, and drops a
//! hash that cannot start soon. The next login tries again.

use std::sync::Arc;

use tokio::sync::{Mutex, mpsc};

use crate::{
    domain::{
        credential::CredentialValue,
        stored_credential::{HashScheme, StoredCredential},
    },
    security::{
        hashing::HashingEngine,
        keyring_handle::KeyringHandle,
        sealing::{Binding, Envelope, seal},
    },
    service::{operations::maintenance::Maintenance, unsealing::unseal},
    storage::{Database, credential_writes::HashReplacement},
};

/// The maximum number of queued rehashes; small, because each holds a password.
const MAXIMUM_WAITING: usize = 16;

/// A row with an outdated hash, and the secret that it was computed from.
struct Rehash {
    row: StoredCredential,
    value: CredentialValue,
}

/// The rehashes that wait for an idle engine.
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
    /// Queues a row; drops it when the queue is full, because the next login tries again.
    pub(in crate::service) fn push(&self, row: StoredCredential, value: CredentialValue) {
        let _ = self.sender.try_send(Rehash { row, value });
    }
}

/// Replaces outdated hashes.
pub(crate) struct Rehashing {
    pub(crate) database: Database,
    pub(crate) keyring: KeyringHandle,
    pub(crate) hashing: Arc<HashingEngine>,
    pub(crate) queue: Arc<RehashQueue>,
}

impl Rehashing {
    /// Replaces the queued hashes, unless the service is read-only; never returns.
    pub(crate) async fn run(&self, maintenance: &Arc<Maintenance>) {
        let mut waiting = self.queue.receiver.lock().await;
        while let Some(rehash) = waiting.recv().await {
            let user_id = rehash.row.user_id;
            let Some(change) = maintenance.begin_login_change() else {
                // Dropped rather than kept: it holds a password, and the next login tries again.
                continue;
            };
            match change.include(self.rehash(rehash)).await {
                Ok(true) => tracing::info!(user.id = %user_id, "rehashed a credential"),
                Ok(false) => {}
                Err(error) => tracing::warn!(
                    user.id = %user_id,
                    error = error.as_ref() as &dyn std::error::Error,
                    "failed to rehash a credential; the next login tries again"
                ),
            }
        }
    }

    /// Rehashes one credential; false when the engine was busy or the row has changed.
    async fn rehash(
        &self,
        rehash: Rehash,
    ) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
        let Rehash { row, value } = rehash;
        let keyring = self.keyring.current();
        let Some(envelope) = unseal(&keyring, &row)? else { return Ok(false) };
        let Some(hash) = self.hashing.hash_when_idle(&value).await? else { return Ok(false) };
        let key = keyring.writing();
        let hash_parameters = hash.parameters();
        // The value is unchanged, so the version stays.
        let binding =
            Binding { hash_scheme: HashScheme::Argon2id, hash_parameters, ..Binding::of(&row) };
        let envelope = Envelope { phc: hash.to_phc_string()?, identifier: envelope.identifier };
        let replacement = HashReplacement {
            sealed_hash: seal(key, binding, &envelope)?,
            key_id: key.id().to_owned(),
            hash_parameters,
            row,
        };
        let mut connection = self.database.connection().await?;
        let statements = self.database.statements();
        Ok(run_step!(statements, connection, |connection| {
            statements.replace_hash(connection, &replacement)
        }))
    }
}
