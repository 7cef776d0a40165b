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

use super::{HashingError, claim::ClaimDigest};
use crate::domain::caller::Caller;

/// A verification under way. Dropped by all who wait, it is abandoned.
pub(super) type Verification = Pin<Box<dyn Future<Output = Result<Verified, HashingError>> + Send>>;

/// What was found out about a claim.
#[derive(Debug, Clone, Copy)]
pub(super) struct Verified {
    pub(super) is_right: bool,
    /// When its hash began.
    pub(super) began: Instant,
}

type Destination = (Caller, ClaimDigest);

/// The verifications under way.
#[derive(Default)]
pub(super) struct Flights(Mutex<HashMap<Destination, WeakShared<Verification>>>);

/// What came of a flight.
pub(super) struct Landed {
    pub(super) outcome: Result<Verified, HashingError>,
    /// True for the one who started it.
    pub(super) is_first: bool,
}

impl Flights {
    /// Waits for the flight to the same destination, or starts one.
    pub(super) async fn join(
        &self,
        destination: Destination,
        start: impl FnOnce() -> Verification,
    ) -> Landed {
        let (flight, is_first) = self.board(destination, start);
        let mut seat = Seat { flights: self, destination, flight: Some(flight) };
        let outcome = match seat.flight.as_mut() {
            Some(flight) => flight.await,
            None => Err(HashingError::ShuttingDown),
        };
        Landed { outcome, is_first }
    }

    /// How many are under way.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.lock().len()
    }

    fn board(
        &self,
        destination: Destination,
        start: impl FnOnce() -> Verification,
    ) -> (Shared<Verification>, bool) {
        let mut flights = self.lock();
        if let Some(flight) = flights.get(&destination).and_then(WeakShared::upgrade) {
            return (flight, false);
        }
        let flight = start().shared();
        flights.extend(flight.downgrade().map(|weak| (destination, weak)));
        (flight, true)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Destination, WeakShared<Verification>>> {
        // Its data is whole whatever happened to the last holder.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in a flight. With the last one the flight leaves the list, landed or abandoned.
struct Seat<'flights> {
    flights: &'flights Flights,
    destination: Destination,
    flight: Option<Shared<Verification>>,
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        let mut flights = self.flights.lock();
        self.flight = None;
        let is_empty = |weak: &WeakShared<Verification>| weak.upgrade().is_none();
        if flights.get(&self.destination).is_some_and(is_empty) {
            flights.remove(&self.destination);
        }
    }
}
