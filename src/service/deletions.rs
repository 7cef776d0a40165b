//! Deleting a credential.

use super::{
    Service,
    changes::{ChangeUserError, Happening},
};
use crate::{
    domain::{audit::AuditKind, author::Author, credential_type::CredentialType, user::UserId},
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
        author: Author<'_>,
        user_id: UserId,
        credential_type: &CredentialType,
    ) -> Result<bool, ChangeUserError> {
        if !author.actor.may_act_on_anybody() {
            return Err(ChangeUserError::Forbidden);
        }
        let type_name = credential_type.as_str();
        let mut connection = self.connection().await?;
        let mut transaction = connection.begin().await?;
        let mut head = self.hold_user(&mut transaction, author, user_id).await?;
        if !credential_writes::delete(&mut transaction, user_id, type_name).await? {
            return Ok(false);
        }
        let happening = Happening {
            kind: AuditKind::CredentialDeleted,
            credential_type: Some(type_name),
            ends_derived: self.logs_in(credential_type),
        };
        self.leave_evidence(&mut transaction, author, (user_id, &mut head), happening).await?;
        storage::commit(transaction).await?;
        Ok(true)
    }
}
