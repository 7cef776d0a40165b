//! Limits the connections of one caller, so that a caller with many requests keeps no other waiting.

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::OwnedSemaphorePermit;

use crate::{domain::client_info::FairnessKey, fair_places::FairPlaces};

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
pub(super) struct Callers(FairPlaces);

impl Callers {
    /// Each caller may use half of the connections.
    pub(super) fn new(connections: usize) -> Self {
        Self(FairPlaces::new(connections))
    }

    /// Waits until the caller of this task may use one more connection. `None`: the task works for no
    /// caller, and needs no place.
    pub(super) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        let caller = CALLER.try_with(|caller| caller.key).ok()?;
        if caller == FairnessKey::Service {
            return None;
        }
        self.0.take(caller).await
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn the_service_itself_needs_no_place() {
        let callers = Callers::new(1);
        for _ in 0..3 {
            assert!(callers.place().now_or_never().unwrap().is_none());
            let service = working_for(FairnessKey::Service, callers.place());
            assert!(service.now_or_never().unwrap().is_none());
        }
    }
}
