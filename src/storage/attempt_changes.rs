//! Resets and deletes the counted attempts of a user, in the caller's transaction.
//!
//! Every function locks rows in the order of `attempts`, and then changes the copies of the failures of
//! addresses.

use sqlx::PgConnection;

use super::{address_failures, error::StorageError};
use crate::domain::user::UserId;

/// Resets the failures of a user, of one type or of all; returns whether there were any.
pub(crate) async fn reset(
    connection: &mut PgConnection,
    user_id: UserId,
    credential_type: Option<&str>,
) -> Result<bool, StorageError> {
    let had_failures = sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT 1 FROM authentication_attempts
               WHERE user_id = $1 AND (failures > 0 OR throttle_failures > 0)
                 AND ($2::text IS NULL OR credential_type = $2)
           ) OR EXISTS (
               SELECT 1 FROM known_addresses WHERE user_id = $1 AND failures > 0
           ) AS "had_failures!""#,
        user_id.as_i32(),
        credential_type,
    )
    .fetch_one(&mut *connection)
    .await?;
    let addresses = sqlx::query_file_scalar!(
        "src/storage/reset_attempts.sql",
        user_id.as_i32(),
        credential_type,
    )
    .fetch_all(&mut *connection)
    .await?;
    for address in addresses {
        address_failures::set(connection, &address, user_id.into(), 0).await?;
    }
    Ok(had_failures)
}

/// Deletes the attempts of a user and of all addresses for this user.
pub(super) async fn delete_of_user(
    connection: &mut PgConnection,
    user_id: UserId,
) -> Result<(), StorageError> {
    let addresses = sqlx::query_scalar!(
        "WITH attempts AS (
             DELETE FROM authentication_attempts WHERE user_id = $1 RETURNING 1
         )
         DELETE FROM known_addresses
         WHERE user_id = $1 AND (SELECT count(*) FROM attempts) >= 0
         RETURNING address_digest",
        user_id.as_i32(),
    )
    .fetch_all(&mut *connection)
    .await?;
    for address in addresses {
        address_failures::delete(connection, &address, user_id.into()).await?;
    }
    Ok(())
}
