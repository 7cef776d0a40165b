//! Reads facts about the database server and its contents, for `doctor`.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::error::StorageError;

/// Facts about the database server and its contents.
#[derive(Debug)]
pub(crate) struct DatabaseFacts {
    /// The version as a number: 150004 is 15.4.
    pub(crate) server_version: i32,
    pub(crate) now: OffsetDateTime,
    /// True for a connection over a Unix socket or loopback, as the server sees it.
    pub(crate) is_local: bool,
    pub(crate) is_encrypted: bool,
    /// True when an acknowledged commit survives a crash.
    pub(crate) is_durable: bool,
    /// The number of administrators with a credential.
    pub(crate) administrators: i64,
    /// When the writing key was first used.
    pub(crate) key_first_used_at: Option<OffsetDateTime>,
    /// The number of credentials that are locked, or throttled until they are unlocked.
    pub(crate) stopped: i64,
}

/// Reads all facts.
pub(crate) async fn diagnose(
    connection: &mut PgConnection,
    writing_key: &str,
    maximum_failures: i32,
    maximum_consecutive: i32,
) -> Result<DatabaseFacts, StorageError> {
    let facts = sqlx::query_as!(
        DatabaseFacts,
        r#"SELECT current_setting('server_version_num')::int AS "server_version!",
                  clock_timestamp() AS "now!",
                  inet_server_addr() IS NULL OR inet_server_addr() << '127.0.0.0/8'
                      OR inet_server_addr() = '::1' AS "is_local!",
                  coalesce((SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()), false)
                      AS "is_encrypted!",
                  current_setting('fsync')::bool AND current_setting('full_page_writes')::bool
                      AND current_setting('synchronous_commit') <> 'off' AS "is_durable!",
                  (SELECT count(*) FROM users
                   WHERE is_administrator AND user_type NOT IN ('external', 'anonymous')
                     AND NOT is_retired AND deleted_at IS NULL
                     AND EXISTS (SELECT 1 FROM credentials WHERE credentials.user_id = users.user_id))
                      AS "administrators!",
                  (SELECT first_used_at FROM keys WHERE key_id = $1) AS "key_first_used_at?",
                  (SELECT count(*) FROM authentication_attempts
                   WHERE user_id > 0 AND (throttle_failures >= $2 OR failures >= $3))
                      AS "stopped!""#,
        writing_key,
        maximum_failures,
        maximum_consecutive,
    )
    .fetch_one(connection)
    .await?;
    Ok(facts)
}
