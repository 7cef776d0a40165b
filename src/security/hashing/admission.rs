//! Who is let in to where hashing is, before anything else is done for them.
//!
//! A request that will be hashed for is counted from here to its answer. More than can be hashed
//! in time are not let in, so that a refusal costs neither a connection nor a statement. The rule
//! is the queue's: when all places are taken, a caller with fewer of them than another still gets
//! in.
//!
//! A place belongs to who was proven. While a request only names a user, as a ticket does, its place
//! belongs to the address it came from: nobody's places are taken in their name by somebody else.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{HashingEngine, HashingError};
use crate::domain::client_info::FairnessKey;

/// The places, and who has them.
#[derive(Clone)]
pub(super) struct Admissions {
    taken: Arc<Mutex<Taken>>,
    places: usize,
}

#[derive(Default)]
struct Taken {
    by: HashMap<FairnessKey, usize>,
    all: usize,
}

/// One request's place; dropped, it is free again.
#[must_use = "the place is free again when this is dropped"]
pub(crate) struct Admission {
    admissions: Admissions,
    caller: FairnessKey,
}

impl Admissions {
    /// Nobody is in yet.
    pub(super) fn new(places: usize) -> Self {
        Self { taken: Arc::default(), places }
    }

    /// A place for one request of this caller; `None` when there is none.
    pub(super) fn admit(&self, caller: FairnessKey) -> Option<Admission> {
        self.admit_unproven(caller, caller)
    }

    /// A place for one request from `address` that names the user `named` and has proven nothing
    /// yet. It is the address's. A user who would be refused after the proof is refused before it.
    pub(super) fn admit_unproven(
        &self,
        address: FairnessKey,
        named: FairnessKey,
    ) -> Option<Admission> {
        let mut taken = self.lock();
        let is_behind = |taken: &Taken, caller| taken.is_behind_another(caller);
        if taken.all >= self.places && !(is_behind(&taken, address) && is_behind(&taken, named)) {
            return None;
        }
        taken.take(address);
        drop(taken);
        Some(Admission { admissions: self.clone(), caller: address })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        // No code that can panic runs under this lock; its data is whole whatever happened.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Admission {
    /// The place, now of who was proven; `None`, and free again, when they have more than their
    /// share.
    fn move_to(mut self, caller: FairnessKey) -> Option<Self> {
        let admissions = self.admissions.clone();
        let mut taken = admissions.lock();
        if taken.all > admissions.places && !taken.is_behind_another(caller) {
            // Dropping the place takes the lock.
            drop(taken);
            return None;
        }
        taken.give_back(self.caller);
        taken.take(caller);
        drop(taken);
        self.caller = caller;
        Some(self)
    }
}

impl HashingEngine {
    /// As [`Self::admit`], for a request that only names its user so far.
    ///
    /// # Errors
    /// As [`Self::admit`].
    pub(crate) fn admit_unproven(
        &self,
        address: FairnessKey,
        named: FairnessKey,
    ) -> Result<Admission, HashingError> {
        self.admissions.admit_unproven(address, named).ok_or_else(|| self.pool.refuse())
    }

    /// Gives the place of a request to the user who was proven.
    ///
    /// # Errors
    /// As [`Self::admit`].
    pub(crate) fn move_admission(
        &self,
        admission: Admission,
        proven: FairnessKey,
    ) -> Result<Admission, HashingError> {
        admission.move_to(proven).ok_or_else(|| self.pool.refuse())
    }
}

impl Taken {
    fn take(&mut self, caller: FairnessKey) {
        *self.by.entry(caller).or_default() += 1;
        self.all += 1;
    }

    /// True when another caller would have more places even after this one got one more.
    fn is_behind_another(&self, caller: FairnessKey) -> bool {
        let own = self.by.get(&caller).copied().unwrap_or_default();
        self.by.values().any(|taken| *taken > own + 1)
    }

