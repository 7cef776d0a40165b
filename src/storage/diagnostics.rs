//! Reads facts about the database server and its contents, for `doctor` and for the report of the
//! activity.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::error::StorageError;

/// Facts about the database server. Reading them costs the same for any number of users.
#[expect(clippy::struct_excessive_bools, reason = "each is an independent fact")]
#[derive(Debug)]
pub(crate) struct ServerFacts {
    /// The version as a number: 150004 is 15.4.
    pub(crate) server_version: i32,
    pub(crate) now: OffsetDateTime,
    /// True for a connection over a Unix socket or loopback, as the server sees it.
    pub(crate) is_local: bool,
    pub(crate) is_encrypted: bool,
    /// True when an acknowledged commit survives a crash.
    pub(crate) is_durable: bool,
    /// True when a commit waits for a standby.
    pub(crate) is_synchronous: bool,
    /// Milliseconds; 0: no limit.
    pub(crate) lock_timeout: i64,
    /// Milliseconds; 0: no limit.
    pub(crate) statement_timeout: i64,
    /// Milliseconds that a transaction may be idle; 0: no limit.
    pub(crate) idle_timeout: i64,
    /// The newest migration that is applied.
    pub(crate) schema_version: i64,
    /// True for the database of a demo, with published passwords.
    pub(crate) is_development: bool,
}

/// Reads the facts about the server.
pub(crate) async fn server(connection: &mut PgConnection) -> Result<ServerFacts, StorageError> {
    let facts = sqlx::query_as!(
        ServerFacts,
        r#"SELECT current_setting('server_version_num')::int AS "server_version!",
                  clock_timestamp() AS "now!",
                  inet_server_addr() IS NULL OR inet_server_addr() << '127.0.0.0/8'
                      OR inet_server_addr() = '::1' AS "is_local!",
                  coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)
                      AS "is_encrypted!",
                  current_setting('fsync')::bool AND current_setting('full_page_writes')::bool
                      AND current_setting('synchronous_commit') <> 'off' AS "is_durable!",
                  current_setting('synchronous_standby_names') <> ''
                      AND current_setting('synchronous_commit') NOT IN ('local', 'off')
                      AS "is_synchronous!",
                  (SELECT setting::bigint FROM pg_settings WHERE name = 'lock_timeout')
                      AS "lock_timeout!",
                  (SELECT setting::bigint FROM pg_settings WHERE name = 'statement_timeout')
                      AS "statement_timeout!",
                  (SELECT setting::bigint FROM pg_settings
                   WHERE name = 'idle_in_transaction_session_timeout') AS "idle_timeout!",
                  coalesce((SELECT max(version) FROM _sqlx_migrations WHERE success), 0)
                      AS "schema_version!",
                  EXISTS (SELECT 1 FROM installation WHERE kind = 'development')
                      AS "is_development!""#,
    )
    .fetch_one(connection)
    .await?;
    Ok(facts)
}

/// True when a commit of this role has waited for a synchronous standby for more than a second.
///
/// # Errors
/// When the query fails.
pub(crate) async fn has_waiting_commits(
    connection: &mut PgConnection,
) -> Result<bool, StorageError> {
    let has_waiting = sqlx::query_scalar!(
        r#"SELECT EXISTS (
               SELECT 1 FROM pg_stat_activity
               WHERE usename = current_user AND wait_event = 'SyncRep'
                 AND query_start < clock_timestamp() - interval '1 second'
           ) AS "has_waiting!""#
    )
    .fetch_one(connection)
    .await?;
    Ok(has_waiting)
}

/// Facts about the contents of the database. Reading them scans tables.
#[derive(Debug)]
pub(crate) struct ContentFacts {
    /// The number of administrators with a credential.
    pub(crate) administrators: i64,
    /// The number of credentials that are locked, or throttled until they are unlocked.
    pub(crate) stopped: i64,
}

/// Reads the facts about the contents.
pub(crate) async fn contents(
    connection: &mut PgConnection,
    maximum_failures: i32,
    maximum_consecutive: i32,
) -> Result<ContentFacts, StorageError> {
    let facts = sqlx::query_as!(
        ContentFacts,
        r#"SELECT (SELECT count(*) FROM users
                   WHERE is_administrator AND user_type NOT IN ('external', 'anonymous')
                     AND NOT is_retired AND deleted_at IS NULL
                     AND EXISTS (SELECT 1 FROM credentials WHERE credentials.user_id = users.user_id))
                      AS "administrators!",
                  (SELECT count(*) FROM authentication_attempts
                   WHERE user_id > 0 AND (throttle_failures >= $1 OR failures >= $2))
                      AS "stopped!""#,
        maximum_failures,
        maximum_consecutive,
    )
    .fetch_one(connection)
    .await?;
    Ok(facts)
}
