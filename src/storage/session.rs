//! The session of a connection: the process of the server, and the socket that leads to it.

use std::{collections::BTreeSet, time::Duration};

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::{error::StorageError, socket_options::SocketPair};

/// How long a session waits for its client before its connection counts as lost, while the client
/// waits for an answer. The system has resent a lost packet twice by then, 0.2 and 0.6 s after it.
const LOST_AFTER: Duration = Duration::from_millis(800);

/// A session of the server, and the socket of its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Session {
    /// The id of the process of the server.
    pub(super) process: i32,
    /// When the process started: a later one may have the same id, also that of another server.
    pub(super) started_at: OffsetDateTime,
    pub(super) socket: SocketPair,
}

/// What the server says about sessions whose clients wait.
pub(super) struct Examined {
    /// The sockets of those that have waited for their client for long, or have ended: what the client
    /// sent, or the answer, did not arrive.
    pub(super) lost: BTreeSet<SocketPair>,
    /// True if others wait for their client, too, but not for long yet.
    pub(super) is_undecided: bool,
}

/// Asks the server about sessions whose clients wait for an answer. A session that executes a
/// statement or waits for a lock is none of the lost ones. A lost one that is in a transaction is
/// ended: otherwise it would keep its locks until `idle_in_transaction_session_timeout`.
///
/// # Errors
/// When the query fails.
pub(super) async fn examine(
    connection: &mut PgConnection,
    sessions: &[Session],
) -> Result<Examined, StorageError> {
    let processes: Vec<_> = sessions.iter().map(|session| session.process).collect();
    let starts: Vec<_> = sessions.iter().map(|session| session.started_at).collect();
    // Without the right to see its state (`track_activities`), a session is not among the results.
    let rows = sqlx::query!(
        r#"WITH examined AS MATERIALIZED (
               SELECT asked.pid, activity.state,
                      activity.pid IS NULL
                      OR clock_timestamp() - activity.state_change
                         > make_interval(secs => $3::float8) AS is_lost
               FROM unnest($1::integer[], $2::timestamptz[]) AS asked (pid, backend_start)
               LEFT JOIN pg_stat_activity AS activity USING (pid, backend_start)
               WHERE activity.pid IS NULL OR activity.state LIKE 'idle%'
           )
           SELECT pid AS "process!", is_lost AS "is_lost!",
                  CASE WHEN is_lost AND state LIKE 'idle in transaction%'
                       THEN pg_terminate_backend(pid) END AS is_ended
           FROM examined"#,
        &processes,
        &starts,
        LOST_AFTER.as_secs_f64(),
    )
    .fetch_all(connection)
    .await?;
    let is_lost =
        |session: &Session| rows.iter().any(|row| row.is_lost && row.process == session.process);
    let lost = sessions.iter().filter(|session| is_lost(session)).map(|session| session.socket);
    Ok(Examined { lost: lost.collect(), is_undecided: rows.iter().any(|row| !row.is_lost) })
}
