//! Metrics of the files that administrators send for an import.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::Registry,
};

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UploadOutcome {
    /// It was received, and its import started.
    Started,
    /// It was refused before its import: it is missing or too large, its form is incomplete, or there
    /// is no place.
    Refused,
    /// It was not received in time.
    TimedOut,
    /// The connection or the form ended early.
    CutOff,
}

impl UploadOutcome {
    const ALL: [Self; 4] = [Self::Started, Self::Refused, Self::TimedOut, Self::CutOff];

    fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Refused => "refused",
            Self::TimedOut => "timed_out",
            Self::CutOff => "cut_off",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

/// Counts files. Shared by the pages and `/metrics`.
#[derive(Debug, Default)]
pub(crate) struct ImportMetrics {
    uploads: Family<OutcomeLabels, Counter>,
}

impl ImportMetrics {
    /// Counts a file.
    pub(crate) fn record(&self, outcome: UploadOutcome) {
        self.uploads.get_or_create(&OutcomeLabels { outcome: outcome.as_str() }).inc();
    }

    /// Registers all metrics.
    pub(crate) fn register(&self, registry: &mut Registry) {
        for outcome in UploadOutcome::ALL {
            drop(self.uploads.get_or_create(&OutcomeLabels { outcome: outcome.as_str() }));
        }
        let help = "Files that administrators sent for an import";
        registry.register("uploads", help, self.uploads.clone());
    }
}
