//! The state of this instance: whether it is ready, and its metrics.

use std::{fmt, sync::Arc};

use prometheus_client::{
    encoding::text::encode,
    metrics::gauge::{ConstGauge, Gauge},
    registry::{Registry, Unit},
};

use crate::{
    security::hashing::HashingEngine,
    storage::{self, ConnectionCounts, Database, StorageError},
};

/// The prefix of every metric.
const PREFIX: &str = "keeper";

/// Why an instance is not ready.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotReady {
    #[error(transparent)]
    Database(#[from] StorageError),
    #[error("{0} migrations are not applied")]
    PendingMigrations(usize),
}

/// The state of this instance.
pub(crate) struct Instance {
    pub(crate) database: Database,
    pub(crate) hashing: Arc<HashingEngine>,
    /// The most memory that the process uses, in KiB.
    pub(crate) memory_ceiling_kib: u64,
}

impl Instance {
    /// Succeeds when the database answers and every migration of this binary is applied. Newer
    /// migrations are accepted, so that a release can be rolled out instance by instance.
    ///
    /// # Errors
    /// See [`NotReady`].
    pub(crate) async fn check_readiness(&self) -> Result<(), NotReady> {
        self.database.require_writable().await?;
        match storage::pending_migrations(&self.database).await? {
            0 => Ok(()),
            pending => Err(NotReady::PendingMigrations(pending)),
        }
    }

    /// All metrics in the `OpenMetrics` text format. `register_http` adds those of HTTP.
    ///
    /// # Errors
    /// Never in practice: writing to a string does not fail.
    pub(crate) fn metrics(
        &self,
        register_http: impl FnOnce(&mut Registry),
    ) -> Result<String, fmt::Error> {
        let mut registry = Registry::with_prefix(PREFIX);
        self.hashing.register_metrics(registry.sub_registry_with_prefix("hashing"));
        self.register_database(registry.sub_registry_with_prefix("database"));
        register_http(registry.sub_registry_with_prefix("http"));
        let bytes = |kib: u64| i64::try_from(kib * 1024).unwrap_or(i64::MAX);
        for (name, help, kib) in [
            ("memory_ceiling", "The most memory this process takes", self.memory_ceiling_kib),
            ("hashing_memory", "Memory of all hashing threads", self.hashing.capacity().memory_kib),
        ] {
            registry.register_with_unit(name, help, Unit::Bytes, ConstGauge::new(bytes(kib)));
        }
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }

    fn register_database(&self, registry: &mut Registry) {
        let ConnectionCounts { open, idle, maximum } = self.database.counts();
        for (name, help, number) in [
            ("connections", "Open connections to the database", open),
            ("connections_idle", "Open connections that are not in use", idle),
            ("connections_maximum", "Maximum number of connections", maximum),
        ] {
            let gauge: Gauge = Gauge::default();
            gauge.set(i64::try_from(number).unwrap_or(i64::MAX));
            registry.register(name, help, gauge);
        }
    }
}
