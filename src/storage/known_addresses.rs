//! Empties the digests of tried secrets that known addresses keep.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::error::StorageError;

/// Empties the digests of up to `limit` known addresses whose last failure is not later than `before`.
#[tracing::instrument(name = "db.known_addresses.forget_secrets", skip_all)]
pub(crate) async fn forget_secrets(
    connection: &mut PgConnection,
    before: OffsetDateTime,
    limit: i64,
) -> Result<(), StorageError> {
    let found = sqlx::query!(
        "SELECT user_id, address_digest FROM known_addresses
         WHERE last_succeeded_at IS NOT NULL AND counted_secrets <> '{}' AND last_failed_at <= $1
         ORDER BY last_failed_at LIMIT $2",
        before,
        limit,
    )
    .fetch_all(&mut *connection)
    .await?;
    // One by one: no statement locks two of these rows, whatever their order.
    for row in found {
        sqlx::query!(
            "UPDATE known_addresses SET counted_secrets = '{}'
             WHERE user_id = $1 AND address_digest = $2 AND counted_secrets <> '{}'
               AND last_failed_at <= $3",
            row.user_id,
            row.address_digest,
            before,
        )
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
