//! Rotates keys: reseals credentials and untrusted credentials under the writing key, and retires
//! keys.

use time::OffsetDateTime;

use crate::{
    domain::{
        stored_credential::StoredCredential, untrusted_credential::StoredUntrusted, user::UserId,
    },
    security::{
        identifier::identifier_digest,
        keyring::KeyState,
        keyring_handle::KeyringHandle,
        sealing::{Binding, SealError, seal},
        untrusted_sealing::{UntrustedBinding, seal_untrusted},
    },
    service::unsealing::{unseal, unseal_untrusted},
    storage::{
        Database, StorageError, credentials,
        keys::{self, Resealed},
        untrusted_credentials::{self, UntrustedKey},
    },
};

/// The maximum number of rows per statement.
const BATCH: i64 = 100;

/// An error from retiring a key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RetireError {
    #[error("the keyring has no key {0}")]
    Unknown(String),
    #[error("key {0} is the writing key; run `rotate-key use` with another key first")]
    Writing(String),
    #[error("{count} credentials are still sealed under key {key_id}; run `rotate-key reseal`")]
    InUse { key_id: String, count: u64 },
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// An error from resealing a batch of credentials. Earlier batches remain resealed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResealError {
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The progress of a pass over all credentials, and then over all untrusted ones.
#[derive(Debug, Default)]
pub(crate) struct ResealPass {
    after: (i32, String),
    /// The last untrusted credential that was read; `None` while credentials are left.
    after_untrusted: Option<UntrustedKey>,
    /// The number of rows that were read.
    pub(crate) seen: u64,
    /// The number of rows that were resealed.
    pub(crate) resealed: u64,
    /// The rows that cannot be unsealed.
    pub(crate) unopened: Vec<(UserId, String)>,
}

/// Reseals credentials and retires keys.
pub(crate) struct KeyRotation {
    pub(crate) database: Database,
    pub(crate) keyring: KeyringHandle,
}

impl KeyRotation {
    /// The number of rows that are not sealed under the writing key.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn count_to_reseal(&self) -> Result<u64, StorageError> {
        let mut connection = self.database.connection().await?;
        let keyring = self.keyring.current();
        keys::count_not_sealed_under(&mut connection, keyring.writing().id()).await
    }

    /// Reseals the next batch of a pass under the writing key; false at the end. A concurrent save
    /// wins.
    ///
    /// # Errors
    /// See [`ResealError`].
    pub(crate) async fn reseal_next(&self, pass: &mut ResealPass) -> Result<bool, ResealError> {
        if pass.after_untrusted.is_none() && !self.reseal_credentials(pass).await? {
            pass.after_untrusted = Some(UntrustedKey::default());
        }
        match pass.after_untrusted.take() {
            None => Ok(true),
            Some(after) => self.reseal_untrusted(pass, after).await,
        }
    }

    async fn reseal_credentials(&self, pass: &mut ResealPass) -> Result<bool, ResealError> {
        let keyring = self.keyring.current();
        let writing = keyring.writing();
        let mut connection = self.database.connection().await?;
        let (user_id, credential_type) = &pass.after;
        let key_id = Some(writing.id());
        let rows =
            credentials::list_after(&mut connection, *user_id, credential_type, key_id, BATCH)
                .await?;
        let Some(last) = rows.last() else { return Ok(false) };
        pass.after = (last.user_id.as_i32(), last.credential_type.clone());
        let mut resealed = Vec::with_capacity(rows.len());
        for row in &rows {
            pass.seen += 1;
            match self.reseal(row)? {
                Some(row) => resealed.push(row),
                None => pass.unopened.push((row.user_id, row.credential_type.clone())),
            }
        }
        let statements = self.database.statements();
        pass.resealed += run_step!(statements, connection, |connection| {
            statements.reseal(connection, writing.id(), &resealed)
        });
        connection.release();
        Ok(true)
    }

    async fn reseal_untrusted(
        &self,
        pass: &mut ResealPass,
        after: UntrustedKey,
    ) -> Result<bool, ResealError> {
        let keyring = self.keyring.current();
        let key = keyring.writing();
        let mut connection = self.database.connection().await?;
        let rows =
            untrusted_credentials::list_not_sealed_under(&mut connection, key.id(), &after, BATCH)
                .await?;
        for row in &rows {
            pass.seen += 1;
            let Ok(Some(secret)) = unseal_untrusted(&keyring, row) else {
                pass.unopened.push((row.user_id, format!("untrusted {}", row.credential_type)));
                continue;
            };
            let sealed = seal_untrusted(key, UntrustedBinding::of(row), &secret)?;
            let is_resealed =
                untrusted_credentials::reseal(&mut connection, row, key.id(), &sealed).await?;
            pass.resealed += u64::from(is_resealed);
        }
        connection.release();
        pass.after_untrusted = Some(rows.last().map_or(after, key_of));
        Ok(!rows.is_empty())
    }

    /// The credential under the writing key; `None`, with an alarm, when it cannot be unsealed.
    fn reseal(&self, row: &StoredCredential) -> Result<Option<Resealed>, SealError> {
        let keyring = self.keyring.current();
        let Ok(Some(envelope)) = unseal(&keyring, row) else { return Ok(None) };
        let key = keyring.writing();
        let identifier = envelope.identifier.as_ref();
        let digest = identifier.map(|value| identifier_digest(key, &row.credential_type, value));
        Ok(Some(Resealed {
            user_id: row.user_id,
            credential_type: row.credential_type.clone(),
            former: row.sealed_hash.clone(),
            sealed_hash: seal(key, Binding::of(row), &envelope)?,
            identifier: digest,
        }))
    }

    /// Retires a key that nothing is sealed under.
    ///
    /// # Errors
    /// See [`RetireError`].
    pub(crate) async fn retire(
        &self,
        key_id: &str,
        now: OffsetDateTime,
    ) -> Result<(), RetireError> {
        let keyring = self.keyring.current();
        let key = keyring.find_any(key_id);
        let key = key.ok_or_else(|| RetireError::Unknown(key_id.to_owned()))?;
        if key.state() == KeyState::Writing {
            return Err(RetireError::Writing(key_id.to_owned()));
        }
        let mut connection = self.database.connection().await?;
        let count = keys::count_sealed_under(&mut connection, key_id).await?;
        if count > 0 {
            return Err(RetireError::InUse { key_id: key_id.to_owned(), count });
        }
        Ok(keys::retire(&mut connection, key_id, now).await?)
    }
}

fn key_of(row: &StoredUntrusted) -> UntrustedKey {
    (row.user_id.as_i32(), row.credential_type.clone(), row.public_value.clone())
}
