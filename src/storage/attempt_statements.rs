//! Chooses the form of the statements that count attempts.

use sqlx::PgConnection;

use super::{
    attempts::{self as combined, Attempt, PendingFailure, ReservedType},
    error::StorageError,
    per_shard::{attempts as per_shard, pending_attempts},
    statements::Statements,
};
use crate::domain::throttling::AttemptLimits;

impl Statements {
    /// Reserves an attempt from an unknown address for each type that allows one, and returns these
    /// types.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn reserve_attempt(
        self,
        connection: &mut PgConnection,
        attempt: &Attempt,
        types: &[String],
        limits: &AttemptLimits,
    ) -> Result<Vec<ReservedType>, StorageError> {
        match self {
            Self::Combined => combined::reserve_attempt(connection, attempt, types, limits).await,
            Self::PerShard => per_shard::reserve_attempt(connection, attempt, types, limits).await,
        }
    }

    /// Reserves an attempt from a known address that has failures left; returns whether it was
    /// reserved.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn reserve_known_attempt(
        self,
        connection: &mut PgConnection,
        attempt: &Attempt,
    ) -> Result<bool, StorageError> {
        match self {
            Self::Combined => combined::reserve_known_attempt(connection, attempt).await,
            Self::PerShard => per_shard::reserve_known_attempt(connection, attempt).await,
        }
    }

    /// Records a successful login.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn record_success(
        self,
        connection: &mut PgConnection,
        attempt: &Attempt,
        credential_type: &str,
        limits: &AttemptLimits,
    ) -> Result<(), StorageError> {
        match self {
            Self::Combined => {
                combined::record_success(connection, attempt, credential_type, limits).await
            }
            Self::PerShard => {
                per_shard::record_success(connection, attempt, credential_type, limits).await
            }
        }
    }

    /// Counts an attempt that was reserved for a known address as a consecutive failure, for lockout
    /// only.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn count_known_attempt(
        self,
        connection: &mut PgConnection,
        attempt: &Attempt,
        types: &[String],
    ) -> Result<Vec<ReservedType>, StorageError> {
        match self {
            Self::Combined => combined::count_known_attempt(connection, attempt, types).await,
            Self::PerShard => per_shard::count_known_attempt(connection, attempt, types).await,
        }
    }

    /// Counts a failure in place of an attempt that was reserved as pending.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn confirm_failure(
        self,
        connection: &mut PgConnection,
        failure: &PendingFailure<'_>,
        limits: &AttemptLimits,
    ) -> Result<(), StorageError> {
        match self {
            Self::Combined => combined::confirm_failure(connection, failure, limits).await,
            Self::PerShard => pending_attempts::confirm_failure(connection, failure, limits).await,
        }
    }

    /// Takes back an attempt that was reserved as pending for these types.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn release_attempt(
        self,
        connection: &mut PgConnection,
        attempt: &Attempt,
        types: &[String],
        limits: &AttemptLimits,
    ) -> Result<(), StorageError> {
        match self {
            Self::Combined => combined::release_attempt(connection, attempt, types, limits).await,
            Self::PerShard => {
                pending_attempts::release_attempt(connection, attempt, types, limits).await
            }
        }
    }
}
