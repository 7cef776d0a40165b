//! Opens sealed credentials, and logs an alarm when one does not open.

use super::errors::KeyUnavailable;
use crate::{
    domain::stored_credential::StoredCredential,
    log_events::alarm,
    security::{
        hashing::StoredHash,
        keyring::Keyring,
        sealing::{Envelope, OpenError, open},
    },
};

/// The content of a sealed credential; `None`, with an alarm, when it does not open.
///
/// # Errors
/// When the keyring lacks the key.
pub(super) fn unseal(
    keyring: &Keyring,
    row: &StoredCredential,
) -> Result<Option<Envelope>, KeyUnavailable> {
    match open(keyring, row) {
        Ok(envelope) => Ok(Some(envelope)),
        Err(OpenError::Damaged) => {
            log_alarm(row, "a sealed hash does not open: it was changed or moved");
            Ok(None)
        }
        Err(OpenError::UnknownKey) => {
            log_alarm(row, "a sealed hash names a key that the keyring does not have");
            Err(KeyUnavailable)
        }
    }
}

/// The hash in a sealed credential; `None`, with an alarm, when it cannot be read.
///
/// # Errors
/// As [`unseal`].
pub(super) fn unseal_hash(
    keyring: &Keyring,
    row: &StoredCredential,
) -> Result<Option<StoredHash>, KeyUnavailable> {
    let Some(envelope) = unseal(keyring, row)? else {
        return Ok(None);
    };
    let hash = StoredHash::parse(&envelope.phc);
    if hash.is_err() {
        log_alarm(row, "a sealed hash opens but cannot be verified");
    }
    Ok(hash.ok())
}

fn log_alarm(row: &StoredCredential, message: &'static str) {
    alarm!(
        user.id = %row.user_id,
        credential.type = row.credential_type,
        credential.version = row.version,
        key.id = row.key_id,
        "{message}"
    );
}
