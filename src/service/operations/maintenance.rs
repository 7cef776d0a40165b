//! Whether this instance may begin a change, and the changes in progress.
//!
//! Changes are refused in the read-only mode, and while too many audit events are undelivered. All of
//! it is under one lock: a change either begins before that and is counted, or is refused. When the
//! read-only mode has begun and no change is in progress, this instance makes no change that a
//! caller asked for. It still writes what logins need, and its own state.

use std::{future::Future, sync::Arc};

use futures_util::future::Either;
use prometheus_client::{metrics::gauge::ConstGauge, registry::Registry};
use tokio::sync::watch;

use crate::storage;

/// Whether this instance may begin a change, and its changes in progress.
#[derive(Debug)]
pub(crate) struct Maintenance(watch::Sender<Changes>);

/// Why no change may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangesRefused {
    /// This instance is read-only.
    ReadOnly,
    /// Too many audit events are undelivered.
    AuditStreamFull,
}

#[derive(Debug, Default)]
struct Changes {
    is_read_only: bool,
    is_audit_stream_full: bool,
    in_progress: u32,
}

impl Changes {
    /// The reason why no change may begin; `None` if one may.
    fn refusal(&self) -> Option<ChangesRefused> {
        if self.is_read_only {
            Some(ChangesRefused::ReadOnly)
        } else if self.is_audit_stream_full {
            Some(ChangesRefused::AuditStreamFull)
        } else {
            None
        }
    }
}

/// A change in progress. It ends when this and all clones are dropped.
#[must_use]
#[derive(Clone)]
pub(crate) struct Change(Arc<InProgress>);

struct InProgress(Arc<Maintenance>);

impl Drop for InProgress {
    fn drop(&mut self) {
        self.0.update(|changes| changes.in_progress -= 1);
    }
}

tokio::task_local! {
    /// The change that this task makes.
    static OF_TASK: Change;
}

impl Change {
    fn of(maintenance: &Arc<Maintenance>) -> Self {
        Self(Arc::new(InProgress(Arc::clone(maintenance))))
    }

    /// The change that the current task makes; `None` when it makes none.
    pub(crate) fn of_task() -> Option<Self> {
        OF_TASK.try_with(Self::clone).ok()
    }

    /// Runs a future as a part of this change. If it is canceled, the change ends when the server has
    /// answered its last statement, which may be a commit.
    pub(crate) fn include<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        let in_progress = Arc::clone(&self.0);
        OF_TASK.scope(self.clone(), storage::guarding(Some(in_progress), future))
    }

    /// Calls a function that starts other tasks. With a change, they are a part of it.
    pub(crate) fn enter<T>(change: Option<Self>, start: impl FnOnce() -> T) -> T {
        match change {
            Some(change) => OF_TASK.sync_scope(change, start),
            None => start(),
        }
    }
}

/// Runs a future as a part of the change that the current task makes, if it makes one. A login makes
/// none, but may commit an audit event, so every commit is guarded.
pub(in crate::service) fn in_change_of_task<F: Future>(
    future: F,
) -> impl Future<Output = F::Output> + use<F> {
    match Change::of_task() {
        Some(change) => Either::Left(change.include(future)),
        None => Either::Right(storage::guarding(None, future)),
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
        self.0.send_modify(|changes| changes.is_read_only = is_read_only);
    }

    /// Refuses changes while too many audit events are undelivered, or allows them again. It is set
    /// every second, and wakes tasks that wait only when it differs.
    pub(in crate::service) fn set_audit_stream_full(&self, is_full: bool) {
        self.0.send_if_modified(|changes| {
            std::mem::replace(&mut changes.is_audit_stream_full, is_full) != is_full
        });
    }

    /// True in the read-only mode.
    pub(crate) fn is_read_only(&self) -> bool {
        self.0.borrow().is_read_only
    }

    /// Begins a change.
    ///
    /// # Errors
    /// The reason, while changes are refused.
    pub(crate) fn begin_change(self: &Arc<Self>) -> Result<Change, ChangesRefused> {
        self.begin_unless(Changes::refusal)
    }

    /// Begins a change that is part of a login, or follows it without an audit event; `None` while this
    /// instance is read-only. Logins go on while audit events are undelivered: an outage of a sink must
    /// not lock users out.
    pub(in crate::service) fn begin_login_change(self: &Arc<Self>) -> Option<Change> {
        let is_read_only =
            |changes: &Changes| changes.is_read_only.then_some(ChangesRefused::ReadOnly);
        self.begin_unless(is_read_only).ok()
    }

    fn begin_unless(
        self: &Arc<Self>,
        refusal: impl FnOnce(&Changes) -> Option<ChangesRefused>,
    ) -> Result<Change, ChangesRefused> {
        let mut refused = None;
        self.update(|changes| {
            refused = refusal(changes);
            changes.in_progress += u32::from(refused.is_none());
        });
        match refused {
            Some(reason) => Err(reason),
            None => Ok(Change::of(self)),
        }
    }

    /// Waits until changes are allowed, and begins one.
    pub(crate) async fn writable(self: &Arc<Self>) -> Change {
        loop {
            if let Ok(change) = self.begin_change() {
                return change;
            }
            // Never fails: the sender lives as long as this.
            let _ = self.0.subscribe().wait_for(|changes| changes.refusal().is_none()).await;
        }
    }

    /// The number of changes in progress.
    pub(in crate::service) fn in_progress(&self) -> u32 {
        self.0.borrow().in_progress
    }

    /// Registers the metrics.
    pub(crate) fn register(&self, registry: &mut Registry) {
        let (is_read_only, in_progress) = (self.is_read_only(), self.in_progress());
        let help = "1: the instance is read-only and begins no changes. 0: it is not";
        registry.register("read_only", help, ConstGauge::new(i64::from(is_read_only)));
        let help = "Changes in progress: requests that may change something, and background work";
        registry.register("changes_in_progress", help, ConstGauge::new(i64::from(in_progress)));
    }

    /// Wakes no task that waits until changes are allowed.
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
        assert_eq!(maintenance.in_progress(), 0);
    }

    #[tokio::test]
    async fn a_task_waits_until_no_reason_is_left_to_refuse_changes() {
        let maintenance = Arc::new(Maintenance::default());
        maintenance.set_audit_stream_full(true);
        assert_eq!(maintenance.begin_change().err(), Some(ChangesRefused::AuditStreamFull));
        assert!(!maintenance.is_read_only());
        drop(maintenance.begin_login_change().unwrap());
        maintenance.set_read_only(true);
        assert_eq!(maintenance.begin_change().err(), Some(ChangesRefused::ReadOnly));
        assert!(maintenance.begin_login_change().is_none());
        let held = Arc::clone(&maintenance);
        let mut task = tokio::spawn(async move { drop(held.writable().await) });
        maintenance.set_read_only(false);
        let waiting = tokio::time::timeout(Duration::from_millis(50), &mut task);
        assert!(waiting.await.is_err());
        maintenance.set_audit_stream_full(false);
        task.await.unwrap();
        assert_eq!(maintenance.in_progress(), 0);
    }

    #[test]
    fn changes_count_until_they_end_and_none_begins_in_the_mode() {
        let maintenance = Arc::new(Maintenance::default());
        let change = maintenance.begin_change().unwrap();
        maintenance.set_read_only(true);
        assert_eq!(maintenance.begin_change().err(), Some(ChangesRefused::ReadOnly));
        assert_eq!(maintenance.in_progress(), 1);
        let step = change.clone();
        drop(change);
        assert_eq!(maintenance.in_progress(), 1);
        drop(step);
        assert_eq!(maintenance.in_progress(), 0);
    }
}
