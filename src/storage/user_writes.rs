//! Inserts users, and changes users whose row the caller's transaction has locked.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{error::StorageError, users::UserTakenError};
use crate::domain::{
    new_login_name::NewLoginName,
    new_user::NewUser,
    role::Role,
    user::{User, UserId},
};

/// The constraints that valid input can violate.
const LOGIN_NAME_TAKEN: &str = "login_names_pkey";
const NICK_NAME_TAKEN: &str = "nick_names_pkey";
const USER_ID_TAKEN: &str = "users_pkey";

/// Inserts a user with the names and the head of an audit chain of one event.
///
/// # Errors
/// When a name or the id is taken.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    user_id: UserId,
    user: &NewUser,
    audit_mac: &[u8],
    now: OffsetDateTime,
) -> Result<(), UserTakenError> {
    sqlx::query!(
        "WITH inserted AS (
             INSERT INTO users (user_id, login_name, canonical_name, display_name, user_type,
                                is_administrator, audit_sequence, audit_mac, created_at, is_retired,
                                person_id, role_id, ej_user_id, nick_name, canonical_nick_name, role)
             VALUES ($1, $2, $8, $3, $4, $5, 1, $6, $7, $9, $10, $11, $12, $13, $14, $15)
         ),
         nick_named AS (
             INSERT INTO nick_names (canonical_name, user_id) SELECT $14, $1 WHERE $14 <> ''
         )
         INSERT INTO login_names (canonical_name, user_id) VALUES ($8, $1)",
        user_id.as_i32(),
        user.login_name.as_str(),
        user.display_name.as_str(),
        user.user_type.as_str(),
        user.is_administrator,
        audit_mac,
        now,
        user.login_name.canonical(),
        user.is_retired,
        user.vendor_ids.person.as_i32(),
        user.vendor_ids.role.as_i32(),
        user.vendor_ids.ej_user.as_i32(),
        user.nick_name.as_str(),
        user.nick_name.canonical(),
        user.role.map(Role::as_str),
    )
    .execute(connection)
    .await
    .map_err(StorageError::from)
    .map_err(name_taken)?;
    Ok(())
}

/// Maps the violation of a unique constraint to the value that is taken.
fn name_taken(error: StorageError) -> UserTakenError {
    if let StorageError::Constraint(name) = &error {
        if name == LOGIN_NAME_TAKEN {
            return UserTakenError::LoginNameTaken;
        }
        if name == NICK_NAME_TAKEN {
            return UserTakenError::NickNameTaken;
        }
        if name == USER_ID_TAKEN {
            return UserTakenError::UserIdTaken;
        }
    }
    error.into()
}

/// Writes the columns of a user that are neither login name nor nickname nor the audit chain.
pub(crate) async fn update(connection: &mut PgConnection, user: &User) -> Result<(), StorageError> {
    sqlx::query!(
        "UPDATE users SET display_name = $2, user_type = $3, is_administrator = $4, is_retired = $5,
                          person_id = $6, role_id = $7, ej_user_id = $8, role = $9
         WHERE user_id = $1",
        user.user_id.as_i32(),
        user.display_name,
        user.user_type.as_str(),
        user.is_administrator,
        user.is_retired,
        user.vendor_ids.person.as_i32(),
        user.vendor_ids.role.as_i32(),
        user.vendor_ids.ej_user.as_i32(),
        user.role.map(Role::as_str),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Changes the login name of a user; the old name becomes free.
///
/// # Errors
/// When another user has the name. Nothing is written.
pub(crate) async fn rename(
    connection: &mut PgConnection,
    user_id: UserId,
    name: &NewLoginName,
) -> Result<(), UserTakenError> {
    let done = sqlx::query!(
        "WITH named AS (
             INSERT INTO login_names AS existing (canonical_name, user_id) VALUES ($2, $1)
             ON CONFLICT (canonical_name) DO UPDATE SET user_id = excluded.user_id
                 WHERE existing.user_id = excluded.user_id
             RETURNING 1
         ),
         former AS (
             DELETE FROM login_names n USING users u
             WHERE u.user_id = $1 AND n.canonical_name = u.canonical_name AND n.user_id = $1
               AND n.canonical_name <> $2 AND EXISTS (SELECT 1 FROM named)
         )
         UPDATE users SET login_name = $3, canonical_name = $2
         WHERE user_id = $1 AND EXISTS (SELECT 1 FROM named)",
        user_id.as_i32(),
        name.canonical(),
        name.as_str(),
    )
    .execute(connection)
    .await
    .map_err(StorageError::from)?;
    if done.rows_affected() == 0 { Err(UserTakenError::LoginNameTaken) } else { Ok(()) }
}

/// Replaces a user with a tombstone: frees the names, and deletes credentials, untrusted
/// credentials, tickets and attempts.
pub(crate) async fn tombstone(
    connection: &mut PgConnection,
    user_id: UserId,
    now: OffsetDateTime,
) -> Result<(), StorageError> {
    sqlx::query!(
        "WITH name AS (
             DELETE FROM login_names n USING users u
             WHERE u.user_id = $1 AND n.canonical_name = u.canonical_name AND n.user_id = $1
         ),
         nick_name AS (
             DELETE FROM nick_names n USING users u
             WHERE u.user_id = $1 AND n.canonical_name = u.canonical_nick_name AND n.user_id = $1
         ),
         issued AS (DELETE FROM tickets WHERE user_id = $1),
         secrets AS (
             DELETE FROM credentials WHERE user_id = $1
             RETURNING credential_type, identifier_digest
         ),
         identifiers AS (
             DELETE FROM credential_identifiers i USING secrets s
             WHERE i.credential_type = s.credential_type AND i.digest = s.identifier_digest
               AND i.user_id = $1
         ),
         untrusted AS (DELETE FROM untrusted_credentials WHERE user_id = $1),
         attempts AS (
             DELETE FROM authentication_attempts WHERE user_id = $1 RETURNING 1
         ),
         addresses AS (
             DELETE FROM known_addresses
             WHERE user_id = $1 AND (SELECT count(*) FROM attempts) >= 0
             RETURNING address_digest
         ),
         failures AS (
             DELETE FROM address_failures f USING addresses a
             WHERE f.address_digest = a.address_digest AND f.user_id = $1
         )
         UPDATE users
         SET login_name = '', canonical_name = '', display_name = '', is_retired = true,
             is_administrator = false, role = NULL, person_id = 0, role_id = 0, ej_user_id = 0, nick_name = '',
             canonical_nick_name = '', deleted_at = $2
         WHERE user_id = $1",
        user_id.as_i32(),
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}
