//! Metrics of the move from an old system.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::{answer::HookAnswer, error::HookError};

/// Counts the questions to the old system by outcome, and the users who moved. Shared by the client
/// and by `/metrics`.
#[derive(Debug, Default)]
pub(crate) struct HookMetrics {
    logins: Family<LoginLabels, Counter>,
    users_moved: Counter,
    breaker_open: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LoginLabels {
    outcome: &'static str,
}

/// The outcomes of questions with an answer.
const ANSWERS: [&str; 3] = ["accepted", "rejected", "unknown"];

impl HookMetrics {
    /// Counts a login for which the old system was asked, or should have been.
    pub(super) fn record(&self, result: Result<&HookAnswer, &HookError>) {
        let outcome = match result {
            Ok(HookAnswer::Accepted(_)) => "accepted",
            Ok(HookAnswer::Rejected) => "rejected",
            Ok(HookAnswer::Unknown) => "unknown",
            Err(error) => error.outcome(),
        };
        self.logins.get_or_create(&LoginLabels { outcome }).inc();
    }

    /// Counts a user whose password is kept here from now on.
    pub(crate) fn record_move(&self) {
        self.users_moved.inc();
    }

    /// Notes whether the breaker is open.
    pub(super) fn set_breaker_open(&self, is_open: bool) {
        self.breaker_open.set(i64::from(is_open));
    }

    /// Registers all metrics.
    pub(crate) fn register(&self, registry: &mut Registry) {
        for outcome in ANSWERS.into_iter().chain(HookError::OUTCOMES) {
            drop(self.logins.get_or_create(&LoginLabels { outcome }));
        }
        let help = "Logins for which the old system was asked, or should have been";
        registry.register("logins", help, self.logins.clone());
        let help = "Users who moved: their password is kept here since";
        registry.register("users_moved", help, self.users_moved.clone());
        let help = "1: the old system is not asked, because several requests in a row failed";
        registry.register("breaker_open", help, self.breaker_open.clone());
    }
}
