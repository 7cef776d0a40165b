//! Counts login attempts, and records the addresses that users log in from.
//!
//! Rows are locked in the order of `storage::attempts`. The copy of the failures of an address is on the
//! shard of the address.

use sqlx::PgConnection;

use super::commit_without_standby;
use crate::{
    domain::throttling::{
        ADDRESS_WINDOW, AttemptLimits, KNOWN_ADDRESS_FAILURES, MAXIMUM_CONSECUTIVE,
        MAXIMUM_KNOWN_ADDRESSES, THROTTLE_DECAY,
    },
    storage::{
        address_failures::{self, AddressFailures},
        attempts::{Attempt, ReservedRow, ReservedType, delay_ends, parameter},
        error::StorageError,
    },
};

/// As `attempts::reserve_attempt`.
#[tracing::instrument(name = "db.attempts.reserve_attempt", skip_all)]
pub(in crate::storage) async fn reserve_attempt(
    connection: &mut PgConnection,
    attempt: &Attempt,
    types: &[String],
    limits: &AttemptLimits,
) -> Result<Vec<ReservedType>, StorageError> {
    commit_without_standby(connection).await?;
    let mut reserved = Vec::new();
    for credential_type in in_lock_order(types) {
        let row = sqlx::query_file_as!(
            ReservedRow,
            "src/storage/per_shard/reserve_attempt.sql",
            attempt.subject.as_i32(),
            credential_type,
            attempt.secret,
            attempt.at,
            parameter(limits.before_delay),
            &delay_ends(attempt.at, limits),
            parameter(MAXIMUM_CONSECUTIVE),
            THROTTLE_DECAY.as_secs_f64(),
            parameter(limits.maximum_failures),
        )
        .fetch_optional(&mut *connection)
        .await?;
        reserved.extend(row.map(ReservedType::try_from).transpose()?);
    }
    if let Some(address) = attempt.address.as_deref().filter(|_| !reserved.is_empty()) {
        count_address(connection, attempt, address).await?;
    }
    Ok(reserved)
}

/// The types in the order in which every statement locks their rows.
fn in_lock_order(types: &[String]) -> Vec<&String> {
    let mut types: Vec<_> = types.iter().collect();
    types.sort_unstable();
    types
}

