//! What was tried in vain, and from where users log in (protocol.md 10.26).
//!
//! Every statement takes the rows of `authentication_attempts` before those of `callers`, so that no
//! two of them wait for each other.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::StorageError;
use crate::domain::{
    attempts::{
        ADDRESS_WINDOW, AttemptLimits, AttemptSummary, FailureCount, KNOWN_CALLER_FAILURES,
        MAXIMUM_CONSECUTIVE, MAXIMUM_KNOWN_CALLERS, Subject, THROTTLE_DECAY,
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
pub(crate) struct ReservedType {
    pub(crate) credential_type: String,
    /// Failures in a row, should this one be another; beyond [`MAXIMUM_CONSECUTIVE`] its secret must
    /// not be verified.
    pub(crate) failures: u32,
    /// Failures from unknown addresses, should this one be another.
    pub(crate) throttle_failures: u32,
}

struct ReservedRow {
    credential_type: String,
    failures: i32,
    throttle_failures: i32,
}

impl TryFrom<ReservedRow> for ReservedType {
    type Error = StorageError;

    fn try_from(row: ReservedRow) -> Result<Self, StorageError> {
        Ok(Self {
            credential_type: row.credential_type,
            failures: count(row.failures)?,
            throttle_failures: count(row.throttle_failures)?,
        })
    }
}

/// A count as the table has it.
pub(super) fn count(stored: i32) -> Result<u32, StorageError> {
    u32::try_from(stored).map_err(|_| INCONSISTENT)
}

fn parameter(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// Charges a try from an unknown address to each of the types where one may be made, and tells which
/// these are. A secret that was tried lately is not counted again.
#[tracing::instrument(name = "db.attempts.reserve_attempt", skip_all)]
pub(crate) async fn reserve_attempt(
    connection: &mut PgConnection,
    attempt: &Attempt,
    types: &[String],
    limits: &AttemptLimits,
) -> Result<Vec<ReservedType>, StorageError> {
    sqlx::query_file_as!(
        ReservedRow,
        "src/storage/reserve_attempt.sql",
        attempt.subject.as_i32(),
        types,
        attempt.secret,
        attempt.address,
        attempt.at,
        parameter(limits.before_delay),
        limits.maximum_delay.as_secs_f64(),
        parameter(MAXIMUM_CONSECUTIVE),
        THROTTLE_DECAY.as_secs_f64(),
        parameter(limits.maximum_failures),
        attempt.at - ADDRESS_WINDOW,
    )
    .fetch_all(connection)
    .await?
    .into_iter()
    .map(ReservedType::try_from)
    .collect()
}

const INCONSISTENT: StorageError = StorageError::Inconsistent { table: "authentication_attempts" };

/// Charges a try to an address that is known and has not tried enough already; says whether it was.
#[tracing::instrument(name = "db.attempts.reserve_attempt_known", skip_all)]
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
        parameter(KNOWN_CALLER_FAILURES),
        attempt.at - ADDRESS_WINDOW,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Counts a try that [`charge_known`] has admitted among those in a row, and among no others: delays
/// and stop are for unknown addresses. `failures` as [`reserve_attempt`] tells them.
#[tracing::instrument(name = "db.attempts.count_known", skip_all)]
pub(crate) async fn count_known(
    connection: &mut PgConnection,
    attempt: &Attempt,
    types: &[String],
) -> Result<Vec<ReservedType>, StorageError> {
    sqlx::query_as!(
        ReservedRow,
        "INSERT INTO authentication_attempts AS a (user_id, credential_type, failures, tried)
         SELECT $1, t.name, 1, ARRAY[$3::bytea] FROM unnest($2::text[]) AS t(name)
         ORDER BY t.name COLLATE \"C\"
         ON CONFLICT (user_id, credential_type) DO UPDATE SET
             failures = CASE WHEN a.failures >= $4 THEN $4 + 1
                             WHEN $3 = ANY(a.tried) THEN a.failures
                             ELSE a.failures + 1 END,
             tried = CASE WHEN a.failures >= $4 OR $3 = ANY(a.tried) THEN a.tried
                          ELSE ($3 || a.tried)[1:16] END
         RETURNING credential_type, failures, throttle_failures",
        attempt.subject.as_i32(),
        types,
        attempt.secret,
        parameter(MAXIMUM_CONSECUTIVE),
    )
    .fetch_all(connection)
    .await?
    .into_iter()
    .map(ReservedType::try_from)
    .collect()
}

/// Notes that a secret was right: its address is known from now on, its type begins to count failures
/// in a row anew, and what it was charged itself is taken back from every type.
#[tracing::instrument(name = "db.attempts.record_success", skip_all)]
pub(crate) async fn record_success(
    connection: &mut PgConnection,
    attempt: &Attempt,
    credential_type: &str,
    limits: &AttemptLimits,
) -> Result<(), StorageError> {
    sqlx::query_file!(
        "src/storage/record_success.sql",
        attempt.subject.as_i32(),
        attempt.address,
        credential_type,
        attempt.at,
        i64::from(MAXIMUM_KNOWN_CALLERS) - 1,
        attempt.secret,
        attempt.at - ADDRESS_WINDOW,
        parameter(MAXIMUM_CONSECUTIVE),
        parameter(limits.before_delay),
        limits.maximum_delay.as_secs_f64(),
    )
    .execute(connection)
    .await?;
    Ok(())
}

struct AttemptRow {
    credential_type: String,
    failures: i32,
    throttle_failures: i32,
    next_allowed_at: Option<OffsetDateTime>,
}

impl TryFrom<AttemptRow> for AttemptSummary {
    type Error = StorageError;

    fn try_from(row: AttemptRow) -> Result<Self, StorageError> {
        let tries = FailureCount {
            // Tries beyond the lock are marked, not counted.
            failures: count(row.failures)?.min(MAXIMUM_CONSECUTIVE),
            throttle_failures: count(row.throttle_failures)?,
            next_allowed_at: row.next_allowed_at,
        };
        Ok(Self { credential_type: row.credential_type, tries })
    }
}

/// What was tried in vain for a subject, by type.
pub(crate) async fn list(
    connection: &mut PgConnection,
    subject: Subject,
) -> Result<Vec<AttemptSummary>, StorageError> {
    sqlx::query_as!(
        AttemptRow,
        "SELECT credential_type, failures, throttle_failures, next_allowed_at
         FROM authentication_attempts
         WHERE user_id = $1 AND (failures > 0 OR throttle_failures > 0) ORDER BY credential_type",
        subject.as_i32(),
    )
    .fetch_all(connection)
    .await?
    .into_iter()
    .map(AttemptSummary::try_from)
    .collect()
}

/// Forgets what was tried in vain for a user, of one type or of all; says whether there was anything.
pub(crate) async fn forget(
    connection: &mut PgConnection,
    user_id: UserId,
    credential_type: Option<&str>,
) -> Result<bool, StorageError> {
    let forgotten = sqlx::query_scalar!(
        r#"WITH locked AS (
               SELECT 1 FROM authentication_attempts
               WHERE user_id = $1 ORDER BY credential_type COLLATE "C" FOR UPDATE
           ), forgotten AS (
               DELETE FROM authentication_attempts
               WHERE user_id = $1 AND ($2::text IS NULL OR credential_type = $2)
                 AND (SELECT count(*) FROM locked) >= 0
               RETURNING 1
           ), forgiven AS (
               UPDATE callers SET failures = 0, tried = '{}'
               WHERE user_id = $1 AND (SELECT count(*) FROM forgotten) >= 0
           )
           -- As things stood before.
           SELECT EXISTS (
               SELECT FROM authentication_attempts
               WHERE user_id = $1 AND (failures > 0 OR throttle_failures > 0)
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
