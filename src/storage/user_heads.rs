//! Reads and locks the state of a user that a write continues from.

use sqlx::PgConnection;

use super::{error::StorageError, roles::parse_role};
use crate::domain::{
    throttling::Subject,
    user::{UserId, UserType, is_protected},
};

/// The state of a user that a write continues from: the epoch and the head of the audit chain.
#[derive(Debug)]
pub(crate) struct UserHead {
    pub(crate) session_epoch: i64,
    pub(crate) login_name: String,
    pub(crate) user_type: UserType,
    /// True for a user on whom the help desk may not act.
    pub(crate) is_protected: bool,
    pub(crate) audit_sequence: i64,
    pub(crate) audit_mac: Vec<u8>,
}

struct HeadRow {
    session_epoch: i64,
    login_name: String,
    user_type: String,
    is_administrator: bool,
    role: Option<String>,
    audit_sequence: i64,
    audit_mac: Vec<u8>,
}

impl TryFrom<HeadRow> for UserHead {
    type Error = StorageError;

    fn try_from(row: HeadRow) -> Result<Self, StorageError> {
        let inconsistent = StorageError::Inconsistent { table: "users" };
        let user_type = UserType::parse(&row.user_type).ok_or(inconsistent)?;
        let role = parse_role(row.role.as_deref())?;
        Ok(Self {
            session_epoch: row.session_epoch,
            login_name: row.login_name,
            user_type,
            is_protected: is_protected(user_type, row.is_administrator, role),
            audit_sequence: row.audit_sequence,
            audit_mac: row.audit_mac,
        })
    }
}

/// The user with that canonical login name, or else the pseudo user of the name. The same statement
/// runs for both.
#[tracing::instrument(name = "db.users.find_subject", skip_all)]
pub(crate) async fn find_subject(
    connection: &mut PgConnection,
    canonical_name: &str,
    pseudo: Subject,
) -> Result<Subject, StorageError> {
    let found = sqlx::query_scalar!(
        "SELECT max(user_id) FROM login_names WHERE canonical_name = $1",
        canonical_name,
    )
    .fetch_one(connection)
    .await?;
    let inconsistent = |_| StorageError::Inconsistent { table: "login_names" };
    let user_id = found.map(UserId::try_from).transpose().map_err(inconsistent)?;
    Ok(user_id.map_or(pseudo, Subject::from))
}

/// Reads the head of the user without a lock.
#[tracing::instrument(name = "db.users.find_head", skip_all, fields(user.id = %user_id))]
pub(crate) async fn find_head(
    connection: &mut PgConnection,
    user_id: UserId,
) -> Result<Option<UserHead>, StorageError> {
    sqlx::query_as!(
        HeadRow,
        "SELECT session_epoch, login_name, user_type, is_administrator, role, audit_sequence,
                audit_mac
         FROM users WHERE user_id = $1 AND deleted_at IS NULL",
        user_id.as_i32(),
    )
    .fetch_optional(connection)
    .await?
    .map(UserHead::try_from)
    .transpose()
}

/// Locks the user's row for this transaction and reads the head, which stays the same until the
/// commit.
#[tracing::instrument(name = "db.users.lock", skip_all, fields(user.id = %user_id))]
pub(crate) async fn lock(
    connection: &mut PgConnection,
    user_id: UserId,
) -> Result<Option<UserHead>, StorageError> {
    lock_subject(connection, user_id.into()).await
}

/// As [`lock`]. For a pseudo user, the same statement finds nobody.
pub(crate) async fn lock_subject(
    connection: &mut PgConnection,
    subject: Subject,
) -> Result<Option<UserHead>, StorageError> {
    sqlx::query_as!(
        HeadRow,
        "SELECT session_epoch, login_name, user_type, is_administrator, role, audit_sequence,
                audit_mac
         FROM users WHERE user_id = $1 AND deleted_at IS NULL FOR NO KEY UPDATE",
        subject.as_i32(),
    )
    .fetch_optional(connection)
    .await?
    .map(UserHead::try_from)
    .transpose()
}