/// Counts an attempt for its address.
async fn count_address(
    connection: &mut PgConnection,
    attempt: &Attempt,
    address: &[u8],
) -> Result<(), StorageError> {
    let counted = sqlx::query_as!(
        AddressFailures,
        r#"INSERT INTO known_addresses AS k
             (user_id, address_digest, failures, counted_secrets, last_failed_at)
         VALUES ($1, $2, 1, ARRAY[$3::bytea], $4)
         ON CONFLICT (user_id, address_digest) DO UPDATE SET
             failures = CASE WHEN k.last_failed_at IS NULL OR k.last_failed_at <= $5 THEN 1
                             ELSE k.failures + 1 END,
             counted_secrets = coalesce(($3 || k.counted_secrets)[1:16], '{}'),
             last_failed_at = $4
         WHERE NOT ($3 = ANY(k.counted_secrets))
         RETURNING failures, last_failed_at AS "last_failed_at!""#,
        attempt.subject.as_i32(),
        address,
        attempt.secret,
        attempt.at,
        attempt.at - ADDRESS_WINDOW,
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(counted) = counted else { return Ok(()) };
    address_failures::upsert(connection, address, attempt.subject, &counted).await
}

/// As `attempts::reserve_known_attempt`.
#[tracing::instrument(name = "db.attempts.reserve_known_attempt", skip_all)]
pub(in crate::storage) async fn reserve_known_attempt(
    connection: &mut PgConnection,
    attempt: &Attempt,
) -> Result<bool, StorageError> {
    let Some(address) = attempt.address.as_deref() else { return Ok(false) };
    let window = attempt.at - ADDRESS_WINDOW;
    commit_without_standby(connection).await?;
    let reserved = sqlx::query!(
        "UPDATE known_addresses AS k
         SET failures = CASE WHEN $3 = ANY(k.counted_secrets) THEN k.failures
                             WHEN k.last_failed_at IS NULL OR k.last_failed_at <= $6 THEN 1
                             ELSE k.failures + 1 END,
             counted_secrets = CASE WHEN $3 = ANY(k.counted_secrets) THEN k.counted_secrets
                                    ELSE ($3::bytea || k.counted_secrets)[1:16] END,
             last_failed_at = CASE WHEN $3 = ANY(k.counted_secrets) THEN k.last_failed_at
                                   ELSE $4 END
         WHERE user_id = $1 AND address_digest = $2 AND last_succeeded_at IS NOT NULL
           AND (failures < $5 OR last_failed_at <= $6)
         RETURNING k.failures, k.last_failed_at",
        attempt.subject.as_i32(),
        address,
        attempt.secret,
        attempt.at,
        parameter(KNOWN_ADDRESS_FAILURES),
        window,
    )
    .fetch_optional(&mut *connection)
    .await?;
    let Some(row) = reserved else { return Ok(false) };
    if let Some(last_failed_at) = row.last_failed_at.filter(|at| *at > window) {
        let counted = AddressFailures { failures: row.failures, last_failed_at };
        address_failures::upsert(connection, address, attempt.subject, &counted).await?;
    }
    Ok(true)
}

/// As `attempts::count_known_attempt`.
#[tracing::instrument(name = "db.attempts.count_known_attempt", skip_all)]
pub(in crate::storage) async fn count_known_attempt(
    connection: &mut PgConnection,
    attempt: &Attempt,
    types: &[String],
) -> Result<Vec<ReservedType>, StorageError> {
    commit_without_standby(connection).await?;
    let mut counted = Vec::new();
    for credential_type in in_lock_order(types) {
        let row = sqlx::query_as!(
            ReservedRow,
            "INSERT INTO authentication_attempts AS a
                 (user_id, credential_type, failures, counted_secrets, throttle_failures,
                  throttle_secrets, throttled_at)
             VALUES ($1, $2, 1, ARRAY[$3::bytea], 0, '{}', $5)
             ON CONFLICT (user_id, credential_type) DO UPDATE SET
                 failures = CASE WHEN a.failures >= $4 THEN $4 + 1
                                 WHEN $3 = ANY(a.counted_secrets) THEN a.failures
                                 ELSE a.failures + 1 END,
                 counted_secrets = CASE WHEN a.failures >= $4 OR $3 = ANY(a.counted_secrets)
                                        THEN a.counted_secrets
                                        ELSE ($3 || a.counted_secrets)[1:16] END
             RETURNING credential_type, failures, throttle_failures",
            attempt.subject.as_i32(),
            credential_type,
            attempt.secret,
            parameter(MAXIMUM_CONSECUTIVE),
            attempt.at,
        )
        .fetch_one(&mut *connection)
        .await?;
        counted.push(row.try_into()?);
    }
    Ok(counted)
}

/// As `attempts::record_success`.
#[tracing::instrument(name = "db.attempts.record_success", skip_all)]
pub(in crate::storage) async fn record_success(
    connection: &mut PgConnection,
    attempt: &Attempt,
    credential_type: &str,
    limits: &AttemptLimits,
) -> Result<(), StorageError> {
    commit_without_standby(connection).await?;
    sqlx::query_file!(
        "src/storage/per_shard/record_success.sql",
        attempt.subject.as_i32(),
        attempt.address,
        credential_type,
        attempt.secret,
        parameter(MAXIMUM_CONSECUTIVE),
        parameter(limits.before_delay),
        &delay_ends(attempt.at, limits),
    )
    .execute(&mut *connection)
    .await?;
    let Some(address) = attempt.address.as_deref() else { return Ok(()) };
    let forgotten = forget_addresses(connection, attempt, address).await?;
    let known = add_known_address(connection, attempt, address).await?;
    for address in forgotten {
        address_failures::delete(connection, &address, attempt.subject).await?;
    }
    if let Some(counted) = known {
        address_failures::upsert(connection, address, attempt.subject, &counted).await?;
    }
    Ok(())
}

/// Deletes the known addresses of a user beyond the newest ones, and returns them.
async fn forget_addresses(
    connection: &mut PgConnection,
    attempt: &Attempt,
    address: &[u8],
) -> Result<Vec<Vec<u8>>, StorageError> {
    let forgotten = sqlx::query_scalar!(
        "DELETE FROM known_addresses WHERE user_id = $1 AND address_digest IN (
             SELECT k.address_digest FROM known_addresses k
             WHERE k.user_id = $1 AND k.last_succeeded_at IS NOT NULL AND k.address_digest <> $2
             ORDER BY k.last_succeeded_at DESC OFFSET $3 FOR UPDATE SKIP LOCKED
         )
         RETURNING address_digest",
        attempt.subject.as_i32(),
        address,
        i64::from(MAXIMUM_KNOWN_ADDRESSES) - 1,
    )
    .fetch_all(connection)
    .await?;
    Ok(forgotten)
}

/// Makes an address known, and returns its recent failures, if there are any.
async fn add_known_address(
    connection: &mut PgConnection,
    attempt: &Attempt,
    address: &[u8],
) -> Result<Option<AddressFailures>, StorageError> {
    let window = attempt.at - ADDRESS_WINDOW;
    let known = sqlx::query!(
        "INSERT INTO known_addresses AS k
             (user_id, address_digest, failures, counted_secrets, last_succeeded_at)
         VALUES ($1, $2, 0, '{}', $3)
         ON CONFLICT (user_id, address_digest) DO UPDATE SET
             failures = CASE WHEN k.last_failed_at <= $4 THEN 0
                             WHEN $5 = ANY(k.counted_secrets) THEN greatest(k.failures - 1, 0)
                             ELSE k.failures END,
             counted_secrets = CASE WHEN k.last_failed_at <= $4 THEN '{}'
                                    ELSE array_remove(k.counted_secrets, $5) END,
             last_succeeded_at = $3
         RETURNING failures, last_failed_at",
        attempt.subject.as_i32(),
        address,
        attempt.at,
        window,
        attempt.secret,
    )
    .fetch_one(connection)
    .await?;
    let last_failed_at = known.last_failed_at.filter(|at| *at > window);
    Ok(last_failed_at
        .map(|last_failed_at| AddressFailures { failures: known.failures, last_failed_at }))
}
