//! Reads the audit events of all users in the order of the stream, for sinks.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::error::StorageError;
use crate::domain::audit_stream::{START, StreamedEvent};

const INCONSISTENT: StorageError = StorageError::Inconsistent { table: "audit_events" };

/// Lists the first `limit` events after a position, by position, and all others with the last position:
/// after an incomplete restore, several may have one. A time that the type of times cannot have, such
/// as infinity, is left out.
#[tracing::instrument(name = "db.audit_stream.list_after", skip_all)]
pub(crate) async fn list_after(
    connection: &mut PgConnection,
    after: i64,
    limit: i64,
) -> Result<Vec<StreamedEvent>, StorageError> {
    let events = sqlx::query_as!(
        StreamedEvent,
        r#"SELECT position AS "position!", user_id, sequence,
                  CASE WHEN occurred_at BETWEEN '0001-01-01 00:00:00+00'
                                            AND '9999-12-31 23:59:59.999999+00'
                       THEN occurred_at END AS "occurred_at?",
                  kind, actor_user_id, scheme, address, request_id, credential_type, session_epoch,
                  reason, key_id, mac
           FROM audit_events WHERE position > $1
           ORDER BY position FETCH FIRST $2 ROWS WITH TIES"#,
        after,
        limit,
    )
    .fetch_all(connection)
    .await?;
    Ok(events)
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

/// The time of the first event after a position, without those whose time is left out by
/// [`list_after`].
pub(crate) async fn find_time_after(
    connection: &mut PgConnection,
    after: i64,
) -> Result<Option<OffsetDateTime>, StorageError> {
    let occurred_at = sqlx::query_scalar!(
        "SELECT occurred_at FROM audit_events
         WHERE position > $1 AND occurred_at BETWEEN '0001-01-01 00:00:00+00'
                                                 AND '9999-12-31 23:59:59.999999+00'
         ORDER BY position LIMIT 1",
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
