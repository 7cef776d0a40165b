//! How far each sink of the audit stream is, and which instance delivers to it.

use sqlx::{PgConnection, postgres::types::PgInterval};
use time::OffsetDateTime;

use super::error::StorageError;
use crate::domain::audit_stream::SinkProgress;

/// A sink as it is stored.
#[derive(Debug)]
pub(crate) struct StoredSink {
    pub(crate) name: String,
    pub(crate) progress: SinkProgress,
    pub(crate) holder: Option<String>,
    /// True while the holder has the lease.
    pub(crate) is_held: bool,
    pub(crate) delivered_at: Option<OffsetDateTime>,
}

/// Adds a sink, unless it exists.
#[tracing::instrument(name = "db.audit_sinks.add", skip_all)]
pub(crate) async fn add(
    connection: &mut PgConnection,
    name: &str,
    progress: SinkProgress,
) -> Result<(), StorageError> {
    sqlx::query!(
        "INSERT INTO audit_sinks (name, position, reached, leased_until)
         VALUES ($1, $2, $3, '-infinity')
         ON CONFLICT (name) DO NOTHING",
        name,
        progress.position,
        progress.reached,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Takes or prolongs the lease of a sink; `None` while another instance has it. A lease that ends later
/// than a new one would is not valid: the clock of the database went back.
#[tracing::instrument(name = "db.audit_sinks.lease", skip_all)]
pub(crate) async fn lease(
    connection: &mut PgConnection,
    name: &str,
    holder: &str,
    seconds: i64,
) -> Result<Option<SinkProgress>, StorageError> {
    let length = PgInterval { months: 0, days: 0, microseconds: seconds * 1_000_000 };
    let progress = sqlx::query_as!(
        SinkProgress,
        "UPDATE audit_sinks SET holder = $2, leased_until = clock_timestamp() + $3
         WHERE name = $1 AND (holder = $2 OR leased_until < clock_timestamp()
                              OR leased_until > clock_timestamp() + $3)
         RETURNING position, reached",
        name,
        holder,
        length,
    )
    .fetch_optional(connection)
    .await?;
    Ok(progress)
}

/// Ends the lease of a sink, so that another instance need not wait for its end.
pub(crate) async fn release(
    connection: &mut PgConnection,
    name: &str,
    holder: &str,
) -> Result<(), StorageError> {
    sqlx::query!(
        "UPDATE audit_sinks SET leased_until = '-infinity' WHERE name = $1 AND holder = $2",
        name,
        holder,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Notes that a sink has the events up to a position; false when another instance has taken over, or
/// an operator has moved the position.
#[tracing::instrument(name = "db.audit_sinks.advance", skip_all)]
pub(crate) async fn advance(
    connection: &mut PgConnection,
    name: &str,
    holder: &str,
    from: i64,
    to: i64,
) -> Result<bool, StorageError> {
    let done = sqlx::query!(
        "UPDATE audit_sinks SET position = $4, reached = greatest(reached, $4),
                                delivered_at = clock_timestamp()
         WHERE name = $1 AND holder = $2 AND position = $3",
        name,
        holder,
        from,
        to,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Moves a sink to another position, from which it gets every event again; false for an unknown sink.
#[tracing::instrument(name = "db.audit_sinks.rewind", skip_all)]
pub(crate) async fn move_to(
    connection: &mut PgConnection,
    name: &str,
    position: i64,
) -> Result<bool, StorageError> {
    let done = sqlx::query!(
        "UPDATE audit_sinks SET position = $2, reached = greatest(reached, $2) WHERE name = $1",
        name,
        position,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Lists all sinks by name, including those that the settings no longer name.
#[tracing::instrument(name = "db.audit_sinks.list", skip_all)]
pub(crate) async fn list(connection: &mut PgConnection) -> Result<Vec<StoredSink>, StorageError> {
    let rows = sqlx::query!(
        r#"SELECT name, position, reached, holder, leased_until > clock_timestamp() AS "is_held!",
                  delivered_at
           FROM audit_sinks ORDER BY name"#
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| StoredSink {
            name: row.name,
            progress: SinkProgress { position: row.position, reached: row.reached },
            holder: row.holder,
            is_held: row.is_held,
            delivered_at: row.delivered_at,
        })
        .collect())
}
