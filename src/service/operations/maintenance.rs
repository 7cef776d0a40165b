//! The read-only mode of this instance, and the changes in progress.
//!
//! Both are under one lock: a change either begins before the mode and is counted, or is refused.
//! When the mode has begun and no change is in progress, this instance changes nothing.

use std::sync::Arc;

use prometheus_client::{metrics::gauge::ConstGauge, registry::Registry};
use tokio::sync::watch;

/// Whether this instance is read-only, and its changes in progress.
#[derive(Debug)]
pub(crate) struct Maintenance(watch::Sender<Changes>);

#[derive(Debug, Default)]
struct Changes {
    are_refused: bool,
    in_progress: u32,
}

/// A change in progress. It ends when this is dropped.
#[must_use]
pub(crate) struct Change(Arc<Maintenance>);

impl Drop for Change {
    fn drop(&mut self) {
        self.0.update(|changes| changes.in_progress -= 1);
    }
}

impl Default for Maintenance {
    fn default() -> Self {
        Self(watch::Sender::new(Changes::default()))
    }
}

impl Maintenance {
    /// Begins or ends the read-only mode.
    pub(crate) fn set_read_only(&self, is_read_only: bool) {
        self.0.send_modify(|changes| changes.are_refused = is_read_only);
    }

    /// True while this instance begins no changes.
    pub(crate) fn is_read_only(&self) -> bool {
        self.0.borrow().are_refused
    }

    /// Begins a change; `None` while this instance is read-only.
    pub(crate) fn begin_change(self: &Arc<Self>) -> Option<Change> {
        let mut is_begun = false;
        self.update(|changes| {
            is_begun = !changes.are_refused;
            changes.in_progress += u32::from(is_begun);
        });
        is_begun.then(|| Change(Arc::clone(self)))
    }

    /// Begins another step of a change that has begun, even if this instance is read-only meanwhile.
    pub(crate) fn continue_change(self: &Arc<Self>) -> Change {
        self.update(|changes| changes.in_progress += 1);
        Change(Arc::clone(self))
    }

    /// Waits until changes are allowed, and begins one.
    pub(crate) async fn writable(self: &Arc<Self>) -> Change {
        loop {
            if let Some(change) = self.begin_change() {
                return change;
            }
            // Never fails: the sender lives as long as this.
            let _ = self.0.subscribe().wait_for(|changes| !changes.are_refused).await;
        }
    }

    /// Registers the metrics.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let Changes { are_refused, in_progress } = *self.0.borrow();
        let help = "1: the instance is read-only and begins no changes. 0: it is not";
        registry.register("read_only", help, ConstGauge::new(i64::from(are_refused)));
        let help = "Changes in progress: requests that may change something, and background work";
        registry.register("changes_in_progress", help, ConstGauge::new(i64::from(in_progress)));
    }

    /// Only who waits for the mode is woken, not for each change.
    fn update(&self, update: impl FnOnce(&mut Changes)) {
        self.0.send_if_modified(|changes| {
            update(changes);
            false
        });
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn in_progress(maintenance: &Maintenance) -> u32 {
        maintenance.0.borrow().in_progress
    }

    #[tokio::test]
    async fn a_task_waits_until_changes_are_allowed() {
        let maintenance = Arc::new(Maintenance::default());
        drop(maintenance.writable().await);
        maintenance.set_read_only(true);
        let waiting = tokio::time::timeout(Duration::from_millis(50), maintenance.writable());
        assert!(waiting.await.is_err() && maintenance.is_read_only());
        let held = Arc::clone(&maintenance);
        let task = tokio::spawn(async move { drop(held.writable().await) });
        maintenance.set_read_only(false);
        task.await.unwrap();
        assert_eq!(in_progress(&maintenance), 0);
    }

    #[test]
    fn changes_count_until_they_end_and_none_begins_in_the_mode() {
        let maintenance = Arc::new(Maintenance::default());
        let change = maintenance.begin_change().unwrap();
        maintenance.set_read_only(true);
        assert!(maintenance.begin_change().is_none());
        assert_eq!(in_progress(&maintenance), 1);
        let step = maintenance.continue_change();
        drop(change);
        assert_eq!(in_progress(&maintenance), 1);
        drop(step);
        assert_eq!(in_progress(&maintenance), 0);
    }
}
