//! The engine with real threads and real hashes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future::join_all;

use super::{
    capacity::QueueLimit,
    engine::HashingEngine,
    error::HashingError,
    formats::{
        phc::{PhcHash, SALT_LENGTH},
        stored_hash::StoredHash,
    },
    hash_parameters::HashParameters,
    job::{JobResult, Task},
    kernel::Kernel,
    options::HashingOptions,
    secret_forms::SecretForms,
    verification_request::{RowStamp, VerificationOutcome, VerificationRequest},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Client {
    Address(u8),
    User(u8),
}

use Client::{Address, User};

pub(super) const ADDRESS: Client = Address(1);

pub(super) const FAST: HashParameters =
    HashParameters { memory_kib: 64, iterations: 1, parallelism: 1 };

/// About a tenth of a second for a hash, so that a queue forms.
const SLOW: HashParameters = HashParameters { memory_kib: 19_456, iterations: 12, parallelism: 1 };

pub(super) fn engine(parameters: HashParameters, deadline: Duration) -> Arc<HashingEngine<Client>> {
    let options = HashingOptions {
        parameters,
        maximum_memory_kib: 0,
        threads: Some(1),
        deadline,
        longest_delay: Duration::from_secs(30),
        maximum_verified: 10,
        verified_lifetime: Duration::from_secs(3600),
    };
    Arc::new(HashingEngine::start(&options, |_| ()).unwrap())
}

pub(super) async fn hash_of(engine: &HashingEngine<Client>, secret: &str) -> StoredHash {
    StoredHash::Own(engine.hash(ADDRESS, secret.as_bytes()).await.unwrap())
}

#[tokio::test]
async fn a_hash_verifies_its_secret_and_no_other() {
    let engine = engine(FAST, Duration::from_secs(30));
    let hash = hash_of(&engine, "right").await;
    assert!(engine.verify_hash(ADDRESS, "right".into(), Some(&hash)).await.unwrap());
    assert!(!engine.verify_hash(ADDRESS, "wrong".into(), Some(&hash)).await.unwrap());
    assert!(!engine.verify_hash(ADDRESS, "right".into(), None).await.unwrap());
}

#[tokio::test]
async fn the_hash_is_argon2id_as_the_library_computes_it() {
    let engine = engine(FAST, Duration::from_secs(30));
    let hash = engine.hash(ADDRESS, b"right").await.unwrap();
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
fn the_kernel_matches_the_reference_implementation() {
    // echo -n password | argon2 somesalt -id -t 2 -m 16 -p 1 -l 32
    let parameters = HashParameters { memory_kib: 65_536, iterations: 2, parallelism: 1 };
    let mut memory = vec![argon2::Block::new(); 65_536];
    let kernel = Kernel::choose(|_| ());
    let tag = kernel.argon2id(b"password", b"somesalt", parameters, &mut memory).unwrap();
    let hex = tag.map(|byte| format!("{byte:02x}")).concat();
    assert_eq!(hex, "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7");
}

#[tokio::test]
async fn a_hash_above_the_memory_limit_costs_one_hash() {
    let engine = engine(FAST, Duration::from_secs(30));
    let excessive = HashParameters { memory_kib: 4 * 1024 * 1024, ..FAST };
    let hash = StoredHash::Own(PhcHash::new(excessive, vec![0; 16], [0; 32]));
    assert!(!engine.verify_hash(ADDRESS, "x".into(), Some(&hash)).await.unwrap());
    assert_eq!(engine.hashed(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_beyond_the_queue_length_are_refused() {
    let engine = engine(SLOW, Duration::from_secs(3600));
    engine.pool.set_limit(QueueLimit::fixed(4));
    let jobs: Vec<_> = (0..20)
        .map(|_| {
            let engine = Arc::clone(&engine);
            tokio::spawn(async move { engine.hash(ADDRESS, b"x").await })
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
async fn a_job_past_its_deadline_is_refused() {
    let engine = engine(SLOW, Duration::from_millis(20));
    let first = engine.hash(ADDRESS, b"x");
    let second = engine.hash(User(1), b"x");
    let (_, second) = tokio::join!(first, second);
    assert!(matches!(second, Err(HashingError::Overloaded { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_abandoned_job_is_not_hashed() {
    let engine = engine(SLOW, Duration::from_secs(3600));
    let running = Arc::clone(&engine);
    let running = tokio::spawn(async move { running.hash(ADDRESS, b"x").await });
    while engine.hashed() == 0 {
        tokio::task::yield_now().await;
    }
    for _ in 0..50 {
        let waiting = engine.hash(ADDRESS, b"x");
        // Polled once, so that the job is queued, and dropped.
        tokio::select! { biased; _ = waiting => {}, () = std::future::ready(()) => {} }
    }
    running.await.unwrap().unwrap();
    engine.hash(User(1), b"x").await.unwrap();
    assert_eq!(engine.hashed(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_many_jobs_does_not_delay_another() {
    let engine = engine(SLOW, Duration::from_secs(3600));
    let order = Arc::new(std::sync::Mutex::new(Vec::new()));
    let run = |client: Client| {
        let (engine, order) = (Arc::clone(&engine), Arc::clone(&order));
        tokio::spawn(async move {
            engine.hash(client, b"x").await.unwrap();
            order.lock().unwrap().push(client);
        })
    };
    let mut jobs: Vec<_> = (0..20).map(|_| run(ADDRESS)).collect();
    tokio::time::sleep(Duration::from_millis(20)).await;
    jobs.push(run(User(1)));
    for job in jobs {
        job.await.unwrap();
    }
    let order = order.lock().unwrap();
    let position = order.iter().position(|client| *client == User(1)).unwrap();
    assert!(position <= 4, "the other client came {position}th of 21");
}

/// The version and contents of a row.
pub(super) type Row = (&'static [u8], &'static [u8]);

pub(super) const ROW: Row = (b"1", b"sealed");

pub(super) fn request<'request>(
    name: &'request str,
    secret: &'request str,
    stored: Option<(Row, &'request StoredHash)>,
) -> VerificationRequest<'request> {
    let (row, hash) = stored.unzip();
    let row = row.map(|(version, contents)| RowStamp { version, contents });
    VerificationRequest {
        name,
        scope: "password",
        secret: secret.into(),
        row,
        hash,
        may_succeed: true,
    }
}

/// Logs in as the application does: reads the cache, and verifies on a miss.
async fn log_in(
    engine: &HashingEngine<Client>,
    request: &VerificationRequest<'_>,
) -> (Option<bool>, VerificationOutcome) {
    match engine.cached_result(request) {
        Some(true) => (Some(true), VerificationOutcome::Verified),
        Some(false) => (Some(false), VerificationOutcome::Wrong),
        None => (None, engine.verify(ADDRESS, request).await.unwrap()),
    }
}

#[tokio::test]
async fn a_request_is_hashed_once_until_its_row_changes() {
    use VerificationOutcome::{Verified, Wrong};

    let engine = engine(FAST, Duration::from_secs(30));
    let hash = hash_of(&engine, "right").await;
    let hashed = engine.hashed();
    let row = Some((ROW, &hash));
    let resealed_row: Option<(Row, _)> = Some(((b"1", b"sealed again"), &hash));
    let saved_row: Option<(Row, _)> = Some(((b"2", b"sealed"), &hash));
    for (request, outcome, hashes) in [
        (request("anna", "right", row), (None, Verified), 1),
        (request("anna", "right", row), (Some(true), Verified), 1),
        (request("anna", "wrong", row), (None, Wrong), 2),
        (request("anna", "wrong", row), (Some(false), Wrong), 2),
        (request("nobody", "right", None), (None, Wrong), 3),
        (request("nobody", "right", None), (Some(false), Wrong), 3),
        (request("anna", "right", resealed_row), (None, Verified), 4),
        // The row still holds the same secret.
        (request("anna", "wrong", resealed_row), (Some(false), Wrong), 4),
        (request("anna", "wrong", saved_row), (None, Wrong), 5),
        (request("anna", "right", row), (Some(true), Verified), 5),
    ] {
        assert_eq!(log_in(&engine, &request).await, outcome);
        assert_eq!(engine.hashed() - hashed, hashes);
    }
}

#[tokio::test]
async fn a_request_that_cannot_succeed_is_cached_like_a_wrong_secret() {
    let engine = engine(FAST, Duration::from_secs(30));
    let hash = hash_of(&engine, "right").await;
    let active = request("anna", "right", Some((ROW, &hash)));
    let retired = VerificationRequest { may_succeed: false, ..active };
    for (request, cached) in [
        (retired, None),
        (retired, Some(false)),
        (active, None),
        (active, Some(true)),
        (retired, Some(false)),
    ] {
        assert_eq!(log_in(&engine, &request).await.0, cached);
    }
}

/// Against the hash, the first form would match and the second would not be hashed.
#[tokio::test]
async fn a_request_that_cannot_succeed_is_verified_against_the_decoy() {
    let engine = engine(FAST, Duration::from_secs(30));
    let hash = hash_of(&engine, "r\u{ef}ght").await;
    let secret = SecretForms {
        secret: "r\u{ef}ght".as_bytes(),
        other_form: Some("ri\u{308}ght".as_bytes()),
    };
    let active = VerificationRequest { secret, ..request("anna", "", Some((ROW, &hash))) };
    let locked = VerificationRequest { may_succeed: false, ..active };
    assert_eq!(engine.verify(ADDRESS, &locked).await.unwrap(), VerificationOutcome::Wrong);
    assert_eq!(engine.verify(ADDRESS, &active).await.unwrap(), VerificationOutcome::Verified);
}

#[tokio::test]
async fn either_form_of_a_secret_matches() {
    let engine = engine(FAST, Duration::from_secs(30));
    let hash = hash_of(&engine, "other form").await;
    let secret = SecretForms { secret: b"secret", other_form: Some(b"other form") };
    assert!(engine.verify_hash(ADDRESS, secret, Some(&hash)).await.unwrap());
    assert!(!engine.verify_hash(ADDRESS, "secret".into(), Some(&hash)).await.unwrap());
}

#[tokio::test]
async fn wrong_secrets_do_not_evict_a_right_one() {
    let engine = engine(FAST, Duration::from_secs(30));
    let hash = hash_of(&engine, "right").await;
    let right = request("anna", "right", Some((ROW, &hash)));
    engine.verify(ADDRESS, &right).await.unwrap();
    for number in 0..100_000 {
        let wrong = format!("wrong {number}");
        let guess = request("anna", &wrong, Some((ROW, &hash)));
        assert_eq!(engine.verify(ADDRESS, &guess).await.unwrap(), VerificationOutcome::Wrong);
    }
    let hashed = engine.hashed();
    assert_eq!(engine.cached_result(&right), Some(true));
    assert_eq!(engine.hashed(), hashed);
}

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_equal_requests_share_one_hash_for_known_and_unknown_names() {
    let engine = engine(SLOW, Duration::from_secs(3600));
    let hash = hash_of(&engine, "right").await;
    let row = Some((ROW, &hash));
    for (stored, secret, matches) in [(row, "right", 32), (row, "wrong", 0), (None, "right", 0)] {
        let hashed = engine.hashed();
        let request = request("name", secret, stored);
        let outcomes = join_all((0..32).map(|_| engine.verify(ADDRESS, &request))).await;
        let is_match =
            |outcome: &&Result<_, _>| *outcome.as_ref().unwrap() != VerificationOutcome::Wrong;
        assert_eq!(outcomes.iter().filter(is_match).count(), matches);
        assert_eq!(engine.hashed() - hashed, 1);
        assert_eq!(engine.single_flight.len(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_do_not_share_a_hash() {
    let engine = engine(SLOW, Duration::from_secs(3600));
    let request = request("name", "right", None);
    let (first, second) =
        tokio::join!(engine.verify(ADDRESS, &request), engine.verify(User(1), &request));
    let wrong = VerificationOutcome::Wrong;
    assert_eq!((first.unwrap(), second.unwrap()), (wrong, wrong));
    assert_eq!(engine.hashed(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn waiters_get_their_result_when_the_first_one_is_canceled() {
    let engine = engine(SLOW, Duration::from_secs(3600));
    let hash = hash_of(&engine, "right").await;
    let request = request("name", "right", Some((ROW, &hash)));
    let mut first = Box::pin(engine.verify(ADDRESS, &request));
    assert!(futures_util::poll!(&mut first).is_pending());
    let mut second = Box::pin(engine.verify(ADDRESS, &request));
    assert!(futures_util::poll!(&mut second).is_pending());
    drop(first);
    assert_eq!(second.await.unwrap(), VerificationOutcome::SharedResult);
    assert_eq!((engine.hashed(), engine.single_flight.len()), (2, 0));
}

#[tokio::test]
async fn an_idle_job_runs_after_all_others() {
    let engine = engine(SLOW, Duration::from_secs(3600));
    let job = || {
        let task = Task::Hash { salt: vec![0; SALT_LENGTH], parameters: SLOW };
        engine.job(b"x", task)
    };
    let submit = |client| {
        let (job, result) = job();
        engine.pool.submit(client, job).unwrap();
        result
    };
    // Keeps the thread busy while the others are queued.
    let running = submit(ADDRESS);
    let (job, idle) = job();
    engine.pool.submit_idle(job);
    let earlier = [running, submit(ADDRESS), submit(User(1)), submit(User(1))];

    let started = async |result: tokio::sync::oneshot::Receiver<JobResult>| -> Instant {
        result.await.unwrap().unwrap().started
    };
    let idle = started(idle).await;
    for result in earlier {
        assert!(started(result).await < idle);
    }
    assert!(engine.hash_when_idle(b"again").await.unwrap().is_some());
}

#[tokio::test]
async fn a_closed_engine_accepts_no_job() {
    let engine = engine(FAST, Duration::from_secs(30));
    engine.close();
    let error = engine.hash(ADDRESS, b"x").await.unwrap_err();
    assert!(matches!(error, HashingError::ShuttingDown));
}

#[tokio::test]
async fn a_returning_client_needs_no_admission_regardless_of_its_secret() {
    let engine = engine(FAST, Duration::from_secs(30));
    let admitted: Vec<_> = std::iter::from_fn(|| engine.admit(ADDRESS).ok()).collect();
    assert_eq!(admitted.len(), engine.capacity().queue_length);
    assert!(engine.admit_login(ADDRESS, "anna").is_err());
    let hash = hash_of(&engine, "right").await;
    for (secret, outcome) in [
        ("wrong", VerificationOutcome::Wrong),
        ("right", VerificationOutcome::Verified),
        ("wrong", VerificationOutcome::Wrong),
    ] {
        let request = request("anna", secret, Some((ROW, &hash)));
        assert_eq!(engine.verify(ADDRESS, &request).await.unwrap(), outcome);
        let admission = engine.admit_login(ADDRESS, "anna");
        let needs_none = admission.is_ok_and(|admission| admission.is_none());
        assert_eq!(needs_none, engine.verified.len() == 1, "only after a right secret");
    }
    assert!(engine.admit_login(ADDRESS, "paul").is_err(), "another name");
    assert!(engine.admit_login(Address(2), "anna").unwrap().is_some(), "another address");
    drop(admitted);
    assert!(engine.admit_login(ADDRESS, "paul").unwrap().is_some());
}
