//! Places that callers share: each caller may use half of them, so that a caller with many requests keeps
//! no other waiting.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::domain::client_info::FairnessKey;

/// The places of each caller that uses one or waits for one.
#[derive(Debug, Clone)]
pub(crate) struct FairPlaces {
    /// The maximum number of places of one caller.
    maximum: usize,
    /// The free places of each caller. A caller without requests has none.
    places: Arc<Mutex<HashMap<FairnessKey, Weak<Semaphore>>>>,
}

impl FairPlaces {
    /// Each caller may use half of this number of places.
    pub(crate) fn new(number: usize) -> Self {
        Self { maximum: number.div_ceil(2), places: Arc::default() }
    }

    /// Waits until the caller may use one more place.
    pub(crate) async fn take(&self, caller: FairnessKey) -> Option<OwnedSemaphorePermit> {
        // It is never closed.
        self.of(caller).acquire_owned().await.ok()
    }

    /// A place of the caller; `None` if the caller uses as many as possible.
    pub(crate) fn try_take(&self, caller: FairnessKey) -> Option<OwnedSemaphorePermit> {
        self.of(caller).try_acquire_owned().ok()
    }

    fn of(&self, caller: FairnessKey) -> Arc<Semaphore> {
        // The map is consistent after a panic of another holder.
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

    #[test]
    fn a_caller_uses_half_of_the_places_and_others_the_rest() {
        let places = FairPlaces::new(5);
        let held: Vec<_> = (0..3).map(|_| places.try_take(user(1)).unwrap()).collect();
        assert!(places.try_take(user(1)).is_none());
        assert!(places.take(user(1)).now_or_never().is_none());
        assert!(places.try_take(user(2)).is_some());
        drop(held);
        assert!(places.try_take(user(1)).is_some());
    }

    #[test]
    fn callers_who_left_take_no_memory() {
        let places = FairPlaces::new(1);
        let stays = places.try_take(user(1)).unwrap();
        for id in 2..10_000 {
            drop(places.try_take(user(id)).unwrap());
        }
        assert!(places.places.lock().unwrap().capacity() < 100);
        assert!(places.try_take(user(1)).is_none(), "a caller keeps its places");
        drop(stays);
    }
}
