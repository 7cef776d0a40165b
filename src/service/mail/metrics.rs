//! Metrics of the mails for new passwords.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};
use time::OffsetDateTime;

use crate::{
    clock,
    storage::{Database, StorageError, password_mails},
};

/// What happened to a request or a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MailEvent {
    Queued,
    /// The user or the address has had enough mails, or clients of the network have asked for enough.
    Throttled,
    Sent,
    /// A delivery failed and will be repeated.
    Retried,
    /// The mail will not be sent.
    Failed,
    /// There is nobody to send it to, or the password was changed.
    Dropped,
}

impl MailEvent {
    const ALL: [Self; 6] =
        [Self::Queued, Self::Throttled, Self::Sent, Self::Retried, Self::Failed, Self::Dropped];

    fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Throttled => "throttled",
            Self::Sent => "sent",
            Self::Retried => "retried",
            Self::Failed => "failed",
            Self::Dropped => "dropped",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EventLabels {
    event: &'static str,
}

/// Counts mails. Shared by requests, deliveries and `/metrics`.
#[derive(Debug, Default)]
pub(crate) struct MailMetrics {
    events: Family<EventLabels, Counter>,
    waiting: Gauge,
    oldest: Gauge,
}

impl MailMetrics {
    /// Counts an event.
    pub(super) fn record(&self, event: MailEvent) {
        self.events.get_or_create(&EventLabels { event: event.as_str() }).inc();
    }

    /// Measures the queue.
    pub(super) async fn measure(&self, database: &Database) {
        let waiting = async {
            let mut connection = database.connection().await?;
            let waiting = password_mails::waiting(&mut connection).await?;
            connection.release();
            Ok::<_, StorageError>(waiting)
        };
        // The next look at the queue reports that the database does not answer.
        let Ok((mails, oldest)) = waiting.await else { return };
        let age = |oldest: OffsetDateTime| (clock::now() - oldest).whole_seconds().max(0);
        self.waiting.set(mails);
        self.oldest.set(oldest.map_or(0, age));
    }

    /// Registers all metrics.
    pub(crate) fn register(&self, registry: &mut Registry) {
        for event in MailEvent::ALL {
            drop(self.events.get_or_create(&EventLabels { event: event.as_str() }));
        }
        registry.register("password_mails", "Mails for new passwords", self.events.clone());
        let help = "Mails of all instances that wait for their delivery";
        registry.register("waiting", help, self.waiting.clone());
        let help = "Time since the request of the oldest mail that waits";
        registry.register_with_unit("oldest_waiting", help, Unit::Seconds, self.oldest.clone());
    }
}
