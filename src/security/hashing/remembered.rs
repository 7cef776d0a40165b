//! What was found out lately, so that the same claim costs no hash again.
//!
//! What was right and what was wrong are kept apart, so guessing cannot push anybody out. What is kept
//! are digests under a key of this process; they go after a while, and with the process.

use std::{
    num::NonZeroUsize,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use lru::LruCache;

use super::claim::ClaimDigest;

/// At most so many digests, each for so long.
pub(super) struct Remembered {
    until: Option<Mutex<LruCache<ClaimDigest, Instant>>>,
    lifetime: Duration,
}

impl Remembered {
    /// `maximum` zero: nothing is remembered.
    pub(super) fn new(maximum: usize, lifetime: Duration) -> Self {
        let until = NonZeroUsize::new(maximum).map(LruCache::new).map(Mutex::new);
        Self { until, lifetime }
    }

    /// True when this claim was verified less than a lifetime ago.
    pub(super) fn contains(&self, claim: ClaimDigest, now: Instant) -> bool {
        let Some(mut until) = self.lock() else { return false };
        let is_fresh = until.get(&claim).is_some_and(|end| now < *end);
        if !is_fresh {
            until.pop(&claim);
        }
        is_fresh
    }

    /// Remembers a claim that was verified just now.
    pub(super) fn insert(&self, claim: ClaimDigest, now: Instant) {
        if let Some(mut until) = self.lock() {
            until.put(claim, now + self.lifetime);
        }
    }

    /// How many are remembered.
    pub(super) fn len(&self) -> usize {
        self.lock().map_or(0, |until| until.len())
    }

    fn lock(&self) -> Option<MutexGuard<'_, LruCache<ClaimDigest, Instant>>> {
        // Its data is whole whatever happened to the last holder.
        Some(self.until.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::{
        super::claim::{Claim, ClaimKey},
        *,
    };
    use crate::domain::credential::CredentialValue;

    const MINUTE: Duration = Duration::from_secs(60);

    fn claims() -> [ClaimDigest; 3] {
        let key = ClaimKey::generate().unwrap();
        let value = CredentialValue::parse("Value", &SecretString::from("x")).unwrap();
        ["a", "b", "c"].map(|canonical_name| {
            key.digest(&Claim {
                canonical_name,
                credential_type: "CRM5/PASSWORD",
                value: &value,
                row: None,
                hash: None,
                lets_in: true,
            })
        })
    }

    #[test]
    fn a_claim_is_remembered_for_its_lifetime_and_no_longer() {
        let verified = Remembered::new(10, MINUTE);
        let ([claim, other, _], now) = (claims(), Instant::now());
        verified.insert(claim, now);
        assert!(verified.contains(claim, now + MINUTE.mul_f64(0.999)));
        assert!(!verified.contains(other, now));
        assert!(!verified.contains(claim, now + MINUTE));
        assert_eq!(verified.len(), 0, "what is over is not kept");
    }

    #[test]
    fn the_one_not_used_for_longest_makes_room() {
        let verified = Remembered::new(2, MINUTE);
        let ([a, b, c], now) = (claims(), Instant::now());
        verified.insert(a, now);
        verified.insert(b, now);
        assert!(verified.contains(a, now));
        verified.insert(c, now);
        assert_eq!([a, b, c].map(|claim| verified.contains(claim, now)), [true, false, true]);
        assert_eq!(verified.len(), 2);
    }

    #[test]
    fn with_no_room_nothing_is_remembered() {
        let verified = Remembered::new(0, MINUTE);
        let ([claim, ..], now) = (claims(), Instant::now());
        verified.insert(claim, now);
        assert!(!verified.contains(claim, now));
    }
}
