//! Confirms that a copy of the keyring opens what the database has, so that `doctor` can note a key
//! without a copy.

use subtle::ConstantTimeEq;
use time::OffsetDateTime;

use super::keyring_check::{self, KeyringMismatch};
use crate::{
    security::keyring::Keyring,
    storage::{Database, StorageError, keys},
};

/// Why a copy of the keyring does not replace it. Nothing was recorded.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BackupError {
    #[error("the copy does not have the writing key {0}; copy the keyring again")]
    WritingKey(String),
    #[error("the copy does not open the database; copy the keyring again")]
    Mismatch(#[source] KeyringMismatch),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Proves that `copy` has the writing key and every key that the database was written with, and records
/// that. Returns the ids of these keys. The check MAC of a key proves that the copy has the same secret,
/// which all other keys are derived from.
///
/// # Errors
/// See [`BackupError`].
pub(crate) async fn confirm_backup(
    database: &Database,
    keyring: &Keyring,
    copy: &Keyring,
    now: OffsetDateTime,
) -> Result<Vec<String>, BackupError> {
    let writing = keyring.writing();
    let is_same = copy.find(writing.id()).map(|key| key.check_mac().ct_eq(&writing.check_mac()));
    if !is_same.is_some_and(bool::from) {
        return Err(BackupError::WritingKey(writing.id().to_owned()));
    }
    let mut connection = database.connection().await?;
    let known = keys::list(&mut connection).await?;
    if let Some(mismatch) = keyring_check::compare(&known, copy).into_iter().next() {
        return Err(BackupError::Mismatch(mismatch));
    }
    let in_use = known.into_iter().filter(|key| !key.is_retired);
    let confirmed: Vec<_> = in_use.map(|key| key.key_id).collect();
    keys::confirm_backups(&mut connection, &confirmed, now).await?;
    connection.release();
    Ok(confirmed)
}
