//! The audit events that are not part of a credential's write.

use sqlx::PgConnection;

use super::StorageError;
use crate::domain::{audit::AuditEvent, user::UserId};

/// Appends an event. The head in `users` is the caller's business.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    event: &AuditEvent,
    key_id: &str,
    mac: &[u8],
) -> Result<(), StorageError> {
    sqlx::query!(
        "INSERT INTO audit_events (user_id, sequence, occurred_at, kind, actor_user_id, scheme,
                                   address, request_id, credential_type, session_epoch, key_id, mac)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
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
    )
    .execute(connection)
    .await?;
    Ok(())
}
