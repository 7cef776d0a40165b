//! Adds, changes and deletes users, through the API and by operators.

use std::sync::Arc;

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{
    changes::{
        changed_user, changes, changes_rights, has_credentials, new_user, opens_another_way_in,
    },
    directory::{UserDirectory, UserWithCredentials, find_with_credentials},
    last_administrator::require_administrator_left,
    writer::UserWriter,
};
use crate::{
    domain::{
        InvalidField, Reason,
        audit::AuditKind,
        change_cause::ChangeCause,
        change_context::ChangeContext,
        credential::CredentialValue,
        credential_type::CredentialTypes,
        delete_user::DeleteUser,
        new_login_name::NewLoginName,
        new_user::NewUser,
        save_credential::NewCredential,
        save_user::SaveUser,
        user::{User, UserId, UserReference},
    },
    security::user_signature::user_signature,
    service::{
        audit::audit_reader::AuditReader,
        credentials::{
            hasher::{CredentialHasher, CredentialOwner},
            password_checker::PasswordChecker,
        },
        errors::{AddUserError, ChangeUserError},
        untrusted_credentials::untrusted::UntrustedCredentials,
        user_transaction::{AuditedChange, LockedUser, UserTransactions},
    },
    storage::{
        self, Database, StorageError, audit_events, credentials, nick_names, user_writes, users,
    },
};

/// Adds, changes and deletes users.
pub(crate) struct Users {
    pub(crate) database: Database,
    pub(crate) types: Arc<CredentialTypes>,
    pub(crate) directory: Arc<UserDirectory>,
    pub(crate) hasher: Arc<CredentialHasher>,
    pub(crate) passwords: Arc<PasswordChecker>,
    pub(crate) writer: Arc<UserWriter>,
    pub(crate) transactions: Arc<UserTransactions>,
    pub(crate) untrusted: Arc<UntrustedCredentials>,
    pub(crate) audit: Arc<AuditReader>,
}

impl Users {
    /// Adds a user with a first password, in one transaction. For operators.
    ///
    /// # Errors
    /// When the login name or the id is taken, or the password cannot be saved.
    pub(crate) async fn add(
        &self,
        context: ChangeContext<'_>,
        user: &NewUser,
        password: CredentialValue,
        change_required: Option<ChangeCause>,
    ) -> Result<UserId, AddUserError> {
        self.transactions.require_sensitive(context).map_err(ChangeUserError::from)?;
        let first = NewCredential::new(self.types.password().clone(), password);
        let first = NewCredential { change_required, ..first };
        let login_name = user.login_name.as_str();
        let hashed = self.hasher.hash(context, login_name, first).await;
        let hashed = hashed.map_err(ChangeUserError::from)?;
        let added = self.writer.insert(context, user, &[hashed], &[]).await?;
        Ok(added.user.user_id)
    }

    /// Adds or changes a user, with credentials, in one transaction; returns the user as saved.
    ///
    /// # Errors
    /// See [`ChangeUserError`].
    pub(crate) async fn save(
        &self,
        context: ChangeContext<'_>,
        command: SaveUser,
    ) -> Result<UserWithCredentials, ChangeUserError> {
        if !context.actor.may_administer_users() {
            return Err(ChangeUserError::Forbidden);
        }
        match command.user_id {
            None => self.create(context, None, command).await,
            Some(user_id) => {
                self.save_existing(context, &UserReference::Id(user_id), command).await
            }
        }
    }

    /// Changes an existing user, as [`Self::save`] does. A command that names a user names this one.
    ///
    /// # Errors
    /// See [`ChangeUserError`].
    pub(crate) async fn save_existing(
        &self,
        context: ChangeContext<'_>,
        reference: &UserReference,
        command: SaveUser,
    ) -> Result<UserWithCredentials, ChangeUserError> {
        let user = self.find_to_change(context, reference).await?;
        if command.role.is_some() && !context.actor.may_change_role_of(user.user_id) {
            return Err(ChangeUserError::OwnRole);
        }
        if command.user_id.is_some_and(|named| named != user.user_id) {
            return Err(InvalidField::new("AssociateId", Reason::OtherUser).into());
        }
        self.change(context, reference, &user, command).await
    }

