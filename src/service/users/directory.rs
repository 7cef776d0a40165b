//! Finds and reads users.

use std::collections::HashMap;

use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::{
    domain::{
        credential::CredentialSummary,
        principal::Principal,
        user::{LoginName, User, UserId, UserReference},
        user_list::{UserListQuery, UserPage},
        vendor_ids::VendorId,
    },
    security::user_signature::user_signature,
    service::errors::ReadUserError,
    storage::{Database, StorageError, audit_events, credentials, user_list, users},
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

    /// When a credential of the user was last used to log in; recorded with a delay.
    pub(crate) fn last_use(&self) -> Option<OffsetDateTime> {
        let uses = self.credentials.iter().filter_map(|credential| credential.last_use.as_ref());
        uses.map(|last_use| last_use.at).max()
    }
}

/// A user with the time of the last change.
pub(crate) struct DatedUser {
    pub(crate) found: UserWithCredentials,
    /// The time of the user's last audit event. It is never later than the state that was read, so
    /// that a check for changes since errs towards a change.
    pub(crate) changed_at: OffsetDateTime,
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
        self.find_by_canonical_name(name.canonical()).await
    }

    /// The user with that canonical login name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(in crate::service) async fn find_by_canonical_name(
        &self,
        canonical_name: &str,
    ) -> Result<Option<User>, StorageError> {
        let statements = self.database.statements();
        read_on_connection!(self.database, |connection| statements
            .find_by_login_name(&mut connection, canonical_name))
    }

    /// The user with that id.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn find_by_id(&self, user_id: UserId) -> Result<Option<User>, StorageError> {
        read_on_connection!(self.database, |connection| users::find_by_id(&mut connection, user_id))
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
        let Some(user_id) = self.readable_id(principal, user).await? else { return Ok(None) };
        Ok(read_on_connection!(self.database, |connection| find_with_credentials(
            &mut connection,
            user_id
        ))?)
    }

    /// As [`Self::read`], with the time of the last change.
    ///
    /// # Errors
    /// See [`ReadUserError`].
    pub(crate) async fn read_dated(
        &self,
        principal: &Principal,
        user: UserReference,
    ) -> Result<Option<DatedUser>, ReadUserError> {
        let Some(user_id) = self.readable_id(principal, user).await? else { return Ok(None) };
        Ok(read_on_connection!(self.database, |connection| find_dated(&mut connection, user_id))?)
    }

    /// The id that a reference names, if the caller may read that user, who need not exist.
    async fn readable_id(
        &self,
        principal: &Principal,
        user: UserReference,
    ) -> Result<Option<UserId>, ReadUserError> {
        if !principal.may_read(&user) {
            return Err(ReadUserError::Forbidden);
        }
        match principal.normalize_reference(user) {
            UserReference::Id(user_id) => Ok(Some(user_id)),
            UserReference::Name(name) => {
                Ok(self.find_by_name(&name).await?.map(|user| user.user_id))
            }
        }
    }

    /// A page of the list of users. For administrators, system users, the help desk and auditors.
    ///
    /// # Errors
    /// See [`ReadUserError`].
    pub(crate) async fn list(
        &self,
        principal: &Principal,
        query: &UserListQuery,
    ) -> Result<UserPage, ReadUserError> {
        if !principal.may_read_users() {
            return Err(ReadUserError::Forbidden);
        }
        Ok(read_on_connection!(self.database, |connection| user_list::list(
            &mut connection,
            query
        ))?)
    }

    /// The users with that person id, by id; at most one page. For administrators, system users, the help desk and auditors.
    ///
    /// # Errors
    /// See [`ReadUserError`].
    pub(crate) async fn read_by_person_id(
        &self,
        principal: &Principal,
        person_id: VendorId,
    ) -> Result<Vec<UserWithCredentials>, ReadUserError> {
        if !principal.may_read_users() {
            return Err(ReadUserError::Forbidden);
        }
        let mut connection = self.database.connection().await?;
        let found = users::list_by_person_id(&mut connection, person_id, PAGE).await?;
        let found = with_credentials(&mut connection, found).await?;
        connection.release();
        Ok(found)
    }

    /// The users with that EJ user id, by id; at most one page. For administrators, system users, the help desk and auditors.
    ///
    /// # Errors
    /// See [`ReadUserError`].
    pub(crate) async fn read_by_ej_user_id(
        &self,
        principal: &Principal,
        ej_user_id: VendorId,
    ) -> Result<Vec<UserWithCredentials>, ReadUserError> {
        if !principal.may_read_users() {
            return Err(ReadUserError::Forbidden);
        }
        let mut connection = self.database.connection().await?;
        let found = users::list_by_ej_user_id(&mut connection, ej_user_id, PAGE).await?;
        let found = with_credentials(&mut connection, found).await?;
        connection.release();
        Ok(found)
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
        let found = read_on_connection!(self.database, |connection| users::find_by_ids(
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

/// Users with their credentials, without the values.
///
/// # Errors
/// When the database does not answer.
pub(in crate::service) async fn with_credentials(
    connection: &mut PgConnection,
    users: Vec<User>,
) -> Result<Vec<UserWithCredentials>, StorageError> {
    let user_ids: Vec<_> = users.iter().map(|user| user.user_id).collect();
    let mut by_user: HashMap<UserId, Vec<CredentialSummary>> = HashMap::new();
    for summary in credentials::list_by_users(connection, &user_ids).await? {
        by_user.entry(summary.user_id).or_default().push(summary);
    }
    let users = users.into_iter().map(|user| {
        let credentials = by_user.remove(&user.user_id).unwrap_or_default();
        UserWithCredentials { user, credentials }
    });
    Ok(users.collect())
}

/// A user with credentials and the time of the last change, which is read first.
async fn find_dated(
    connection: &mut PgConnection,
    user_id: UserId,
) -> Result<Option<DatedUser>, StorageError> {
    let mut changed_at = audit_events::find_last_time(connection, user_id).await?;
    if changed_at.is_none() {
        if users::find_by_id(connection, user_id).await?.is_none() {
            return Ok(None);
        }
        // The user was added between the two statements.
        changed_at = audit_events::find_last_time(connection, user_id).await?;
    }
    let changed_at = changed_at.ok_or(StorageError::Inconsistent { table: "audit_events" })?;
    let found = find_with_credentials(connection, user_id).await?;
    Ok(found.map(|found| DatedUser { found, changed_at }))
}
