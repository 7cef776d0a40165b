//! Delivers the stream to one sink.
//!
//! The position of the sink advances after it has taken events, so that it gets each one at least
//! once. After a crash, or when another instance takes over, it gets some again. What it gets for the
//! first time is always in the order of the stream.

use std::time::{Duration, Instant};

use super::metrics::SinkMetrics;
use crate::{
    audit_sinks::{Sink, SinkError},
    clock,
    domain::audit_stream::{START, StreamedEvent, before_gap},
    log_events::alarm,
    storage::{Database, StorageError, audit_sinks, audit_stream},
};

/// How long another instance waits when the one that delivers is gone, in seconds.
const LEASE_SECONDS: i64 = 3;

/// How often the lease is prolonged.
const RENEWAL: Duration = Duration::from_secs(1);

/// The time between two looks for new events.
const LOOK: Duration = Duration::from_millis(500);

/// The time between two looks at transactions that may still add earlier events: most end at once.
const GAP_LOOK: Duration = Duration::from_millis(20);

/// How long these looks are so frequent.
const SHORT_GAP: Duration = Duration::from_secs(1);

/// How long events wait for earlier ones before the log says so.
const LONG_GAP: Duration = Duration::from_secs(5);

/// The time from a failed delivery to the next one, in seconds; the last one for all others.
const PAUSES: [u64; 5] = [1, 2, 5, 10, 30];

/// A delivery failed.
#[derive(Debug, thiserror::Error)]
enum DeliveryError {
    #[error(transparent)]
    Sink(#[from] SinkError),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl DeliveryError {
    /// The time after which the sink wants the next delivery.
    fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Sink(error) => error.retry_after(),
            Self::Storage(_) => None,
        }
    }
}

/// What one look did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    Delivered,
    /// There is nothing new, or another instance delivers.
    Nothing,
    /// A transaction may still add earlier events.
    AtGap,
}

/// The lease of the sink.
struct Lease {
    /// The position of the last event that the sink has.
    position: i64,
    renewed_at: Instant,
}

/// A gap, and the transactions that may fill it.
struct Gap {
    /// The highest position that was visible when the transactions were listed.
    until: i64,
    writers: Vec<String>,
    found_at: Instant,
    is_reported: bool,
}

/// The failures since the sink has advanced.
#[derive(Default)]
struct Failures {
    count: usize,
    /// The position of the sink when this instance last had its lease.
    position: Option<i64>,
}

impl Failures {
    /// Begins again if the sink has advanced, also if another instance has delivered.
    fn note_position(&mut self, position: i64) {
        if self.position != Some(position) {
            *self = Self { count: 0, position: Some(position) };
        }
    }

    /// Counts a failure; returns the time until the next delivery.
    fn record(&mut self) -> Duration {
        let seconds = PAUSES.get(self.count).or(PAUSES.last());
        self.count = self.count.saturating_add(1);
        Duration::from_secs(seconds.copied().unwrap_or_default())
    }
}

/// Delivers the stream to one sink.
pub(super) struct SinkTask<'stream> {
    pub(super) sink: &'stream Sink,
    pub(super) database: &'stream Database,
    pub(super) metrics: &'stream SinkMetrics,
    /// The id of this instance.
    pub(super) holder: &'stream str,
    lease: Option<Lease>,
    failures: Failures,
    /// Up to here, no transaction will add events.
    settled: i64,
    gap: Option<Gap>,
    /// Up to here, invalid events have raised an alarm.
    examined: i64,
}

impl<'stream> SinkTask<'stream> {
    /// A task that has not begun.
    pub(super) fn new(
        sink: &'stream Sink,
        database: &'stream Database,
        metrics: &'stream SinkMetrics,
        holder: &'stream str,
    ) -> Self {
        Self {
            sink,
            database,
            metrics,
            holder,
            lease: None,
            failures: Failures::default(),
            settled: START,
            gap: None,
            examined: START,
        }
    }

    /// Delivers events as they come; never returns.
    pub(super) async fn run(mut self) {
        loop {
            let has_failed = self.failures.count > 0;
            let pause = match self.deliver_next().await {
                Ok(Progress::Delivered) => {
                    if has_failed {
                        tracing::info!(sink = self.sink.name, "the audit sink takes events again");
                    }
                    continue;
                }
                Ok(Progress::Nothing) => LOOK,
                Ok(Progress::AtGap) => self.pause_at_gap(),
                Err(error) => {
                    self.report(&error);
                    self.failures.record().max(error.retry_after().unwrap_or_default())
                }
            };
            tokio::time::sleep(pause).await;
        }
    }

    fn report(&mut self, error: &DeliveryError) {
        // Another instance may reach the sink. After a failover, positions may be taken again.
        (self.lease, self.settled, self.gap) = (None, START, None);
        let reason = match error {
            DeliveryError::Sink(error) => error.reason(),
            DeliveryError::Storage(_) => "database",
        };
        self.metrics.record_failure(&self.sink.name, reason);
        tracing::warn!(
            sink = self.sink.name,
            error = error as &dyn std::error::Error,
            "failed to deliver audit events; retrying later"
        );
    }

