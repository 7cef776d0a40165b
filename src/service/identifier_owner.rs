//! Finds the user who has an identifier.

use secrecy::SecretString;

use super::{errors::KeyUnavailable, unsealing::unseal};
use crate::{
    domain::stored_credential::StoredCredential,
    security::{
        identifier::{identifier_digests, same_identifier},
        keyring::Keyring,
        keyring_handle::KeyringHandle,
    },
    storage::{Database, StorageError, credentials::Candidate},
};

/// The user to whom the directory of identifiers leads, with the credential of that type.
///
/// # Errors
/// When the database does not answer.
pub(super) async fn find_candidate(
    database: &Database,
    keyring: &KeyringHandle,
    credential_type: &str,
    identifier: &SecretString,
) -> Result<Option<Candidate>, StorageError> {
    let digests = identifier_digests(&keyring.current(), credential_type, identifier);
    let mut connection = database.connection().await?;
    let statements = database.statements();
    let found = statements.find_by_identifier(&mut connection, credential_type, &digests).await?;
    connection.release();
    Ok(found)
}

/// The candidate's credential with that identifier. An attacker with write access to the database
/// could assign a digest to another user, but could not seal the identifier into a row of that user.
///
/// # Errors
/// When the keyring lacks a key.
pub(super) fn row_of<'rows>(
    keyring: &Keyring,
    candidate: &'rows Candidate,
    identifier: &SecretString,
) -> Result<Option<&'rows StoredCredential>, KeyUnavailable> {
    for row in &candidate.credentials {
        let sealed = unseal(keyring, row)?.and_then(|envelope| envelope.identifier);
        if sealed.is_some_and(|sealed| same_identifier(&sealed, identifier)) {
            return Ok(Some(row));
        }
    }
    Ok(None)
}
