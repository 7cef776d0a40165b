//! Delivers the stream to all sinks, and watches how far they lag.

use std::{sync::Arc, time::Duration};

use futures_util::future::{join, join_all};
use time::OffsetDateTime;

use super::{metrics::SinkMetrics, pressure::StreamPressure, sink_task::SinkTask};
use crate::{
    audit_sinks::Sink,
    clock,
    domain::audit_stream::{SinkProgress, before_first},
    log_events::alarm,
    storage::{Database, StorageError, audit_sinks, audit_sinks::StoredSink, audit_stream},
};

/// The time between two looks at how far the sinks lag.
const LOOK: Duration = Duration::from_secs(1);

/// Delivers the stream.
pub(crate) struct AuditStream {
    pub(crate) database: Database,
    pub(crate) sinks: Vec<Sink>,
    /// The id of this instance, which holds leases.
    pub(crate) instance_id: String,
    pub(crate) metrics: Arc<SinkMetrics>,
    pub(crate) pressure: StreamPressure,
}

impl AuditStream {
    /// Delivers events as they come; returns only without sinks.
    pub(crate) async fn run(&self) {
        if self.sinks.is_empty() {
            return;
        }
        let tasks = self.sinks.iter().map(|sink| {
            SinkTask::new(sink, &self.database, &self.metrics, &self.instance_id).run()
        });
        join(join_all(tasks), self.watch()).await;
    }

    /// Ends the leases of this instance. Called at shutdown, after the deliveries.
    pub(crate) async fn release(&self) {
        if self.sinks.is_empty() {
            return;
        }
        let release = async {
            let mut connection = self.database.connection().await?;
            for sink in &self.sinks {
                audit_sinks::release(&mut connection, &sink.name, &self.instance_id).await?;
            }
            connection.release();
            Ok::<_, StorageError>(())
        };
        if let Err(error) = release.await {
            tracing::warn!(
                error = &error as &dyn std::error::Error,
                "failed to release the audit sinks; another instance takes over within seconds"
            );
        }
    }

    async fn watch(&self) {
        let mut looks = clock::ticks(LOOK);
        let (mut has_alarmed, mut has_warned) = (false, false);
        loop {
            looks.tick().await;
            let looked = async {
                self.look(clock::now()).await?;
                self.check_positions(&mut has_alarmed).await
            };
            match looked.await {
                Ok(()) => has_warned = false,
                Err(error) if !has_warned => {
                    has_warned = true;
                    tracing::warn!(
                        %error,
                        "cannot read how far the audit sinks are; until then, \
                         audit.maximum_undelivered does not count new events"
                    );
                }
                Err(_) => {}
            }
        }
    }

    /// Raises one alarm while new events get positions that sinks have passed: no sink gets such events.
    async fn check_positions(&self, has_alarmed: &mut bool) -> Result<(), StorageError> {
        let mut connection = self.database.connection().await?;
        let passed = audit_stream::find_passed_position(&mut connection).await?;
        connection.release();
        if let Some(position) = passed
            && !*has_alarmed
        {
            alarm!(
                position,
                "new audit events get positions that the audit stream has passed, so sinks miss them; \
                 run `restore check`"
            );
        }
        *has_alarmed = passed.is_some();
        Ok(())
    }

    /// Adds sinks that are new, and notes how far each one lags.
    async fn look(&self, now: OffsetDateTime) -> Result<(), StorageError> {
        let mut connection = self.database.connection().await?;
        let range = audit_stream::find_range(&mut connection).await?;
        let (first, end) = range.unzip();
        let end = end.unwrap_or_default();
        let stored = audit_sinks::list(&mut connection).await?;
        let mut worst = ("", 0);
        for Sink { name, .. } in &self.sinks {
            let Some(progress) = find(&stored, name) else {
                // It gets every event, and those until now do not count as undelivered.
                let progress = SinkProgress { position: before_first(first), reached: end };
                audit_sinks::add(&mut connection, name, progress).await?;
                continue;
            };
            let undelivered = progress.undelivered(end);
            let after = progress.undelivered_after();
            // A sink that gets earlier events is not late.
            let oldest = match undelivered {
                0 => None,
                _ => audit_stream::find_time_after(&mut connection, after).await?,
            };
            let age = oldest.map_or(0, |oldest| (now - oldest).whole_seconds().max(0));
            self.metrics.set_backlog(name, progress.backlog(end), age);
            if undelivered >= worst.1 {
                worst = (name, undelivered);
            }
        }
        connection.release();
        self.pressure.set_undelivered(worst.0, worst.1);
        self.metrics.set_full(self.pressure.is_full());
        Ok(())
    }
}

fn find(stored: &[StoredSink], name: &str) -> Option<SinkProgress> {
    stored.iter().find(|sink| sink.name == name).map(|sink| sink.progress)
}
