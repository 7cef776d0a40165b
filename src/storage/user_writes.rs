//! Inserts users, and changes users whose row the caller's transaction has locked.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{
    attempt_changes as attempts,
    credential_writes::{FormerIdentifier, delete_identifier},
    error::StorageError,
    nick_names,
    users::UserTakenError,
};
use crate::domain::{
    new_login_name::NewLoginName,
    new_user::NewUser,
    role::Role,
    user::{User, UserId},
};

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
    // A name or an id that another user has, also one who is added at the same moment, changes no row.
    insert_name(connection, user_id, user.login_name.canonical()).await?;
    nick_names::insert(connection, user_id, &user.nick_name).await?;
    let done = sqlx::query!(
        "INSERT INTO users (user_id, login_name, canonical_name, display_name, user_type,
                            is_administrator, audit_sequence, audit_mac, created_at, is_retired,
                            person_id, role_id, ej_user_id, nick_name, canonical_nick_name, role)
         VALUES ($1, $2, $8, $3, $4, $5, 1, $6, $7, $9, $10, $11, $12, $13, $14, $15)
         ON CONFLICT (user_id) DO NOTHING",
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
    .map_err(StorageError::from)?;
    if done.rows_affected() == 0 { Err(UserTakenError::UserIdTaken) } else { Ok(()) }
}

/// Adds a login name to the directory.
async fn insert_name(
    connection: &mut PgConnection,
    user_id: UserId,
    canonical_name: &str,
) -> Result<(), UserTakenError> {
    let done = sqlx::query!(
        "INSERT INTO login_names (canonical_name, user_id) VALUES ($1, $2)
         ON CONFLICT (canonical_name) DO NOTHING",
        canonical_name,
        user_id.as_i32(),
    )
    .execute(connection)
    .await
    .map_err(StorageError::from)?;
    if done.rows_affected() == 0 { Err(UserTakenError::LoginNameTaken) } else { Ok(()) }
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

/// Changes the login name of a user whose row the caller's transaction has locked; the old name becomes
/// free. Credentials that display the old name display the new one.
///
/// # Errors
/// When another user has the name. Nothing is written.
pub(crate) async fn rename(
    connection: &mut PgConnection,
    user_id: UserId,
    name: &NewLoginName,
) -> Result<(), UserTakenError> {
    let names = find_names(connection, user_id).await?;
    // Another spelling of the same name has the same entry.
    if names.canonical_name != name.canonical() {
        insert_name(connection, user_id, name.canonical()).await?;
        delete_name(connection, user_id, &names.canonical_name).await?;
    }
    sqlx::query!(
        "UPDATE users SET login_name = $3, canonical_name = $2 WHERE user_id = $1",
        user_id.as_i32(),
        name.canonical(),
        name.as_str(),
    )
    .execute(&mut *connection)
    .await
    .map_err(StorageError::from)?;
    replace_display_values(connection, user_id, &names.login_name, name.as_str()).await?;
    Ok(())
}

/// Replaces the display value of a user's credentials that have the former one.
async fn replace_display_values(
    connection: &mut PgConnection,
    user_id: UserId,
    former: &str,
    new: &str,
) -> Result<(), StorageError> {
    sqlx::query!(
        "UPDATE credentials SET display_value = $3 WHERE user_id = $1 AND display_value = $2",
        user_id.as_i32(),
        former,
        new,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The login name of a user, and the keys of the user's entries in the directories of names. The
/// nickname is empty if there is none.
struct UserNames {
    login_name: String,
    canonical_name: String,
    canonical_nick_name: String,
}

async fn find_names(
    connection: &mut PgConnection,
    user_id: UserId,
) -> Result<UserNames, StorageError> {
    let names = sqlx::query_as!(
        UserNames,
        "SELECT login_name, canonical_name, canonical_nick_name FROM users WHERE user_id = $1",
        user_id.as_i32(),
    )
    .fetch_one(connection)
    .await?;
    Ok(names)
}

/// Deletes a login name from the directory.
async fn delete_name(
    connection: &mut PgConnection,
    user_id: UserId,
    canonical_name: &str,
) -> Result<(), StorageError> {
    sqlx::query!(
        "DELETE FROM login_names WHERE canonical_name = $1 AND user_id = $2",
        canonical_name,
        user_id.as_i32(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Replaces a user with a tombstone: frees the names, and deletes credentials, untrusted
/// credentials, tickets and attempts. The caller's transaction has locked the user's row.
pub(crate) async fn tombstone(
    connection: &mut PgConnection,
    user_id: UserId,
    now: OffsetDateTime,
) -> Result<(), StorageError> {
    let names = find_names(connection, user_id).await?;
    delete_name(connection, user_id, &names.canonical_name).await?;
    nick_names::delete(connection, user_id, &names.canonical_nick_name).await?;
    delete_credentials(connection, user_id).await?;
    attempts::delete_of_user(connection, user_id).await?;
    sqlx::query!(
        "UPDATE users
         SET login_name = '', canonical_name = '', display_name = '', is_retired = true,
             is_administrator = false, role = NULL, person_id = 0, role_id = 0, ej_user_id = 0,
             nick_name = '', canonical_nick_name = '', deleted_at = $2
         WHERE user_id = $1",
        user_id.as_i32(),
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes everything that proves a user, with the entries of the directory of identifiers.
async fn delete_credentials(
    connection: &mut PgConnection,
    user_id: UserId,
) -> Result<(), StorageError> {
    let deleted = sqlx::query!(
        "WITH issued AS (DELETE FROM tickets WHERE user_id = $1),
         untrusted AS (DELETE FROM untrusted_credentials WHERE user_id = $1)
         DELETE FROM credentials WHERE user_id = $1
         RETURNING credential_type, identifier_digest",
        user_id.as_i32(),
    )
    .fetch_all(&mut *connection)
    .await?;
    for row in deleted {
        if let Some(digest) = row.identifier_digest {
            let entry = FormerIdentifier { credential_type: row.credential_type, digest };
            delete_identifier(connection, user_id, &entry).await?;
        }
    }
    Ok(())
}
