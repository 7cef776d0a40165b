//! Writes untrusted credentials, sealed for their row, together with their audit events.

use std::sync::Arc;

use sqlx::PgConnection;

use crate::{
    domain::{
        InvalidField, Reason,
        audit::AuditKind,
        change_context::ChangeContext,
        untrusted_credential::{MAXIMUM_PER_USER, SaveUntrusted, StoredUntrusted, UntrustedSecret},
        user::UserId,
    },
    security::{
        keyring_handle::KeyringHandle,
        untrusted_sealing::{UntrustedBinding, seal_untrusted},
    },
    service::{
        errors::UntrustedError,
        unsealing::unseal_untrusted,
        user_transaction::{AuditedChange, LockedUser, UserTransactions},
    },
    storage::{untrusted_credentials, users},
};

/// Writes untrusted credentials.
pub(crate) struct UntrustedWriter {
    pub(crate) keyring: KeyringHandle,
    pub(crate) transactions: Arc<UserTransactions>,
}

impl UntrustedWriter {
    /// Saves credentials of a user; the transaction has locked the user and checked the actor.
    ///
    /// # Errors
    /// See [`UntrustedError`].
    pub(in crate::service) async fn write_all(
        &self,
        connection: &mut PgConnection,
        context: ChangeContext<'_>,
        user_id: UserId,
        commands: &[SaveUntrusted],
    ) -> Result<(), UntrustedError> {
        if commands.is_empty() {
            return Ok(());
        }
        // Again: other changes of the transaction have advanced the audit chain.
        let head = users::lock(connection, user_id).await?;
        let mut user = LockedUser { user_id, head: head.ok_or(UntrustedError::UnknownUser)? };
        for command in commands {
            self.write(connection, context, &mut user, command).await?;
        }
        Ok(())
    }

    /// Saves a credential of a user whose row the transaction has locked.
    ///
    /// # Errors
    /// See [`UntrustedError`].
    pub(super) async fn write(
        &self,
        connection: &mut PgConnection,
        context: ChangeContext<'_>,
        user: &mut LockedUser,
        command: &SaveUntrusted,
    ) -> Result<(), UntrustedError> {
        let secret = self.secret(connection, user.user_id, command).await?;
        let type_name = command.credential_type.as_str();
        let change = untrusted_change(AuditKind::UntrustedSaved, type_name);
        self.transactions.append_audit_event(connection, context, user, change).await?;
        let keyring = self.keyring.current();
        let key = keyring.writing();
        let mut row = StoredUntrusted {
            user_id: user.user_id,
            credential_type: type_name.to_owned(),
            public_value: command.public_value.as_str().to_owned(),
            details: command.details.clone(),
            sealed_secret: Vec::new(),
            key_id: key.id().to_owned(),
            version: user.head.audit_sequence,
        };
        row.sealed_secret = seal_untrusted(key, UntrustedBinding::of(&row), &secret)?;
        Ok(untrusted_credentials::upsert(connection, &row).await?)
    }

    /// The secret to save: the new one, or the stored one.
    async fn secret(
        &self,
        connection: &mut PgConnection,
        user_id: UserId,
        command: &SaveUntrusted,
    ) -> Result<UntrustedSecret, UntrustedError> {
        let (name, value) = (command.credential_type.as_str(), command.public_value.as_str());
        let stored = untrusted_credentials::find(connection, user_id, name, value).await?;
        match (&command.secret, stored) {
            (Some(secret), Some(_)) => Ok(secret.clone()),
            (Some(secret), None) => {
                if untrusted_credentials::count(connection, user_id).await? >= MAXIMUM_PER_USER {
                    let reason = Reason::TooManyPerUser(MAXIMUM_PER_USER);
                    return Err(InvalidField::new("Credentials", reason).into());
                }
                Ok(secret.clone())
            }
            (None, Some(stored)) => {
                let secret = unseal_untrusted(&self.keyring.current(), &stored)?;
                secret.ok_or(UntrustedError::Damaged)
            }
            (None, None) => {
                Err(InvalidField::new("Credentials.SecretValue", Reason::Required).into())
            }
        }
    }
}

/// The audited change or read of untrusted credentials of a type. The event has no public value,
/// which may name a person, and which nobody could erase from the chain.
pub(in crate::service) fn untrusted_change(kind: AuditKind, type_name: &str) -> AuditedChange<'_> {
    AuditedChange { kind, credential_type: Some(type_name), revokes_issued: false }
}
