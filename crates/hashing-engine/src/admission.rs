//! Admission control: refuses a request before any other work is done for it.
//!
//! A request that needs a hash holds an admission until it is answered. The limit of admissions
//! is the present queue length, so a refusal costs neither a database connection nor a statement. The
//! rule is that of the fair queue: when all admissions are taken, a client that holds fewer than
//! another is still admitted.
//!
//! An admission belongs to the authenticated user. While a request only names a user, as a ticket
//! does, it belongs to the address: nobody can take the admissions of another user by naming them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{capacity::Places, fairness_key::FairnessKey};

/// The admissions of all clients.
#[derive(Clone)]
pub(crate) struct AdmissionControl<K: FairnessKey> {
    taken: Arc<Mutex<Taken<K>>>,
    places: Places,
}

struct Taken<K> {
    by_key: HashMap<K, usize>,
    total: usize,
}

/// The admission of one request. Dropping it releases it.
#[must_use = "dropping it releases the admission"]
pub struct Admission<K: FairnessKey> {
    control: AdmissionControl<K>,
    key: K,
}

impl<K: FairnessKey> AdmissionControl<K> {
    /// Admits as many requests at a time as there are places, and more from clients with less than
    /// their share.
    pub(crate) fn new(places: Places) -> Self {
        let taken = Taken { by_key: HashMap::new(), total: 0 };
        Self { taken: Arc::new(Mutex::new(taken)), places }
    }

    /// Admits a request of this client; `None` when all are taken.
    pub(crate) fn admit(&self, key: K) -> Option<Admission<K>> {
        self.admit_unauthenticated(key, key)
    }

    /// Admits a request from `address` that names the user `named`, who is not authenticated yet.
    /// The admission belongs to the address. A user who would be refused after authentication is
    /// refused now.
    pub(crate) fn admit_unauthenticated(&self, address: K, named: K) -> Option<Admission<K>> {
        let mut taken = self.lock();
        let has_room = taken.total < self.places.get()
            || (taken.has_less_than_another(address) && taken.has_less_than_another(named));
        if !has_room {
            return None;
        }
        taken.add(address);
        drop(taken);
        Some(Admission { control: self.clone(), key: address })
    }

    /// True when a client that holds no admission would get one.
    pub(crate) fn has_room(&self) -> bool {
        let taken = self.lock();
        taken.total < self.places.get() || taken.by_key.values().any(|taken| *taken > 1)
    }

    fn lock(&self) -> MutexGuard<'_, Taken<K>> {
        // No code that can panic runs under this lock, so its data is consistent.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: FairnessKey> Admission<K> {
    /// Moves the admission to the authenticated user. `None`, and released, when that user has more
    /// than their share.
    pub(crate) fn move_to(mut self, key: K) -> Option<Self> {
        let control = self.control.clone();
        let mut taken = control.lock();
        if taken.total > control.places.get() && !taken.has_less_than_another(key) {
            // Dropping the admission takes the lock.
            drop(taken);
            return None;
        }
        taken.remove(self.key);
        taken.add(key);
        drop(taken);
        self.key = key;
        Some(self)
    }
}

impl<K: FairnessKey> Taken<K> {
    fn add(&mut self, key: K) {
        *self.by_key.entry(key).or_default() += 1;
        self.total += 1;
    }

    /// True when another client would have more admissions even if this one got one more.
    fn has_less_than_another(&self, key: K) -> bool {
        let own = self.by_key.get(&key).copied().unwrap_or_default();
        self.by_key.values().any(|taken| *taken > own + 1)
    }

    fn remove(&mut self, key: K) {
        self.total = self.total.saturating_sub(1);
        if let Some(own) = self.by_key.get_mut(&key) {
            *own -= 1;
            if *own == 0 {
                self.by_key.remove(&key);
            }
        }
    }
}

