//! Deleting a credential.

use crate::service::{
    Service,
    user_transaction::{AuditedChange, ChangeUserError},
};
use crate::{
    domain::{
        audit::AuditKind, change_context::ChangeContext, credential_type::CredentialType,
        user::UserId,
    },
    storage::{self, credential_writes},
};

impl Service {
    /// Deletes the user's credential of that type; false when there is none (protocol.md 10.18).
    /// Whoever has no other that logs in cannot log in any more.
    ///
    /// # Errors
    /// See [`ChangeUserError`].
    pub(crate) async fn delete_credential(
        &self,
        context: ChangeContext<'_>,
        user_id: UserId,
        credential_type: &CredentialType,
    ) -> Result<bool, ChangeUserError> {
        if !context.actor.may_act_on_anybody() {
            return Err(ChangeUserError::Forbidden);
        }
        let type_name = credential_type.as_str();
        let mut connection = self.connection().await?;
        let mut transaction = connection.begin().await?;
        let mut head = self.lock_user(&mut transaction, context, user_id).await?;
        if !credential_writes::delete(&mut transaction, user_id, type_name).await? {
            return Ok(false);
        }
        let change = AuditedChange {
            kind: AuditKind::CredentialDeleted,
            credential_type: Some(type_name),
            revokes_issued: self.logs_in(credential_type),
        };
        self.append_audit_event(&mut transaction, context, (user_id, &mut head), change).await?;
        storage::commit(transaction).await?;
        Ok(true)
    }
}
