//! Single flight: equal computations that are requested at the same time run once.
//!
//! The key of a flight includes its client. If clients shared a flight, the response time would
//! reveal that another client presents the same secret, and both would share a place in the queue.

use std::{
    collections::HashMap,
    hash::Hash,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
};

use futures_util::future::{FutureExt, Shared, WeakShared};

/// A computation that may be shared. It is cancelled when every waiter is dropped.
pub type Flight<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// The running computations.
pub struct SingleFlight<K: Eq + Hash, T: Clone>(Mutex<Flights<K, T>>);

type Flights<K, T> = HashMap<K, WeakShared<Flight<T>>>;

/// The outcome of a flight.
pub struct FlightOutcome<T> {
    /// The result.
    pub value: T,
    /// True for the waiter that started it.
    pub is_first: bool,
}

impl<K: Copy + Eq + Hash, T: Clone> SingleFlight<K, T> {
    /// An instance without running computations.
    #[must_use]
    pub fn new() -> Self {
        Self(Mutex::new(HashMap::new()))
    }

    /// Waits for the running computation with this key, or starts one.
    pub async fn join_or_start(
        &self,
        key: K,
        start: impl FnOnce() -> Flight<T>,
    ) -> FlightOutcome<T> {
        // Dropped after the flight, also when this future is cancelled.
        let _waiter = Waiter { flights: self, key };
        let (flight, is_first) = self.find_or_start(key, start);
        FlightOutcome { value: flight.await, is_first }
    }

    /// Number of running computations.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn find_or_start(
        &self,
        key: K,
        start: impl FnOnce() -> Flight<T>,
    ) -> (Shared<Flight<T>>, bool) {
        let mut flights = self.lock();
        if let Some(flight) = flights.get(&key).and_then(WeakShared::upgrade) {
            return (flight, false);
        }
        let flight = start().shared();
        flights.extend(flight.downgrade().map(|weak| (key, weak)));
        (flight, true)
    }

    fn lock(&self) -> MutexGuard<'_, Flights<K, T>> {
        // The map is consistent after a panic of another holder.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Copy + Eq + Hash, T: Clone> Default for SingleFlight<K, T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Removes a flight from the map after its last waiter.
struct Waiter<'flights, K: Copy + Eq + Hash, T: Clone> {
    flights: &'flights SingleFlight<K, T>,
    key: K,
}

impl<K: Copy + Eq + Hash, T: Clone> Drop for Waiter<'_, K, T> {
    fn drop(&mut self) {
        let mut flights = self.flights.lock();
        let is_over = |weak: &WeakShared<Flight<T>>| weak.upgrade().is_none();
        if flights.get(&self.key).is_some_and(is_over) {
            flights.remove(&self.key);
        }
    }
}
