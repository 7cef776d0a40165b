//! Appends audit events, except those of a credential's write, and reads the last one of a user.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::error::StorageError;
use crate::domain::{audit::AuditEvent, user::UserId};

/// Appends an event. The caller advances the head in `users`.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    event: &AuditEvent,
    key_id: &str,
    mac: &[u8],
) -> Result<(), StorageError> {
    sqlx::query!(
        "INSERT INTO audit_events (user_id, sequence, occurred_at, kind, actor_user_id, scheme,
                                   address, request_id, credential_type, session_epoch, key_id, mac,
                                   reason)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        event.user_id.as_i32(),
        event.sequence,
        event.occurred_at,
        event.kind.as_str(),
        event.actor.map(UserId::as_i32),
        event.scheme,
        event.address,
        event.request_id,
        event.credential_type,
        event.session_epoch,
        key_id,
        mac,
        event.reason,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The time of the user's last event.
pub(crate) async fn find_last_time(
    connection: &mut PgConnection,
    user_id: UserId,
) -> Result<Option<OffsetDateTime>, StorageError> {
    let occurred_at = sqlx::query_scalar!(
        "SELECT occurred_at FROM audit_events WHERE user_id = $1 ORDER BY sequence DESC LIMIT 1",
        user_id.as_i32(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(occurred_at)
}
