//! Checks that the keyring has the keys that the database was written with.

use subtle::ConstantTimeEq;
use time::OffsetDateTime;

use crate::{
    security::{
        keyring::{KeyState, Keyring},
        sealing::unseal,
    },
    storage::{
        Database, StorageError,
        keys::{self, KnownKey},
        stored_credentials,
    },
};

/// An error from checking the keyring against the database.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyringMismatch {
    #[error("the database was written with key {0}, which is not in the keyring")]
    Missing(String),
    #[error("key {0} of the keyring is not the one that the database was written with")]
    Wrong(String),
    #[error(
        "key {0} is retired in the keyring only; use the copy of the keyring from before the \
         retirement, then run `rotate-key retire {0}`"
    )]
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
    if let Some(mismatch) = compare(&known, keyring).into_iter().next() {
        return Err(mismatch);
    }
    if known.is_empty() {
        // A database from a version that did not record keys: check that one row can be unsealed.
        let sample = stored_credentials::list_after(&mut connection, 0, "", 1).await?;
        if let Some(row) = sample.into_iter().next() {
            let inconsistent = StorageError::Inconsistent { table: "credentials" };
            let row = row.credential.ok_or(inconsistent)?;
            unseal(keyring, &row).map_err(|_| KeyringMismatch::Sealed)?;
        }
    }
    Ok(())
}

/// Every mismatch of the keyring and the keys that the database was written with.
pub(crate) fn compare(known: &[KnownKey], keyring: &Keyring) -> Vec<KeyringMismatch> {
    let mut found = Vec::new();
    let writing = keyring.writing();
    if known.iter().any(|row| row.is_retired && row.key_id == writing.id()) {
        found.push(KeyringMismatch::Retired(writing.id().to_owned()));
    }
    for row in known.iter().filter(|row| !row.is_retired) {
        let key_id = row.key_id.clone();
        match keyring.find_any(&row.key_id) {
            None => found.push(KeyringMismatch::Missing(key_id)),
            Some(key) if !bool::from(key.check_mac().ct_eq(&row.check_mac)) => {
                found.push(KeyringMismatch::Wrong(key_id));
            }
            Some(key) if key.state() == KeyState::Retired => {
                found.push(KeyringMismatch::NotRetired(key_id));
            }
            Some(_) => {}
        }
    }
    found
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
