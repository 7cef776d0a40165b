//! Readiness, metrics, diagnostics and housekeeping.

pub(crate) mod diagnostics;
pub(crate) mod housekeeping;
pub(crate) mod metrics;
pub(crate) mod readiness;
pub(crate) mod refusal_timing;
