//! Counts failed login attempts, and records the addresses that users log in from.
//!
//! Every statement locks rows in the same order, so that no two wait for each other:
//! `authentication_attempts` by type, then `known_addresses`, then `address_failures`. The rows of
//! `address_failures` are copies of the counters in `known_addresses`, keyed by the address.

use std::time::Duration;

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::error::StorageError;
use crate::domain::throttling::{
    ADDRESS_WINDOW, AttemptLimits, AttemptSummary, FailureCount, KNOWN_ADDRESS_FAILURES,
    MAXIMUM_CONSECUTIVE, MAXIMUM_KNOWN_ADDRESSES, Subject, THROTTLE_DECAY,
};

/// A login attempt whose secret is not verified yet.
#[derive(Debug, Clone)]
pub(crate) struct Attempt {
    pub(crate) subject: Subject,
    /// The digest of the client address; `None`: no network was involved.
    pub(crate) address: Option<Vec<u8>>,
    /// The digest of the secret.
    pub(crate) secret: Vec<u8>,
    pub(crate) at: OffsetDateTime,
}

/// A failure that replaces an attempt which was reserved while another system was asked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PendingFailure<'attempt> {
    /// The reserved attempt.
    pub(crate) pending: &'attempt Attempt,
    /// The attempt with the digest of its secret.
    pub(crate) attempt: &'attempt Attempt,
    /// The types that were reserved.
    pub(crate) types: &'attempt [String],
    /// Those of them that are not locked. An attempt on a locked credential verified nothing, so its
    /// secret still counts later.
    pub(crate) unlocked: &'attempt [String],
    /// False for an attempt from a known address, which counts for lockout only.
    pub(crate) is_throttled: bool,
}

/// A credential type for which an attempt was reserved.
#[derive(Debug)]
pub(crate) struct ReservedType {
    pub(crate) credential_type: String,
    /// Consecutive failures, including this attempt; above [`MAXIMUM_CONSECUTIVE`] the credential
    /// is locked and the secret must not be verified.
    pub(crate) failures: u32,
    /// Failures from unknown addresses, including this attempt.
    pub(crate) throttle_failures: u32,
}

pub(super) struct ReservedRow {
    pub(super) credential_type: String,
    pub(super) failures: i32,
    pub(super) throttle_failures: i32,
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

/// A stored counter.
pub(super) fn count(stored: i32) -> Result<u32, StorageError> {
    u32::try_from(stored).map_err(|_| INCONSISTENT)
}

pub(super) fn parameter(number: u32) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// The SQL statements contain the same number. 2^30 seconds exceed every maximum.
const LARGEST_DELAY_EXPONENT: u32 = 30;

/// The ends of the delays after a failure at `at`, indexed by the number of failures beyond the
/// first one that causes a delay. The delay doubles from one second to the maximum.
pub(super) fn delay_ends(at: OffsetDateTime, limits: &AttemptLimits) -> Vec<OffsetDateTime> {
    let delay = |exponent| Duration::from_secs(1_u64 << exponent).min(limits.maximum_delay);
    let end = |exponent| {
        time::Duration::try_from(delay(exponent)).map_or(at, |delay| at.saturating_add(delay))
    };
    (0..=LARGEST_DELAY_EXPONENT).map(end).collect()
}

/// Reserves an attempt from an unknown address for each type that allows one, and returns these
/// types. A recently attempted secret is not counted again.
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
        &delay_ends(attempt.at, limits),
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

/// Reserves an attempt from a known address that has failures left; returns whether it was
/// reserved.
#[tracing::instrument(name = "db.attempts.reserve_known_attempt", skip_all)]
pub(crate) async fn reserve_known_attempt(
    connection: &mut PgConnection,
    attempt: &Attempt,
) -> Result<bool, StorageError> {
    let is_reserved = sqlx::query_file_scalar!(
        "src/storage/reserve_known_attempt.sql",
        attempt.subject.as_i32(),
        attempt.address,
        attempt.secret,
        attempt.at,
        parameter(KNOWN_ADDRESS_FAILURES),
        attempt.at - ADDRESS_WINDOW,
    )
    .fetch_one(connection)
    .await?;
    Ok(is_reserved)
}

/// Counts an attempt that [`reserve_known_attempt`] has reserved as a consecutive failure, for
/// lockout only: throttling applies to unknown addresses. Returns the counters as
/// [`reserve_attempt`] does.
#[tracing::instrument(name = "db.attempts.count_known_attempt", skip_all)]
pub(crate) async fn count_known_attempt(
    connection: &mut PgConnection,
    attempt: &Attempt,
    types: &[String],
) -> Result<Vec<ReservedType>, StorageError> {
    sqlx::query_as!(
        ReservedRow,
        "WITH commit_mode AS (
             SELECT set_config('synchronous_commit', 'local', true)
             WHERE current_setting('synchronous_commit') NOT IN ('local', 'off')
         )
         INSERT INTO authentication_attempts AS a
             (user_id, credential_type, failures, counted_secrets, throttle_failures,
              throttle_secrets, throttled_at)
         SELECT $1, asked.name, 1, ARRAY[$3::bytea], 0, '{}', $5
         FROM unnest($2::text[]) AS asked(name)
         WHERE (SELECT count(*) FROM commit_mode) >= 0
         ORDER BY asked.name COLLATE \"C\"
         ON CONFLICT (user_id, credential_type) DO UPDATE SET
             failures = CASE WHEN a.failures >= $4 THEN $4 + 1
                             WHEN $3 = ANY(a.counted_secrets) THEN a.failures
                             ELSE a.failures + 1 END,
             counted_secrets = CASE WHEN a.failures >= $4 OR $3 = ANY(a.counted_secrets)
                                    THEN a.counted_secrets
                                    ELSE ($3 || a.counted_secrets)[1:16] END
         RETURNING credential_type, failures, throttle_failures",
        attempt.subject.as_i32(),
        types,
        attempt.secret,
        parameter(MAXIMUM_CONSECUTIVE),
        attempt.at,
    )
    .fetch_all(connection)
    .await?
    .into_iter()
    .map(ReservedType::try_from)
    .collect()
}

