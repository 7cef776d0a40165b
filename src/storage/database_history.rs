//! The history of the database as a whole, which tells a restored database from one in use.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::error::StorageError;
use crate::domain::database_history::{DatabaseIdentity, HistoryCause, HistoryEntry};

/// The advisory lock of instances that examine the history: only one ends the sessions.
const LOCK: i64 = 7_411_600_926_250_774;

/// The SQLSTATEs of a server that does not tell something: insufficient privilege, not supported, and
/// a function that does not exist or is disabled.
const UNTOLD: [&str; 4] = ["42501", "0A000", "42883", "55000"];

/// The database and its history table, without what the server tells.
struct ObjectsRow {
    database_oid: i64,
    table_oid: i64,
}

/// Reads the identity of the database.
///
/// Not in a transaction: a server may refuse to tell its identifier or its timeline.
pub(crate) async fn find_identity(
    connection: &mut PgConnection,
) -> Result<DatabaseIdentity, StorageError> {
    let objects = sqlx::query_as!(
        ObjectsRow,
        r#"SELECT d.oid::int8 AS "database_oid!",
                  'database_history'::regclass::oid::int8 AS "table_oid!"
           FROM pg_database d WHERE d.datname = current_database()"#,
    )
    .fetch_one(&mut *connection)
    .await?;
    let system_identifier = sqlx::query_scalar!(
        r#"SELECT system_identifier AS "system_identifier!" FROM pg_control_system()"#
    )
    .fetch_one(&mut *connection)
    .await;
    let timeline = sqlx::query_scalar!(
        r#"SELECT ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int
               AS "timeline!""#
    )
    .fetch_one(&mut *connection)
    .await;
    Ok(DatabaseIdentity {
        database_oid: objects.database_oid,
        table_oid: objects.table_oid,
        system_identifier: told(system_identifier)?,
        timeline: told(timeline)?,
    })
}

/// `None` for what the server does not tell.
fn told<T>(answer: Result<T, sqlx::Error>) -> Result<Option<T>, StorageError> {
    let is_untold = |error: &sqlx::Error| {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        code.is_some_and(|code| UNTOLD.contains(&code.as_ref()))
    };
    match answer {
        Err(error) if is_untold(&error) => Ok(None),
        answer => Ok(Some(answer?)),
    }
}

struct EntryRow {
    entry: i64,
    is_original: bool,
    database_oid: i64,
    table_oid: i64,
    system_identifier: Option<i64>,
    timeline: Option<i32>,
    last_alive_at: OffsetDateTime,
}

/// Finds the newest entry; `None` if the table is empty.
pub(crate) async fn find_newest(
    connection: &mut PgConnection,
) -> Result<Option<HistoryEntry>, StorageError> {
    let row = sqlx::query_as!(
        EntryRow,
        r#"SELECT entry, xmin = written_by::xid AS "is_original!", database_oid, table_oid,
                  system_identifier, timeline,
                  greatest(noted_at, (SELECT max(minute) + interval '1 minute' FROM activity_minutes))
                      AS "last_alive_at!"
           FROM database_history ORDER BY entry DESC LIMIT 1"#,
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| HistoryEntry {
        entry: row.entry,
        is_original: row.is_original,
        identity: DatabaseIdentity {
            database_oid: row.database_oid,
            table_oid: row.table_oid,
            system_identifier: row.system_identifier,
            timeline: row.timeline,
        },
        last_alive_at: row.last_alive_at,
    }))
}

/// The newest end of all sessions; `None` if there was none.
pub(crate) async fn find_end_of_sessions(
    connection: &mut PgConnection,
) -> Result<Option<OffsetDateTime>, StorageError> {
    let ended_at =
        sqlx::query_scalar!("SELECT max(noted_at) FROM database_history WHERE ends_sessions")
            .fetch_one(connection)
            .await?;
    Ok(ended_at)
}

/// Makes other instances that examine the history wait for the end of this transaction, for any time.
pub(crate) async fn lock(connection: &mut PgConnection) -> Result<(), StorageError> {
    sqlx::query!(
        "SELECT set_config('lock_timeout', '0', true) AS lock,
                set_config('statement_timeout', '0', true) AS statement"
    )
    .fetch_one(&mut *connection)
    .await?;
    sqlx::query!("SELECT pg_advisory_xact_lock($1)", LOCK).fetch_one(connection).await?;
    Ok(())
}

/// Makes this transaction not wait for a standby: after a failover, there may be none yet.
pub(crate) async fn commit_locally(connection: &mut PgConnection) -> Result<(), StorageError> {
    sqlx::query!("SELECT set_config('synchronous_commit', 'local', true) AS synchronous_commit")
        .fetch_one(connection)
        .await?;
    Ok(())
}

/// Adds an entry. Requires a transaction without savepoints: the row names the transaction.
pub(crate) async fn insert(
    connection: &mut PgConnection,
    entry: i64,
    cause: HistoryCause,
    identity: &DatabaseIdentity,
    noted_at: OffsetDateTime,
) -> Result<(), StorageError> {
    sqlx::query!(
        "INSERT INTO database_history (entry, cause, noted_at, ends_sessions, written_by,
                                       database_oid, table_oid, system_identifier, timeline)
         VALUES ($1, $2, $3, $4, pg_current_xact_id(), $5, $6, $7, $8)",
        entry,
        cause.as_str(),
        noted_at,
        cause.ends_sessions(),
        identity.database_oid,
        identity.table_oid,
        identity.system_identifier,
        identity.timeline,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Counts the tickets and the sessions that have not expired.
pub(crate) async fn count_live_tickets(
    connection: &mut PgConnection,
    now: OffsetDateTime,
) -> Result<u64, StorageError> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM tickets WHERE expires_at > $1"#,
        now
    )
    .fetch_one(connection)
    .await?;
    u64::try_from(count).map_err(|_| StorageError::Inconsistent { table: "tickets" })
}

/// Deletes the tickets and sessions of all users; returns their number.
pub(crate) async fn delete_tickets(connection: &mut PgConnection) -> Result<u64, StorageError> {
    let done = sqlx::query!("DELETE FROM tickets").execute(connection).await?;
    Ok(done.rows_affected())
}

/// Deletes the links of all users for a new password; returns their number.
pub(crate) async fn delete_links(connection: &mut PgConnection) -> Result<u64, StorageError> {
    let done = sqlx::query!("DELETE FROM password_links").execute(connection).await?;
    Ok(done.rows_affected())
}
