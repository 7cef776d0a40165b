//! The directory of nicknames.

use sqlx::PgConnection;

use super::{error::StorageError, users::UserTakenError};
use crate::domain::{nick_name::NickName, user::UserId};

/// True when a user other than `except` has this nickname.
pub(crate) async fn is_taken(
    connection: &mut PgConnection,
    nick_name: &NickName,
    except: Option<UserId>,
) -> Result<bool, StorageError> {
    let is_taken = sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT 1 FROM nick_names WHERE canonical_name = $1 AND user_id IS DISTINCT FROM $2
           ) AS "is_taken!""#,
        nick_name.canonical(),
        except.map(UserId::as_i32),
    )
    .fetch_one(connection)
    .await?;
    Ok(is_taken)
}

/// Changes or removes the nickname of a user whose row the caller's transaction has locked; the old
/// nickname becomes free.
///
/// # Errors
/// When another user has the nickname. Nothing is written.
pub(crate) async fn set(
    connection: &mut PgConnection,
    user_id: UserId,
    nick_name: &NickName,
) -> Result<(), UserTakenError> {
    let former = sqlx::query_scalar!(
        "SELECT canonical_nick_name FROM users WHERE user_id = $1",
        user_id.as_i32(),
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(StorageError::from)?;
    // Another spelling of the same nickname has the same entry.
    if former != nick_name.canonical() {
        insert(connection, user_id, nick_name).await?;
        delete(connection, user_id, &former).await?;
    }
    sqlx::query!(
        "UPDATE users SET nick_name = $3, canonical_nick_name = $2 WHERE user_id = $1",
        user_id.as_i32(),
        nick_name.canonical(),
        nick_name.as_str(),
    )
    .execute(connection)
    .await
    .map_err(StorageError::from)?;
    Ok(())
}

/// Adds a nickname to the directory, unless it is empty.
///
/// # Errors
/// When another user has it.
pub(super) async fn insert(
    connection: &mut PgConnection,
    user_id: UserId,
    nick_name: &NickName,
) -> Result<(), UserTakenError> {
    if nick_name.canonical().is_empty() {
        return Ok(());
    }
    let done = sqlx::query!(
        "INSERT INTO nick_names (canonical_name, user_id) VALUES ($1, $2)
         ON CONFLICT (canonical_name) DO NOTHING",
        nick_name.canonical(),
        user_id.as_i32(),
    )
    .execute(connection)
    .await
    .map_err(StorageError::from)?;
    if done.rows_affected() == 0 { Err(UserTakenError::NickNameTaken) } else { Ok(()) }
}

/// Deletes a nickname from the directory; an empty one has no entry.
pub(super) async fn delete(
    connection: &mut PgConnection,
    user_id: UserId,
    canonical_name: &str,
) -> Result<(), StorageError> {
    if canonical_name.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "DELETE FROM nick_names WHERE canonical_name = $1 AND user_id = $2",
        canonical_name,
        user_id.as_i32(),
    )
    .execute(connection)
    .await?;
    Ok(())
}