    /// A user whom the actor may change.
    async fn find_to_change(
        &self,
        context: ChangeContext<'_>,
        reference: &UserReference,
    ) -> Result<User, ChangeUserError> {
        if !context.actor.may_administer_users() {
            return Err(ChangeUserError::Forbidden);
        }
        self.directory.find(reference).await?.ok_or(ChangeUserError::UnknownUser)
    }

    /// Adds a user.
    ///
    /// # Errors
    /// See [`ChangeUserError`].
    pub(in crate::service) async fn create(
        &self,
        context: ChangeContext<'_>,
        user_id: Option<UserId>,
        mut command: SaveUser,
    ) -> Result<UserWithCredentials, ChangeUserError> {
        let user = new_user(user_id, &mut command)?;
        // A user without a credential can get one by mail, from a directory or from an old system.
        self.transactions.require_sensitive(context)?;
        let credentials = std::mem::take(&mut command.credentials);
        let untrusted = std::mem::take(&mut command.untrusted_credentials);
        let owner = CredentialOwner::of_new(&user);
        let hashed = self.hasher.hash_all(context, owner, credentials).await?;
        Ok(self.writer.insert(context, &user, &hashed, &untrusted).await?)
    }

    /// Changes a user who was found by that reference.
    ///
    /// # Errors
    /// See [`ChangeUserError`]. The user is unknown if they have lost that login name since.
    pub(in crate::service) async fn change(
        &self,
        context: ChangeContext<'_>,
        reference: &UserReference,
        user: &User,
        mut command: SaveUser,
    ) -> Result<UserWithCredentials, ChangeUserError> {
        let user_id = user.user_id;
        if !command.may_change(user.user_type) {
            return Err(ChangeUserError::NotExternal);
        }
        if has_credentials(&command) {
            self.transactions.require_sensitive(context)?;
        }
        let user_type = command.user_type.unwrap_or(user.user_type);
        let credentials = std::mem::take(&mut command.credentials);
        let new_name = command.new_login_name(Some(&user.login_name))?;
        let login_name = new_name.as_ref().map_or(user.login_name.as_str(), NewLoginName::as_str);
        let owner = CredentialOwner { user_id: Some(user_id), user_type, login_name };
        let hashed = self.hasher.hash_all(context, owner, credentials).await?;
        let mut connection = self.database.connection().await?;
        let mut transaction = connection.begin().await?;
        let transactions = &self.transactions;
        let locked = transactions.lock_found_user(&mut transaction, context, reference, user_id);
        let mut locked = locked.await?;
        self.write_changes(&mut transaction, context, &mut locked, &command).await?;
        self.writer.write_credentials(&mut transaction, context, user_id, &hashed).await?;
        let untrusted = &command.untrusted_credentials;
        self.writer.write_untrusted(&mut transaction, context, user_id, untrusted).await?;
        let changed = find_with_credentials(&mut transaction, user_id).await?;
        storage::commit(transaction).await?;
        changed.ok_or(ChangeUserError::UnknownUser)
    }

