//! Saves, returns and removes untrusted credentials. Secrets are returned to their owner and to
//! system users only, after an audit event of the read is committed.

use std::sync::Arc;

use sqlx::PgConnection;

use super::writer::{UntrustedWriter, untrusted_change};
use crate::{
    domain::{
        audit::AuditKind,
        change_context::ChangeContext,
        untrusted_credential::{
            PublicValue, SaveUntrusted, StoredUntrusted, UntrustedAccess, UntrustedCredential,
            UntrustedType,
        },
        user::UserId,
    },
    service::{
        errors::UntrustedError,
        unsealing::unseal_untrusted,
        user_transaction::{ChangeLocks, LockedUser},
    },
    storage::{self, Database, untrusted_credentials},
};

/// Saves, returns and removes untrusted credentials.
pub(crate) struct UntrustedCredentials {
    pub(crate) database: Database,
    pub(crate) writer: Arc<UntrustedWriter>,
}

impl UntrustedCredentials {
    /// Adds a credential of a user, or replaces the one with the same type and public value.
    ///
    /// # Errors
    /// See [`UntrustedError`].
    pub(crate) async fn save(
        &self,
        context: ChangeContext<'_>,
        user_id: UserId,
        command: SaveUntrusted,
    ) -> Result<(), UntrustedError> {
        self.require_right_to_save(context, user_id)?;
        let mut connection = self.database.connection().await?;
        let mut transaction = connection.begin().await?;
        let mut user = self.lock(&mut transaction, context, user_id).await?;
        self.writer.write(&mut transaction, context, &mut user, &command).await?;
        Ok(storage::commit(transaction).await?)
    }

    /// Returns the credentials of a type of a user, by public value; none for an unknown user.
    ///
    /// # Errors
    /// See [`UntrustedError`].
    pub(crate) async fn list(
        &self,
        context: ChangeContext<'_>,
        user_id: UserId,
        credential_type: &UntrustedType,
    ) -> Result<Vec<UntrustedCredential>, UntrustedError> {
        let access = context.actor.untrusted_access_to(user_id);
        match access.ok_or(UntrustedError::Forbidden)? {
            UntrustedAccess::Secrets => self.reveal(context, user_id, credential_type).await,
            UntrustedAccess::Details => {
                let rows = read_on_connection!(self.database, |connection| {
                    untrusted_credentials::list_by_type(
                        &mut connection,
                        user_id,
                        credential_type.as_str(),
                    )
                })?;
                Ok(rows.into_iter().map(without_secret).collect())
            }
        }
    }

    /// Fails unless the actor may save and remove untrusted credentials of that user now.
    fn require_right_to_save(
        &self,
        context: ChangeContext<'_>,
        user_id: UserId,
    ) -> Result<(), UntrustedError> {
        if !context.actor.may_save_untrusted_of(user_id) {
            return Err(UntrustedError::Forbidden);
        }
        if context.actor.user_id() != Some(user_id) {
            self.writer.transactions.require_sensitive(context)?;
        }
        Ok(())
    }

    /// Returns the credentials with their secrets, after the event of the read is committed.
    async fn reveal(
        &self,
        context: ChangeContext<'_>,
        user_id: UserId,
        credential_type: &UntrustedType,
    ) -> Result<Vec<UntrustedCredential>, UntrustedError> {
        let type_name = credential_type.as_str();
        let mut connection = self.database.connection().await?;
        let mut transaction = connection.begin().await?;
        let mut user = match self.lock(&mut transaction, context, user_id).await {
            Err(UntrustedError::UnknownUser) => return Ok(Vec::new()),
            locked => locked?,
        };
        let rows =
            untrusted_credentials::list_by_type(&mut transaction, user_id, type_name).await?;
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let keyring = self.writer.keyring.current();
        let mut revealed = Vec::with_capacity(rows.len());
        for row in rows {
            let secret = unseal_untrusted(&keyring, &row)?.ok_or(UntrustedError::Damaged)?;
            revealed.push(UntrustedCredential { secret: Some(secret), ..without_secret(row) });
        }
        let change = untrusted_change(AuditKind::UntrustedRead, type_name);
        let transactions = &self.writer.transactions;
        transactions.append_audit_event(&mut transaction, context, &mut user, change).await?;
        storage::commit(transaction).await?;
        Ok(revealed)
    }

    /// Removes a credential of a user, if it exists.
    ///
    /// # Errors
    /// See [`UntrustedError`].
    pub(crate) async fn remove(
        &self,
        context: ChangeContext<'_>,
        user_id: UserId,
        credential_type: &UntrustedType,
        public_value: &PublicValue,
    ) -> Result<(), UntrustedError> {
        self.require_right_to_save(context, user_id)?;
        let type_name = credential_type.as_str();
        let mut connection = self.database.connection().await?;
        let mut transaction = connection.begin().await?;
        let mut user = self.lock(&mut transaction, context, user_id).await?;
        let value = public_value.as_str();
        if untrusted_credentials::delete(&mut transaction, user_id, type_name, value).await? {
            let change = untrusted_change(AuditKind::UntrustedRemoved, type_name);
            let transactions = &self.writer.transactions;
            transactions.append_audit_event(&mut transaction, context, &mut user, change).await?;
        }
        Ok(storage::commit(transaction).await?)
    }

    /// Locks the user and the actor.
    async fn lock(
        &self,
        connection: &mut PgConnection,
        context: ChangeContext<'_>,
        user_id: UserId,
    ) -> Result<LockedUser, UntrustedError> {
        let transactions = &self.writer.transactions;
        let ChangeLocks { head, is_actor_current } =
            transactions.lock_for_change(connection, context, user_id).await?;
        let head = head.ok_or(UntrustedError::UnknownUser)?;
        if is_actor_current {
            Ok(LockedUser { user_id, head })
        } else {
            Err(UntrustedError::ProofOutdated)
        }
    }
}

fn without_secret(row: StoredUntrusted) -> UntrustedCredential {
    UntrustedCredential { public_value: row.public_value, details: row.details, secret: None }
}
