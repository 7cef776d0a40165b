//! What was found out lately, so that the same request costs no hash again.
//!
//! What was right and what was wrong are kept apart, so guessing cannot push anybody out. What is kept
//! are digests under a key of this process; they go after a while, and with the process.

use std::{
    num::NonZeroUsize,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use lru::LruCache;

use super::verification_request::VerificationDigest;

/// At most so many digests, each for so long.
pub(super) struct VerificationCache {
    until: Option<Mutex<LruCache<VerificationDigest, Instant>>>,
    lifetime: Duration,
}

impl VerificationCache {
    /// `maximum` zero: nothing is remembered.
    pub(super) fn new(maximum: usize, lifetime: Duration) -> Self {
        let until = NonZeroUsize::new(maximum).map(LruCache::new).map(Mutex::new);
        Self { until, lifetime }
    }

    /// True when this request was verified less than a lifetime ago.
    pub(super) fn contains(&self, request: VerificationDigest, now: Instant) -> bool {
        let Some(mut until) = self.lock() else { return false };
        let is_fresh = until.get(&request).is_some_and(|end| now < *end);
        if !is_fresh {
            until.pop(&request);
        }
        is_fresh
    }

    /// Remembers a request that was verified just now.
    pub(super) fn insert(&self, request: VerificationDigest, now: Instant) {
        if let Some(mut until) = self.lock() {
            until.put(request, now + self.lifetime);
        }
    }

    /// How many are remembered.
    pub(super) fn len(&self) -> usize {
        self.lock().map_or(0, |until| until.len())
    }

    fn lock(&self) -> Option<MutexGuard<'_, LruCache<VerificationDigest, Instant>>> {
        // Its data is whole whatever happened to the last holder.
        Some(self.until.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::{
        super::verification_request::{VerificationKey, VerificationRequest},
        *,
    };
    use crate::domain::credential::CredentialValue;

    const MINUTE: Duration = Duration::from_secs(60);

    fn claims() -> [VerificationDigest; 3] {
        let key = VerificationKey::generate().unwrap();
        let value = CredentialValue::parse("Value", &SecretString::from("x")).unwrap();
        ["a", "b", "c"].map(|canonical_name| {
            key.digest(&VerificationRequest {
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
        let verified = VerificationCache::new(10, MINUTE);
        let ([request, other, _], now) = (claims(), Instant::now());
        verified.insert(request, now);
        assert!(verified.contains(request, now + MINUTE.mul_f64(0.999)));
        assert!(!verified.contains(other, now));
        assert!(!verified.contains(request, now + MINUTE));
        assert_eq!(verified.len(), 0, "what is over is not kept");
    }

    #[test]
    fn the_one_not_used_for_longest_makes_room() {
        let verified = VerificationCache::new(2, MINUTE);
        let ([a, b, c], now) = (claims(), Instant::now());
        verified.insert(a, now);
        verified.insert(b, now);
        assert!(verified.contains(a, now));
        verified.insert(c, now);
        assert_eq!([a, b, c].map(|request| verified.contains(request, now)), [true, false, true]);
        assert_eq!(verified.len(), 2);
    }

    #[test]
    fn with_no_room_nothing_is_remembered() {
        let verified = VerificationCache::new(0, MINUTE);
        let ([request, ..], now) = (claims(), Instant::now());
        verified.insert(request, now);
        assert!(!verified.contains(request, now));
    }
}
