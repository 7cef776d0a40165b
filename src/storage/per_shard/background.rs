//! Background work on many users: finds the keys of a batch on all shards, without locks, then changes
//! each row by its key. Two instances may find the same rows; each row is changed once.

use sqlx::PgConnection;
use time::{Duration, OffsetDateTime};

use super::commit_without_standby;
use crate::storage::{
    credential_uses::CredentialUse,
    error::StorageError,
    password_mails::{WaitingMail, WaitingRow},
};

/// As `credential_uses::record`, for the uses of one user.
pub(in crate::storage) async fn record_uses(
    connection: &mut PgConnection,
    uses: &[CredentialUse],
    interval: Duration,
) -> Result<(), StorageError> {
    commit_without_standby(connection).await?;
    for used in uses {
        sqlx::query!(
            "UPDATE credentials
             SET last_used_at = $4, last_used_scheme = $5, last_used_address = $6
             WHERE user_id = $1 AND credential_type IN (
                 SELECT credential_type FROM credentials
                 WHERE user_id = $1 AND credential_type = $2 AND version = $3
                   AND (last_used_at IS NULL OR last_used_at < $7)
                 FOR NO KEY UPDATE SKIP LOCKED
             )",
            used.user_id.as_i32(),
            used.credential_type,
            used.version,
            used.at,
            used.scheme,
            used.address,
            used.at - interval,
        )
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}

/// As `tickets::delete_expired`.
pub(in crate::storage) async fn delete_expired_tickets(
    connection: &mut PgConnection,
    now: OffsetDateTime,
    limit: i64,
) -> Result<u64, StorageError> {
    let expired = sqlx::query!(
        "SELECT user_id, digest FROM tickets WHERE expires_at <= $1 ORDER BY expires_at LIMIT $2",
        now,
        limit,
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut deleted = 0;
    for row in expired {
        let done = sqlx::query!(
            "DELETE FROM tickets WHERE user_id = $1 AND digest = $2 AND expires_at <= $3",
            row.user_id,
            row.digest,
            now,
        )
        .execute(&mut *connection)
        .await?;
        deleted += done.rows_affected();
    }
    Ok(deleted)
}

/// As `attempts::delete_stale_addresses`.
pub(in crate::storage) async fn delete_stale_addresses(
    connection: &mut PgConnection,
    before: OffsetDateTime,
    limit: i64,
) -> Result<u64, StorageError> {
    let known = sqlx::query!(
        "SELECT user_id, address_digest FROM known_addresses
         WHERE last_succeeded_at IS NULL AND last_failed_at <= $1
         ORDER BY last_failed_at LIMIT $2",
        before,
        limit,
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut deleted = 0;
    for row in known {
        let done = sqlx::query!(
            "DELETE FROM known_addresses
             WHERE user_id = $1 AND address_digest = $2 AND last_succeeded_at IS NULL
               AND last_failed_at <= $3",
            row.user_id,
            row.address_digest,
            before,
        )
        .execute(&mut *connection)
        .await?;
        deleted += done.rows_affected();
    }
    Ok(deleted.max(delete_stale_failures(connection, before, limit).await?))
}

async fn delete_stale_failures(
    connection: &mut PgConnection,
    before: OffsetDateTime,
    limit: i64,
) -> Result<u64, StorageError> {
    let stale = sqlx::query!(
        "SELECT address_digest, user_id FROM address_failures
         WHERE last_failed_at <= $1 ORDER BY last_failed_at LIMIT $2",
        before,
        limit,
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut deleted = 0;
    for row in stale {
        let done = sqlx::query!(
            "DELETE FROM address_failures
             WHERE address_digest = $1 AND user_id = $2 AND last_failed_at <= $3",
            row.address_digest,
            row.user_id,
            before,
        )
        .execute(&mut *connection)
        .await?;
        deleted += done.rows_affected();
    }
    Ok(deleted)
}

/// As `password_mails::claim`.
pub(in crate::storage) async fn claim_mail(
    connection: &mut PgConnection,
    now: OffsetDateTime,
    until: OffsetDateTime,
) -> Result<Option<WaitingMail>, StorageError> {
    loop {
        let due = sqlx::query!(
            "SELECT user_id, mail_id FROM password_mails
             WHERE outcome IS NULL AND next_attempt_at <= $1
             ORDER BY next_attempt_at LIMIT 1",
            now,
        )
        .fetch_optional(&mut *connection)
        .await?;
        let Some(due) = due else { return Ok(None) };
        let claimed = sqlx::query_as!(
            WaitingRow,
            r#"UPDATE password_mails SET attempts = attempts + 1, next_attempt_at = $4
             WHERE user_id = $1 AND mail_id = $2 AND outcome IS NULL AND next_attempt_at <= $3
             RETURNING user_id, mail_id, session_epoch, language, request_id,
                       network_digest IS NOT NULL AS "is_anonymous!", requested_at, attempts"#,
            due.user_id,
            due.mail_id,
            now,
            until,
        )
        .fetch_optional(&mut *connection)
        .await?;
        // Another instance has claimed it meanwhile: the next one.
        if let Some(row) = claimed {
            return WaitingMail::try_from(row).map(Some);
        }
    }
}

/// As `password_mails::end_overdue`.
pub(in crate::storage) async fn end_overdue_mails(
    connection: &mut PgConnection,
    before: OffsetDateTime,
    now: OffsetDateTime,
    limit: i64,
) -> Result<u64, StorageError> {
    let overdue = sqlx::query!(
        "SELECT user_id, mail_id FROM password_mails
         WHERE outcome IS NULL AND requested_at < $1 LIMIT $2",
        before,
        limit,
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut ended = 0;
    for row in overdue {
        let done = sqlx::query!(
            "UPDATE password_mails SET outcome = 'failed', finished_at = $3
             WHERE user_id = $1 AND mail_id = $2 AND outcome IS NULL",
            row.user_id,
            row.mail_id,
            now,
        )
        .execute(&mut *connection)
        .await?;
        ended += done.rows_affected();
    }
    Ok(ended)
}

/// As `password_mails::delete_finished`.
pub(in crate::storage) async fn delete_finished_mails(
    connection: &mut PgConnection,
    before: OffsetDateTime,
    limit: i64,
) -> Result<u64, StorageError> {
    let finished = sqlx::query!(
        "SELECT user_id, mail_id FROM password_mails
         WHERE finished_at < $1 ORDER BY finished_at LIMIT $2",
        before,
        limit,
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut deleted = 0;
    for row in finished {
        let done = sqlx::query!(
            "DELETE FROM password_mails WHERE user_id = $1 AND mail_id = $2",
            row.user_id,
            row.mail_id,
        )
        .execute(&mut *connection)
        .await?;
        deleted += done.rows_affected();
    }
    Ok(deleted)
}
