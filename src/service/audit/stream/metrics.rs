//! Metrics of the sinks of the audit stream.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

use crate::audit_sinks::SinkError;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SinkLabels {
    sink: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct FailureLabels {
    sink: String,
    reason: &'static str,
}

/// Counts what sinks get. Shared by the deliveries and `/metrics`.
#[derive(Debug, Default)]
pub(crate) struct SinkMetrics {
    delivered: Family<SinkLabels, Counter>,
    failures: Family<FailureLabels, Counter>,
    backlog: Family<SinkLabels, Gauge>,
    oldest: Family<SinkLabels, Gauge>,
    is_full: Gauge,
}

impl SinkMetrics {
    /// Shows a sink before its first event.
    pub(crate) fn add(&self, sink: &str) {
        let labels = labels(sink);
        drop(self.delivered.get_or_create(&labels));
        drop(self.backlog.get_or_create(&labels));
        drop(self.oldest.get_or_create(&labels));
        for reason in SinkError::REASONS {
            let labels = FailureLabels { sink: sink.to_owned(), reason };
            drop(self.failures.get_or_create(&labels));
        }
    }

    /// Counts events that a sink has.
    pub(super) fn record_delivered(&self, sink: &str, events: u64) {
        self.delivered.get_or_create(&labels(sink)).inc_by(events);
    }

    /// Counts a failed delivery.
    pub(super) fn record_failure(&self, sink: &str, reason: &'static str) {
        let labels = FailureLabels { sink: sink.to_owned(), reason };
        self.failures.get_or_create(&labels).inc();
    }

    /// Notes how many events a sink has not got yet, and the age in seconds of the first one that counts
    /// as undelivered.
    pub(super) fn set_backlog(&self, sink: &str, events: u64, oldest_seconds: i64) {
        let events = i64::try_from(events).unwrap_or(i64::MAX);
        self.backlog.get_or_create(&labels(sink)).set(events);
        self.oldest.get_or_create(&labels(sink)).set(oldest_seconds);
    }

    /// Notes whether too many events are undelivered.
    pub(super) fn set_full(&self, is_full: bool) {
        self.is_full.set(is_full.into());
    }

    /// Registers all metrics.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let help = "Audit events that this instance delivered to a sink";
        registry.register("sink_events_delivered", help, self.delivered.clone());
        let help = "Deliveries of this instance to a sink that failed";
        registry.register("sink_failures", help, self.failures.clone());
        let help = "Audit events that a sink has not got yet";
        registry.register("sink_backlog", help, self.backlog.clone());
        let help = "Time since the first audit event that a sink has not got yet; events from before \
                    the sink, and those that it gets again, do not count";
        let oldest = self.oldest.clone();
        registry.register_with_unit("sink_oldest", help, Unit::Seconds, oldest);
        let help = "1 while too many audit events are undelivered: from more than \
                    audit.maximum_undelivered until half of that number or fewer";
        registry.register("stream_full", help, self.is_full.clone());
    }
}

fn labels(sink: &str) -> SinkLabels {
    SinkLabels { sink: sink.to_owned() }
}
