//! Users and the directory of their login names.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::StorageError;
use crate::domain::{
    audit::AuditEvent,
    user::{NewUser, User, UserId, UserType},
};

/// The names of the constraints that callers can run into.
const LOGIN_NAME_TAKEN: &str = "login_names_pkey";
const USER_ID_TAKEN: &str = "users_pkey";

/// The columns of [`User`], as they come.
pub(super) struct UserRow {
    pub(super) user_id: i32,
    pub(super) login_name: String,
    pub(super) display_name: String,
    pub(super) user_type: String,
    pub(super) is_administrator: bool,
    pub(super) is_retired: bool,
    pub(super) session_epoch: i64,
}

impl TryFrom<UserRow> for User {
    type Error = StorageError;

    fn try_from(row: UserRow) -> Result<Self, StorageError> {
        let inconsistent = StorageError::Inconsistent { table: "users" };
        let (Ok(user_id), Some(user_type)) =
            (UserId::try_from(row.user_id), UserType::parse(&row.user_type))
        else {
            return Err(inconsistent);
        };
        Ok(Self {
            user_id,
            login_name: row.login_name,
            display_name: row.display_name,
            user_type,
            is_administrator: row.is_administrator,
            is_retired: row.is_retired,
            session_epoch: row.session_epoch,
        })
    }
}

/// What a write to a user goes on from: their epoch, and the head of their audit chain.
#[derive(Debug)]
pub(crate) struct UserHead {
    pub(crate) session_epoch: i64,
    pub(crate) login_name: String,
    pub(crate) audit_sequence: i64,
    pub(crate) audit_mac: Vec<u8>,
}

/// Why a user could not be inserted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InsertUserError {
    #[error("the login name is taken")]
    LoginNameTaken,
    #[error("the user id is taken")]
    UserIdTaken,
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// The user of that id.
pub(crate) async fn find_by_id(
    connection: &mut PgConnection,
    user_id: UserId,
) -> Result<Option<User>, StorageError> {
    sqlx::query_as!(
        UserRow,
        "SELECT user_id, login_name, display_name, user_type, is_administrator, is_retired,
                session_epoch
         FROM users WHERE user_id = $1",
        user_id.as_i32(),
    )
    .fetch_optional(connection)
    .await?
    .map(User::try_from)
    .transpose()
}

/// The user of that canonical login name.
pub(crate) async fn find_by_login_name(
    connection: &mut PgConnection,
    canonical_name: &str,
) -> Result<Option<User>, StorageError> {
    sqlx::query_as!(
        UserRow,
        "SELECT u.user_id, u.login_name, u.display_name, u.user_type, u.is_administrator,
                u.is_retired, u.session_epoch
         FROM login_names n JOIN users u ON u.user_id = n.user_id
         WHERE n.canonical_name = $1",
        canonical_name,
    )
    .fetch_optional(connection)
    .await?
    .map(User::try_from)
    .transpose()
}

/// Up to `limit` users with an id above `after`, by id.
pub(crate) async fn list_after(
    connection: &mut PgConnection,
    after: i32,
    limit: i64,
) -> Result<Vec<User>, StorageError> {
    sqlx::query_as!(
        UserRow,
        "SELECT user_id, login_name, display_name, user_type, is_administrator, is_retired,
                session_epoch
         FROM users WHERE user_id > $1 ORDER BY user_id LIMIT $2",
        after,
        limit,
    )
    .fetch_all(connection)
    .await?
    .into_iter()
    .map(User::try_from)
    .collect()
}

/// The user's head as it is now; another write may move it on.
#[tracing::instrument(name = "db.users.find_head", skip_all, fields(user.id = %user_id))]
pub(crate) async fn find_head(
    connection: &mut PgConnection,
    user_id: UserId,
) -> Result<Option<UserHead>, StorageError> {
    let head = sqlx::query_as!(
        UserHead,
        "SELECT session_epoch, login_name, audit_sequence, audit_mac
         FROM users WHERE user_id = $1",
        user_id.as_i32(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(head)
}

/// Takes the user's row for this transaction: their head stays where it is until the commit.
#[tracing::instrument(name = "db.users.lock", skip_all, fields(user.id = %user_id))]
pub(crate) async fn lock(
    connection: &mut PgConnection,
    user_id: UserId,
) -> Result<Option<UserHead>, StorageError> {
    let head = sqlx::query_as!(
        UserHead,
        "SELECT session_epoch, login_name, audit_sequence, audit_mac
         FROM users WHERE user_id = $1 FOR NO KEY UPDATE",
        user_id.as_i32(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(head)
}

/// Moves the audit head and the epoch of a user whose row this transaction holds.
pub(crate) async fn advance(
    connection: &mut PgConnection,
    event: &AuditEvent,
    audit_mac: &[u8],
) -> Result<(), StorageError> {
    sqlx::query!(
        "UPDATE users SET audit_sequence = $2, audit_mac = $3, session_epoch = $4
         WHERE user_id = $1",
        event.user_id.as_i32(),
        event.sequence,
        audit_mac,
        event.session_epoch,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The next free id; those below 1000 are left to operators who bring their own.
pub(crate) async fn next_id(connection: &mut PgConnection) -> Result<UserId, StorageError> {
    let id = sqlx::query_scalar!(
        r#"SELECT nextval(pg_get_serial_sequence('users', 'user_id'))::int AS "id!""#
    )
    .fetch_one(connection)
    .await?;
    UserId::try_from(id).map_err(|_| StorageError::Inconsistent { table: "users" })
}

/// Inserts a user, their login name, and the head of an audit chain of one event.
///
/// # Errors
/// When the name or the id is taken.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    user_id: UserId,
    user: &NewUser,
    audit_mac: &[u8],
    now: OffsetDateTime,
) -> Result<(), InsertUserError> {
    sqlx::query!(
        "WITH inserted AS (
             INSERT INTO users (user_id, login_name, display_name, user_type, is_administrator,
                                audit_sequence, audit_mac, created_at)
             VALUES ($1, $2, $3, $4, $5, 1, $6, $7)
         )
         INSERT INTO login_names (canonical_name, user_id) VALUES ($8, $1)",
        user_id.as_i32(),
        user.login_name.as_str(),
        user.display_name,
        user.user_type.as_str(),
        user.is_administrator,
        audit_mac,
        now,
        user.login_name.canonical(),
    )
    .execute(connection)
    .await
    .map_err(StorageError::from)
    .map_err(name_taken)?;
    Ok(())
}

/// Which of the two unique names was taken, if that is what went wrong.
fn name_taken(error: StorageError) -> InsertUserError {
    if let StorageError::Constraint(name) = &error {
        if name == LOGIN_NAME_TAKEN {
            return InsertUserError::LoginNameTaken;
        }
        if name == USER_ID_TAKEN {
            return InsertUserError::UserIdTaken;
        }
    }
    error.into()
}
