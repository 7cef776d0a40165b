//! What was tried in vain, and from where users log in (protocol.md 10.26).
//!
//! Every statement takes the rows of `authentication_attempts` before those of `callers`, so that no
//! two of them wait for each other.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::StorageError;
use crate::domain::{
    attempts::{
        ADDRESS_WINDOW, AttemptLimits, AttemptSummary, KNOWN_CALLER_FAILURES,
        MAXIMUM_KNOWN_CALLERS, MAXIMUM_PER_DAY, Subject, Tries,
    },
    user::UserId,
};

/// One try of a secret, before anybody knows whether it is right.
#[derive(Debug)]
pub(crate) struct Attempt {
    pub(crate) subject: Subject,
    /// Digest of the address; `None`: no network was involved.
    pub(crate) address: Option<Vec<u8>>,
    /// Digest of the secret.
    pub(crate) secret: Vec<u8>,
    pub(crate) at: OffsetDateTime,
}

/// A type whose try was charged.
#[derive(Debug)]
pub(crate) struct ChargedType {
    pub(crate) credential_type: String,
    /// Failures, should this one be another.
    pub(crate) failures: u32,
}

struct ChargedRow {
    credential_type: String,
    failures: i32,
}

/// Charges a try to each of the types where one may be made, and tells which these are. A secret that
/// was tried lately is not counted again.
#[tracing::instrument(name = "db.attempts.charge", skip_all)]
pub(crate) async fn charge(
    connection: &mut PgConnection,
    attempt: &Attempt,
    types: &[String],
    limits: &AttemptLimits,
) -> Result<Vec<ChargedType>, StorageError> {
    let number = |number: u32| i32::try_from(number).unwrap_or(i32::MAX);
    let charged = sqlx::query_file_as!(
        ChargedRow,
        "src/storage/charge_attempt.sql",
        attempt.subject.as_i32(),
        types,
        attempt.secret,
        attempt.address,
        attempt.at,
        number(limits.before_delay),
        limits.maximum_delay.as_secs_f64(),
        number(limits.maximum_failures),
        number(MAXIMUM_PER_DAY),
        attempt.at - ADDRESS_WINDOW,
    )
    .fetch_all(connection)
    .await?;
    charged
        .into_iter()
        .map(|row| {
            let failures = u32::try_from(row.failures).map_err(|_| INCONSISTENT)?;
            Ok(ChargedType { credential_type: row.credential_type, failures })
        })
        .collect()
}

const INCONSISTENT: StorageError = StorageError::Inconsistent { table: "authentication_attempts" };

