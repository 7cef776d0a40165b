//! Finds and reads users.

use sqlx::PgConnection;

use crate::{
    domain::{
        credential::CredentialSummary,
        principal::Principal,
        user::{LoginName, User, UserId, UserReference},
    },
    security::user_signature::user_signature,
    service::errors::ReadUserError,
    storage::{Database, StorageError, credentials, users},
};

/// The maximum number of users per page.
const PAGE: i64 = 500;

/// A user with their credentials, without the values.
pub(crate) struct UserWithCredentials {
    pub(crate) user: User,
    pub(crate) credentials: Vec<CredentialSummary>,
}

impl UserWithCredentials {
    /// A digest of the user's current state, for optimistic locking.
    pub(crate) fn signature(&self) -> String {
        user_signature(&self.user)
    }
}

/// Finds and reads users.
pub(crate) struct UserDirectory {
    pub(crate) database: Database,
}

impl UserDirectory {
    /// The user with that login name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn find_by_name(
        &self,
        name: &LoginName,
    ) -> Result<Option<User>, StorageError> {
        let canonical_name = name.canonical();
        on_connection!(self.database, |connection| users::find_by_login_name(
            &mut connection,
            canonical_name
        ))
    }

    /// The user with that id.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn find_by_id(&self, user_id: UserId) -> Result<Option<User>, StorageError> {
        on_connection!(self.database, |connection| users::find_by_id(&mut connection, user_id))
    }

    /// The user with that id or login name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(in crate::service) async fn find(
        &self,
        user: &UserReference,
    ) -> Result<Option<User>, StorageError> {
        match user {
            UserReference::Id(user_id) => self.find_by_id(*user_id).await,
            UserReference::Name(name) => self.find_by_name(name).await,
        }
    }

    /// A user with their credentials, if the caller may read them.
    ///
    /// # Errors
    /// See [`ReadUserError`].
    pub(crate) async fn read(
        &self,
        principal: &Principal,
        user: UserReference,
    ) -> Result<Option<UserWithCredentials>, ReadUserError> {
        if !principal.may_read(&user) {
            return Err(ReadUserError::Forbidden);
        }
        let Some(user) = self.find(&principal.normalize_reference(user)).await? else {
            return Ok(None);
        };
        Ok(on_connection!(self.database, |connection| find_with_credentials(
            &mut connection,
            user.user_id
        ))?)
    }

    /// The users with these ids, in this order, if the caller may read all; unknown ids are
    /// omitted.
    ///
    /// # Errors
    /// See [`ReadUserError`].
    pub(crate) async fn read_all(
        &self,
        principal: &Principal,
        user_ids: &[UserId],
    ) -> Result<Vec<User>, ReadUserError> {
        if !user_ids.iter().all(|id| principal.may_read(&UserReference::Id(*id))) {
            return Err(ReadUserError::Forbidden);
        }
        let found = on_connection!(self.database, |connection| users::find_by_ids(
            &mut connection,
            user_ids
        ))?;
        let in_order = |id: &UserId| found.iter().find(|user| user.user_id == *id).cloned();
        Ok(user_ids.iter().filter_map(in_order).collect())
    }

    /// The next page of users after an id; empty at the end.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn list_after(
        &self,
        after: Option<UserId>,
    ) -> Result<Vec<User>, StorageError> {
        let after = after.map_or(0, UserId::as_i32);
        users::list_after(&mut *self.database.connection().await?, after, PAGE).await
    }
}

/// A user with their credentials, without the values.
///
/// # Errors
/// When the database does not answer.
pub(in crate::service) async fn find_with_credentials(
    connection: &mut PgConnection,
    user_id: UserId,
) -> Result<Option<UserWithCredentials>, StorageError> {
    let Some(user) = users::find_by_id(connection, user_id).await? else { return Ok(None) };
    let credentials = credentials::list_by_user(connection, user_id).await?;
    Ok(Some(UserWithCredentials { user, credentials }))
}
