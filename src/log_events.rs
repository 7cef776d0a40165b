//! Log events that `log.level` cannot turn off: alarms, and anchors of the audit chains.
//!
//! Each kind has its own target, which the filter of the log always enables.

use tracing::{Level, enabled};

/// The target of alarms, which need an operator's attention at once.
pub(crate) const ALARM: &str = "credential_keeper::alarm";

/// The target of anchors, which `audit verify --anchors` reads from the log.
pub(crate) const ANCHOR: &str = "credential_keeper::anchor";

/// Logs an alarm.
macro_rules! alarm {
    ($($event:tt)+) => {
        tracing::error!(target: $crate::log_events::ALARM, alarm = true, $($event)+)
    };
}

/// Logs an anchor that has these fields.
macro_rules! anchor {
    ($($field:tt)+) => {
        tracing::info!(target: $crate::log_events::ANCHOR, { $($field)+ }, "anchor")
    };
}

pub(crate) use {alarm, anchor};

/// Whether the log of this process has alarms.
pub(crate) fn are_alarms_logged() -> bool {
    enabled!(target: ALARM, Level::ERROR)
}

/// Whether the log of this process has anchors.
pub(crate) fn are_anchors_logged() -> bool {
    enabled!(target: ANCHOR, Level::INFO)
}
