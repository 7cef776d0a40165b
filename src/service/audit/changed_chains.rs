//! Collects the users whose audit chains changed since their last anchor.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::domain::user::UserId;

/// The users whose audit chains changed since their last anchor.
#[derive(Default)]
pub(crate) struct ChangedChains(Mutex<Changed>);

/// A change is reported before it is committed, so the head of its chain is read one period later.
#[derive(Default)]
struct Changed {
    reported: BTreeSet<i32>,
    /// When the first of them was reported.
    reported_since: Option<Instant>,
    due: BTreeSet<i32>,
    /// When the first of them was reported, or of those that were taken and may be put back.
    due_since: Option<Instant>,
}

impl ChangedChains {
    /// Reports a change of a user. If the change is rolled back, the extra anchor is harmless.
    pub(in crate::service) fn push(&self, user_id: UserId) {
        let mut changed = self.lock();
        changed.reported.insert(user_id.as_i32());
        changed.reported_since.get_or_insert_with(Instant::now);
    }

    /// The number of users whose chains changed since their last anchor.
    pub(super) fn count(&self) -> usize {
        let changed = self.lock();
        changed.reported.union(&changed.due).count()
    }

    /// The time since the first change without an anchor; zero without one.
    pub(super) fn age(&self) -> Duration {
        let changed = self.lock();
        let since = changed.due_since.or(changed.reported_since);
        since.map(|since| since.elapsed()).unwrap_or_default()
    }

    /// Makes all reported changes due, when a period has passed.
    pub(super) fn make_due(&self) {
        let mut changed = self.lock();
        let reported = std::mem::take(&mut changed.reported);
        let since = changed.reported_since.take();
        changed.due.extend(reported);
        changed.due_since = changed.due_since.or(since);
    }

    /// Takes up to `limit` users whose changes are due. An empty result means that every one that was
    /// taken before has its anchor.
    pub(super) fn take(&self, limit: usize) -> Vec<i32> {
        let mut changed = self.lock();
        let taken: Vec<_> = changed.due.iter().copied().take(limit).collect();
        for user_id in &taken {
            changed.due.remove(user_id);
        }
        if taken.is_empty() {
            changed.due_since = None;
        }
        taken
    }

    /// Puts back users whose anchors could not be logged.
    pub(super) fn put_back(&self, user_ids: &[i32]) {
        self.lock().due.extend(user_ids);
    }

    fn lock(&self) -> MutexGuard<'_, Changed> {
        // A panic of another holder leaves the sets consistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
