//! What happens when a sink lags: changes go on until a bound, after which a setting decides.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use crate::{log_events::alarm, service::operations::maintenance::Maintenance};

/// The effect of the bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhenFull {
    /// Changes are refused, and background work waits.
    Refuse,
    /// Changes go on, with an alarm and a metric.
    Continue,
}

/// Whether too many events are undelivered.
#[derive(Debug)]
pub(crate) struct StreamPressure {
    maximum: u64,
    when_full: WhenFull,
    /// The alarm was raised, and has not ended.
    is_full: AtomicBool,
    /// Refuses changes.
    maintenance: Arc<Maintenance>,
}

impl StreamPressure {
    /// No pressure, until a sink lags by more than `maximum` events.
    pub(crate) fn new(maximum: u64, when_full: WhenFull, maintenance: Arc<Maintenance>) -> Self {
        Self { maximum, when_full, is_full: AtomicBool::new(false), maintenance }
    }

    /// True from when more events than the bound are undelivered until at most half of it are.
    pub(super) fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    /// Notes how far the sink lags that has the most undelivered events.
    ///
    /// Changes are refused by the bound alone, so that all instances agree. A sink that takes fewer
    /// events than changes append stays near the bound: the alarm lasts until half of it, and is not
    /// raised again every few seconds.
    pub(super) fn set_undelivered(&self, sink: &str, undelivered: u64) {
        if self.when_full == WhenFull::Refuse {
            self.maintenance.set_audit_stream_full(undelivered > self.maximum);
        }
        let end = if self.is_full() { self.maximum / 2 } else { self.maximum };
        let is_full = undelivered > end;
        let was_full = self.is_full.swap(is_full, Ordering::Relaxed);
        if is_full && !was_full {
            let effect = match self.when_full {
                WhenFull::Refuse => "changes are refused",
                WhenFull::Continue => "changes go on",
            };
            alarm!(
                sink,
                undelivered,
                "too many audit events are undelivered, so that {effect}; check the sink"
            );
        } else if was_full && !is_full {
            tracing::info!(
                "the undelivered audit events are at most half of audit.maximum_undelivered again"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::operations::maintenance::ChangesRefused;

    #[test]
    fn changes_are_refused_only_beyond_the_bound_and_only_if_set() {
        for (when_full, expected) in
            [(WhenFull::Refuse, Some(ChangesRefused::AuditStreamFull)), (WhenFull::Continue, None)]
        {
            let maintenance = Arc::new(Maintenance::default());
            let pressure = StreamPressure::new(10, when_full, Arc::clone(&maintenance));
            let refused = || maintenance.begin_change().err();
            pressure.set_undelivered("siem", 10);
            assert_eq!((pressure.is_full(), refused()), (false, None));
            pressure.set_undelivered("siem", 11);
            assert_eq!((pressure.is_full(), refused()), (true, expected));
            pressure.set_undelivered("siem", 3);
            assert_eq!((pressure.is_full(), refused()), (false, None));
        }
    }

    #[test]
    fn the_alarm_lasts_until_at_most_half_of_the_bound_is_undelivered() {
        let maintenance = Arc::new(Maintenance::default());
        let pressure = StreamPressure::new(10, WhenFull::Refuse, Arc::clone(&maintenance));
        for undelivered in [11, 10, 11, 9, 12, 6] {
            pressure.set_undelivered("siem", undelivered);
            assert!(pressure.is_full(), "{undelivered}");
            assert_eq!(maintenance.begin_change().is_err(), undelivered > 10, "{undelivered}");
        }
        for undelivered in [5, 6, 10] {
            pressure.set_undelivered("siem", undelivered);
            assert!(!pressure.is_full(), "{undelivered}");
            assert!(maintenance.begin_change().is_ok(), "{undelivered}");
        }
        pressure.set_undelivered("siem", 11);
        assert!(pressure.is_full());
    }
}
