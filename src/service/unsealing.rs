//! Opening sealed rows, with the alarms that go with it.

use super::Service;
use crate::{
    domain::stored_credential::StoredCredential,
    log_events::alarm,
    security::{
        hashing::StoredHash,
        sealing::{Envelope, OpenError, open},
    },
};

/// The keyring lacks a key that rows are sealed under: an installation fault, not a wrong
/// password.
#[derive(Debug, thiserror::Error)]
#[error("the keyring lacks the key that a credential is sealed under")]
pub(crate) struct KeyUnavailable;

impl Service {
    /// What is in the row; `None`, with an alarm, when it does not open.
    pub(super) fn open(&self, row: &StoredCredential) -> Result<Option<Envelope>, KeyUnavailable> {
        match open(&self.keyring, row) {
            Ok(envelope) => Ok(Some(envelope)),
            Err(OpenError::Damaged) => {
                alarm(row, "a sealed hash does not open: it was changed or moved");
                Ok(None)
            }
            Err(OpenError::UnknownKey) => {
                alarm(row, "a sealed hash names a key that the keyring does not have");
                Err(KeyUnavailable)
            }
        }
    }

    /// The hash in the row; `None`, with an alarm, when there is none to be had.
    pub(super) fn open_hash(
        &self,
        row: &StoredCredential,
    ) -> Result<Option<StoredHash>, KeyUnavailable> {
        let Some(envelope) = self.open(row)? else {
            return Ok(None);
        };
        let hash = StoredHash::parse(&envelope.phc);
        if hash.is_err() {
            alarm(row, "a sealed hash opens but is none that can be verified");
        }
        Ok(hash.ok())
    }
}

fn alarm(row: &StoredCredential, what: &'static str) {
    alarm!(
        user.id = %row.user_id,
        credential.type = row.credential_type,
        credential.version = row.version,
        key.id = row.key_id,
        "{what}"
    );
}
