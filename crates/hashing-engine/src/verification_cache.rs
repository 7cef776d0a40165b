//! A cache of recent results, so that a repeated request needs no hash.
//!
//! Right and wrong results are cached separately, so that guesses cannot evict the entries of
//! legitimate clients. The entries expire, and are never stored.

use std::{
    hash::Hash,
    num::NonZeroUsize,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use lru::LruCache;

/// A set of keys that expire. The least recently used key is evicted when the cache is full.
pub(crate) struct VerificationCache<T: Eq + Hash> {
    /// When each key expires.
    entries: Option<Mutex<LruCache<T, Instant>>>,
    lifetime: Duration,
}

impl<T: Copy + Eq + Hash> VerificationCache<T> {
    /// A cache of `maximum` keys. Zero disables it.
    pub(crate) fn new(maximum: usize, lifetime: Duration) -> Self {
        let entries = NonZeroUsize::new(maximum).map(LruCache::new).map(Mutex::new);
        Self { entries, lifetime }
    }

    /// True when the key was inserted less than a lifetime ago.
    pub(crate) fn contains(&self, key: T, now: Instant) -> bool {
        let Some(mut entries) = self.lock() else { return false };
        let is_fresh = entries.get(&key).is_some_and(|expiry| now < *expiry);
        if !is_fresh {
            entries.pop(&key);
        }
        is_fresh
    }

    /// Inserts a key, or renews it.
    pub(crate) fn insert(&self, key: T, now: Instant) {
        self.insert_for(key, now, self.lifetime);
    }

    /// As [`Self::insert`], for `longest` at most.
    pub(crate) fn insert_for(&self, key: T, now: Instant, longest: Duration) {
        if let Some(mut entries) = self.lock() {
            entries.put(key, now + self.lifetime.min(longest));
        }
    }

    /// Number of keys in the cache.
    pub(crate) fn len(&self) -> usize {
        self.lock().map_or(0, |entries| entries.len())
    }

    fn lock(&self) -> Option<MutexGuard<'_, LruCache<T, Instant>>> {
        // The cache is consistent after a panic of another holder.
        Some(self.entries.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn an_entry_expires_after_its_lifetime() {
        let (cache, now) = (VerificationCache::new(10, MINUTE), Instant::now());
        cache.insert('a', now);
        assert!(cache.contains('a', now + MINUTE.mul_f64(0.999)));
        assert!(!cache.contains('b', now));
        assert!(!cache.contains('a', now + MINUTE));
        assert_eq!(cache.len(), 0, "an expired entry is removed");
    }

    #[test]
    fn an_entry_may_expire_earlier_but_not_later() {
        let (cache, now) = (VerificationCache::new(10, MINUTE), Instant::now());
        cache.insert_for('a', now, MINUTE / 2);
        cache.insert_for('b', now, 2 * MINUTE);
        cache.insert_for('c', now, Duration::ZERO);
        assert!(cache.contains('a', now + MINUTE.mul_f64(0.499)));
        assert!(!cache.contains('a', now + MINUTE / 2));
        assert!(!cache.contains('b', now + MINUTE));
        assert!(!cache.contains('c', now));
    }

    #[test]
    fn the_least_recently_used_entry_is_evicted() {
        let (cache, now) = (VerificationCache::new(2, MINUTE), Instant::now());
        cache.insert('a', now);
        cache.insert('b', now);
        assert!(cache.contains('a', now));
        cache.insert('c', now);
        assert_eq!(['a', 'b', 'c'].map(|key| cache.contains(key, now)), [true, false, true]);
        assert_eq!(cache.len(), 2);
    }

    #[test]
    fn a_cache_of_size_zero_stores_nothing() {
        let (cache, now) = (VerificationCache::new(0, MINUTE), Instant::now());
        cache.insert('a', now);
        assert!(!cache.contains('a', now));
    }
}
