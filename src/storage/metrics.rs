//! Metrics of the connection pool and of the errors of the database.

use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::ConstGauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use super::error_class::ErrorClass;

/// The first bound of the waits in seconds, 0.03 ms: a wait for an open connection is short. All
/// bounds are powers of two, as those of native histograms are.
const FIRST_BOUND: f64 = 1.0 / 32_768.0;

/// The number of bounds. The last one is 16 seconds.
const BOUNDS: u16 = 20;

/// The numbers of connections.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct ConnectionCounts {
    pub(crate) open: usize,
    pub(crate) idle: usize,
    pub(crate) maximum: usize,
}

/// The metrics of a pool.
#[derive(Debug)]
pub(crate) struct DatabaseMetrics {
    waits: Histogram,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ErrorLabels {
    class: &'static str,
}

impl Default for DatabaseMetrics {
    fn default() -> Self {
        Self { waits: Histogram::new(exponential_buckets(FIRST_BOUND, 2.0, BOUNDS)) }
    }
}

impl DatabaseMetrics {
    /// Records the time that a request waited for its connection.
    pub(super) fn record_wait(&self, wait: Duration) {
        self.waits.observe(wait.as_secs_f64());
    }

    /// Registers all metrics.
    pub(crate) fn register(&self, registry: &mut Registry, connections: ConnectionCounts) {
        let ConnectionCounts { open, idle, maximum } = connections;
        for (name, help, number) in [
            ("connections", "Open connections to the database", open),
            ("connections_idle", "Open connections that are not in use", idle),
            ("connections_maximum", "Maximum number of connections", maximum),
        ] {
            let gauge = ConstGauge::new(i64::try_from(number).unwrap_or(i64::MAX));
            registry.register(name, help, gauge);
        }
        let help = "Time until a connection was available, or was not in time";
        registry.register_with_unit("wait", help, Unit::Seconds, self.waits.clone());
        let errors = Family::<ErrorLabels, Counter>::default();
        for class in ErrorClass::ALL {
            errors.get_or_create(&ErrorLabels { class: class.as_str() }).inc_by(class.count());
        }
        registry.register("errors", "Errors of the database", errors);
    }
}
