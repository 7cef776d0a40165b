//! Encodes the metrics of an instance in the text format of `OpenMetrics`.

use std::{fmt, sync::Arc};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::{ConstGauge, Gauge},
        info::Info,
    },
    registry::{Registry, Unit},
};

use time::OffsetDateTime;

use super::{maintenance::Maintenance, reload_metrics::ReloadMetrics};
use crate::{
    domain::stored_credential::HashScheme,
    export_metrics,
    log_events::{ALARMS, LOST_LINES},
    migration_hook::HookMetrics,
    security::hashing::HashingEngine,
    service::{
        activity::{
            hash_survey::SchemeShare,
            metrics::ActivityMetrics,
            report::{KeyUse, MetricFigures},
        },
        audit::{anchors::AnchorState, stream::metrics::SinkMetrics},
        directory::search::DirectorySearch,
        import::jobs::metrics::ImportMetrics,
        mail::metrics::MailMetrics,
        unsealing::UnsealFailure,
    },
    storage::{ConnectionCounts, DatabaseMetrics},
};

/// The prefix of every metric.
const PREFIX: &str = "keeper";

/// The sources of the metrics of an instance.
pub(crate) struct MetricSources<'sources> {
    pub(crate) hashing: &'sources HashingEngine,
    pub(crate) database: &'sources DatabaseMetrics,
    pub(crate) state: StateFigures,
    pub(crate) activity: &'sources ActivityMetrics,
    pub(crate) reloads: &'sources ReloadMetrics,
    pub(crate) maintenance: &'sources Maintenance,
    pub(crate) directory: &'sources DirectorySearch,
    pub(crate) imports: &'sources ImportMetrics,
    pub(crate) mail: &'sources MailMetrics,
    pub(crate) systems: &'sources SystemMetrics,
}

/// The state of an instance at the time of the metrics.
#[derive(Debug, Default)]
pub(crate) struct StateFigures {
    pub(crate) connections: ConnectionCounts,
    pub(crate) activity: MetricFigures,
    /// The maximum memory of the process, in KiB.
    pub(crate) memory_ceiling_kib: u64,
}

/// The metrics of systems that the service calls.
#[derive(Default)]
pub(crate) struct SystemMetrics {
    pub(crate) migration: Arc<HookMetrics>,
    pub(crate) audit: Arc<SinkMetrics>,
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
    let MetricSources { hashing, state, activity, .. } = sources;
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register("build", "The version of the service", Info::new([("version", VERSION)]));
    register_alarms(&mut registry);
    let audit = registry.sub_registry_with_prefix("audit");
    register_anchors(audit, &state.activity);
    sources.systems.audit.register(audit);
    let hash_registry = registry.sub_registry_with_prefix("hashing");
    hashing.register_metrics(hash_registry);
    register_hashes(hash_registry, &state.activity.hashes);
    let database_registry = registry.sub_registry_with_prefix("database");
    sources.database.register(database_registry, state.connections);
    register_keys(&mut registry, &state.activity.keys);
    activity.register(&mut registry);
    sources.reloads.register(&mut registry);
    sources.maintenance.register(&mut registry);
    sources.directory.register_metrics(registry.sub_registry_with_prefix("directory"));
    sources.imports.register(registry.sub_registry_with_prefix("import"));
    sources.mail.register(registry.sub_registry_with_prefix("mail"));
    sources.systems.migration.register(registry.sub_registry_with_prefix("migration"));
    export_metrics::register(registry.sub_registry_with_prefix("telemetry"));
    register_http(registry.sub_registry_with_prefix("http"));
    let bytes = |kib: u64| i64::try_from(kib * 1024).unwrap_or(i64::MAX);
    for (name, help, kib) in [
        ("memory_ceiling", "Maximum memory of this process", state.memory_ceiling_kib),
        ("hashing_memory", "Memory of all hashing threads", hashing.capacity().memory_kib),
    ] {
        registry.register_with_unit(name, help, Unit::Bytes, ConstGauge::new(bytes(kib)));
    }
    let mut text = String::new();
    encode(&mut text, &registry)?;
    Ok(text)
}

