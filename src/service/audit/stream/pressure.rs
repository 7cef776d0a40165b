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
    is_full: AtomicBool,
    /// Refuses changes.
    maintenance: Arc<Maintenance>,
}

impl StreamPressure {
    /// No pressure, until a sink lags by more than `maximum` events.
    pub(crate) fn new(maximum: u64, when_full: WhenFull, maintenance: Arc<Maintenance>) -> Self {
        Self { maximum, when_full, is_full: AtomicBool::new(false), maintenance }
    }

    /// True while more events than the bound are undelivered.
    pub(super) fn is_full(&self) -> bool {
        self.is_full.load(Ordering::Relaxed)
    }

    /// Notes how far the sink lags that has the most undelivered events.
    pub(super) fn set_undelivered(&self, sink: &str, undelivered: u64) {
        let is_full = undelivered > self.maximum;
        if self.when_full == WhenFull::Refuse {
            self.maintenance.set_audit_stream_full(is_full);
        }
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
            tracing::info!("the undelivered audit events are fewer than the bound again");
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
}
