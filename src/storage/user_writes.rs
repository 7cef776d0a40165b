//! Changes of users whose row the caller's transaction holds.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{
    StorageError,
    users::{UserTakenError, name_taken},
};
use crate::domain::{
    new_login_name::NewLoginName,
    user::{User, UserId},
};

/// Writes everything about a user but their names' directory and what counts their changes.
pub(crate) async fn update(connection: &mut PgConnection, user: &User) -> Result<(), StorageError> {
    sqlx::query!(
        "UPDATE users SET display_name = $2, user_type = $3, is_administrator = $4, is_retired = $5
         WHERE user_id = $1",
        user.user_id.as_i32(),
        user.display_name,
        user.user_type.as_str(),
        user.is_administrator,
        user.is_retired,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Gives a user another login name; the old one is free.
///
/// # Errors
/// When the name is taken.
pub(crate) async fn rename(
    connection: &mut PgConnection,
    user_id: UserId,
    name: &NewLoginName,
) -> Result<(), UserTakenError> {
    sqlx::query!(
        "WITH directory AS (
             UPDATE login_names SET canonical_name = $2 WHERE user_id = $1
         )
         UPDATE users SET login_name = $3 WHERE user_id = $1",
        user_id.as_i32(),
        name.canonical(),
        name.as_str(),
    )
    .execute(connection)
    .await
    .map_err(StorageError::from)
    .map_err(name_taken)?;
    Ok(())
}

/// Leaves of a user only the tombstone: what could log in as them, and their names, are gone.
pub(crate) async fn tombstone(
    connection: &mut PgConnection,
    user_id: UserId,
    now: OffsetDateTime,
) -> Result<(), StorageError> {
    sqlx::query!(
        "WITH names AS (DELETE FROM login_names WHERE user_id = $1),
              derived AS (DELETE FROM tickets WHERE user_id = $1),
              secrets AS (DELETE FROM credentials WHERE user_id = $1),
              tried AS (
                  DELETE FROM authentication_attempts WHERE user_id = $1 RETURNING 1
              ),
              known AS (
                  DELETE FROM callers
                  WHERE user_id = $1 AND (SELECT count(*) FROM tried) >= 0
              )
         UPDATE users
         SET login_name = '', display_name = '', is_retired = true, is_administrator = false,
             deleted_at = $2
         WHERE user_id = $1",
        user_id.as_i32(),
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}