/// The version of this binary.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Alarms in the log, lines that it lacks, and rows that could not be unsealed.
fn register_alarms(registry: &mut Registry) {
    let help = "Alarms in the log: somebody must look";
    registry.register("alarms", help, ConstCounter::new(ALARMS.count()));
    let help = "Time of the last alarm that cannot wait; 0 without one";
    let last_at = ConstGauge::new(ALARMS.last_at());
    registry.register_with_unit("last_alarm_timestamp", help, Unit::Seconds, last_at);
    let help = "Lines of the log that could not be written";
    registry.register("log_lines_lost", help, ConstCounter::new(LOST_LINES.count()));
    let help = "Time of the last line of the log that could not be written; 0 without one";
    let last_at = ConstGauge::new(LOST_LINES.last_at());
    registry.register_with_unit("last_lost_log_line_timestamp", help, Unit::Seconds, last_at);
    let failures = Family::<ReasonLabels, Counter>::default();
    let last_failures = Family::<ReasonLabels, Gauge>::default();
    for reason in UnsealFailure::ALL {
        let labels = ReasonLabels { reason: reason.as_str() };
        failures.get_or_create(&labels).inc_by(reason.counter().count());
        last_failures.get_or_create(&labels).set(reason.counter().last_at());
    }
    registry.register("unseal_failures", "Stored secrets that could not be unsealed", failures);
    let help = "Time when a stored secret last could not be unsealed; 0 without one";
    let name = "last_unseal_failure_timestamp";
    registry.register_with_unit(name, help, Unit::Seconds, last_failures);
}

/// The reason of a failure.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

fn register_anchors(registry: &mut Registry, figures: &MetricFigures) {
    let AnchorState { logged_at, waiting, age } = figures.anchors;
    let waiting = ConstGauge::new(i64::try_from(waiting).unwrap_or(i64::MAX));
    registry.register("chains_waiting", "Audit chains that changed since their anchor", waiting);
    let help = "Time when this instance last logged anchors; 0 before the first";
    let logged_at = ConstGauge::new(logged_at.map_or(0, OffsetDateTime::unix_timestamp));
    registry.register_with_unit("last_anchor_timestamp", help, Unit::Seconds, logged_at);
    for (name, help, seconds) in [
        (
            "oldest_waiting",
            "Time since the first change without an anchor; 0 without one",
            age.as_secs_f64(),
        ),
        (
            "anchor_period",
            "Time between two logs of anchors; 0: no anchors",
            figures.anchor_period.as_secs_f64(),
        ),
    ] {
        registry.register_with_unit(name, help, Unit::Seconds, ConstGauge::new(seconds));
    }
}

/// The scheme of a hash.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SchemeLabels {
    scheme: &'static str,
}

fn register_hashes(registry: &mut Registry, shares: &[SchemeShare]) {
    let (counted, below) = (Family::default(), Family::default());
    let set = |family: &Family<SchemeLabels, Gauge>, scheme: HashScheme, number: u64| {
        let labels = SchemeLabels { scheme: scheme.as_str() };
        family.get_or_create(&labels).set(i64::try_from(number).unwrap_or(i64::MAX));
    };
    for scheme in HashScheme::ALL {
        let share = shares.iter().find(|share| share.scheme == *scheme);
        set(&counted, *scheme, share.map_or(0, |share| share.counted));
        set(&below, *scheme, share.map_or(0, |share| share.below_target));
    }
    let help =
        "Credentials of the last survey, which counts a sample of a large table; 0 before it";
    registry.register("surveyed", help, counted);
    let help = "Credentials of the last survey whose hash costs less than a new one";
    registry.register("below_target", help, below);
}

/// The id of a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KeyIdLabels {
    key: String,
}

/// Labels of a key.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KeyLabels {
    key: String,
    state: &'static str,
}

fn register_keys(registry: &mut Registry, keys: &[KeyUse]) {
    let states = Family::<KeyLabels, Gauge>::default();
    let first_uses = Family::<KeyIdLabels, Gauge>::default();
    for KeyUse { id, state, first_used_at } in keys {
        states.get_or_create(&KeyLabels { key: id.clone(), state }).set(1);
        if let Some(time) = first_used_at {
            first_uses.get_or_create(&KeyIdLabels { key: id.clone() }).set(time.unix_timestamp());
        }
    }
    registry.register("keyring_key", "1 for each key of the keyring in use", states);
    let help = "Time when a key of the keyring in use was first used";
    let name = "keyring_key_first_used_timestamp";
    registry.register_with_unit(name, help, Unit::Seconds, first_uses);
}
