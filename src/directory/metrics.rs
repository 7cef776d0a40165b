//! Metrics of the searches in a directory, and of the passwords that it verifies.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        gauge::{ConstGauge, Gauge},
    },
    registry::Registry,
};

use super::{bind_verdict::BindVerdict, error::DirectoryError};

/// Counts searches and logins by outcome. Shared by the client and by `/metrics`.
#[derive(Debug, Default)]
pub(crate) struct DirectoryMetrics {
    searches: Family<OutcomeLabels, Counter>,
    bind_refused: Gauge,
    logins: Family<OutcomeLabels, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

/// The connections to the directory.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct DirectoryConnections {
    pub(super) open: usize,
    pub(super) maximum: usize,
}

impl DirectoryConnections {
    /// The connections of both pools.
    pub(super) fn and(self, other: Self) -> Self {
        Self { open: self.open + other.open, maximum: self.maximum + other.maximum }
    }
}

impl DirectoryMetrics {
    /// Counts a search.
    pub(super) fn record<T>(&self, result: &Result<T, DirectoryError>) {
        let outcome = result.as_ref().err().map_or("success", DirectoryError::outcome);
        self.searches.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// Counts a login that the directory was asked about, or should have been.
    pub(super) fn record_login(&self, verdict: &Result<BindVerdict, DirectoryError>) {
        let outcome = match verdict {
            Ok(verdict) => verdict.outcome(),
            Err(error) => error.outcome(),
        };
        self.logins.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// Notes whether the directory refuses the password of the service.
    pub(super) fn set_bind_refused(&self, is_refused: bool) {
        self.bind_refused.set(i64::from(is_refused));
    }

    /// Registers all metrics, with the connections for searches and for logins, and whether the
    /// directory is known to fail at logins.
    pub(crate) fn register(
        &self,
        registry: &mut Registry,
        searches: DirectoryConnections,
        logins: DirectoryConnections,
        is_failing: bool,
    ) {
        for outcome in DirectoryError::OUTCOMES {
            drop(self.searches.get_or_create(&OutcomeLabels { outcome }));
        }
        let failures = DirectoryError::OUTCOMES.into_iter().filter(|outcome| *outcome != "success");
        let failures = failures.chain(DirectoryError::VERIFICATION_OUTCOMES);
        for outcome in BindVerdict::OUTCOMES.into_iter().chain(failures) {
            drop(self.logins.get_or_create(&OutcomeLabels { outcome }));
        }
        registry.register("searches", "Searches in the directory", self.searches.clone());
        let help =
            "1: the directory refused the password of directory.password_file. 0: it did not";
        registry.register("bind_refused", help, self.bind_refused.clone());
        let help = "Logins that the directory was asked about, or should have been";
        registry.register("logins", help, self.logins.clone());
        let help = "1: the directory is not asked about passwords, because several requests in a \
                    row failed. 0: it is, or nothing has failed for 15 minutes";
        registry.register("login_breaker_open", help, ConstGauge::new(i64::from(is_failing)));
        for (name, help, number) in [
            ("connections", "Open connections to the directory", searches.open),
            (
                "connections_maximum",
                "Maximum number of connections to the directory; 0 without one",
                searches.maximum,
            ),
            ("login_connections", "Open connections for logins", logins.open),
            (
                "login_connections_maximum",
                "Maximum number of connections for logins; 0 without directory.verify_passwords",
                logins.maximum,
            ),
        ] {
            let gauge: Gauge = Gauge::default();
            gauge.set(i64::try_from(number).unwrap_or(i64::MAX));
            registry.register(name, help, gauge);
        }
    }
}
