//! Marks credentials that their owners must change
//! (docs/reference/wire-contract.md#d35-forced-password-change).

use std::sync::Arc;

use super::writer::CredentialWriter;
use crate::{
    domain::{
        InvalidField, Reason, audit::AuditKind, change_cause::ChangeCause,
        change_context::ChangeContext, credential_type::CredentialType, user::UserId,
    },
    security::{
        keyring_handle::KeyringHandle,
        sealing::{Binding, seal},
    },
    service::{
        errors::{ChangeUserError, SaveCredentialError},
        unsealing::unseal,
        user_transaction::{AuditedChange, UserTransactions},
    },
    storage::{
        self, Database, StorageError,
        change_marks::{self, CredentialOwner, MarkedCredential},
        credentials,
    },
};

/// Marks the credentials that their owners must change.
pub(crate) struct ChangeRequirements {
    pub(crate) database: Database,
    pub(crate) keyring: KeyringHandle,
    pub(crate) writer: Arc<CredentialWriter>,
    pub(crate) transactions: Arc<UserTransactions>,
}

/// A new mark of a credential.
#[derive(Debug, Clone, Copy)]
pub(crate) struct NewMark {
    pub(crate) cause: ChangeCause,
    /// The version that the credential must still have, 0 for none; `None`: any.
    pub(crate) version: Option<i64>,
}

/// A mark to write; without a cause, the mark is removed.
#[derive(Clone, Copy)]
struct Mark {
    cause: Option<ChangeCause>,
    /// The version that the credential must still have, 0 for none; `None`: any.
    version: Option<i64>,
}

impl ChangeRequirements {
    /// Marks the user's credential of that type; false when there is none. Everything that was
    /// issued to the user ends. For administrators.
    ///
    /// # Errors
    /// See [`ChangeUserError`]. Identifiers are not secrets, and are not marked. A credential of
    /// another version is [`SaveCredentialError::Outdated`].
    pub(crate) async fn require(
        &self,
        context: ChangeContext<'_>,
        user_id: UserId,
        credential_type: &CredentialType,
        mark: NewMark,
    ) -> Result<bool, ChangeUserError> {
        if !context.actor.may_administer_users() {
            return Err(ChangeUserError::Forbidden);
        }
        self.transactions.require_sensitive(context)?;
        if credential_type.is_identifier() {
            return Err(InvalidField::new("Type", Reason::NotSecret).into());
        }
        let NewMark { cause, version } = mark;
        let mark = Mark { cause: Some(cause), version };
        self.write(context, user_id, credential_type, mark).await
    }

    /// Removes the mark of the user's credential of that type; false when it has none. With
    /// `version`, the mark of another version stays; 0 means that there is no credential. For
    /// administrators.
    ///
    /// # Errors
    /// See [`ChangeUserError`]. A credential of another version is
    /// [`SaveCredentialError::Outdated`].
    pub(crate) async fn clear(
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
        let mark = Mark { cause: None, version };
        self.write(context, user_id, credential_type, mark).await
    }

    /// Marks the credential of that version, which is a common password; false if it was changed
    /// since.
    ///
    /// # Errors
    /// See [`ChangeUserError`].
    pub(super) async fn mark_common(
        &self,
        context: ChangeContext<'_>,
        user_id: UserId,
        credential_type: &CredentialType,
        version: i64,
    ) -> Result<bool, ChangeUserError> {
        let cause = Some(ChangeCause::CommonPassword);
        let mark = Mark { cause, version: Some(version) };
        match self.write(context, user_id, credential_type, mark).await {
            Err(ChangeUserError::Credential(SaveCredentialError::Outdated)) => Ok(false),
            written => written,
        }
    }

    /// Writes a mark; false when there is no credential, or no mark to remove.
    ///
    /// # Errors
    /// See [`ChangeUserError`]. A credential of another version is
    /// [`SaveCredentialError::Outdated`].
    async fn write(
        &self,
        context: ChangeContext<'_>,
        user_id: UserId,
        credential_type: &CredentialType,
        mark: Mark,
    ) -> Result<bool, ChangeUserError> {
        let type_name = credential_type.as_str();
        let mut connection = self.database.connection().await?;
        let mut transaction = connection.begin().await?;
        let mut user = self.transactions.lock_user(&mut transaction, context, user_id).await?;
        let stored = credentials::lock_by_type(&mut transaction, user_id, type_name).await?;
        let stored_version = stored.as_ref().map_or(0, |row| row.version);
        if mark.version.is_some_and(|version| version != stored_version) {
            return Err(SaveCredentialError::Outdated.into());
        }
        let Some(row) = stored.as_ref() else { return Ok(false) };
        if row.change_required == mark.cause {
            return Ok(mark.cause.is_some());
        }
        let keyring = self.keyring.current();
        let envelope = unseal(&keyring, row).map_err(SaveCredentialError::from)?;
        let envelope = envelope.ok_or(StorageError::Inconsistent { table: "credentials" })?;
        // The version is the sequence of the event below.
        let version = user.head.audit_sequence + 1;
        let binding = Binding { version, change_required: mark.cause, ..Binding::of(row) };
        let key = keyring.writing();
        let sealed_hash = seal(key, binding, &envelope).map_err(SaveCredentialError::from)?;
        let (key_id, change_required) = (key.id().to_owned(), mark.cause);
        let marked = MarkedCredential { row, sealed_hash, key_id, version, change_required };
        change_marks::write(&mut transaction, &marked).await?;
        let change = self.change(credential_type, mark);
        self.transactions.append_audit_event(&mut transaction, context, &mut user, change).await?;
        storage::commit(transaction).await?;
        Ok(true)
    }

    /// What was issued with a credential before it was marked must not get around the mark.
    fn change<'name>(
        &self,
        credential_type: &'name CredentialType,
        mark: Mark,
    ) -> AuditedChange<'name> {
        let is_marked = mark.cause.is_some();
        AuditedChange {
            kind: if is_marked {
                AuditKind::ChangeRequired
            } else {
                AuditKind::ChangeNoLongerRequired
            },
            credential_type: Some(credential_type.as_str()),
            revokes_issued: is_marked && self.writer.authenticates(credential_type),
        }
    }

    /// The number of credentials of a type without a mark. For operators.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn count_unmarked(
        &self,
        credential_type: &CredentialType,
    ) -> Result<i64, StorageError> {
        let mut connection = self.database.connection().await?;
        let mut transaction = connection.begin_unlimited().await?;
        let type_name = credential_type.as_str();
        let count = change_marks::count_unmarked(&mut transaction, type_name).await?;
        storage::commit(transaction).await?;
        connection.release();
        Ok(count)
    }

    /// Up to `limit` owners of a credential of a type after that user, by id. For operators.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn list_owners_after(
        &self,
        user_id: Option<UserId>,
        credential_type: &CredentialType,
        limit: i64,
    ) -> Result<Vec<CredentialOwner>, StorageError> {
        let mut connection = self.database.connection().await?;
        let mut transaction = connection.begin_unlimited().await?;
        let type_name = credential_type.as_str();
        let owners =
            change_marks::list_owners_after(&mut transaction, user_id, type_name, limit).await?;
        storage::commit(transaction).await?;
        connection.release();
        Ok(owners)
    }
}
