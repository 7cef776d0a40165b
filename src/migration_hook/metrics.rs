//! Metrics of the move from an old system.

use std::{sync::Arc, time::Instant};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::ConstGauge},
    registry::Registry,
};

use super::{answer::HookAnswer, error::HookError};
use crate::circuit_breaker::Breaker;

/// Counts the questions to the old system by outcome, and the users who moved. Shared by the client
/// and by `/metrics`.
#[derive(Debug, Default)]
pub(crate) struct HookMetrics {
    logins: Family<LoginLabels, Counter>,
    users_moved: Counter,
    /// That of the client.
    pub(super) breaker: Arc<Breaker>,
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

    /// Registers all metrics.
    pub(crate) fn register(&self, registry: &mut Registry) {
        for outcome in ANSWERS.into_iter().chain(HookError::OUTCOMES) {
            drop(self.logins.get_or_create(&LoginLabels { outcome }));
        }
        let help = "Logins for which the old system was asked, or should have been";
        registry.register("logins", help, self.logins.clone());
        let help = "Users who moved: their password is kept here since";
        registry.register("users_moved", help, self.users_moved.clone());
        let help = "1: the old system is not asked, because several requests in a row failed. 0: it \
                    is, or nothing has failed for 15 minutes";
        let is_failing = self.breaker.is_failing(Instant::now());
        registry.register("breaker_open", help, ConstGauge::new(i64::from(is_failing)));
    }
}
