//! Reads everything that a login with a name and a secret needs: the user of the name from the directory,
//! then the user, then the failures of the address.

use sqlx::PgConnection;

use crate::{
    domain::{
        throttling::{ADDRESS_WINDOW, Subject},
        user::{User, UserId},
    },
    storage::{
        error::StorageError,
        logins::{Login, LoginQuery, LoginRow, login},
        users::{self, UserRow},
    },
};

/// As `logins::find`. The name may have moved to another user between the two reads: the row of the user
/// must have it.
#[tracing::instrument(name = "db.logins.find", skip_all)]
pub(in crate::storage) async fn find(
    connection: &mut PgConnection,
    query: &LoginQuery<'_>,
) -> Result<Login, StorageError> {
    let subject = users::find_subject(connection, query.canonical_name, query.pseudo).await?;
    let mut rows = find_rows(connection, query, subject).await?;
    if subject != query.pseudo && rows.iter().all(|row| row.user_id.is_none()) {
        // The user was renamed or deleted meanwhile. The counters are not those of the name.
        rows = find_rows(connection, query, query.pseudo).await?;
    }
    let failures = sqlx::query_scalar!(
        r#"SELECT coalesce(sum(f.failures), 0) AS "failures!" FROM (
               SELECT failures FROM address_failures
               WHERE address_digest = $1 AND failures > 0 AND last_failed_at > $2
               LIMIT $3
           ) AS f"#,
        query.address,
        query.now - ADDRESS_WINDOW,
        i64::from(query.maximum_per_address),
    )
    .fetch_one(connection)
    .await?;
    for row in &mut rows {
        row.address_failures = failures;
    }
    login(rows, query.pseudo)
}

/// The rows of the subject: one for each requested type.
async fn find_rows(
    connection: &mut PgConnection,
    query: &LoginQuery<'_>,
    subject: Subject,
) -> Result<Vec<LoginRow>, StorageError> {
    let rows = sqlx::query_as!(
        LoginRow,
        r#"SELECT t.name AS "asked_type!", u.user_id AS "user_id?", u.login_name AS "login_name?",
                  u.display_name AS "display_name?", u.user_type AS "user_type?",
                  u.is_administrator AS "is_administrator?", u.role AS "role?",
                  u.is_retired AS "is_retired?", u.session_epoch AS "session_epoch?",
                  u.person_id AS "person_id?", u.role_id AS "role_id?",
                  u.ej_user_id AS "ej_user_id?", u.nick_name AS "nick_name?",
                  c.credential_type AS "credential_type?",
                  c.sealed_hash AS "sealed_hash?", c.key_id AS "key_id?",
                  c.hash_scheme AS "hash_scheme?", c.hash_memory_kib AS "hash_memory_kib?",
                  c.hash_iterations AS "hash_iterations?",
                  c.hash_parallelism AS "hash_parallelism?", c.version AS "version?",
                  c.valid_from AS "valid_from?", c.valid_to AS "valid_to?",
                  c.change_required AS "change_required?",
                  a.failures AS "failures?", a.throttle_failures AS "throttle_failures?",
                  a.next_allowed_at AS "next_allowed_at?",
                  k.last_succeeded_at AS "last_succeeded_at?",
                  CASE WHEN k.last_failed_at > $4 THEN k.failures ELSE 0 END
                      AS "subject_failures?",
                  0::bigint AS "address_failures!"
           FROM unnest($2::text[]) AS t(name)
           LEFT JOIN users u ON u.user_id = $1 AND u.canonical_name = $5
           LEFT JOIN credentials c ON c.user_id = $1 AND c.credential_type = t.name
           LEFT JOIN authentication_attempts a ON a.user_id = $1 AND a.credential_type = t.name
           LEFT JOIN known_addresses k ON k.user_id = $1 AND k.address_digest = $3"#,
        subject.as_i32(),
        query.types,
        query.address,
        query.now - ADDRESS_WINDOW,
        query.canonical_name,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows)
}

/// As `users::find_by_login_name`.
pub(in crate::storage) async fn find_by_login_name(
    connection: &mut PgConnection,
    canonical_name: &str,
) -> Result<Option<User>, StorageError> {
    let found = sqlx::query_scalar!(
        "SELECT user_id FROM login_names WHERE canonical_name = $1",
        canonical_name,
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(user_id) = found else { return Ok(None) };
    let user_id = UserId::try_from(user_id)
        .map_err(|_| StorageError::Inconsistent { table: "login_names" })?;
    sqlx::query_as!(
        UserRow,
        "SELECT user_id, login_name, display_name, user_type, is_administrator, role, is_retired,
                session_epoch, person_id, role_id, ej_user_id, nick_name
         FROM users WHERE user_id = $1 AND canonical_name = $2",
        user_id.as_i32(),
        canonical_name,
    )
    .fetch_optional(connection)
    .await?
    .map(User::try_from)
    .transpose()
}
