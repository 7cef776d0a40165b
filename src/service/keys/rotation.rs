//! The keyring beside the database it belongs to, and the rotation of its keys.

use subtle::ConstantTimeEq;
use time::OffsetDateTime;

use crate::service::Service;
use crate::{
    domain::{stored_credential::StoredCredential, user::UserId},
    security::{
        identifier::identifier_digest,
        keyring::{KeyState, Keyring},
        sealing::{Binding, SealError, open, seal},
    },
    storage::{
        Database, StorageError, credentials,
        keys::{self, Resealed},
    },
};

/// Rows of one statement.
const BATCH: i64 = 100;

/// Why a keyring is not the one of a database.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyringMismatch {
    #[error("the database was written with key {0}, which the keyring does not have")]
    Missing(String),
    #[error("key {0} of the keyring is not the one that the database was written with")]
    Wrong(String),
    #[error("key {0} is retired in the keyring only; `rotate-key retire` has to know of it")]
    NotRetired(String),
    #[error("key {0} was retired; the keyring is one of before that")]
    Retired(String),
    #[error("the keyring does not open what is in the database")]
    Sealed,
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Fails unless the keyring has every key that the database was written with, and remembers those
/// that are new.
///
/// # Errors
/// See [`KeyringMismatch`].
pub(crate) async fn require_keyring(
    database: &Database,
    keyring: &Keyring,
    now: OffsetDateTime,
) -> Result<(), KeyringMismatch> {
    let mut connection = database.connection().await?;
    let known = keys::list(&mut connection).await?;
    let writing = keyring.writing();
    if known.iter().any(|row| row.is_retired && row.key_id == writing.id()) {
        return Err(KeyringMismatch::Retired(writing.id().to_owned()));
    }
    for row in known.iter().filter(|row| !row.is_retired) {
        let key = keyring.find_any(&row.key_id);
        let key = key.ok_or_else(|| KeyringMismatch::Missing(row.key_id.clone()))?;
        if !bool::from(key.check_mac().ct_eq(&row.check_mac)) {
            return Err(KeyringMismatch::Wrong(row.key_id.clone()));
        }
        if key.state() == KeyState::Retired {
            return Err(KeyringMismatch::NotRetired(row.key_id.clone()));
        }
    }
    if known.is_empty() {
        // A database from before keys were remembered: one row must open.
        let sample = credentials::list_after(&mut connection, (0, ""), None, 1).await?;
        if sample.first().is_some_and(|row| open(keyring, row).is_err()) {
            return Err(KeyringMismatch::Sealed);
        }
    }
    // One that is only readable has written nothing yet: nobody has to have it.
    Ok(keys::insert(&mut connection, (writing.id(), &writing.check_mac()), now).await?)
}

/// Why a key cannot be retired.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RetireError {
    #[error("the keyring has no key {0}")]
    Unknown(String),
    #[error("key {0} is the writing one; `rotate-key use` another first")]
    Writing(String),
    #[error("{count} credentials are still sealed under key {key_id}; run `rotate-key reseal`")]
    InUse { key_id: String, count: u64 },
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why credentials could not be sealed anew; those before were.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResealError {
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Where a pass over the credentials is.
#[derive(Debug, Default)]
pub(crate) struct ResealPass {
    after: (i32, String),
    /// Rows that were looked at.
    pub(crate) seen: u64,
    /// Rows that are sealed under the writing key now.
    pub(crate) resealed: u64,
    /// Rows that do not open.
    pub(crate) unopened: Vec<(UserId, String)>,
}

impl Service {
    /// Credentials that are not sealed under the writing key.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn count_to_reseal(&self) -> Result<u64, StorageError> {
        let mut connection = self.connection().await?;
        keys::count_not_sealed_under(&mut connection, self.keyring.writing().id()).await
    }

    /// Seals the next few credentials of a pass under the writing key; false when there are no more.
    /// Nobody has to log in for it, and whoever saves meanwhile wins.
    ///
    /// # Errors
    /// See [`ResealError`].
    pub(crate) async fn reseal_next(&self, pass: &mut ResealPass) -> Result<bool, ResealError> {
        let writing = self.keyring.writing();
        let mut connection = self.connection().await?;
        let after = (pass.after.0, pass.after.1.as_str());
        let rows =
            credentials::list_after(&mut connection, after, Some(writing.id()), BATCH).await?;
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
        pass.resealed += keys::reseal(&mut connection, writing.id(), &resealed).await?;
        connection.release();
        Ok(true)
    }

    /// The same credential under the writing key; `None`, with an alarm, when it does not open.
    fn reseal(&self, row: &StoredCredential) -> Result<Option<Resealed>, SealError> {
        let Ok(Some(envelope)) = self.open(row) else { return Ok(None) };
        let key = self.keyring.writing();
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

    /// Lets the keyring do without a key.
    ///
    /// # Errors
    /// See [`RetireError`].
    pub(crate) async fn retire_key(
        &self,
        key_id: &str,
        now: OffsetDateTime,
    ) -> Result<(), RetireError> {
        let key = self.keyring.find_any(key_id);
        let key = key.ok_or_else(|| RetireError::Unknown(key_id.to_owned()))?;
        if key.state() == KeyState::Writing {
            return Err(RetireError::Writing(key_id.to_owned()));
        }
        let mut connection = self.connection().await?;
        let count = keys::count_sealed_under(&mut connection, key_id).await?;
        if count > 0 {
            return Err(RetireError::InUse { key_id: key_id.to_owned(), count });
        }
        Ok(keys::retire(&mut connection, key_id, now).await?)
    }
}
