//! Finding users, and adding them at an operator's word.

use sqlx::PgConnection;

use crate::service::{
    Service,
    credentials::saving::{HashedCredential, Save, WritePrecondition},
    user_transaction::{AuditedChange, ChangeUserError},
};
use crate::{
    domain::{
        audit::AuditKind,
        change_context::ChangeContext,
        credential::{CredentialSummary, CredentialValue},
        principal::Principal,
        save_credential::NewCredential,
        user::{LoginName, NewUser, User, UserId, UserReference, acts_on_anybody},
    },
    security::{
        audit_chain::{START_OF_CHAIN, audit_mac},
        user_signature::user_signature,
    },
    storage::{
        self, StorageError, audit_events, credentials,
        users::{self, UserHead, UserTakenError},
    },
};

/// How many users are read at a time.
const PAGE: i64 = 500;

/// A user with what may be told about their credentials.
pub(crate) struct UserWithCredentials {
    pub(crate) user: User,
    pub(crate) credentials: Vec<CredentialSummary>,
}

impl UserWithCredentials {
    /// What the user is now, as one text.
    pub(crate) fn signature(&self) -> String {
        user_signature(&self.user)
    }
}

/// Why a user was not shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadUserError {
    #[error("the caller may not read this user")]
    Forbidden,
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Why a user was not added.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AddUserError {
    #[error(transparent)]
    Taken(#[from] UserTakenError),
    #[error(transparent)]
    Change(#[from] ChangeUserError),
}

impl From<StorageError> for AddUserError {
    fn from(error: StorageError) -> Self {
        ChangeUserError::from(error).into()
    }
}

impl Service {
    /// Adds a user with a first password, in one transaction.
    ///
    /// # Errors
    /// When name or id are taken, or the password could not be saved; then nothing is there.
    pub(crate) async fn add_user(
        &self,
        context: ChangeContext<'_>,
        user: &NewUser,
        password: CredentialValue,
    ) -> Result<UserId, AddUserError> {
        let first = NewCredential::new(self.types.password().clone(), password);
        let name = user.login_name.as_str();
        let hashed =
            self.hash_credential(context, name, first).await.map_err(ChangeUserError::from)?;
        let added = self.insert_user(context, user, &[hashed]).await?;
        Ok(added.user.user_id)
    }

    /// Adds a user with credentials that are hashed already, in one transaction.
    pub(in crate::service) async fn insert_user(
        &self,
        context: ChangeContext<'_>,
        user: &NewUser,
        credentials: &[HashedCredential],
    ) -> Result<UserWithCredentials, AddUserError> {
        let user_id = match user.user_id {
            Some(user_id) => user_id,
            None => self.free_user_id().await?,
        };
        let mut connection = self.connection().await?;
        let mut transaction = connection.begin().await?;
        self.require_current_actor(&mut transaction, context).await?;
        self.write_new_user(&mut transaction, context, (user_id, user)).await?;
        self.write_credentials(&mut transaction, context, (user_id, credentials)).await?;
        let added = find_whole(&mut transaction, user_id).await?;
        storage::commit(transaction).await?;
        added.ok_or(ChangeUserError::UnknownUser.into())
    }

    /// The row, the name, and the beginning of the chain: that they are there, and what they may.
    pub(in crate::service) async fn write_new_user(
        &self,
        connection: &mut PgConnection,
        context: ChangeContext<'_>,
        (user_id, user): (UserId, &NewUser),
    ) -> Result<(), AddUserError> {
        let key = self.keyring.writing();
        let event = context.event(user_id, AuditKind::UserAdded, (0, 0));
        let mac = audit_mac(key, &START_OF_CHAIN, &event);
        users::insert(connection, user_id, user, &mac, context.now).await?;
        audit_events::insert(connection, &event, key.id(), &mac).await?;
        let mut head = UserHead {
            session_epoch: event.session_epoch,
            login_name: user.login_name.as_str().to_owned(),
            user_type: user.user_type,
            audit_sequence: event.sequence,
            audit_mac: mac,
        };
        for change in happenings_of_new(user) {
            self.append_audit_event(connection, context, (user_id, &mut head), change).await?;
        }
        Ok(())
    }

    /// Credentials of a user whose row, and whose author, this transaction has looked at.
    pub(in crate::service) async fn write_credentials(
        &self,
        connection: &mut PgConnection,
        context: ChangeContext<'_>,
        (user_id, credentials): (UserId, &[HashedCredential]),
    ) -> Result<(), ChangeUserError> {
        for hashed in credentials {
            let save = Save { context, user_id, hashed, precondition: WritePrecondition::Nothing };
            self.write_credential(connection, save).await?;
        }
        Ok(())
    }

    /// The next id that no operator has given to anybody by hand, and that nobody had.
    async fn free_user_id(&self) -> Result<UserId, StorageError> {
        let found = on_connection!(self, |connection| users::next_ids(&mut connection, 1))?;
        found.first().copied().ok_or(StorageError::Inconsistent { table: "users" })
    }

    /// The user of that login name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn find_user_by_name(
        &self,
        name: &LoginName,
    ) -> Result<Option<User>, StorageError> {
        on_connection!(self, |connection| users::find_by_login_name(
            &mut connection,
            name.canonical()
        ))
    }

    /// The user of that id.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn find_user(&self, user_id: UserId) -> Result<Option<User>, StorageError> {
        on_connection!(self, |connection| users::find_by_id(&mut connection, user_id))
    }

    /// The user that somebody means.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(in crate::service) async fn find_referenced(
        &self,
        user: &UserReference,
    ) -> Result<Option<User>, StorageError> {
        match user {
            UserReference::Id(user_id) => self.find_user(*user_id).await,
            UserReference::Name(name) => self.find_user_by_name(name).await,
        }
    }

    /// A user with what may be told about their credentials, for whoever may read them.
    ///
    /// # Errors
    /// See [`ReadUserError`].
    pub(crate) async fn read_user(
        &self,
        principal: &Principal,
        user: UserReference,
    ) -> Result<Option<UserWithCredentials>, ReadUserError> {
        if !principal.may_read(&user) {
            return Err(ReadUserError::Forbidden);
        }
        let Some(user) = self.find_referenced(&principal.meaning(user)).await? else {
            return Ok(None);
        };
        Ok(on_connection!(self, |connection| find_whole(&mut connection, user.user_id))?)
    }

    /// Those of these users that there are, in this order, for whoever may read them all.
    ///
    /// # Errors
    /// See [`ReadUserError`].
    pub(crate) async fn read_users(
        &self,
        principal: &Principal,
        user_ids: &[UserId],
    ) -> Result<Vec<User>, ReadUserError> {
        if !user_ids.iter().all(|id| principal.may_read(&UserReference::Id(*id))) {
            return Err(ReadUserError::Forbidden);
        }
        let found =
            on_connection!(self, |connection| users::find_by_ids(&mut connection, user_ids))?;
        let in_order = |id: &UserId| found.iter().find(|user| user.user_id == *id).cloned();
        Ok(user_ids.iter().filter_map(in_order).collect())
    }

    /// The next users after an id, a page at a time; an empty page is the end.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn list_users_after(
        &self,
        after: Option<UserId>,
    ) -> Result<Vec<User>, StorageError> {
        let after = after.map_or(0, UserId::as_i32);
        users::list_after(&mut *self.connection().await?, after, PAGE).await
    }
}

/// A user with what may be told about their credentials.
pub(in crate::service) async fn find_whole(
    connection: &mut PgConnection,
    user_id: UserId,
) -> Result<Option<UserWithCredentials>, StorageError> {
    let Some(user) = users::find_by_id(connection, user_id).await? else { return Ok(None) };
    let credentials = credentials::list_by_user(connection, user_id).await?;
    Ok(Some(UserWithCredentials { user, credentials }))
}

/// What there is to tell of a new user beside that they are there.
pub(in crate::service) fn happenings_of_new(
    user: &NewUser,
) -> impl Iterator<Item = AuditedChange<'static>> {
    let all = [
        (acts_on_anybody(user.user_type, user.is_administrator), AuditKind::AdministratorGranted),
        (user.is_retired, AuditKind::UserRetired),
    ];
    all.into_iter().filter_map(|(is, kind)| is.then_some(AuditedChange::to_user(kind, false)))
}
