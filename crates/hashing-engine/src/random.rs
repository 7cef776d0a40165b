//! Random bytes from the operating system.

/// The operating system returned no random bytes.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the operating system returned no random bytes")]
pub struct RandomError(#[source] getrandom::Error);

/// Returns `N` random bytes.
///
/// # Errors
/// When the operating system returns none. There is no weaker fallback.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], RandomError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(RandomError)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, thread, time::Duration};

    use super::*;
    use crate::tests::{ADDRESS, FAST, engine};

    #[test]
    fn salts_made_by_threads_at_once_are_distinct() {
        let salts: Vec<[u8; 16]> = thread::scope(|scope| {
            let make = || -> Vec<_> { (0..12_500).map(|_| random_bytes().unwrap()).collect() };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        assert_eq!(salts.iter().collect::<HashSet<_>>().len(), 100_000);
    }

    #[tokio::test]
    async fn every_hash_has_a_salt_of_16_bytes_of_its_own() {
        let engine = engine(FAST, Duration::from_secs(30));
        let mut salts = HashSet::new();
        for number in 0..100 {
            let hash = engine.hash(ADDRESS, b"the same").await.unwrap();
            assert_eq!(hash.salt().len(), 16);
            assert!(salts.insert(hash.salt().to_vec()), "hash {number} repeats a salt");
        }
    }
}
