//! Single flight: equal claims of one caller that are verified at the same time share one job.
//!
//! A flight belongs to one caller. Across callers, who waits for whose job would tell one caller
//! that another is presenting the same secret just now, and tie both to one place in the queue.

use std::{
    collections::HashMap,
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use futures_util::future::{FutureExt, Shared, WeakShared};

use super::{HashingError, verification_request::VerificationDigest};
use crate::domain::client_info::FairnessKey;

/// A verification under way. Dropped by all who wait, it is abandoned.
pub(super) type Verification = Pin<Box<dyn Future<Output = Result<Verified, HashingError>> + Send>>;

/// What was found out about a request.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verified {
    pub(super) is_right: bool,
    /// When its hash began.
    pub(super) began: Instant,
}

type FlightKey = (FairnessKey, VerificationDigest);

/// The verifications under way.
#[derive(Default)]
pub(super) struct SingleFlight(Mutex<HashMap<FlightKey, WeakShared<Verification>>>);

/// What came of a flight.
pub(super) struct FlightOutcome {
    pub(super) outcome: Result<Verified, HashingError>,
    /// True for the one who started it.
    pub(super) is_first: bool,
}

impl SingleFlight {
    /// Waits for the flight to the same destination, or starts one.
    pub(super) async fn join(
        &self,
        destination: FlightKey,
        start: impl FnOnce() -> Verification,
    ) -> FlightOutcome {
        let (flight, is_first) = self.join_or_start(destination, start);
        let mut waiter = Waiter { single_flight: self, destination, flight: Some(flight) };
        let outcome = match waiter.flight.as_mut() {
            Some(flight) => flight.await,
            None => Err(HashingError::ShuttingDown),
        };
        FlightOutcome { outcome, is_first }
    }

    /// How many are under way.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn join_or_start(
        &self,
        destination: FlightKey,
        start: impl FnOnce() -> Verification,
    ) -> (Shared<Verification>, bool) {
        let mut single_flight = self.lock();
        if let Some(flight) = single_flight.get(&destination).and_then(WeakShared::upgrade) {
            return (flight, false);
        }
        let flight = start().shared();
        single_flight.extend(flight.downgrade().map(|weak| (destination, weak)));
        (flight, true)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<FlightKey, WeakShared<Verification>>> {
        // Its data is whole whatever happened to the last holder.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in a flight. With the last one the flight leaves the list, landed or abandoned.
struct Waiter<'single_flight> {
    single_flight: &'single_flight SingleFlight,
    destination: FlightKey,
    flight: Option<Shared<Verification>>,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        let mut single_flight = self.single_flight.lock();
        self.flight = None;
        let is_empty = |weak: &WeakShared<Verification>| weak.upgrade().is_none();
        if single_flight.get(&self.destination).is_some_and(is_empty) {
            single_flight.remove(&self.destination);
        }
    }
}
