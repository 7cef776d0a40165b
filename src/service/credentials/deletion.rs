//! Deletes a credential.

use super::saving::Credentials;
use crate::{
    domain::{
        audit::AuditKind, change_context::ChangeContext, credential_type::CredentialType,
        stored_credential::StoredCredential, user::UserId,
    },
    service::{
        errors::{ChangeUserError, SaveCredentialError},
        user_transaction::AuditedChange,
    },
    storage::{self, credential_writes, credentials},
};

impl Credentials {
    /// Deletes the user's credential of that type; false when there is none
    /// (docs/reference/wire-contract.md#d18-missing-entities). A user without another credential
    /// that authenticates can no longer log in. With `version`, a credential of another version stays.
    ///
    /// # Errors
    /// See [`ChangeUserError`].
    pub(crate) async fn delete(
        &self,
        context: ChangeContext<'_>,
        user_id: UserId,
        credential_type: &CredentialType,
        version: Option<i64>,
    ) -> Result<bool, ChangeUserError> {
        if !context.actor.may_administer_users() {
            return Err(ChangeUserError::Forbidden);
        }
        self.transactions.require_sensitive(context)?;
        let type_name = credential_type.as_str();
        let mut connection = self.database.connection().await?;
        let mut transaction = connection.begin().await?;
        let mut user = self.transactions.lock_user(&mut transaction, context, user_id).await?;
        let stored = credentials::find_by_type(&mut transaction, user_id, type_name).await?;
        let is_other =
            |row: StoredCredential| version.is_some_and(|version| row.version != version);
        if stored.is_some_and(is_other) {
            return Err(SaveCredentialError::Outdated.into());
        }
        if !credential_writes::delete(&mut transaction, user_id, type_name).await? {
            return Ok(false);
        }
        let change = AuditedChange {
            kind: AuditKind::CredentialDeleted,
            credential_type: Some(type_name),
            revokes_issued: self.writer.authenticates(credential_type),
        };
        self.transactions.append_audit_event(&mut transaction, context, &mut user, change).await?;
        storage::commit(transaction).await?;
        Ok(true)
    }
}
