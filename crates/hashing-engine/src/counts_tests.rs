//! The counts of an engine.

use std::time::Duration;

use super::{
    tests::{ADDRESS, FAST, ROW, engine, hash_of, request},
    verification_request::VerificationOutcome,
};

#[tokio::test]
async fn counts_tell_what_the_engine_has_done() {
    let engine = engine(FAST, Duration::from_secs(30));
    let hash = hash_of(&engine, "right").await;
    let first = engine.counts();
    assert_eq!((first.hashed, first.waits, first.cache_hits, first.cache_misses), (1, 1, 0, 0));
    assert!(first.wait > Duration::ZERO);
    for _ in 0..2 {
        let outcome = engine.verify(ADDRESS, &request("anna", "right", Some((ROW, &hash)))).await;
        assert_ne!(outcome.unwrap(), VerificationOutcome::Wrong);
    }
    let second = engine.counts();
    assert_eq!((second.hashed, second.waits), (2, 2));
    assert_eq!((second.cache_hits, second.cache_misses), (1, 1));
    assert_eq!((second.shed, second.waiting), (0, 0));
    assert!(second.wait > first.wait);
}
