//! Log events that `log.level` cannot disable: alarms, and anchors of the audit chains.
//!
//! Each kind has its own target, which the log filter always enables.

use std::sync::atomic::{AtomicU64, Ordering};

use tracing::{Level, enabled};

/// The target of alarms, which require an operator's immediate attention.
pub(crate) const ALARM: &str = "credential_keeper::alarm";

/// The target of anchors, which `audit verify --anchors` reads from the log.
pub(crate) const ANCHOR: &str = "credential_keeper::anchor";

/// Logs an alarm, and counts it.
macro_rules! alarm {
    ($($event:tt)+) => {{
        $crate::log_events::count_alarm();
        tracing::error!(target: $crate::log_events::ALARM, alarm = true, $($event)+)
    }};
}

/// Logs an anchor with its fields.
macro_rules! anchor {
    ($($field:tt)+) => {
        tracing::info!(target: $crate::log_events::ANCHOR, { $($field)+ }, "anchor")
    };
}

pub(crate) use {alarm, anchor};

/// The alarms of this process.
static ALARMS: AtomicU64 = AtomicU64::new(0);

/// Counts an alarm; see [`alarm!`].
pub(crate) fn count_alarm() {
    ALARMS.fetch_add(1, Ordering::Relaxed);
}

/// The number of alarms since the start of the process.
pub(crate) fn alarm_count() -> u64 {
    ALARMS.load(Ordering::Relaxed)
}

/// True if this process logs alarms.
pub(crate) fn are_alarms_logged() -> bool {
    enabled!(target: ALARM, Level::ERROR)
}

/// True if this process logs anchors.
pub(crate) fn are_anchors_logged() -> bool {
    enabled!(target: ANCHOR, Level::INFO)
}
