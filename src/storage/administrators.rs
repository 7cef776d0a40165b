//! Finds the administrators that a change leaves.

use sqlx::PgConnection;

use super::error::StorageError;
use crate::domain::user::UserId;

/// Locks the set of administrators until the transaction ends: of two changes that each take the
/// right from a user, the second one waits, and then sees the first. The number is the lock's key,
/// the letters `keeperad`; no other lock of the service has it.
#[tracing::instrument(name = "db.administrators.lock", skip_all)]
pub(crate) async fn lock(connection: &mut PgConnection) -> Result<(), StorageError> {
    sqlx::query!("SELECT pg_advisory_xact_lock(7738703068118802788)").execute(connection).await?;
    Ok(())
}

/// True when a user other than that one is an active administrator
/// (`User::is_active_administrator`).
#[tracing::instrument(name = "db.administrators.has_other", skip_all, fields(user.id = %user_id))]
pub(crate) async fn has_other(
    connection: &mut PgConnection,
    user_id: UserId,
) -> Result<bool, StorageError> {
    let has_other = sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT 1 FROM users
               WHERE is_administrator AND NOT is_retired AND deleted_at IS NULL
                 AND user_type NOT IN ('external', 'anonymous') AND user_id <> $1
           ) AS "has_other!""#,
        user_id.as_i32(),
    )
    .fetch_one(connection)
    .await?;
    Ok(has_other)
}
