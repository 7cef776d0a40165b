//! Who is let in to where hashing is, before anything else is done for them.
//!
//! A request that will be hashed for is counted from here to its answer. More than can be hashed
//! in time are not let in, so that a refusal costs neither a connection nor a statement. The rule
//! is the queue's: when all places are taken, a caller with fewer of them than another still gets
//! in.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::domain::caller::Caller;

/// The places, and who has them.
#[derive(Clone)]
pub(super) struct Admissions {
    taken: Arc<Mutex<Taken>>,
    places: usize,
}

#[derive(Default)]
struct Taken {
    by: HashMap<Caller, usize>,
    all: usize,
}

/// One request's place; dropped, it is free again.
#[must_use = "the place is free again when this is dropped"]
pub(crate) struct Admission {
    admissions: Admissions,
    caller: Caller,
}

impl Admissions {
    /// Nobody is in yet.
    pub(super) fn new(places: usize) -> Self {
        Self { taken: Arc::default(), places }
    }

    /// A place for one request of this caller; `None` when there is none.
    pub(super) fn admit(&self, caller: Caller) -> Option<Admission> {
        let mut taken = self.lock();
        if taken.all >= self.places && !taken.is_behind_another(caller) {
            return None;
        }
        *taken.by.entry(caller).or_default() += 1;
        taken.all += 1;
        drop(taken);
        Some(Admission { admissions: self.clone(), caller })
    }

    fn lock(&self) -> MutexGuard<'_, Taken> {
        // No code that can panic runs under this lock; its data is whole whatever happened.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Taken {
    /// True when another caller would have more places even after this one got one more.
    fn is_behind_another(&self, caller: Caller) -> bool {
        let own = self.by.get(&caller).copied().unwrap_or_default();
        self.by.values().any(|taken| *taken > own + 1)
    }

    fn give_back(&mut self, caller: Caller) {
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

    fn user(number: i32) -> Caller {
        Caller::User(UserId::try_from(number).unwrap())
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

    proptest! {
        #[test]
        fn places_are_neither_lost_nor_doubled(
            steps in proptest::collection::vec((1_i32..5, any::<bool>()), 0..200),
            places in 1_usize..20,
        ) {
            let admissions = Admissions::new(places);
            let mut held: Vec<Admission> = Vec::new();
            for (number, leaves) in steps {
                if leaves {
                    held.pop();
                } else {
                    held.extend(admissions.admit(user(number)));
                }
                let taken = admissions.lock();
                prop_assert_eq!(taken.all, held.len());
                prop_assert_eq!(taken.by.values().sum::<usize>(), held.len());
                prop_assert!(held.len() <= places + 4 * places);
            }
        }
    }
}
