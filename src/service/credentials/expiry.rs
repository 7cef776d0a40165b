//! Ends the validity of a credential.

use time::OffsetDateTime;

use super::{
    hasher::HashedCredential,
    saving::{Credentials, require_version},
    writer::{Save, SaveEffect, WritePrecondition},
};
use crate::{
    domain::{
        change_context::ChangeContext, credential::CredentialSummary,
        credential_type::CredentialType, stored_credential::StoredCredential, user::UserId,
        validity::Validity,
    },
    security::hashing::StoredHash,
    service::{
        errors::{ChangeUserError, SaveCredentialError},
        unsealing::unseal,
    },
    storage::{self, StorageError, credentials},
};

const INCONSISTENT: StorageError = StorageError::Inconsistent { table: "credentials" };

impl Credentials {
    /// Ends the validity of the user's credential of that type and version now. Its hash stays, so
    /// that nobody needs to know the value, and so does its mark. It revokes what a save revokes.
    ///
    /// # Errors
    /// See [`ChangeUserError`].
    pub(crate) async fn expire(
        &self,
        context: ChangeContext<'_>,
        user_id: UserId,
        credential_type: &CredentialType,
        version: i64,
    ) -> Result<(), ChangeUserError> {
        if !context.actor.may_administer_users() {
            return Err(ChangeUserError::Forbidden);
        }
        self.transactions.require_sensitive(context)?;
        let type_name = credential_type.as_str();
        let mut connection = self.database.connection().await?;
        let mut transaction = connection.begin().await?;
        self.transactions.lock_user(&mut transaction, context, user_id).await?;
        require_version(&mut transaction, user_id, type_name, version).await?;
        let stored = credentials::find_by_type(&mut transaction, user_id, type_name).await?;
        let row = stored.ok_or(SaveCredentialError::Outdated)?;
        let summaries = credentials::list_by_user(&mut transaction, user_id).await?;
        let summary = summaries.into_iter().find(|summary| summary.credential_type == type_name);
        let summary = summary.ok_or(INCONSISTENT)?;
        let hashed = self.expired(credential_type, &row, summary, context.now)?;
        let precondition = WritePrecondition::Nothing;
        let effect = SaveEffect::Expiry;
        let save =
            Save { context, user_id, login_name: None, hashed: &hashed, precondition, effect };
        self.writer.write(&mut transaction, save).await?;
        Ok(storage::commit(transaction).await?)
    }

    /// The credential in a row, with a validity that ends now.
    fn expired(
        &self,
        credential_type: &CredentialType,
        row: &StoredCredential,
        summary: CredentialSummary,
        now: OffsetDateTime,
    ) -> Result<HashedCredential, SaveCredentialError> {
        let envelope = unseal(&self.keyring.current(), row)?.ok_or(INCONSISTENT)?;
        // A damaged hash raises an alarm when it is verified; here it cannot be kept.
        let hash = StoredHash::parse(&envelope.phc).map_err(|_| SaveCredentialError::Unwritable)?;
        let end = now.truncate_to_second();
        // A credential that has not become valid yet never does.
        let start = row.validity.from().filter(|from| *from < end);
        let validity = Validity::parse("", start, Some(end)).map_err(|_| INCONSISTENT)?;
        Ok(HashedCredential {
            field: String::new(),
            credential_type: credential_type.clone(),
            display_value: Some(summary.display_value),
            hash,
            identifier: envelope.identifier,
            validity,
            change_required: row.change_required,
        })
    }
}
