//! The activity of all instances, one row for each instance and minute.

use sqlx::PgConnection;
use time::OffsetDateTime;

use super::error::StorageError;
use crate::domain::activity::{Figures, MAXIMUM_FIGURE, Period};

const INCONSISTENT: StorageError = StorageError::Inconsistent { table: "activity_minutes" };

/// Adds the figures of an instance to a minute. A clock that was set back names a minute again.
#[tracing::instrument(name = "db.activity_minutes.add", skip_all)]
pub(crate) async fn add(
    connection: &mut PgConnection,
    instance_id: &str,
    minute: OffsetDateTime,
    figures: &Figures,
) -> Result<(), StorageError> {
    let stored = |figure: u64| i64::try_from(figure.min(MAXIMUM_FIGURE)).unwrap_or(i64::MAX);
    sqlx::query!(
        "INSERT INTO activity_minutes AS stored (
             minute, instance_id, saves, logins, failures, throttled, hashes, hash_capacity, shed,
             cache_hits, cache_misses, waits, wait_microseconds, queue_maximum
         )
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
         ON CONFLICT (minute, instance_id) DO UPDATE SET
             saves = least(stored.saves + excluded.saves, $15::bigint),
             logins = least(stored.logins + excluded.logins, $15),
             failures = least(stored.failures + excluded.failures, $15),
             throttled = least(stored.throttled + excluded.throttled, $15),
             hashes = least(stored.hashes + excluded.hashes, $15),
             hash_capacity = least(stored.hash_capacity + excluded.hash_capacity, $15),
             shed = least(stored.shed + excluded.shed, $15),
             cache_hits = least(stored.cache_hits + excluded.cache_hits, $15),
             cache_misses = least(stored.cache_misses + excluded.cache_misses, $15),
             waits = least(stored.waits + excluded.waits, $15),
             wait_microseconds = least(stored.wait_microseconds + excluded.wait_microseconds, $15),
             queue_maximum = greatest(stored.queue_maximum, excluded.queue_maximum)",
        minute,
        instance_id,
        stored(figures.saves),
        stored(figures.logins),
        stored(figures.failures),
        stored(figures.throttled),
        stored(figures.hashes),
        stored(figures.hash_capacity),
        stored(figures.shed),
        stored(figures.cache_hits),
        stored(figures.cache_misses),
        stored(figures.waits),
        stored(figures.wait_microseconds),
        stored(figures.queue_maximum),
        stored(MAXIMUM_FIGURE),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// The figures of all instances in a period.
struct PeriodRow {
    start: OffsetDateTime,
    instances: i64,
    saves: i64,
    logins: i64,
    failures: i64,
    throttled: i64,
    hashes: i64,
    hash_capacity: i64,
    shed: i64,
    cache_hits: i64,
    cache_misses: i64,
    waits: i64,
    wait_microseconds: i64,
    queue_maximum: i64,
}

impl TryFrom<PeriodRow> for Period {
    type Error = StorageError;

    fn try_from(row: PeriodRow) -> Result<Self, StorageError> {
        let figure = |figure: i64| u64::try_from(figure).map_err(|_| INCONSISTENT);
        Ok(Self {
            start: row.start,
            instances: figure(row.instances)?,
            figures: Figures {
                saves: figure(row.saves)?,
                logins: figure(row.logins)?,
                failures: figure(row.failures)?,
                throttled: figure(row.throttled)?,
                hashes: figure(row.hashes)?,
                hash_capacity: figure(row.hash_capacity)?,
                shed: figure(row.shed)?,
                cache_hits: figure(row.cache_hits)?,
                cache_misses: figure(row.cache_misses)?,
                waits: figure(row.waits)?,
                wait_microseconds: figure(row.wait_microseconds)?,
                queue_maximum: figure(row.queue_maximum)?,
            },
        })
    }
}

/// Lists the activity of all instances from `first_quarter` to `now`, oldest first: quarters of an
/// hour, and minutes from `first_minute` on.
#[tracing::instrument(name = "db.activity_minutes.list", skip_all)]
pub(crate) async fn list(
    connection: &mut PgConnection,
    first_quarter: OffsetDateTime,
    first_minute: OffsetDateTime,
    now: OffsetDateTime,
) -> Result<Vec<Period>, StorageError> {
    let rows = sqlx::query_as!(
        PeriodRow,
        r#"SELECT CASE WHEN minute >= $2 THEN minute
                       ELSE date_bin('15 minutes', minute, 'epoch'::timestamptz) END AS "start!",
                  count(DISTINCT instance_id) AS "instances!",
                  sum(saves)::bigint AS "saves!", sum(logins)::bigint AS "logins!",
                  sum(failures)::bigint AS "failures!", sum(throttled)::bigint AS "throttled!",
                  sum(hashes)::bigint AS "hashes!", sum(hash_capacity)::bigint AS "hash_capacity!",
                  sum(shed)::bigint AS "shed!", sum(cache_hits)::bigint AS "cache_hits!",
                  sum(cache_misses)::bigint AS "cache_misses!", sum(waits)::bigint AS "waits!",
                  sum(wait_microseconds)::bigint AS "wait_microseconds!",
                  max(queue_maximum) AS "queue_maximum!"
           FROM activity_minutes
           WHERE minute >= $1 AND minute <= $3
           GROUP BY 1
           ORDER BY 1"#,
        first_quarter,
        first_minute,
        now,
    )
    .fetch_all(connection)
    .await?;
    rows.into_iter().map(Period::try_from).collect()
}

/// Deletes up to `limit` rows of minutes before a moment; returns their number.
pub(crate) async fn delete_before(
    connection: &mut PgConnection,
    moment: OffsetDateTime,
    limit: i64,
) -> Result<u64, StorageError> {
    let done = sqlx::query!(
        "DELETE FROM activity_minutes WHERE (minute, instance_id) IN (
             SELECT minute, instance_id FROM activity_minutes WHERE minute < $1
             ORDER BY minute LIMIT $2 FOR UPDATE SKIP LOCKED
         )",
        moment,
        limit,
    )
    .execute(connection)
    .await?;
    Ok(done.rows_affected())
}
