//! The connections in use, each with the time at which it was acquired.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use super::session::Session;

/// A connection in use, as it was acquired.
#[derive(Debug, Clone, Copy)]
struct Acquired {
    at: Instant,
    /// `None` if its session is unknown.
    session: Option<Session>,
}

/// The connections in use, in the order in which they were acquired.
#[derive(Default)]
pub(super) struct ConnectionsInUse {
    acquired: Mutex<BTreeMap<u64, Acquired>>,
    next: AtomicU64,
}

/// The connections that are in use for longer than a limit.
pub(super) struct LongInUse {
    /// The number of the one that was acquired last.
    pub(super) last: u64,
    /// The known sessions.
    pub(super) sessions: Vec<Session>,
}

impl ConnectionsInUse {
    /// Counts a connection until the result is dropped.
    pub(super) fn begin(self: &Arc<Self>, session: Option<Session>) -> InUse {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.lock().insert(number, Acquired { at: Instant::now(), session });
        InUse { all: Arc::clone(self), number }
    }

    /// The connections that are in use for longer than `limit`; `None` if there are none.
    pub(super) fn longer_than(&self, limit: Duration) -> Option<LongInUse> {
        let acquired = self.lock();
        let long = acquired.iter().take_while(|(_, acquired)| acquired.at.elapsed() > limit);
        let mut found = LongInUse { last: 0, sessions: Vec::new() };
        let mut is_empty = true;
        for (number, acquired) in long {
            is_empty = false;
            found.last = *number;
            found.sessions.extend(acquired.session);
        }
        (!is_empty).then_some(found)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Acquired>> {
        self.acquired.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection in use.
pub(super) struct InUse {
    all: Arc<ConnectionsInUse>,
    number: u64,
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.all.lock().remove(&self.number);
    }
}