/// Charges a try to an address that is known and has not tried enough already; says whether it was.
#[tracing::instrument(name = "db.attempts.charge_known", skip_all)]
pub(crate) async fn charge_known(
    connection: &mut PgConnection,
    attempt: &Attempt,
) -> Result<bool, StorageError> {
    let done = sqlx::query!(
        "UPDATE callers AS c
         SET failures = CASE WHEN $3 = ANY(c.tried) THEN c.failures
                             WHEN c.last_failed_at IS NULL OR c.last_failed_at <= $6 THEN 1
                             ELSE c.failures + 1 END,
             tried = CASE WHEN $3 = ANY(c.tried) THEN c.tried ELSE ($3::bytea || c.tried)[1:16] END,
             last_failed_at = CASE WHEN $3 = ANY(c.tried) THEN c.last_failed_at ELSE $4 END
         WHERE user_id = $1 AND address_digest = $2 AND last_succeeded_at IS NOT NULL
           AND (failures < $5 OR last_failed_at <= $6)",
        attempt.subject.as_i32(),
        attempt.address,
        attempt.secret,
        attempt.at,
        i32::try_from(KNOWN_CALLER_FAILURES).unwrap_or(i32::MAX),
        attempt.at - ADDRESS_WINDOW,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Notes that a secret was right: its address is known from now on, it counts as no failure of any
/// type, and what was tried in vain for its own is forgotten if `forgets` says so.
#[tracing::instrument(name = "db.attempts.settle", skip_all)]
pub(crate) async fn settle(
    connection: &mut PgConnection,
    attempt: &Attempt,
    credential_type: &str,
    forgets: bool,
) -> Result<(), StorageError> {
    sqlx::query!(
        "WITH cleared AS (
             UPDATE authentication_attempts
             SET failures = CASE WHEN $5 AND credential_type = $3 THEN 0
                                 WHEN $8 = ANY(tried) THEN greatest(failures - 1, 0)
                                 ELSE failures END,
                 next_allowed_at = CASE WHEN ($5 AND credential_type = $3) OR $8 = ANY(tried) THEN NULL
                                        ELSE next_allowed_at END,
                 day_failures = CASE WHEN $8 = ANY(tried) THEN greatest(day_failures - 1, 0)
                                     ELSE day_failures END,
                 tried = CASE WHEN $5 AND credential_type = $3 THEN '{}'
                              ELSE array_remove(tried, $8) END
             WHERE user_id = $1 AND (($5 AND credential_type = $3) OR $8 = ANY(tried))
             RETURNING 1
         ), forgotten AS (
             DELETE FROM callers WHERE (user_id, address_digest) IN (
                 SELECT o.user_id, o.address_digest FROM callers o
                 WHERE o.user_id = $1 AND o.last_succeeded_at IS NOT NULL
                   AND o.address_digest <> $2
                 ORDER BY o.last_succeeded_at DESC OFFSET $6 FOR UPDATE SKIP LOCKED
             )
         )
         INSERT INTO callers AS c (user_id, address_digest, failures, tried, last_succeeded_at)
         SELECT $1, $2, 0, '{}', $4 FROM (SELECT count(*) FROM cleared) AS first
         WHERE $2::bytea IS NOT NULL
         ON CONFLICT (user_id, address_digest)
         DO UPDATE SET
             failures = CASE WHEN c.last_failed_at <= $7 THEN 0
                             WHEN $8 = ANY(c.tried) THEN greatest(c.failures - 1, 0)
                             ELSE c.failures END,
             tried = CASE WHEN c.last_failed_at <= $7 THEN '{}' ELSE array_remove(c.tried, $8) END,
             last_succeeded_at = $4",
        attempt.subject.as_i32(),
        attempt.address,
        credential_type,
        attempt.at,
        forgets,
        i64::from(MAXIMUM_KNOWN_CALLERS) - 1,
        attempt.at - ADDRESS_WINDOW,
        attempt.secret,
    )
    .execute(connection)
    .await?;
    Ok(())
}

struct AttemptRow {
    credential_type: String,
    failures: i32,
    next_allowed_at: Option<OffsetDateTime>,
    day_started_at: OffsetDateTime,
    day_failures: i32,
}

/// What was tried in vain for a subject, by type.
pub(crate) async fn list(
    connection: &mut PgConnection,
    subject: Subject,
) -> Result<Vec<AttemptSummary>, StorageError> {
    let rows = sqlx::query_as!(
        AttemptRow,
        "SELECT credential_type, failures, next_allowed_at, day_started_at, day_failures
         FROM authentication_attempts
         WHERE user_id = $1 AND failures > 0 ORDER BY credential_type",
        subject.as_i32(),
    )
    .fetch_all(connection)
    .await?;
    let summary = |row: AttemptRow| {
        let failures = u32::try_from(row.failures).map_err(|_| INCONSISTENT)?;
        let day_failures = u32::try_from(row.day_failures).map_err(|_| INCONSISTENT)?;
        let tries = Tries {
            failures,
            next_allowed_at: row.next_allowed_at,
            day: (row.day_started_at, day_failures),
        };
        Ok(AttemptSummary { credential_type: row.credential_type, tries })
    };
    rows.into_iter().map(summary).collect()
}

/// Forgets what was tried in vain for a user, of one type or of all; says whether there was anything.
pub(crate) async fn forget(
    connection: &mut PgConnection,
    user_id: UserId,
    credential_type: Option<&str>,
) -> Result<bool, StorageError> {
    let forgotten = sqlx::query_scalar!(
        r#"WITH forgotten AS (
               DELETE FROM authentication_attempts
               WHERE user_id = $1 AND ($2::text IS NULL OR credential_type = $2)
               RETURNING 1
           ), forgiven AS (
               UPDATE callers SET failures = 0, tried = '{}'
               WHERE user_id = $1 AND (SELECT count(*) FROM forgotten) >= 0
           )
           -- As things stood before.
           SELECT EXISTS (
               SELECT FROM authentication_attempts
               WHERE user_id = $1 AND failures > 0
                 AND ($2::text IS NULL OR credential_type = $2)
           ) OR EXISTS (
               SELECT FROM callers WHERE user_id = $1 AND failures > 0
           ) AS "forgotten!""#,
        user_id.as_i32(),
        credential_type,
    )
    .fetch_one(connection)
    .await?;
    Ok(forgotten)
}

/// Deletes up to `limit` addresses that nobody has logged in from, and that failed last before that
/// moment; tells how many there were.
pub(crate) async fn delete_callers_before(
    connection: &mut PgConnection,
    before: OffsetDateTime,
    limit: i64,
) -> Result<u64, StorageError> {
    let done = sqlx::query!(
        "DELETE FROM callers WHERE (user_id, address_digest) IN (
             SELECT user_id, address_digest FROM callers
             WHERE last_succeeded_at IS NULL AND last_failed_at <= $1
             ORDER BY last_failed_at LIMIT $2 FOR UPDATE SKIP LOCKED
         )",
        before,
        limit,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
