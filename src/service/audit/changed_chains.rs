//! Collects the users whose audit chains changed since their last anchor.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use crate::{domain::user::UserId, storage};

/// The users whose audit chains changed since their last anchor.
#[derive(Default)]
pub(crate) struct ChangedChains(Mutex<Changed>);

/// A change is pushed before it is committed, and the database may answer the commit much later,
/// for example after an outage of a synchronous standby. Until then, an anchor would have the former
/// head. The change is reported after the answer, and the head of its chain is read one period later.
#[derive(Default)]
struct Changed {
    /// The changes whose commits are not answered, in the order in which they were pushed.
    uncommitted: BTreeMap<u64, Uncommitted>,
    /// The number of the next change.
    next: u64,
    reported: BTreeSet<i32>,
    /// When the first of them was pushed.
    reported_since: Option<Instant>,
    due: BTreeSet<i32>,
    /// When the first of them was pushed, or of those that were taken and may be put back.
    due_since: Option<Instant>,
}

/// A change whose commit is not answered.
struct Uncommitted {
    user_id: i32,
    /// When it was pushed.
    since: Instant,
}

impl Changed {
    /// Adds a change; returns its number.
    fn begin(&mut self, user_id: i32) -> u64 {
        let number = self.next;
        self.next += 1;
        self.uncommitted.insert(number, Uncommitted { user_id, since: Instant::now() });
        number
    }

    /// Reports a change whose commit was answered.
    fn report(&mut self, number: u64) {
        let Some(Uncommitted { user_id, since }) = self.uncommitted.remove(&number) else { return };
        self.reported.insert(user_id);
        self.reported_since = earliest([self.reported_since, Some(since)]);
    }
}

impl ChangedChains {
    /// Reports a change of a user when the database has answered all statements of this task, which
    /// include the commit. If the change is rolled back, the extra anchor is harmless.
    pub(in crate::service) fn push(self: &Arc<Self>, user_id: UserId) {
        let number = self.lock().begin(user_id.as_i32());
        storage::keep_until_answered(PendingReport { chains: Arc::clone(self), number });
    }

    /// The number of users whose chains changed since their last anchor.
    pub(super) fn count(&self) -> usize {
        let changed = self.lock();
        let Changed { uncommitted, reported, due, .. } = &*changed;
        let is_other = |user_id: &i32| !reported.contains(user_id) && !due.contains(user_id);
        let others = uncommitted.values().map(|change| change.user_id).filter(is_other);
        reported.union(due).count() + others.collect::<BTreeSet<_>>().len()
    }

    /// The time since the first change without an anchor; zero without one.
    pub(super) fn age(&self) -> Duration {
        let changed = self.lock();
        let uncommitted = changed.uncommitted.first_key_value().map(|(_, change)| change.since);
        let since = earliest([uncommitted, changed.reported_since, changed.due_since]);
        since.map(|since| since.elapsed()).unwrap_or_default()
    }

    /// Makes all reported changes due, when a period has passed.
    pub(super) fn make_due(&self) {
        let mut changed = self.lock();
        let reported = std::mem::take(&mut changed.reported);
        let since = changed.reported_since.take();
        changed.due.extend(reported);
        changed.due_since = earliest([changed.due_since, since]);
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

fn earliest(times: impl IntoIterator<Item = Option<Instant>>) -> Option<Instant> {
    times.into_iter().flatten().min()
}

/// A change that is reported when this is dropped.
struct PendingReport {
    chains: Arc<ChangedChains>,
    number: u64,
}

impl Drop for PendingReport {
    fn drop(&mut self) {
        self.chains.lock().report(self.number);
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

    fn push(chains: &Arc<ChangedChains>, user_id: i32) {
        chains.push(UserId::try_from(user_id).unwrap());
    }

    fn changed(user_ids: &[i32]) -> Arc<ChangedChains> {
        let chains = Arc::new(ChangedChains::default());
        for user_id in user_ids {
            push(&chains, *user_id);
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

    #[tokio::test]
    async fn a_change_is_due_only_after_its_commit_is_answered() {
        let chains = changed(&[1]);
        storage::guarding(None, async {
            push(&chains, 2);
            push(&chains, 2);
            chains.make_due();
            assert_eq!(chains.take(9).unwrap().user_ids.clone(), [1]);
            assert_eq!(chains.count(), 2);
            chains.take(9).unwrap().complete();
            assert!(chains.take(9).is_none());
            assert_eq!(chains.count(), 1);
            assert!(chains.age() > Duration::ZERO);
        })
        .await;
        assert_eq!(chains.count(), 1);
        chains.make_due();
        chains.take(9).unwrap().complete();
        assert!(chains.take(9).is_none());
        assert_eq!((chains.count(), chains.age()), (0, Duration::ZERO));
    }
}
