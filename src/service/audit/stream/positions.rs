//! Shows how far the sinks are, and moves them to another position.

use std::time::{Duration, Instant};

use sqlx::PgConnection;
use time::OffsetDateTime;

use crate::{
    domain::audit_stream::before_first,
    storage::{self, Database, StorageError, audit_sinks, audit_sinks::StoredSink, audit_stream},
};

/// The longest time that a sink that is moved waits for transactions.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// The time between two looks at these transactions.
const LOOK: Duration = Duration::from_millis(50);

/// A point of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StreamPoint {
    /// Before the first event.
    First,
    /// After the last event.
    End,
    /// Before the event with this position.
    Position(i64),
    /// Before the events from this time on.
    Time(OffsetDateTime),
}

/// A sink, and how many events it has not got yet.
#[derive(Debug)]
pub(crate) struct SinkState {
    pub(crate) sink: StoredSink,
    pub(crate) backlog: u64,
}

/// Why a sink was not moved.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MoveError {
    #[error(
        "sink not found; name one of audit.sinks that `serve` has used, which `audit stream` lists"
    )]
    UnknownSink,
    #[error(
        "position {position} is beyond the end of the stream; the last event has position {last}; pass \
         {next} or less, or `end`", next = .last + 1
    )]
    BeyondEnd { position: i64, last: i64 },
    #[error(
        "timed out waiting for transactions that may add events before that point; nothing was \
         changed; run the command again, after an import has ended"
    )]
    Unsettled,
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Shows and moves the positions of sinks.
pub(crate) struct StreamPositions {
    pub(crate) database: Database,
}

impl StreamPositions {
    /// Lists the sinks that have been used, by name.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn list(&self) -> Result<Vec<SinkState>, StorageError> {
        let mut connection = self.database.connection().await?;
        let end = audit_stream::find_range(&mut connection).await?.map(|(_, last)| last);
        let sinks = audit_sinks::list(&mut connection).await?;
        connection.release();
        let state = |sink: StoredSink| SinkState {
            backlog: end.map_or(0, |end| sink.progress.backlog(end)),
            sink,
        };
        Ok(sinks.into_iter().map(state).collect())
    }

    /// Moves a sink, which then gets every event after that point, in some cases again; returns its new
    /// position.
    ///
    /// # Errors
    /// See [`MoveError`].
    pub(crate) async fn move_to(&self, sink: &str, point: StreamPoint) -> Result<i64, MoveError> {
        let mut connection = self.database.connection().await?;
        let (first, last) = audit_stream::find_range(&mut connection).await?.unzip();
        let last = last.unwrap_or_default();
        let position = match point {
            StreamPoint::First => before_first(first),
            StreamPoint::End => {
                wait_for_writers(&mut connection).await?;
                last
            }
            StreamPoint::Position(position) if position > last.saturating_add(1) => {
                return Err(MoveError::BeyondEnd { position, last });
            }
            StreamPoint::Position(position) => position.saturating_sub(1),
            StreamPoint::Time(since) => {
                wait_for_writers(&mut connection).await?;
                let mut transaction = connection.begin_unlimited().await?;
                let before = audit_stream::find_position_before(&mut transaction, since).await?;
                storage::commit(transaction).await?;
                // Transactions that began meanwhile may add events after the last one.
                before.min(last)
            }
        };
        let is_moved = audit_sinks::move_to(&mut connection, sink, position).await?;
        connection.release();
        if is_moved { Ok(position) } else { Err(MoveError::UnknownSink) }
    }
}

/// Waits until the transactions have ended that may add events before those that were visible.
async fn wait_for_writers(connection: &mut PgConnection) -> Result<(), MoveError> {
    let begun_at = Instant::now();
    let mut writers = audit_stream::list_writers(connection).await?;
    while !writers.is_empty() {
        if begun_at.elapsed() > LONGEST_WAIT {
            return Err(MoveError::Unsettled);
        }
        tokio::time::sleep(LOOK).await;
        let running = audit_stream::list_writers(connection).await?;
        writers.retain(|writer| running.contains(writer));
    }
    Ok(())
}
