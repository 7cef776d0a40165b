//! Unseals stored credentials, and logs an alarm when this fails.

use super::errors::KeyUnavailable;
use crate::{
    domain::{
        stored_credential::StoredCredential,
        untrusted_credential::{StoredUntrusted, UntrustedSecret},
    },
    log_events::{AlarmCounter, alarm},
    security::{
        hashing::StoredHash,
        keyring::Keyring,
        sealing::{self, Envelope, UnsealError},
        untrusted_sealing,
    },
};

/// Why a row could not be unsealed.
#[derive(Debug, Clone, Copy)]
#[repr(usize)]
pub(super) enum UnsealFailure {
    Damaged,
    UnknownKey,
    InvalidHash,
}

/// Of the process: a row is unsealed at many places, and each has a keyring only.
static FAILURES: [AlarmCounter; UnsealFailure::ALL.len()] =
    [const { AlarmCounter::new() }; UnsealFailure::ALL.len()];

impl UnsealFailure {
    /// Every reason.
    pub(super) const ALL: [Self; 3] = [Self::Damaged, Self::UnknownKey, Self::InvalidHash];

    /// The spelling of the metric.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Damaged => "damaged",
            Self::UnknownKey => "unknown_key",
            Self::InvalidHash => "invalid_hash",
        }
    }

    /// The failures since the start of the process.
    #[expect(clippy::indexing_slicing, reason = "there is a counter for each reason")]
    pub(super) fn counter(self) -> &'static AlarmCounter {
        &FAILURES[self as usize]
    }
}

/// The content of a sealed credential; `None`, with an alarm, when the envelope is damaged.
///
/// # Errors
/// When the keyring lacks the key.
pub(super) fn unseal(
    keyring: &Keyring,
    row: &StoredCredential,
) -> Result<Option<Envelope>, KeyUnavailable> {
    match sealing::unseal(keyring, row) {
        Ok(envelope) => Ok(Some(envelope)),
        Err(UnsealError::Damaged) => {
            UnsealFailure::Damaged.counter().record();
            log_alarm(row, "failed to unseal a hash: it was changed or moved");
            Ok(None)
        }
        Err(UnsealError::UnknownKey) => {
            UnsealFailure::UnknownKey.counter().record();
            log_alarm(row, "failed to unseal a hash: its key is not in the keyring");
            Err(KeyUnavailable)
        }
    }
}

/// The hash in a sealed credential; `None`, with an alarm, when it is damaged or invalid.
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
        UnsealFailure::InvalidHash.counter().record();
        log_alarm(row, "an unsealed hash is invalid");
    }
    Ok(hash.ok())
}

/// The secret of an untrusted credential; `None`, with an alarm, when it is damaged.
///
/// # Errors
/// When the keyring lacks the key.
pub(super) fn unseal_untrusted(
    keyring: &Keyring,
    row: &StoredUntrusted,
) -> Result<Option<UntrustedSecret>, KeyUnavailable> {
    match untrusted_sealing::unseal_untrusted(keyring, row) {
        Ok(secret) => Ok(Some(secret)),
        Err(UnsealError::Damaged) => {
            UnsealFailure::Damaged.counter().record();
            log_untrusted_alarm(
                row,
                "failed to unseal an untrusted credential: it was changed or moved; an administrator \
                 lists the public values of the type, and saves it with a new secret or removes it",
            );
            Ok(None)
        }
        Err(UnsealError::UnknownKey) => {
            UnsealFailure::UnknownKey.counter().record();
            log_untrusted_alarm(
                row,
                "failed to unseal an untrusted credential: its key is not in the keyring; put the \
                 key back, or save the credential with a new secret",
            );
            Err(KeyUnavailable)
        }
    }
}

/// The alarm has no public value, which may name a person.
fn log_untrusted_alarm(row: &StoredUntrusted, message: &'static str) {
    alarm!(
        user.id = %row.user_id,
        credential.type = row.credential_type,
        credential.version = row.version,
        key.id = row.key_id,
        "{message}"
    );
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
