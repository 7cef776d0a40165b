//! Operations: readiness, metrics, diagnostics and housekeeping.

pub(crate) mod diagnostics;
pub(crate) mod finding;
pub(crate) mod findings;
pub(crate) mod housekeeping;
pub(crate) mod instance;
pub(crate) mod maintenance;
pub(crate) mod metrics;
pub(crate) mod refusal_timing;
pub(crate) mod reload_metrics;
