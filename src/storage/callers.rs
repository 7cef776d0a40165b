//! Limits the connections of one caller, so that a caller with many requests keeps no other waiting.

use std::{
    collections::HashMap,
    future::Future,
    sync::{
        Arc, Mutex, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::client_info::FairnessKey;

tokio::task_local! {
    /// The caller that this task works for.
    static CALLER: Caller;
}

struct Caller {
    key: FairnessKey,
    /// The connections that the task holds.
    held: Arc<AtomicUsize>,
}

/// Runs a future whose connections count for a caller.
pub(crate) fn working_for<F: Future>(
    caller: FairnessKey,
    future: F,
) -> impl Future<Output = F::Output> {
    // It is still one task when it goes on for another caller.
    let held = CALLER.try_with(|caller| Arc::clone(&caller.held)).unwrap_or_default();
    CALLER.scope(Caller { key: caller, held }, future)
}

/// Fails in builds with debug assertions if this task, which works for a caller, holds a connection and
/// gets another one: with all places in use, it would wait for its own.
pub(super) fn assert_holds_none() {
    let holds_none =
        CALLER.try_with(|caller| caller.held.load(Ordering::Relaxed) == 0).unwrap_or(true);
    debug_assert!(holds_none, "a task that holds a connection gets another one");
}

/// Counts a connection that this task holds until the guard is dropped, in builds with debug
/// assertions.
pub(super) fn hold() -> Held {
    if !cfg!(debug_assertions) {
        return Held(None);
    }
    Held(CALLER.try_with(|caller| Arc::clone(&caller.held)).ok().inspect(|held| {
        held.fetch_add(1, Ordering::Relaxed);
    }))
}

/// The guard of a connection that a task holds.
pub(super) struct Held(Option<Arc<AtomicUsize>>);

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(held) = &self.0 {
            held.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// The callers that use connections or wait for them.
#[derive(Clone)]
pub(super) struct Callers {
    /// The maximum number of connections of one caller.
    maximum: usize,
    /// The free places of each caller. A caller without requests has none.
    places: Arc<Mutex<HashMap<FairnessKey, Weak<Semaphore>>>>,
}

impl Callers {
    /// Each caller may use half of the connections.
    pub(super) fn new(connections: usize) -> Self {
        Self { maximum: connections.div_ceil(2), places: Arc::default() }
    }

    /// Waits until the caller of this task may use one more connection. `None`: the task works for no
    /// caller, and needs no place.
    pub(super) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        let caller = CALLER.try_with(|caller| caller.key).ok()?;
        if caller == FairnessKey::Service {
            return None;
        }
        // It is never closed.
        self.places_of(caller).acquire_owned().await.ok()
    }

    fn places_of(&self, caller: FairnessKey) -> Arc<Semaphore> {
        let mut all = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(places) = all.get(&caller).and_then(Weak::upgrade) {
            return places;
        }
        if all.len() == all.capacity() {
            all.retain(|_, places| places.strong_count() > 0);
        }
        let places = Arc::new(Semaphore::new(self.maximum));
        all.insert(caller, Arc::downgrade(&places));
        places
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;
    use crate::domain::user::UserId;

    fn user(id: i32) -> FairnessKey {
        FairnessKey::User(UserId::try_from(id).unwrap())
    }

    /// A place that is free now.
    fn free(callers: &Callers, caller: FairnessKey) -> Option<OwnedSemaphorePermit> {
        working_for(caller, callers.place()).now_or_never().map(Option::unwrap)
    }

    #[test]
    fn a_caller_uses_half_of_the_connections_and_others_the_rest() {
        let callers = Callers::new(5);
        let held: Vec<_> = (0..3).map(|_| free(&callers, user(1)).unwrap()).collect();
        assert!(free(&callers, user(1)).is_none());
        assert!(free(&callers, user(2)).is_some());
        drop(held);
        assert!(free(&callers, user(1)).is_some());
    }

    #[test]
    fn the_service_itself_needs_no_place() {
        let callers = Callers::new(1);
        for _ in 0..3 {
            assert!(callers.place().now_or_never().unwrap().is_none());
            let service = working_for(FairnessKey::Service, callers.place());
            assert!(service.now_or_never().unwrap().is_none());
        }
    }

    #[test]
    fn callers_who_left_take_no_memory() {
        let callers = Callers::new(1);
        let stays = free(&callers, user(1)).unwrap();
        for id in 2..10_000 {
            drop(free(&callers, user(id)).unwrap());
        }
        assert!(callers.places.lock().unwrap().capacity() < 100);
        assert!(free(&callers, user(1)).is_none(), "a caller keeps its places");
        drop(stays);
    }
}