impl<K: FairnessKey> Drop for Admission<K> {
    fn drop(&mut self) {
        self.control.lock().remove(self.key);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
    enum Client {
        Address(u8),
        User(u8),
    }

    use Client::{Address, User};

    #[test]
    fn a_single_client_takes_all_admissions_and_no_more() {
        let control = AdmissionControl::new(Places::new(3));
        let admitted: Vec<_> = (0..3).map(|_| control.admit(User(1)).unwrap()).collect();
        assert!(control.admit(User(1)).is_none());
        drop(admitted);
        assert!(control.admit(User(1)).is_some());
        assert!(control.lock().by_key.is_empty(), "a client without admissions is removed");
    }

    #[test]
    fn a_client_with_fewer_admissions_than_another_is_admitted() {
        let control = AdmissionControl::new(Places::new(3));
        let _busy: Vec<_> = (0..3).map(|_| control.admit(User(1)).unwrap()).collect();
        let _first = control.admit(User(2)).unwrap();
        let _second = control.admit(User(2)).unwrap();
        assert!(control.admit(User(2)).is_none(), "three each would be no fewer");
        assert!(control.admit(User(1)).is_none());
    }

    #[test]
    fn there_is_room_unless_every_client_has_one_of_all_admissions() {
        let control = AdmissionControl::new(Places::new(2));
        let first = control.admit(User(1)).unwrap();
        assert!(control.has_room(), "one is left");
        let second = control.admit(User(1)).unwrap();
        assert!(control.has_room(), "another client may displace the second");
        drop(second);
        let other = control.admit(User(2)).unwrap();
        assert!(!control.has_room());
        assert!(control.admit(User(3)).is_none());
        drop((first, other));
        assert!(control.has_room());
    }

    #[test]
    fn a_named_user_holds_no_admission_until_authenticated() {
        let (control, address) = (AdmissionControl::new(Places::new(3)), Address(1));
        let forged: Vec<_> =
            (0..3).map(|_| control.admit_unauthenticated(address, User(1)).unwrap()).collect();
        assert!(control.admit_unauthenticated(address, User(1)).is_none());
        let own = control.admit(User(1)).expect("the user has no admission yet");
        drop((forged, own));
        let authenticated: Vec<_> = (0..3)
            .map(|_| {
                control.admit_unauthenticated(address, User(1)).unwrap().move_to(User(1)).unwrap()
            })
            .collect();
        let again = control.admit_unauthenticated(address, User(1));
        assert!(again.is_none(), "refused before authentication, as it would be after it");
        assert!(
            control.admit_unauthenticated(address, User(2)).unwrap().move_to(User(2)).is_some()
        );
        drop(authenticated);
        assert!(control.lock().by_key.is_empty());
    }

    #[test]
    fn a_user_with_more_than_their_share_releases_the_admission() {
        let control = AdmissionControl::new(Places::new(2));
        let [first, second] = [(); 2].map(|()| control.admit(Address(1)).unwrap());
        let late = control.admit_unauthenticated(Address(2), User(1)).unwrap();
        let first = first.move_to(User(1)).unwrap();
        assert!(second.move_to(User(1)).is_none(), "no other client has more");
        let late = late.move_to(User(1)).unwrap();
        assert_eq!(control.lock().total, 2);
        drop((first, late));
    }

    proptest! {
        #[test]
        fn admissions_are_neither_lost_nor_duplicated(
            steps in proptest::collection::vec((1_u8..5, 0..3), 0..200),
            maximum in 1_usize..20,
        ) {
            let control = AdmissionControl::new(Places::new(maximum));
            let mut held: Vec<Admission<Client>> = Vec::new();
            for (number, step) in steps {
                match step {
                    0 => drop(held.pop()),
                    1 => held.extend(control.admit(User(number))),
                    _ => {
                        let last = held.pop();
                        held.extend(last.and_then(|admission| admission.move_to(User(number))));
                    }
                }
                let taken = control.lock();
                prop_assert_eq!(taken.total, held.len());
                prop_assert_eq!(taken.by_key.values().sum::<usize>(), held.len());
                prop_assert!(held.len() <= maximum + 4 * maximum);
                drop(taken);
                prop_assert_eq!(control.has_room(), control.admit(User(0)).is_some());
            }
        }
    }
}
