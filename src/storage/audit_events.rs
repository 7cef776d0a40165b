//! Appends audit events, except those of a credential's write, and reads them.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::error::StorageError;
use crate::domain::{
    audit::{AuditEntry, AuditEvent},
    user::UserId,
};

struct EntryRow {
    sequence: i64,
    occurred_at: OffsetDateTime,
    kind: String,
    actor_user_id: Option<i32>,
    scheme: String,
    address: Option<String>,
    request_id: String,
    credential_type: Option<String>,
    reason: Option<String>,
}

impl TryFrom<EntryRow> for AuditEntry {
    type Error = StorageError;

    fn try_from(row: EntryRow) -> Result<Self, StorageError> {
        let inconsistent = |_| StorageError::Inconsistent { table: "audit_events" };
        Ok(Self {
            sequence: row.sequence,
            occurred_at: row.occurred_at,
            kind: row.kind,
            actor: row.actor_user_id.map(UserId::try_from).transpose().map_err(inconsistent)?,
            scheme: row.scheme,
            address: row.address,
            request_id: row.request_id,
            credential_type: row.credential_type,
            reason: row.reason,
        })
    }
}

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

/// Lists up to `limit` events of a user after the sequence `after`, in order.
pub(crate) async fn list_after(
    connection: &mut PgConnection,
    user_id: UserId,
    after: i64,
    limit: i64,
) -> Result<Vec<AuditEntry>, StorageError> {
    sqlx::query_as!(
        EntryRow,
        "SELECT sequence, occurred_at, kind, actor_user_id, scheme, address, request_id,
                credential_type, reason
         FROM audit_events WHERE user_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3",
        user_id.as_i32(),
        after,
        limit,
    )
    .fetch_all(connection)
    .await?
    .into_iter()
    .map(AuditEntry::try_from)
    .collect()
}
