//! Places and queue at different speeds of the threads.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

use super::tests::{ADDRESS, FAST, engine};

#[tokio::test]
async fn places_follow_the_speed_of_the_threads() {
    let engine = engine(FAST, Duration::from_secs(30));
    let free = || std::iter::from_fn(|| engine.admit(ADDRESS).ok()).collect::<Vec<_>>().len();
    assert!(engine.capacity().queue_length > 128);
    // As if hashes took a second now, of which the deadline leaves time for 27.
    engine.pool.hasher().set_target_time(Duration::from_secs(1));
    engine.hash(ADDRESS, b"x").await.unwrap();
    // The thread looks at its speed before it waits for the next job.
    let shorter = async {
        while engine.capacity().queue_length != 128 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(60), shorter).await.unwrap();
    assert_eq!(free(), 128);
    let longer = async {
        while engine.capacity().queue_length == 128 {
            engine.hash(ADDRESS, b"x").await.unwrap();
        }
    };
    timeout(Duration::from_secs(60), longer).await.unwrap();
}

#[tokio::test]
async fn admitted_jobs_are_hashed_although_the_threads_became_slower() {
    let engine = engine(FAST, Duration::from_secs(30));
    let admitted: Vec<_> = (0..300).map(|_| engine.admit(ADDRESS).unwrap()).collect();
    engine.pool.hasher().set_target_time(Duration::from_secs(1));
    let jobs = join_all((0..300).map(|_| engine.hash(ADDRESS, b"x"))).await;
    assert!(jobs.iter().all(Result::is_ok));
    drop(admitted);
}
