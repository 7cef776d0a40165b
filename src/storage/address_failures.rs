//! The copies of the failures of known addresses, keyed by the address.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::error::StorageError;
use crate::domain::throttling::Subject;

/// The failures of an address for a subject.
#[derive(Debug)]
pub(super) struct AddressFailures {
    pub(super) failures: i32,
    pub(super) last_failed_at: OffsetDateTime,
}

/// Writes the failures of an address for a subject, unless they are stored already.
pub(super) async fn upsert(
    connection: &mut PgConnection,
    address: &[u8],
    subject: Subject,
    counted: &AddressFailures,
) -> Result<(), StorageError> {
    sqlx::query!(
        "INSERT INTO address_failures AS f (address_digest, user_id, failures, last_failed_at)
         VALUES ($1, $2, $3, $4)
         ON CONFLICT (address_digest, user_id) DO UPDATE SET
             failures = excluded.failures, last_failed_at = excluded.last_failed_at
         WHERE (f.failures, f.last_failed_at) IS DISTINCT FROM
               (excluded.failures, excluded.last_failed_at)",
        address,
        subject.as_i32(),
        counted.failures,
        counted.last_failed_at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Changes the number of failures of an address for a subject, if there are any.
pub(super) async fn set(
    connection: &mut PgConnection,
    address: &[u8],
    subject: Subject,
    failures: i32,
) -> Result<(), StorageError> {
    sqlx::query!(
        "UPDATE address_failures SET failures = $3 WHERE address_digest = $1 AND user_id = $2",
        address,
        subject.as_i32(),
        failures,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes the failures of an address for a subject.
pub(super) async fn delete(
    connection: &mut PgConnection,
    address: &[u8],
    subject: Subject,
) -> Result<(), StorageError> {
    sqlx::query!(
        "DELETE FROM address_failures WHERE address_digest = $1 AND user_id = $2",
        address,
        subject.as_i32(),
    )
    .execute(connection)
    .await?;
    Ok(())
}
