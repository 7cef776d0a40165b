//! Requires that an owner who must change a credential does not save the same value again.

use super::writer::CredentialWriter;
use crate::{
    domain::{
        Reason,
        client_info::FairnessKey,
        save_credential::{NewCredential, NewSecret},
        user::UserId,
    },
    security::hashing::HashingEngine,
    service::{errors::SaveCredentialError, unsealing::unseal_hash},
    storage::{Database, credentials},
};

/// Fails if the new value is the one that the user's credential of that type has.
///
/// # Errors
/// [`SaveCredentialError::PasswordRefused`], or when the value cannot be compared.
pub(in crate::service) async fn require_other_value(
    database: &Database,
    hashing: &HashingEngine,
    writer: &CredentialWriter,
    caller: FairnessKey,
    user_id: UserId,
    credential: &NewCredential,
) -> Result<(), SaveCredentialError> {
    let NewSecret::Value(value) = &credential.secret else { return Ok(()) };
    let mut connection = database.connection().await?;
    let type_name = credential.credential_type.as_str();
    let row = credentials::find_by_type(&mut connection, user_id, type_name).await?;
    connection.release();
    let keyring = writer.keyring.current();
    let hash = row.map(|row| unseal_hash(&keyring, &row)).transpose()?.flatten();
    if hashing.verify_hash(caller, value, hash.as_ref()).await? {
        let (field, reasons) = (credential.field.clone(), vec![Reason::MustDiffer]);
        return Err(SaveCredentialError::PasswordRefused { field, reasons });
    }
    Ok(())
}
