//! Metrics of the files that administrators send for an import, and of the import in progress.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::ConstGauge},
    registry::{Registry, Unit},
};

use super::job::{ImportJob, Progress, ResultKind};

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

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabels {
    result: &'static str,
}

/// Counts files and their lines. Shared by the pages and `/metrics`.
#[derive(Default)]
pub(crate) struct ImportMetrics {
    uploads: Family<OutcomeLabels, Counter>,
    lines: Family<ResultLabels, Counter>,
    /// The import in progress.
    running: Mutex<Weak<ImportJob>>,
}

impl ImportMetrics {
    /// Counts a file.
    pub(crate) fn record(&self, outcome: UploadOutcome) {
        self.uploads.get_or_create(&OutcomeLabels { outcome: outcome.as_str() }).inc();
    }

    /// Counts the result of a line.
    pub(super) fn record_line(&self, kind: ResultKind) {
        self.lines.get_or_create(&ResultLabels { result: kind.as_str() }).inc();
    }

    /// Shows the progress of an import that begins.
    pub(super) fn begin(&self, job: &Arc<ImportJob>) {
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(job);
    }

    /// The bytes of the import in progress that were read, and all of them; zero without one.
    fn progress(&self) -> (u64, u64) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        let progress = running.map(|job| job.progress()).filter(Progress::is_running);
        progress.map_or((0, 0), |progress| (progress.position, progress.length))
    }

    /// Registers all metrics.
    pub(crate) fn register(&self, registry: &mut Registry) {
        for outcome in UploadOutcome::ALL {
            drop(self.uploads.get_or_create(&OutcomeLabels { outcome: outcome.as_str() }));
        }
        let help = "Files that administrators sent for an import";
        registry.register("uploads", help, self.uploads.clone());
        for kind in ResultKind::ALL {
            drop(self.lines.get_or_create(&ResultLabels { result: kind.as_str() }));
        }
        let help = "Lines of imports that administrators started in a browser";
        registry.register("lines", help, self.lines.clone());
        let (read, length) = self.progress();
        for (name, help, bytes) in [
            ("read", "Bytes of the import in progress that were read", read),
            ("length", "Length of the import in progress; 0 without one", length),
        ] {
            let gauge = ConstGauge::new(i64::try_from(bytes).unwrap_or(i64::MAX));
            registry.register_with_unit(name, help, Unit::Bytes, gauge);
        }
    }
}
