//! What operators watch, as text for Prometheus.

use std::fmt;

use prometheus_client::{
    encoding::text::encode,
    metrics::gauge::{ConstGauge, Gauge},
    registry::{Registry, Unit},
};

use crate::service::Service;
use crate::storage::ConnectionCounts;

/// The prefix of every metric.
const PREFIX: &str = "keeper";

impl Service {
    /// All metrics in the text format of `OpenMetrics`, which Prometheus reads. `register_http` adds
    /// those of HTTP.
    ///
    /// # Errors
    /// Never in practice: a text takes whatever is written to it.
    pub(crate) fn metrics(
        &self,
        register_http: impl FnOnce(&mut Registry),
    ) -> Result<String, fmt::Error> {
        let mut registry = Registry::with_prefix(PREFIX);
        self.hashing.register_metrics(registry.sub_registry_with_prefix("hashing"));
        self.register_database(registry.sub_registry_with_prefix("database"));
        register_http(registry.sub_registry_with_prefix("http"));
        let kib = |number: u64| i64::try_from(number * 1024).unwrap_or(i64::MAX);
        for (name, help, number) in [
            ("memory_ceiling", "The most memory this process takes", self.memory_ceiling_kib),
            ("hashing_memory", "Memory of all hashing threads", self.hashing.capacity().memory_kib),
        ] {
            registry.register_with_unit(name, help, Unit::Bytes, ConstGauge::new(kib(number)));
        }
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }

    fn register_database(&self, registry: &mut Registry) {
        let ConnectionCounts { open, idle, maximum } = self.database.counts();
        for (name, help, number) in [
            ("connections", "Open connections to the database", open),
            ("connections_idle", "Open connections that nobody uses", idle),
            ("connections_maximum", "Connections there may be", maximum),
        ] {
            let gauge: Gauge = Gauge::default();
            gauge.set(i64::try_from(number).unwrap_or(i64::MAX));
            registry.register(name, help, gauge);
        }
    }
}