/// Records a successful login: its address becomes a known address, the consecutive failures of its
/// type are reset, and its own reserved attempt is released for every type.
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
        i64::from(MAXIMUM_KNOWN_ADDRESSES) - 1,
        attempt.secret,
        attempt.at - ADDRESS_WINDOW,
        parameter(MAXIMUM_CONSECUTIVE),
        parameter(limits.before_delay),
        &delay_ends(attempt.at, limits),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Counts a failure with the secret of `attempt`, whose attempt was reserved as `pending` for these
/// types: by [`reserve_attempt`], or by [`count_known_attempt`] if it is not throttled.
#[tracing::instrument(name = "db.attempts.confirm_failure", skip_all)]
pub(crate) async fn confirm_failure(
    connection: &mut PgConnection,
    failure: &PendingFailure<'_>,
    limits: &AttemptLimits,
) -> Result<(), StorageError> {
    let PendingFailure { pending, attempt, types, unlocked, is_throttled } = *failure;
    sqlx::query_file!(
        "src/storage/confirm_failure.sql",
        attempt.subject.as_i32(),
        pending.secret,
        attempt.secret,
        attempt.address,
        attempt.at,
        parameter(MAXIMUM_CONSECUTIVE),
        parameter(limits.before_delay),
        &delay_ends(attempt.at, limits),
        types,
        is_throttled,
        unlocked,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes back an attempt that was reserved as pending for these types, because nobody could tell
/// whether its secret is right.
#[tracing::instrument(name = "db.attempts.release_attempt", skip_all)]
pub(crate) async fn release_attempt(
    connection: &mut PgConnection,
    attempt: &Attempt,
    types: &[String],
    limits: &AttemptLimits,
) -> Result<(), StorageError> {
    sqlx::query_file!(
        "src/storage/release_attempt.sql",
        attempt.subject.as_i32(),
        attempt.secret,
        attempt.address,
        parameter(MAXIMUM_CONSECUTIVE),
        parameter(limits.before_delay),
        &delay_ends(attempt.at, limits),
        types,
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
        let count = FailureCount {
            // The counter is one above the maximum after an attempt on a locked credential.
            failures: count(row.failures)?.min(MAXIMUM_CONSECUTIVE),
            throttle_failures: count(row.throttle_failures)?,
            next_allowed_at: row.next_allowed_at,
        };
        Ok(Self { credential_type: row.credential_type, count })
    }
}

/// Lists the failed attempts of a subject, by type.
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

/// Deletes the failures of addresses that are not later than `before`: up to `limit` rows of each
/// of the two tables, except the rows of known addresses. Returns the larger number of deleted
/// rows.
#[tracing::instrument(name = "db.attempts.sweep", skip_all)]
pub(crate) async fn delete_stale_addresses(
    connection: &mut PgConnection,
    before: OffsetDateTime,
    limit: i64,
) -> Result<u64, StorageError> {
    let deleted = sqlx::query_scalar!(
        r#"WITH addresses AS (
               DELETE FROM known_addresses WHERE (user_id, address_digest) IN (
                   SELECT user_id, address_digest FROM known_addresses
                   WHERE last_succeeded_at IS NULL AND last_failed_at <= $1
                   ORDER BY last_failed_at LIMIT $2 FOR UPDATE SKIP LOCKED
               )
               RETURNING 1
           ), failures AS (
               DELETE FROM address_failures WHERE (address_digest, user_id) IN (
                   SELECT address_digest, user_id FROM address_failures
                   WHERE last_failed_at <= $1
                   ORDER BY last_failed_at LIMIT $2 FOR UPDATE SKIP LOCKED
               )
               RETURNING 1
           )
           SELECT greatest(
               (SELECT count(*) FROM addresses), (SELECT count(*) FROM failures)
           ) AS "deleted!""#,
        before,
        limit,
    )
    .fetch_one(connection)
    .await?;
    u64::try_from(deleted).map_err(|_| INCONSISTENT)
}