    /// The time until the next look at a gap; reports one that lasts.
    fn pause_at_gap(&mut self) -> Duration {
        let Some(gap) = &mut self.gap else { return GAP_LOOK };
        let age = gap.found_at.elapsed();
        if age > LONG_GAP && !gap.is_reported {
            gap.is_reported = true;
            tracing::warn!(
                sink = self.sink.name,
                transactions = gap.writers.len(),
                "audit events wait for transactions that may add earlier ones; end idle transactions"
            );
        }
        if age > SHORT_GAP { LOOK } else { GAP_LOOK }
    }

    async fn deliver_next(&mut self) -> Result<Progress, DeliveryError> {
        let Some(position) = self.leased_position().await? else { return Ok(Progress::Nothing) };
        let limit = i64::try_from(self.sink.batch()).unwrap_or(i64::MAX);
        let mut connection = self.database.connection().await?;
        let events = audit_stream::list_after(&mut connection, position, limit).await?;
        connection.release();
        let end = events.last().map(|event| event.position);
        let (complete, has_gap) = before_gap(events, position, self.settled);
        self.examine(&complete);
        match (complete.last(), end) {
            (Some(last), _) => {
                let to = last.position;
                self.deliver(&complete, position, to).await
            }
            (None, Some(end)) if has_gap => {
                self.settle(end).await?;
                Ok(Progress::AtGap)
            }
            (None, _) => Ok(Progress::Nothing),
        }
    }

    /// Raises one alarm for all events of a batch that no release writes. Events that are read again
    /// raise no other one.
    fn examine(&mut self, events: &[StreamedEvent]) {
        let is_new = |event: &&StreamedEvent| event.position > self.examined;
        if let Some(event) = events.iter().filter(is_new).find(|event| !event.is_valid()) {
            alarm!(
                sink = self.sink.name,
                position = event.position,
                "an audit event was changed in the database; the sink gets it as it is stored; run \
                 `audit verify`"
            );
        }
        if let Some(last) = events.last() {
            self.examined = self.examined.max(last.position);
        }
    }

    /// The position of the sink, if this instance has its lease.
    async fn leased_position(&mut self) -> Result<Option<i64>, StorageError> {
        if let Some(lease) = &self.lease
            && lease.renewed_at.elapsed() < RENEWAL
        {
            return Ok(Some(lease.position));
        }
        let renewed_at = Instant::now();
        let mut connection = self.database.connection().await?;
        let leased =
            audit_sinks::lease(&mut connection, &self.sink.name, self.holder, LEASE_SECONDS)
                .await?;
        connection.release();
        let position = leased.map(|progress| progress.position);
        self.lease = position.map(|position| Lease { position, renewed_at });
        if let Some(position) = position {
            self.failures.note_position(position);
        }
        Ok(position)
    }

    /// Hands events over, prolonging the lease meanwhile, and advances the sink.
    async fn deliver(
        &mut self,
        events: &[StreamedEvent],
        from: i64,
        to: i64,
    ) -> Result<Progress, DeliveryError> {
        let delivery = self.sink.deliver(events, clock::now());
        tokio::pin!(delivery);
        loop {
            tokio::select! {
                delivered = &mut delivery => break delivered?,
                () = tokio::time::sleep(RENEWAL) => {
                    self.lease = None;
                    if self.leased_position().await? != Some(from) {
                        return Ok(Progress::Nothing);
                    }
                }
            }
        }
        let mut connection = self.database.connection().await?;
        let name = &self.sink.name;
        let is_advanced =
            audit_sinks::advance(&mut connection, name, self.holder, from, to).await?;
        connection.release();
        let count = u64::try_from(events.len()).unwrap_or_default();
        self.metrics.record_delivered(name, count);
        self.failures.note_position(to);
        match &mut self.lease {
            Some(lease) if is_advanced => lease.position = to,
            lease => *lease = None,
        }
        if to >= self.settled {
            self.settled = START;
        }
        self.gap = None;
        Ok(Progress::Delivered)
    }

    /// Looks at the transactions that may fill the gap before the next event. When all have ended, the
    /// events up to `end` are settled: a transaction that fills a gap before a visible event took its
    /// position before that event did, and locked the table before that.
    async fn settle(&mut self, end: i64) -> Result<(), StorageError> {
        let mut connection = self.database.connection().await?;
        let running = audit_stream::list_writers(&mut connection).await?;
        connection.release();
        let gap = self.gap.get_or_insert_with(|| Gap {
            until: end,
            writers: running.clone(),
            found_at: Instant::now(),
            is_reported: false,
        });
        gap.writers.retain(|writer| running.contains(writer));
        if gap.writers.is_empty() {
            self.settled = gap.until;
            self.gap = None;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_half_a_minute_until_the_sink_advances() {
        let mut failures = Failures::default();
        let pauses: Vec<_> = (0..7)
            .map(|_| {
                // The instance gets the lease again, and the sink has not advanced.
                failures.note_position(4);
                failures.record().as_secs()
            })
            .collect();
        assert_eq!(pauses, [1, 2, 5, 10, 30, 30, 30]);
        // Another instance has delivered meanwhile.
        failures.note_position(9);
        assert_eq!(failures.record().as_secs(), 1);
        assert_eq!(failures.record().as_secs(), 2);
    }
}