    /// Writes the members that differ, and their audit events.
    async fn write_changes(
        &self,
        connection: &mut PgConnection,
        context: ChangeContext<'_>,
        locked: &mut LockedUser,
        command: &SaveUser,
    ) -> Result<(), ChangeUserError> {
        let user_id = locked.user_id;
        let before = users::find_by_id(connection, user_id).await?;
        let before = before.ok_or(ChangeUserError::UnknownUser)?;
        // The type may have changed since the look-up.
        if !command.may_change(before.user_type) {
            return Err(ChangeUserError::NotExternal);
        }
        require_unmodified(connection, user_id, command.unmodified_since).await?;
        if is_outdated(command, &before) {
            return Err(ChangeUserError::Outdated);
        }
        let name = command.new_login_name(Some(&before.login_name))?;
        let after = changed_user(&before, command);
        if name.is_some() || opens_another_way_in(&before, &after) {
            self.transactions.require_sensitive(context)?;
        }
        if let Some(name) = &name {
            user_writes::rename(connection, user_id, name).await?;
        }
        let nick_name = command.new_nick_name(&before.nick_name);
        if let Some(nick_name) = nick_name {
            nick_names::set(connection, user_id, nick_name).await?;
        }
        if let Some(problem) = self.problem_of_type(connection, &before, &after).await? {
            return Err(problem.into());
        }
        let changes = changes(&before, &after, name.is_some() || nick_name.is_some());
        let has_sensitive_event = changes.iter().any(|change| change.kind.is_sensitive());
        if has_sensitive_event || changes_rights(&before, &after) {
            self.transactions.require_sensitive(context)?;
        }
        require_administrator_left(connection, &before, Some(&after)).await?;
        for change in changes {
            self.transactions.append_audit_event(connection, context, locked, change).await?;
        }
        Ok(user_writes::update(connection, &after).await?)
    }

    /// The problem of a new user type that does not allow all stored credentials of the user.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(super) async fn problem_of_type(
        &self,
        connection: &mut PgConnection,
        before: &User,
        after: &User,
    ) -> Result<Option<InvalidField>, StorageError> {
        if before.user_type == after.user_type {
            return Ok(None);
        }
        let stored = credentials::list_by_user(connection, after.user_id).await?;
        let mut types =
            stored.iter().filter_map(|summary| self.types.find(&summary.credential_type));
        let allows_all =
            types.all(|credential_type| credential_type.is_allowed_for(after.user_type));
        Ok((!allows_all).then(|| InvalidField::new("Type", Reason::Contradiction)))
    }

    /// Deletes a user: revokes everything issued to them and frees their login name. The id and the
    /// audit chain stay.
    ///
    /// # Errors
    /// See [`ChangeUserError`].
    pub(crate) async fn delete(
        &self,
        context: ChangeContext<'_>,
        command: DeleteUser,
    ) -> Result<(), ChangeUserError> {
        let user_id = self.find_to_change(context, &command.user).await?.user_id;
        self.transactions.require_sensitive(context)?;
        let mut connection = self.database.connection().await?;
        let mut transaction = connection.begin().await?;
        let transactions = &self.transactions;
        let user = transactions.lock_found_user(&mut transaction, context, &command.user, user_id);
        let mut user = user.await?;
        if !command.may_delete(user.head.user_type) {
            return Err(ChangeUserError::NotExternal);
        }
        require_unmodified(&mut transaction, user_id, command.unmodified_since).await?;
        let before = users::find_by_id(&mut transaction, user_id).await?;
        let before = before.ok_or(ChangeUserError::UnknownUser)?;
        require_administrator_left(&mut transaction, &before, None).await?;
        let change = AuditedChange::to_user(AuditKind::UserDeleted, true);
        transactions.append_audit_event(&mut transaction, context, &mut user, change).await?;
        user_writes::tombstone(&mut transaction, user_id, context.now).await?;
        Ok(storage::commit(transaction).await?)
    }
}

/// True when a command was made from an earlier state of the user.
pub(super) fn is_outdated(command: &SaveUser, user: &User) -> bool {
    command.signature.as_ref().is_some_and(|sent| *sent != user_signature(user))
}

/// Fails if the user, whose row this transaction has locked, was changed after a time. The time of
/// an event is exact and the limit is a whole second, so a change in the second of the limit counts.
async fn require_unmodified(
    connection: &mut PgConnection,
    user_id: UserId,
    limit: Option<OffsetDateTime>,
) -> Result<(), ChangeUserError> {
    let Some(limit) = limit else { return Ok(()) };
    let changed_at = audit_events::find_last_time(connection, user_id).await?;
    let is_unmodified = changed_at.is_some_and(|changed_at| changed_at <= limit);
    if is_unmodified { Ok(()) } else { Err(ChangeUserError::ModifiedSince) }
}
