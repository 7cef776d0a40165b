//! Shows how far the sinks are, and moves them to another position.

use time::OffsetDateTime;

use crate::storage::{Database, StorageError, audit_sinks, audit_sinks::StoredSink, audit_stream};

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
    /// position, or `None` for a sink that no instance has used yet.
    ///
    /// # Errors
    /// When the database does not answer.
    pub(crate) async fn move_to(
        &self,
        sink: &str,
        point: StreamPoint,
    ) -> Result<Option<i64>, StorageError> {
        let mut connection = self.database.connection().await?;
        let range = audit_stream::find_range(&mut connection).await?;
        let position = match point {
            StreamPoint::First => range.map_or(0, |(first, _)| first.saturating_sub(1)),
            StreamPoint::End => range.map_or(0, |(_, last)| last),
            StreamPoint::Position(position) => position.saturating_sub(1),
            StreamPoint::Time(since) => {
                audit_stream::find_position_before(&mut connection, since).await?
            }
        };
        let is_moved = audit_sinks::move_to(&mut connection, sink, position).await?;
        connection.release();
        Ok(is_moved.then_some(position))
    }
}
