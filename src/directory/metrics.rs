//! Metrics of the searches in a directory.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::error::DirectoryError;

/// Counts searches by outcome. Shared by the client and by `/metrics`.
#[derive(Debug, Default)]
pub(crate) struct DirectoryMetrics {
    searches: Family<SearchLabels, Counter>,
    bind_refused: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SearchLabels {
    outcome: &'static str,
}

/// The connections to the directory.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct DirectoryConnections {
    pub(super) open: usize,
    pub(super) maximum: usize,
}

impl DirectoryMetrics {
    /// Counts a search.
    pub(super) fn record<T>(&self, result: &Result<T, DirectoryError>) {
        let outcome = result.as_ref().err().map_or("success", DirectoryError::outcome);
        self.searches.get_or_create(&SearchLabels { outcome }).inc();
    }

    /// Notes whether the directory refuses the password of the service.
    pub(super) fn set_bind_refused(&self, is_refused: bool) {
        self.bind_refused.set(i64::from(is_refused));
    }

    /// Registers all metrics.
    pub(crate) fn register(&self, registry: &mut Registry, connections: DirectoryConnections) {
        for outcome in DirectoryError::OUTCOMES {
            drop(self.searches.get_or_create(&SearchLabels { outcome }));
        }
        registry.register("searches", "Searches in the directory", self.searches.clone());
        let help =
            "1: the directory refused the password of directory.password_file. 0: it did not";
        registry.register("bind_refused", help, self.bind_refused.clone());
        for (name, help, number) in [
            ("connections", "Open connections to the directory", connections.open),
            (
                "connections_maximum",
                "Maximum number of connections to the directory; 0 without one",
                connections.maximum,
            ),
        ] {
            let gauge: Gauge = Gauge::default();
            gauge.set(i64::try_from(number).unwrap_or(i64::MAX));
            registry.register(name, help, gauge);
        }
    }
}
