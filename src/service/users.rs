//! Finding users, and adding them at an operator's word.

use super::{
    Service,
    changes::ChangeUserError,
    credentials::{HashedCredential, RestsOn, Save},
};
use crate::{
    domain::{
        audit::AuditKind,
        author::Author,
        credential::{CredentialSummary, CredentialValue},
        principal::Principal,
        save_credential::NewCredential,
        user::{LoginName, NewUser, User, UserId, UserReference},
    },
    security::audit_chain::{START_OF_CHAIN, audit_mac},
    storage::{
        self, StorageError, audit_events,
        users::{self, UserTakenError},
    },
};

/// How many users are read at a time.
const PAGE: i64 = 500;

/// A user with what may be told about their credentials.
pub(crate) struct UserWithCredentials {
    pub(crate) user: User,
    pub(crate) credentials: Vec<CredentialSummary>,
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
        author: Author<'_>,
        user: &NewUser,
        password: CredentialValue,
    ) -> Result<UserId, AddUserError> {
        let first = NewCredential::new(self.types.password().clone(), password);
        let hashed = self.hash_credential(author.actor.caller(), first).await;
        self.insert_user(author, user, &[hashed.map_err(ChangeUserError::from)?]).await
    }

    /// Adds a user with credentials that are hashed already, in one transaction.
    pub(super) async fn insert_user(
        &self,
        author: Author<'_>,
        user: &NewUser,
        credentials: &[HashedCredential],
    ) -> Result<UserId, AddUserError> {
        let user_id = match user.user_id {
            Some(user_id) => user_id,
            None => self.free_user_id().await?,
        };
        let mut connection = self.connection().await?;
        let mut transaction = connection.begin().await?;
        self.require_standing(&mut transaction, author).await?;
        let key = self.keyring.writing();
        let event = author.event(user_id, AuditKind::UserAdded, (0, 0));
        let mac = audit_mac(key, &START_OF_CHAIN, &event);
        users::insert(&mut transaction, user_id, user, &mac, author.now).await?;
        audit_events::insert(&mut transaction, &event, key.id(), &mac).await?;
        for hashed in credentials {
            let save = Save { author, user_id, hashed, rests_on: RestsOn::Nothing };
            let written = self.write_credential(&mut transaction, save).await;
            written.map_err(ChangeUserError::from)?;
        }
        storage::commit(transaction).await?;
        Ok(user_id)
    }

    /// The next id that no operator has given to anybody by hand, and that nobody had.
    async fn free_user_id(&self) -> Result<UserId, StorageError> {
        let mut connection = self.connection().await?;
        loop {
            let user_id = users::next_id(&mut connection).await?;
            if !users::was_given(&mut connection, user_id).await? {
                return Ok(user_id);
            }
        }
    }

    /// The user of that login name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn find_user_by_name(
        &self,
        name: &LoginName,
    ) -> Result<Option<User>, StorageError> {
        users::find_by_login_name(&mut *self.connection().await?, name.canonical()).await
    }

    /// The user of that id.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn find_user(&self, user_id: UserId) -> Result<Option<User>, StorageError> {
        users::find_by_id(&mut *self.connection().await?, user_id).await
    }

    /// The user that somebody means.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(super) async fn find_referenced(
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
        user: &UserReference,
    ) -> Result<Option<UserWithCredentials>, ReadUserError> {
        if !principal.may_read(user) {
            return Err(ReadUserError::Forbidden);
        }
        let Some(user) = self.find_referenced(user).await? else { return Ok(None) };
        let credentials = self.list_credentials(user.user_id).await?;
        Ok(Some(UserWithCredentials { user, credentials }))
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
        let mut connection = self.connection().await?;
        let found = users::find_by_ids(&mut connection, user_ids).await?;
        connection.release();
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
