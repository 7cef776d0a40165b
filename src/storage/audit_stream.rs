//! Reads the audit events of all users in the order of the stream, for sinks.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{chain_heads::LinkRow, error::StorageError};
use crate::domain::{
    audit::ChainLink,
    audit_stream::{START, StreamedEvent},
};

const INCONSISTENT: StorageError = StorageError::Inconsistent { table: "audit_events" };

struct StreamedRow {
    position: i64,
    user_id: i32,
    sequence: i64,
    occurred_at: OffsetDateTime,
    kind: String,
    actor_user_id: Option<i32>,
    scheme: String,
    address: Option<String>,
    request_id: String,
    credential_type: Option<String>,
    session_epoch: i64,
    reason: Option<String>,
    key_id: String,
    mac: Vec<u8>,
}

impl TryFrom<StreamedRow> for StreamedEvent {
    type Error = StorageError;

    fn try_from(row: StreamedRow) -> Result<Self, StorageError> {
        let position = row.position;
        let link = ChainLink::try_from(LinkRow {
            user_id: row.user_id,
            sequence: row.sequence,
            occurred_at: row.occurred_at,
            kind: row.kind,
            actor_user_id: row.actor_user_id,
            scheme: row.scheme,
            address: row.address,
            request_id: row.request_id,
            credential_type: row.credential_type,
            session_epoch: row.session_epoch,
            reason: row.reason,
            key_id: row.key_id,
            mac: row.mac,
        })?;
        Ok(Self { position, link })
    }
}

/// Lists the first `limit` events after a position, by position, and all others with the last position:
/// after an incomplete restore, several may have one.
#[tracing::instrument(name = "db.audit_stream.list_after", skip_all)]
pub(crate) async fn list_after(
    connection: &mut PgConnection,
    after: i64,
    limit: i64,
) -> Result<Vec<StreamedEvent>, StorageError> {
    sqlx::query_as!(
        StreamedRow,
        r#"SELECT position AS "position!", user_id, sequence, occurred_at, kind, actor_user_id,
                  scheme, address, request_id, credential_type, session_epoch, reason, key_id, mac
           FROM audit_events WHERE position > $1
           ORDER BY position FETCH FIRST $2 ROWS WITH TIES"#,
        after,
        limit,
    )
    .fetch_all(connection)
    .await?
    .into_iter()
    .map(StreamedEvent::try_from)
    .collect()
}

/// The transactions that have written, or are about to write, audit events. One that took a position
/// before this statement and has not ended is among them: it locks the table before it takes one.
#[tracing::instrument(name = "db.audit_stream.list_writers", skip_all)]
pub(crate) async fn list_writers(
    connection: &mut PgConnection,
) -> Result<Vec<String>, StorageError> {
    let writers = sqlx::query_scalar!(
        r#"SELECT virtualtransaction AS "transaction!" FROM pg_locks
           WHERE locktype = 'relation' AND relation = 'audit_events'::regclass
             AND mode = 'RowExclusiveLock' AND granted
             AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"#
    )
    .fetch_all(connection)
    .await?;
    Ok(writers)
}

/// The positions of the first and of the last visible event; `None` without events.
pub(crate) async fn find_range(
    connection: &mut PgConnection,
) -> Result<Option<(i64, i64)>, StorageError> {
    let row = sqlx::query!(
        "SELECT (SELECT min(position) FROM audit_events) AS first,
                (SELECT max(position) FROM audit_events) AS last"
    )
    .fetch_one(connection)
    .await?;
    Ok(row.first.zip(row.last))
}

/// The highest position that an event or a sink has, if the next event would not get a higher one: as
/// after a restore or a replication without the values of sequences.
pub(crate) async fn find_passed_position(
    connection: &mut PgConnection,
) -> Result<Option<i64>, StorageError> {
    let passed = sqlx::query_scalar!(
        r#"SELECT passed AS "passed!"
           FROM (SELECT greatest((SELECT max(position) FROM audit_events),
                                 (SELECT max(position) FROM audit_sinks)) AS passed) AS used
           WHERE passed > coalesce(pg_sequence_last_value('audit_events_position_seq'), 0)"#
    )
    .fetch_optional(connection)
    .await?;
    Ok(passed)
}

/// The time of the first event after a position.
pub(crate) async fn find_time_after(
    connection: &mut PgConnection,
    after: i64,
) -> Result<Option<OffsetDateTime>, StorageError> {
    let occurred_at = sqlx::query_scalar!(
        "SELECT occurred_at FROM audit_events WHERE position > $1 ORDER BY position LIMIT 1",
        after,
    )
    .fetch_optional(connection)
    .await?;
    Ok(occurred_at)
}

/// The position before the first event that is not older than a moment. Events of different users are
/// not exactly in the order of their times; none that is as new is skipped.
pub(crate) async fn find_position_before(
    connection: &mut PgConnection,
    since: OffsetDateTime,
) -> Result<i64, StorageError> {
    let first = sqlx::query_scalar!(
        "SELECT min(position) FROM audit_events WHERE occurred_at >= $1",
        since
    )
    .fetch_one(&mut *connection)
    .await?;
    let last = find_range(connection).await?.map_or(START, |(_, last)| last);
    match first {
        Some(first) => first.checked_sub(1).ok_or(INCONSISTENT),
        None => Ok(last),
    }
}
