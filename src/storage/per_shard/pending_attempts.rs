//! Confirms and releases attempts that were counted while another system was asked about their secret.
//!
//! Rows are locked in the order of `storage::attempts`. The copy of the failures of an address is on the
//! shard of the address.

use sqlx::PgConnection;

use super::commit_without_standby;
use crate::{
    domain::throttling::{AttemptLimits, MAXIMUM_CONSECUTIVE},
    storage::{
        address_failures,
        attempts::{Attempt, PendingFailure, delay_ends, parameter},
        error::StorageError,
    },
};

/// As `attempts::confirm_failure`.
#[tracing::instrument(name = "db.attempts.confirm_failure", skip_all)]
pub(in crate::storage) async fn confirm_failure(
    connection: &mut PgConnection,
    failure: &PendingFailure<'_>,
    limits: &AttemptLimits,
) -> Result<(), StorageError> {
    let PendingFailure { pending, attempt, types, unlocked, is_throttled } = *failure;
    commit_without_standby(connection).await?;
    let counted = sqlx::query_file_scalar!(
        "src/storage/per_shard/confirm_failure.sql",
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
    .fetch_optional(&mut *connection)
    .await?;
    copy(connection, attempt, counted).await
}

/// As `attempts::release_attempt`.
#[tracing::instrument(name = "db.attempts.release_attempt", skip_all)]
pub(in crate::storage) async fn release_attempt(
    connection: &mut PgConnection,
    attempt: &Attempt,
    types: &[String],
    limits: &AttemptLimits,
) -> Result<(), StorageError> {
    commit_without_standby(connection).await?;
    let counted = sqlx::query_file_scalar!(
        "src/storage/per_shard/release_attempt.sql",
        attempt.subject.as_i32(),
        attempt.secret,
        attempt.address,
        parameter(MAXIMUM_CONSECUTIVE),
        parameter(limits.before_delay),
        &delay_ends(attempt.at, limits),
        types,
    )
    .fetch_optional(&mut *connection)
    .await?;
    copy(connection, attempt, counted).await
}

/// Copies the failures of the address of an attempt, if its row was changed.
async fn copy(
    connection: &mut PgConnection,
    attempt: &Attempt,
    counted: Option<i32>,
) -> Result<(), StorageError> {
    let Some((failures, address)) = counted.zip(attempt.address.as_deref()) else { return Ok(()) };
    address_failures::set(connection, address, attempt.subject, failures).await
}