    fn give_back(&mut self, caller: FairnessKey) {
        self.all = self.all.saturating_sub(1);
        if let Some(own) = self.by.get_mut(&caller) {
            *own -= 1;
            if *own == 0 {
                self.by.remove(&caller);
            }
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.admissions.lock().give_back(self.caller);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::user::UserId;

    fn user(number: i32) -> FairnessKey {
        FairnessKey::User(UserId::try_from(number).unwrap())
    }

    #[test]
    fn alone_a_caller_takes_all_places_and_no_more() {
        let admissions = Admissions::new(3);
        let in_there: Vec<_> = (0..3).map(|_| admissions.admit(user(1)).unwrap()).collect();
        assert!(admissions.admit(user(1)).is_none());
        drop(in_there);
        assert!(admissions.admit(user(1)).is_some());
        assert!(admissions.lock().by.is_empty(), "who has no place is not kept in mind");
    }

    #[test]
    fn who_has_fewer_places_than_another_still_gets_in() {
        let admissions = Admissions::new(3);
        let _crowd: Vec<_> = (0..3).map(|_| admissions.admit(user(1)).unwrap()).collect();
        let _first = admissions.admit(user(2)).unwrap();
        let _second = admissions.admit(user(2)).unwrap();
        assert!(admissions.admit(user(2)).is_none(), "three each would be no fewer");
        assert!(admissions.admit(user(1)).is_none());
    }

    #[test]
    fn a_user_who_is_only_named_has_no_place_taken_and_a_proven_one_has() {
        let admissions = Admissions::new(3);
        let address = FairnessKey::Address("192.0.2.1".parse().unwrap());
        let forged: Vec<_> =
            (0..3).map(|_| admissions.admit_unproven(address, user(1)).unwrap()).collect();
        assert!(admissions.admit_unproven(address, user(1)).is_none());
        let own = admissions.admit(user(1)).expect("the user has no place yet");
        drop((forged, own));
        let proven: Vec<_> = (0..3)
            .map(|_| admissions.admit_unproven(address, user(1)).unwrap().move_to(user(1)).unwrap())
            .collect();
        let named_again = admissions.admit_unproven(address, user(1));
        assert!(named_again.is_none(), "refused before the proof, as it would be after it");
        assert!(admissions.admit_unproven(address, user(2)).unwrap().move_to(user(2)).is_some());
        drop(proven);
        assert!(admissions.lock().by.is_empty());
    }

    #[test]
    fn a_proven_user_with_more_than_their_share_gives_the_place_back() {
        let admissions = Admissions::new(2);
        let address = |last: u8| FairnessKey::Address([192, 0, 2, last].into());
        let [first, second] = [(); 2].map(|()| admissions.admit(address(1)).unwrap());
        let late = admissions.admit_unproven(address(2), user(1)).unwrap();
        let first = first.move_to(user(1)).unwrap();
        assert!(second.move_to(user(1)).is_none(), "no other has more");
        let late = late.move_to(user(1)).unwrap();
        assert_eq!(admissions.lock().all, 2);
        drop((first, late));
    }

    proptest! {
        #[test]
        fn places_are_neither_lost_nor_doubled(
            steps in proptest::collection::vec((1_i32..5, 0..3), 0..200),
            places in 1_usize..20,
        ) {
            let admissions = Admissions::new(places);
            let mut held: Vec<Admission> = Vec::new();
            for (number, step) in steps {
                match step {
                    0 => drop(held.pop()),
                    1 => held.extend(admissions.admit(user(number))),
                    _ => {
                        let last = held.pop();
                        held.extend(last.and_then(|place| place.move_to(user(number))));
                    }
                }
                let taken = admissions.lock();
                prop_assert_eq!(taken.all, held.len());
                prop_assert_eq!(taken.by.values().sum::<usize>(), held.len());
                prop_assert!(held.len() <= places + 4 * places);
            }
        }
    }
}
