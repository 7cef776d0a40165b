//! Appends audit events, except those of a credential's write, and reads the last one of a user.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::error::StorageError;
use crate::domain::{
    audit::{AuditEvent, AuditKind},
    principal::AuthenticationScheme,
    user::UserId,
};

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

/// An event that an actor caused.
#[derive(Debug)]
pub(crate) struct EventOfActor {
    pub(crate) user_id: UserId,
    pub(crate) sequence: i64,
    pub(crate) kind: AuditKind,
    pub(crate) actor: UserId,
    /// How the actor was authenticated.
    pub(crate) scheme: AuthenticationScheme,
    /// The time before which the event does not count.
    pub(crate) since: OffsetDateTime,
}

/// True when the user's chain has that event.
pub(crate) async fn exists(
    connection: &mut PgConnection,
    event: &EventOfActor,
) -> Result<bool, StorageError> {
    let exists = sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT 1 FROM audit_events
               WHERE user_id = $1 AND sequence = $2 AND kind = $3 AND actor_user_id = $4
                 AND scheme = $5 AND occurred_at >= $6
           ) AS "exists!""#,
        event.user_id.as_i32(),
        event.sequence,
        event.kind.as_str(),
        event.actor.as_i32(),
        event.scheme.as_str(),
        event.since,
    )
    .fetch_one(connection)
    .await?;
    Ok(exists)
}
