//! Encodes the metrics of an instance in the text format of `OpenMetrics`.

use std::fmt;

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        family::Family,
        gauge::{ConstGauge, Gauge},
    },
    registry::{Registry, Unit},
};

use super::reload_metrics::ReloadMetrics;
pub(crate) use crate::migration_hook::HookMetrics;
use crate::{
    security::{hashing::HashingEngine, keyring::Keyring},
    service::{
        activity::metrics::ActivityMetrics, directory::search::DirectorySearch,
        import::jobs::metrics::ImportMetrics, mail::metrics::MailMetrics,
    },
    storage::ConnectionCounts,
};

/// The prefix of every metric.
const PREFIX: &str = "keeper";

/// The sources of the metrics of an instance.
pub(crate) struct MetricSources<'sources> {
    pub(crate) hashing: &'sources HashingEngine,
    pub(crate) connections: ConnectionCounts,
    pub(crate) keyring: Option<&'sources Keyring>,
    pub(crate) activity: &'sources ActivityMetrics,
    pub(crate) reloads: &'sources ReloadMetrics,
    pub(crate) directory: &'sources DirectorySearch,
    pub(crate) imports: &'sources ImportMetrics,
    pub(crate) mail: &'sources MailMetrics,
    pub(crate) migration: &'sources HookMetrics,
    /// The maximum memory of the process, in KiB.
    pub(crate) memory_ceiling_kib: u64,
}

/// Encodes all metrics in the text format of `OpenMetrics`, which Prometheus reads. `register_http`
/// adds the metrics of HTTP.
///
/// # Errors
/// Never in practice: writing to a string does not fail.
pub(crate) fn encode_metrics(
    sources: &MetricSources<'_>,
    register_http: impl FnOnce(&mut Registry),
) -> Result<String, fmt::Error> {
    let MetricSources {
        hashing,
        connections,
        keyring,
        activity,
        reloads,
        directory,
        imports,
        mail,
        migration,
        memory_ceiling_kib,
    } = *sources;
    let mut registry = Registry::with_prefix(PREFIX);
    hashing.register_metrics(registry.sub_registry_with_prefix("hashing"));
    register_database(registry.sub_registry_with_prefix("database"), connections);
    registry.register("keyring_key", "1 for each key of the keyring in use", key_gauges(keyring));
    activity.register(&mut registry);
    reloads.register(&mut registry);
    directory.register_metrics(registry.sub_registry_with_prefix("directory"));
    imports.register(registry.sub_registry_with_prefix("import"));
    mail.register(registry.sub_registry_with_prefix("mail"));
    migration.register(registry.sub_registry_with_prefix("migration"));
    register_http(registry.sub_registry_with_prefix("http"));
    let bytes = |kib: u64| i64::try_from(kib * 1024).unwrap_or(i64::MAX);
    for (name, help, kib) in [
        ("memory_ceiling", "Maximum memory of this process", memory_ceiling_kib),
        ("hashing_memory", "Memory of all hashing threads", hashing.capacity().memory_kib),
    ] {
        registry.register_with_unit(name, help, Unit::Bytes, ConstGauge::new(bytes(kib)));
    }
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

/// Labels of a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KeyLabels {
    key: String,
    state: &'static str,
}

fn key_gauges(keyring: Option<&Keyring>) -> Family<KeyLabels, Gauge> {
    let family = Family::<KeyLabels, Gauge>::default();
    for (id, state) in keyring.iter().flat_map(|keyring| keyring.states()) {
        let labels = KeyLabels { key: id.to_owned(), state: state.as_str() };
        family.get_or_create(&labels).set(1);
    }
    family
}

fn register_database(registry: &mut Registry, connections: ConnectionCounts) {
    let ConnectionCounts { open, idle, maximum } = connections;
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
