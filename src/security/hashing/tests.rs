//! The engine with real threads and the real hash.

use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::domain::user::UserId;

const FAST: HashParameters = HashParameters { memory_kib: 64, iterations: 1, parallelism: 1 };

/// About a tenth of a second a hash, so that a queue can be seen.
const SLOW: HashParameters = HashParameters { memory_kib: 19_456, iterations: 12, parallelism: 1 };

fn engine(parameters: HashParameters, deadline: Duration) -> Arc<HashingEngine> {
    let options = HashingOptions { parameters, maximum_memory_kib: 0, threads: Some(1), deadline };
    Arc::new(HashingEngine::start(&options).unwrap())
}

fn value(text: &str) -> CredentialValue {
    CredentialValue::parse("Value", &SecretString::from(text)).unwrap()
}

fn user(id: i32) -> Caller {
    Caller::User(UserId::try_from(id).unwrap())
}

const ADDRESS: Caller = Caller::Address(IpAddr::V4(Ipv4Addr::LOCALHOST));

#[tokio::test]
async fn what_was_hashed_is_verified_and_nothing_else() {
    let engine = engine(FAST, Duration::from_secs(30));
    let hash = engine.hash(ADDRESS, &value("right")).await.unwrap();
    assert!(engine.verify(ADDRESS, &value("right"), Some(&hash)).await.unwrap());
    assert!(!engine.verify(ADDRESS, &value("wrong"), Some(&hash)).await.unwrap());
    assert!(!engine.verify(ADDRESS, &value("right"), None).await.unwrap());
}

#[tokio::test]
async fn the_hash_is_argon2id_as_the_library_computes_it() {
    let engine = engine(FAST, Duration::from_secs(30));
    let hash = engine.hash(ADDRESS, &value("right")).await.unwrap();
    let mut tag = [0; 32];
    argon2::Argon2::new(
        argon2::Algorithm::Argon2id,
        argon2::Version::V0x13,
        argon2::Params::new(64, 1, 1, Some(32)).unwrap(),
    )
    .hash_password_into(b"right", hash.salt(), &mut tag)
    .unwrap();
    assert_eq!(hash.tag(), tag);
}

#[test]
fn the_kernel_gives_what_the_reference_program_prints() {
    // echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1 -l 32
    let parameters = HashParameters { memory_kib: 65_536, iterations: 2, parallelism: 1 };
    let mut memory = vec![argon2::Block::new(); 65_536];
    let tag = kernel::argon2id(b"password", b"somesalt", parameters, &mut memory).unwrap();
    let hex = tag.map(|byte| format!("{byte:02x}")).concat();
    assert_eq!(hex, "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7");
}

#[tokio::test]
async fn a_hash_that_asks_for_too_much_costs_what_any_other_does() {
    let engine = engine(FAST, Duration::from_secs(30));
    let greedy = HashParameters { memory_kib: 4 * 1024 * 1024, ..FAST };
    let hash = PhcHash::new(greedy, vec![0; 16], [0; 32]);
    assert!(!engine.verify(ADDRESS, &value("x"), Some(&hash)).await.unwrap());
    assert_eq!(engine.hashed(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_the_queue_is_refused_and_the_rest_is_hashed() {
    let engine = engine(SLOW, Duration::from_secs(3600));
    engine.pool.set_capacity(4, 10.0);
    let jobs: Vec<_> = (0..20)
        .map(|_| {
            let engine = Arc::clone(&engine);
            tokio::spawn(async move { engine.hash(ADDRESS, &value("x")).await })
        })
        .collect();
    let (mut done, mut refused) = (0, 0);
    for job in jobs {
        match job.await.unwrap() {
            Ok(_) => done += 1,
            Err(HashingError::Overloaded { retry_after }) => {
                assert!(retry_after >= Duration::from_secs(1));
                refused += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(done + refused, 20);
    assert!(done >= 4 && refused >= 10, "{done} done, {refused} refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_past_its_deadline_is_refused_instead_of_hashed() {
    let engine = engine(SLOW, Duration::from_millis(20));
    let value = value("x");
    let first = engine.hash(ADDRESS, &value);
    let second = engine.hash(user(1), &value);
    let (_, second) = tokio::join!(first, second);
    assert!(matches!(second, Err(HashingError::Overloaded { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_job_is_not_hashed() {
    let engine = engine(SLOW, Duration::from_secs(3600));
    let running = Arc::clone(&engine);
    let running = tokio::spawn(async move { running.hash(ADDRESS, &value("x")).await });
    while engine.hashed() == 0 {
        tokio::task::yield_now().await;
    }
    let abandoned = value("x");
    for _ in 0..50 {
        let waiting = engine.hash(ADDRESS, &abandoned);
        // Polled once, so that the job is queued, and dropped.
        tokio::select! { biased; _ = waiting => {}, () = std::future::ready(()) => {} }
    }
    running.await.unwrap().unwrap();
    engine.hash(user(1), &value("x")).await.unwrap();
    assert_eq!(engine.hashed(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_with_many_jobs_does_not_keep_another_waiting() {
    let engine = engine(SLOW, Duration::from_secs(3600));
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let run = |caller: Caller| {
        let (engine, order) = (Arc::clone(&engine), Arc::clone(&order));
        tokio::spawn(async move {
            engine.hash(caller, &value("x")).await.unwrap();
            order.lock().unwrap().push(caller);
        })
    };
    let mut jobs: Vec<_> = (0..20).map(|_| run(ADDRESS)).collect();
    tokio::time::sleep(Duration::from_millis(20)).await;
    jobs.push(run(user(1)));
    for job in jobs {
        job.await.unwrap();
    }
    let order = order.lock().unwrap();
    let position = order.iter().position(|caller| *caller == user(1)).unwrap();
    assert!(position <= 4, "the other caller came {position}th of 21");
}

#[tokio::test]
async fn a_closed_engine_takes_nothing_new() {
    let engine = engine(FAST, Duration::from_secs(30));
    engine.close();
    let error = engine.hash(ADDRESS, &value("x")).await.unwrap_err();
    assert!(matches!(error, HashingError::ShuttingDown));
}
