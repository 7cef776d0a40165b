//! Log events that `log.level` cannot disable: alarms, and anchors of the audit chains.
//!
//! Each kind has its own target, which the log filter always enables.

use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use tracing::{Level, enabled};

use crate::clock;

/// The target of alarms, which an operator must look at.
pub(crate) const ALARM: &str = "credential_keeper::alarm";

/// The target of anchors, which `audit verify --anchors` reads from the log.
pub(crate) const ANCHOR: &str = "credential_keeper::anchor";

/// Logs an alarm, and counts it with its time: an alert on that time pages at once.
macro_rules! alarm {
    ($($event:tt)+) => {{
        $crate::log_events::ALARMS.record();
        tracing::error!(target: $crate::log_events::ALARM, alarm = true, $($event)+)
    }};
}

/// Logs and counts an alarm that can wait. Its cause has a metric of its own, whose alert does not page.
macro_rules! ticket_alarm {
    ($($event:tt)+) => {{
        $crate::log_events::ALARMS.record_without_time();
        tracing::error!(target: $crate::log_events::ALARM, alarm = true, $($event)+)
    }};
}

/// Logs an anchor with its fields.
macro_rules! anchor {
    ($($field:tt)+) => {
        tracing::info!(target: $crate::log_events::ANCHOR, { $($field)+ }, "anchor")
    };
}

pub(crate) use {alarm, anchor, ticket_alarm};

/// The alarms of this process; see [`alarm!`].
pub(crate) static ALARMS: AlarmCounter = AlarmCounter::new();

/// The lines of the log of this process that could not be written, for example because the disk is full.
pub(crate) static LOST_LINES: AlarmCounter = AlarmCounter::new();

/// Counts alarms. The time of the last one tells an alert also of those before the first scrape,
/// which the increase of a counter does not contain.
#[derive(Debug)]
pub(crate) struct AlarmCounter {
    count: AtomicU64,
    last_at: AtomicI64,
}

impl AlarmCounter {
    /// A counter at 0.
    pub(crate) const fn new() -> Self {
        Self { count: AtomicU64::new(0), last_at: AtomicI64::new(0) }
    }

    /// Counts an alarm, and notes its time.
    pub(crate) fn record(&self) {
        self.record_without_time();
        self.last_at.store(clock::now().unix_timestamp(), Ordering::Relaxed);
    }

    /// Counts an alarm that can wait.
    pub(crate) fn record_without_time(&self) {
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// The number of alarms since the start of the process.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// The time of the last alarm that was noted, in seconds since 1970; 0 without one.
    pub(crate) fn last_at(&self) -> i64 {
        self.last_at.load(Ordering::Relaxed)
    }
}

/// True if this process logs alarms.
pub(crate) fn are_alarms_logged() -> bool {
    enabled!(target: ALARM, Level::ERROR)
}

/// True if this process logs anchors.
pub(crate) fn are_anchors_logged() -> bool {
    enabled!(target: ANCHOR, Level::INFO)
}
