//! Writes new users: the row, the login name, the first audit events and the credentials.

use std::sync::Arc;

use sqlx::PgConnection;

use super::directory::{UserWithCredentials, find_with_credentials};
use crate::{
    domain::{
        audit::AuditKind,
        change_context::ChangeContext,
        new_user::NewUser,
        untrusted_credential::SaveUntrusted,
        user::{UserId, is_protected, may_administer_users},
    },
    security::{
        audit_chain::{START_OF_CHAIN, audit_mac},
        keyring_handle::KeyringHandle,
    },
    service::{
        credentials::{
            hasher::HashedCredential,
            writer::{CredentialWriter, Save, SaveEffect, WritePrecondition},
        },
        errors::{AddUserError, ChangeUserError},
        untrusted_credentials::writer::UntrustedWriter,
        user_transaction::{AuditedChange, LockedUser, UserTransactions},
    },
    storage::{
        self, Database, StorageError, audit_events, user_writes,
        users::{self, UserHead},
    },
};

/// Writes new users and the credentials of users.
pub(crate) struct UserWriter {
    pub(crate) database: Database,
    pub(crate) keyring: KeyringHandle,
    pub(crate) transactions: Arc<UserTransactions>,
    pub(crate) credentials: Arc<CredentialWriter>,
    pub(crate) untrusted: Arc<UntrustedWriter>,
}

impl UserWriter {
    /// Adds a user with hashed and with untrusted credentials, in one transaction.
    ///
    /// # Errors
    /// See [`AddUserError`].
    pub(in crate::service) async fn insert(
        &self,
        context: ChangeContext<'_>,
        user: &NewUser,
        credentials: &[HashedCredential],
        untrusted: &[SaveUntrusted],
    ) -> Result<UserWithCredentials, AddUserError> {
        let user_id = match user.user_id {
            Some(user_id) => user_id,
            None => self.next_user_id().await?,
        };
        let mut connection = self.database.connection().await?;
        let mut transaction = connection.begin().await?;
        self.transactions.require_current_actor(&mut transaction, context).await?;
        self.write_user(&mut transaction, context, user_id, user).await?;
        self.write_credentials(&mut transaction, context, user_id, credentials).await?;
        self.write_untrusted(&mut transaction, context, user_id, untrusted).await?;
        let added = find_with_credentials(&mut transaction, user_id).await?;
        storage::commit(transaction).await?;
        added.ok_or(ChangeUserError::UnknownUser.into())
    }

    /// Writes the row and the login name of a new user, and the first events of their chain.
    ///
    /// # Errors
    /// See [`AddUserError`].
    pub(in crate::service) async fn write_user(
        &self,
        connection: &mut PgConnection,
        context: ChangeContext<'_>,
        user_id: UserId,
        user: &NewUser,
    ) -> Result<(), AddUserError> {
        let keyring = self.keyring.current();
        let key = keyring.writing();
        let event = context.event(user_id, AuditKind::UserAdded, 0, 0);
        let mac = audit_mac(key, &START_OF_CHAIN, &event);
        user_writes::insert(connection, user_id, user, &mac, context.now).await?;
        audit_events::insert(connection, &event, key.id(), &mac).await?;
        self.transactions.note_event(user_id, event.kind);
        let head = UserHead {
            session_epoch: event.session_epoch,
            login_name: user.login_name.as_str().to_owned(),
            user_type: user.user_type,
            is_protected: is_protected(user.user_type, user.is_administrator, user.role),
            audit_sequence: event.sequence,
            audit_mac: mac,
        };
        let mut locked = LockedUser { user_id, head };
        for change in changes_of_new_user(user) {
            self.transactions.append_audit_event(connection, context, &mut locked, change).await?;
        }
        Ok(())
    }

    /// Writes credentials of a user; the transaction has locked the user and checked the actor.
    ///
    /// # Errors
    /// See [`ChangeUserError`].
    pub(in crate::service) async fn write_credentials(
        &self,
        connection: &mut PgConnection,
        context: ChangeContext<'_>,
        user_id: UserId,
        credentials: &[HashedCredential],
    ) -> Result<(), ChangeUserError> {
        for hashed in credentials {
            let precondition = WritePrecondition::Nothing;
            let save = Save {
                context,
                user_id,
                login_name: None,
                hashed,
                precondition,
                effect: SaveEffect::NewValue,
            };
            self.credentials.write(connection, save).await?;
        }
        Ok(())
    }

    /// Writes untrusted credentials of a user; the transaction has locked the user and checked the
    /// actor.
    ///
    /// # Errors
    /// See [`ChangeUserError`].
    pub(in crate::service) async fn write_untrusted(
        &self,
        connection: &mut PgConnection,
        context: ChangeContext<'_>,
        user_id: UserId,
        untrusted: &[SaveUntrusted],
    ) -> Result<(), ChangeUserError> {
        Ok(self.untrusted.write_all(connection, context, user_id, untrusted).await?)
    }

    /// The next id that neither this service nor an operator has assigned.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(in crate::service) async fn next_user_id(&self) -> Result<UserId, StorageError> {
        let found =
            on_connection!(self.database, |connection| users::next_ids(&mut connection, 1))?;
        found.first().copied().ok_or(StorageError::Inconsistent { table: "users" })
    }
}

/// The changes of a new user that are audited after their first event.
pub(in crate::service) fn changes_of_new_user(
    user: &NewUser,
) -> impl Iterator<Item = AuditedChange<'static>> {
    let administers = may_administer_users(user.user_type, user.is_administrator);
    let all = [
        administers.then_some(AuditKind::AdministratorGranted),
        user.role.map(AuditKind::role_granted),
        user.is_retired.then_some(AuditKind::UserRetired),
    ];
    all.into_iter().flatten().map(|kind| AuditedChange::to_user(kind, false))
}
