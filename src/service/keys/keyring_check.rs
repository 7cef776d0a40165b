//! Checks that the keyring has the keys that the database was written with.

use subtle::ConstantTimeEq;
use time::OffsetDateTime;

use crate::{
    security::{
        keyring::{KeyState, Keyring},
        sealing::unseal,
    },
    storage::{Database, StorageError, credentials, keys},
};

/// An error from checking the keyring against the database.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyringMismatch {
    #[error("the database was written with key {0}, which is not in the keyring")]
    Missing(String),
    #[error("key {0} of the keyring is not the one that the database was written with")]
    Wrong(String),
    #[error("key {0} is retired in the keyring only; run `rotate-key retire {0}`")]
    NotRetired(String),
    #[error("key {0} was retired; the keyring is outdated")]
    Retired(String),
    #[error("the keyring cannot unseal the credentials in the database")]
    Sealed,
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Fails unless the keyring has every key that the database was written with.
///
/// # Errors
/// See [`KeyringMismatch`].
pub(crate) async fn require_keyring(
    database: &Database,
    keyring: &Keyring,
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
        // A database from a version that did not record keys: check that one row can be unsealed.
        let sample = credentials::list_after(&mut connection, 0, "", None, 1).await?;
        if sample.first().is_some_and(|row| unseal(keyring, row).is_err()) {
            return Err(KeyringMismatch::Sealed);
        }
    }
    Ok(())
}

/// Records the writing key before it is used. A readable key that was never the writing key has
/// written nothing and is not recorded.
///
/// # Errors
/// When the statement fails.
pub(crate) async fn record_writing_key(
    database: &Database,
    keyring: &Keyring,
    now: OffsetDateTime,
) -> Result<(), StorageError> {
    let mut connection = database.connection().await?;
    let writing = keyring.writing();
    keys::insert(&mut connection, writing.id(), &writing.check_mac(), now).await
}
