//! The application while it serves, and its shutdown.

use std::{
    future::{Future, pending},
    sync::Arc,
    time::Duration,
};

use tokio::task::JoinSet;

use super::{components::Background, error::StartError, server::RunningServer, systemd};
use crate::{
    http::Readiness,
    security::hashing::HashingEngine,
    service::{
        activity::recorder::ActivityRecorder,
        audit::{anchors::Anchors, stream::delivery::AuditStream},
    },
    storage::Database,
    telemetry::task_failed,
};

/// The timeout of each of the final steps: releasing the audit sinks, logging anchors, and closing
/// database connections.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// The application, which accepts connections.
pub struct RunningApplication {
    pub(super) api: RunningServer,
    pub(super) operations: Option<RunningServer>,
    pub(super) tasks: JoinSet<()>,
    pub(super) readiness: Arc<Readiness>,
    /// How long the application still serves after readiness returns 503.
    pub(super) grace: Duration,
    pub(super) remains: Remains,
}

impl RunningApplication {
    /// Serves until `stop` completes. Then readiness returns 503 for the grace period, the listener
    /// closes, and accepted requests finish.
    ///
    /// # Errors
    /// When a web server or a background task fails. The last anchors are logged all the same.
    pub async fn run_until(self, stop: impl Future<Output = ()>) -> Result<(), StartError> {
        let Self { mut api, mut operations, mut tasks, readiness, grace, remains } = self;
        let served = tokio::select! {
            served = api.run_until(stop) => served,
            failure = failure_of(operations.as_mut()) => failure,
            failure = first_failure(&mut tasks) => Err(failure),
        };
        systemd::notify_stopping();
        readiness.stop();
        tokio::time::sleep(grace).await;
        let mut stopped = served.and(api.stop().await);
        if let Some(operations) = operations {
            stopped = stopped.and(operations.stop().await);
        }
        tasks.shutdown().await;
        remains.close().await;
        stopped
    }
}

/// Waits until the server of the operations listener fails, if there is one.
async fn failure_of(operations: Option<&mut RunningServer>) -> Result<(), StartError> {
    match operations {
        Some(operations) => operations.run_until(pending()).await,
        None => pending().await,
    }
}

/// Waits until a background task panics. Without it, the service would only seem to be complete:
/// a supervisor starts it again.
async fn first_failure(tasks: &mut JoinSet<()>) -> StartError {
    while let Some(ended) = tasks.join_next().await {
        if let Err(error) = ended {
            return StartError::BackgroundTask(task_failed(error));
        }
    }
    pending().await
}

/// Components that close after the servers and the tasks have ended: this instance releases the audit
/// sinks, logs the last anchors and records the last minute of activity. It delivers no more audit
/// events: another instance does, or this one after its next start.
pub(super) struct Remains {
    /// `None`: no anchors are logged.
    anchors: Option<Arc<Anchors>>,
    recorder: Arc<ActivityRecorder>,
    audit_stream: Arc<AuditStream>,
    hashing: Arc<HashingEngine>,
    database: Database,
}

impl Remains {
    pub(super) fn new(
        background: &Background,
        anchor_period: Duration,
        hashing: Arc<HashingEngine>,
        database: Database,
    ) -> Self {
        Self {
            anchors: (!anchor_period.is_zero()).then(|| Arc::clone(&background.anchors)),
            recorder: Arc::clone(&background.recorder),
            audit_stream: Arc::clone(&background.audit_stream),
            hashing,
            database,
        }
    }

    async fn close(self) {
        if tokio::time::timeout(CLOSE_TIMEOUT, self.audit_stream.release()).await.is_err() {
            tracing::warn!("timed out releasing the audit sinks");
        }
        if let Some(anchors) = self.anchors {
            anchors.log_rest(CLOSE_TIMEOUT).await;
        }
        self.recorder.record_rest().await;
        self.hashing.close();
        tracing::info!(hashes = self.hashing.hashed(), "stopped");
        // An unresponsive database must not keep the process from exiting.
        if tokio::time::timeout(CLOSE_TIMEOUT, self.database.close()).await.is_err() {
            tracing::warn!("timed out closing the database connections");
        }
    }
}

/// Spawns the background tasks, which run until shutdown.
pub(super) fn spawn_background_tasks(
    background: Background,
    database: Database,
    anchor_period: Duration,
) -> JoinSet<()> {
    let Background { anchors, recorder, housekeeping, .. } = background;
    let Background { last_uses, rehashing, list_checks, mail_delivery, maintenance, .. } =
        background;
    let Background { audit_stream, .. } = background;
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { housekeeping.run().await });
    tasks.spawn(async move { recorder.run().await });
    let held = Arc::clone(&maintenance);
    tasks.spawn(async move { rehashing.run(&held).await });
    let held = Arc::clone(&maintenance);
    tasks.spawn(async move { list_checks.run(&held).await });
    tasks.spawn(async move { last_uses.run(&database).await });
    tasks.spawn(systemd::feed_watchdog());
    tasks.spawn(async move { audit_stream.run().await });
    if let Some(mail_delivery) = mail_delivery {
        tasks.spawn(async move { mail_delivery.run(&maintenance).await });
    }
    if !anchor_period.is_zero() {
        tasks.spawn(async move { anchors.run(anchor_period).await });
    }
    tasks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_background_task_that_panics_ends_the_application() {
        let mut tasks = JoinSet::new();
        tasks.spawn(async {});
        tasks.spawn(pending());
        assert!(futures_util::poll!(Box::pin(first_failure(&mut tasks))).is_pending());
        tasks.spawn(async { panic!("a defect") });
        let failure = first_failure(&mut tasks).await;
        assert!(matches!(failure, StartError::BackgroundTask(_)), "{failure}");
    }
}
