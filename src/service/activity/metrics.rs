//! Counters of saves and of attempts to authenticate with a password.

use prometheus_client::{metrics::counter::Counter, registry::Registry};

/// Counts saves and attempts. Shared by the use cases, `/metrics` and the report of the activity.
#[derive(Debug, Default)]
pub(crate) struct ActivityMetrics {
    saves: Counter,
    logins: Counter,
    failures: Counter,
    throttled: Counter,
}

/// The counters at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ActivityCounts {
    pub(super) saves: u64,
    pub(super) logins: u64,
    pub(super) failures: u64,
    pub(super) throttled: u64,
}

impl ActivityMetrics {
    /// Counts a credential that was saved.
    pub(in crate::service) fn record_save(&self) {
        self.saves.inc();
    }

    /// Counts a password that authenticated its user.
    pub(in crate::service) fn record_login(&self) {
        self.logins.inc();
    }

    /// Counts a password that was refused.
    pub(in crate::service) fn record_failure(&self) {
        self.failures.inc();
    }

    /// Counts an attempt that was refused because there were too many.
    pub(in crate::service) fn record_throttled(&self) {
        self.throttled.inc();
    }

    /// Reads the counters.
    pub(super) fn counts(&self) -> ActivityCounts {
        ActivityCounts {
            saves: self.saves.get(),
            logins: self.logins.get(),
            failures: self.failures.get(),
            throttled: self.throttled.get(),
        }
    }

    /// Registers all metrics.
    pub(crate) fn register(&self, registry: &mut Registry) {
        for (name, help, counter) in [
            ("credential_saves", "Credentials that were saved", &self.saves),
            ("logins", "Passwords that authenticated their user", &self.logins),
            (
                "failed_attempts",
                "Passwords that were refused, at a login or as the old password of a change",
                &self.failures,
            ),
            (
                "throttled_attempts",
                "Attempts that were refused without a look at their password, because there were \
                 too many",
                &self.throttled,
            ),
        ] {
            registry.register(name, help, counter.clone());
        }
    }
}
