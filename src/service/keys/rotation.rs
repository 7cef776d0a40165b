//! Rotates keys: reseals credentials and untrusted credentials under the writing key, and retires
//! keys.

use time::OffsetDateTime;

use crate::{
    security::{
        identifier::identifier_digest,
        keyring::KeyState,
        keyring_handle::KeyringHandle,
        sealing::{Binding, SealError, seal},
        untrusted_sealing::{UntrustedBinding, seal_untrusted},
    },
    service::unsealing::{unseal, unseal_untrusted},
    storage::{
        self, Database, StorageError,
        keys::{self, Resealed},
        stored_credentials::{self, StoredRow},
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
    /// The number of rows that were read and are sealed under another key.
    pub(crate) seen: u64,
    /// The number of rows that were resealed.
    pub(crate) resealed: u64,
    /// The number of rows that were left, because another transaction locked a row of their batch.
    pub(crate) locked: u64,
    /// The rows that cannot be unsealed: the id of the user, and the type.
    pub(crate) unopened: Vec<(i32, String)>,
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
        let mut transaction = connection.begin_unlimited().await?;
        let keyring = self.keyring.current();
        let writing = keyring.writing().id();
        let count = keys::count_not_sealed_under(&mut transaction, writing).await?;
        storage::commit(transaction).await?;
        connection.release();
        Ok(count)
    }

    /// Reseals the next batch of a pass under the writing key; false at the end. A concurrent save
    /// wins. Leaves a batch that another transaction locks for too long.
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
        let mut transaction = connection.begin_unlimited().await?;
        let (user_id, credential_type) = &pass.after;
        let rows =
            stored_credentials::list_after(&mut transaction, *user_id, credential_type, BATCH)
                .await?;
        let Some(last) = rows.last() else { return Ok(false) };
        pass.after = (last.user_id, last.credential_type.clone());
        let mut resealed = Vec::with_capacity(rows.len());
        for row in rows.iter().filter(|row| row.key_id != writing.id()) {
            pass.seen += 1;
            match self.reseal(row)? {
                Some(row) => resealed.push(row),
                None => pass.unopened.push((row.user_id, row.credential_type.clone())),
            }
        }
        if !resealed.is_empty() {
            let statements = self.database.statements();
            match statements.reseal(&mut transaction, writing.id(), &resealed).await {
                Ok(count) => pass.resealed += count,
                Err(StorageError::Busy(_)) => {
                    pass.locked += u64::try_from(resealed.len()).unwrap_or_default();
                    return Ok(true);
                }
                Err(error) => return Err(error.into()),
            }
        }
        storage::commit(transaction).await?;
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
        let rows = untrusted_credentials::list_after(&mut connection, &after, BATCH).await?;
        for stored in rows.iter().filter(|stored| stored.key_id != key.id()) {
            pass.seen += 1;
            let (user_id, credential_type, _) = &stored.key;
            let opened = stored.credential.as_ref().and_then(|row| {
                let secret = unseal_untrusted(&keyring, row).ok().flatten()?;
                Some((row, secret))
            });
            let Some((row, secret)) = opened else {
                pass.unopened.push((*user_id, format!("untrusted {credential_type}")));
                continue;
            };
            let sealed = seal_untrusted(key, UntrustedBinding::of(row), &secret)?;
            match untrusted_credentials::reseal(&mut connection, row, key.id(), &sealed).await {
                Ok(is_resealed) => pass.resealed += u64::from(is_resealed),
                Err(StorageError::Busy(_)) => pass.locked += 1,
                Err(error) => return Err(error.into()),
            }
        }
        connection.release();
        pass.after_untrusted = Some(rows.last().map_or(after, |last| last.key.clone()));
        Ok(!rows.is_empty())
    }

    /// The credential under the writing key; `None` when a value in its row is invalid, or, with an
    /// alarm, when it cannot be unsealed.
    fn reseal(&self, row: &StoredRow) -> Result<Option<Resealed>, SealError> {
        let Some(row) = &row.credential else { return Ok(None) };
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
        let mut transaction = connection.begin_unlimited().await?;
        let count = keys::count_sealed_under(&mut transaction, key_id).await?;
        if count > 0 {
            return Err(RetireError::InUse { key_id: key_id.to_owned(), count });
        }
        keys::retire(&mut transaction, key_id, now).await?;
        Ok(storage::commit(transaction).await?)
    }
}
