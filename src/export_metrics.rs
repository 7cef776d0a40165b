//! Metrics of the export of traces and logs.

use std::sync::LazyLock;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

/// What is exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    Traces,
    Logs,
}

/// Why an item was not exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DropReason {
    /// The queue was full.
    QueueFull,
    /// The collector refused it, or did not take it before the end of the process.
    Refused,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SignalLabels {
    signal: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct DropLabels {
    signal: &'static str,
    reason: &'static str,
}

/// The counters of the process.
struct Counters {
    exported: Family<SignalLabels, Counter>,
    dropped: Family<DropLabels, Counter>,
}

static COUNTERS: LazyLock<Counters> = LazyLock::new(|| {
    let counters = Counters { exported: Family::default(), dropped: Family::default() };
    // Show zeros from the start.
    for signal in [Signal::Traces, Signal::Logs] {
        drop(counters.exported.get_or_create(&signal.labels()));
        for reason in [DropReason::QueueFull, DropReason::Refused] {
            drop(counters.dropped.get_or_create(&signal.drop_labels(reason)));
        }
    }
    counters
});

impl Signal {
    /// The name in labels and messages.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Logs => "logs",
        }
    }

    /// Counts exported items.
    pub(crate) fn count_exported(self, number: usize) {
        COUNTERS.exported.get_or_create(&self.labels()).inc_by(count(number));
    }

    /// Counts dropped items.
    pub(crate) fn count_dropped(self, reason: DropReason, number: usize) {
        COUNTERS.dropped.get_or_create(&self.drop_labels(reason)).inc_by(count(number));
    }

    fn labels(self) -> SignalLabels {
        SignalLabels { signal: self.name() }
    }

    fn drop_labels(self, reason: DropReason) -> DropLabels {
        let reason = match reason {
            DropReason::QueueFull => "queue_full",
            DropReason::Refused => "refused",
        };
        DropLabels { signal: self.name(), reason }
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// Registers the metrics, which are zero without an export.
pub(crate) fn register(registry: &mut Registry) {
    let help = "Spans and log records that the collector took";
    registry.register("exported", help, COUNTERS.exported.clone());
    let help = "Spans and log records that were not exported";
    registry.register("dropped", help, COUNTERS.dropped.clone());
}
