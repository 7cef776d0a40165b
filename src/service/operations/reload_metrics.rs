//! Metrics of the files that the service reads again while it runs.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// Counts reloads by setting. Shared by the tasks that reload and by `/metrics`.
#[derive(Debug, Default)]
pub(crate) struct ReloadMetrics {
    reloads: Family<ReloadLabels, Counter>,
    failed: Family<SettingLabels, Gauge>,
    restart_required: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReloadLabels {
    setting: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct SettingLabels {
    setting: &'static str,
}

impl ReloadMetrics {
    /// Adds a setting without reloads, so that its samples exist before the first one.
    pub(crate) fn add_setting(&self, setting: &'static str) {
        for outcome in ["success", "failure"] {
            drop(self.reloads.get_or_create(&ReloadLabels { setting, outcome }));
        }
        self.failed.get_or_create(&SettingLabels { setting }).set(0);
    }

    /// Counts a reload.
    pub(crate) fn record(&self, setting: &'static str, is_success: bool) {
        let outcome = if is_success { "success" } else { "failure" };
        self.reloads.get_or_create(&ReloadLabels { setting, outcome }).inc();
        self.failed.get_or_create(&SettingLabels { setting }).set(i64::from(!is_success));
    }

    /// Sets the number of settings that changed and need a restart.
    pub(crate) fn set_restart_required(&self, settings: usize) {
        self.restart_required.set(i64::try_from(settings).unwrap_or(i64::MAX));
    }

    /// Registers all metrics.
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("reloads", "Settings and files read again", self.reloads.clone());
        let help = "1: the last reload failed and the former content is in use. 0: it succeeded";
        registry.register("reload_failed", help, self.failed.clone());
        let help = "Settings that changed and take effect only after a restart";
        registry.register("settings_restart_required", help, self.restart_required.clone());
    }
}
