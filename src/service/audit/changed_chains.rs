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

    /// Takes up to `limit` users whose changes are due. `None`: every one that was taken before has its
    /// anchor.
    pub(super) fn take(&self, limit: usize) -> Option<Taken<'_>> {
        let mut changed = self.lock();
        let user_ids: Vec<_> = changed.due.iter().copied().take(limit).collect();
        for user_id in &user_ids {
            changed.due.remove(user_id);
        }
        if user_ids.is_empty() {
            changed.due_since = None;
            return None;
        }
        Some(Taken { chains: self, user_ids })
    }

    fn lock(&self) -> MutexGuard<'_, Changed> {
        // A panic of another holder leaves the sets consistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Users whose anchors are about to be logged. Dropping it puts them back.
pub(super) struct Taken<'a> {
    chains: &'a ChangedChains,
    pub(super) user_ids: Vec<i32>,
}

impl Taken<'_> {
    /// Records that the anchors were logged.
    pub(super) fn complete(mut self) {
        self.user_ids.clear();
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        self.chains.lock().due.extend(&self.user_ids);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(user_ids: &[i32]) -> ChangedChains {
        let chains = ChangedChains::default();
        for user_id in user_ids {
            chains.push(UserId::try_from(*user_id).unwrap());
        }
        chains.make_due();
        chains
    }

    #[test]
    fn users_are_put_back_unless_their_anchors_were_logged() {
        let chains = changed(&[1, 2, 3]);
        drop(chains.take(2).unwrap());
        assert_eq!(chains.count(), 3);
        chains.take(2).unwrap().complete();
        assert_eq!((chains.count(), chains.take(2).unwrap().user_ids.clone()), (1, vec![3]));
        chains.take(2).unwrap().complete();
        assert!(chains.take(2).is_none());
        assert_eq!(chains.age(), Duration::ZERO);
    }
}
