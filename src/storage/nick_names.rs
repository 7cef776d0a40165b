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
    let done = sqlx::query!(
        "WITH named AS (
             INSERT INTO nick_names AS existing (canonical_name, user_id)
             SELECT $2, $1 WHERE $2 <> ''
             ON CONFLICT (canonical_name) DO UPDATE SET user_id = excluded.user_id
                 WHERE existing.user_id = excluded.user_id
             RETURNING 1
         ),
         former AS (
             DELETE FROM nick_names n USING users u
             WHERE u.user_id = $1 AND n.canonical_name = u.canonical_nick_name AND n.user_id = $1
               AND n.canonical_name <> $2 AND ($2 = '' OR EXISTS (SELECT 1 FROM named))
         )
         UPDATE users SET nick_name = $3, canonical_nick_name = $2
         WHERE user_id = $1 AND ($2 = '' OR EXISTS (SELECT 1 FROM named))",
        user_id.as_i32(),
        nick_name.canonical(),
        nick_name.as_str(),
    )
    .execute(connection)
    .await
    .map_err(StorageError::from)?;
    if done.rows_affected() == 0 { Err(UserTakenError::NickNameTaken) } else { Ok(()) }
}
