//! The engine with real threads and the real hash.

use std::net::{IpAddr, Ipv4Addr};

use futures_util::future::join_all;

use super::*;
use crate::domain::{
    stored_credential::{HashScheme, StoredCredential},
    user::UserId,
    validity::Validity,
};

const FAST: HashParameters = HashParameters { memory_kib: 64, iterations: 1, parallelism: 1 };

/// About a tenth of a second a hash, so that a queue can be seen.
const SLOW: HashParameters = HashParameters { memory_kib: 19_456, iterations: 12, parallelism: 1 };

fn engine(parameters: HashParameters, deadline: Duration) -> Arc<HashingEngine> {
    let options = HashingOptions {
        parameters,
        maximum_memory_kib: 0,
        threads: Some(1),
        deadline,
        maximum_verified: 10,
        verified_lifetime: Duration::from_secs(3600),
    };
    Arc::new(HashingEngine::start(&options).unwrap())
}

fn value(text: &str) -> CredentialValue {
    CredentialValue::parse("Value", &SecretString::from(text)).unwrap()
}

fn user(id: i32) -> FairnessKey {
    FairnessKey::User(UserId::try_from(id).unwrap())
}

const ADDRESS: FairnessKey = FairnessKey::Address(IpAddr::V4(Ipv4Addr::LOCALHOST));

#[tokio::test]
async fn what_was_hashed_is_verified_and_nothing_else() {
    let engine = engine(FAST, Duration::from_secs(30));
    let hash = StoredHash::Own(engine.hash(ADDRESS, &value("right")).await.unwrap());
    assert!(engine.verify_hash(ADDRESS, &value("right"), Some(&hash)).await.unwrap());
    assert!(!engine.verify_hash(ADDRESS, &value("wrong"), Some(&hash)).await.unwrap());
    assert!(!engine.verify_hash(ADDRESS, &value("right"), None).await.unwrap());
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
    let tag = Kernel::choose().argon2id(b"password", b"somesalt", parameters, &mut memory).unwrap();
    let hex = tag.map(|byte| format!("{byte:02x}")).concat();
    assert_eq!(hex, "09316115d5cf24ed5a15a31a3ba326e5cf32edc24702987c02b6566f61913cf7");
}

#[tokio::test]
async fn a_hash_that_asks_for_too_much_costs_what_any_other_does() {
    let engine = engine(FAST, Duration::from_secs(30));
    let greedy = HashParameters { memory_kib: 4 * 1024 * 1024, ..FAST };
    let hash = StoredHash::Own(PhcHash::new(greedy, vec![0; 16], [0; 32]));
    assert!(!engine.verify_hash(ADDRESS, &value("x"), Some(&hash)).await.unwrap());
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
    let run = |caller: FairnessKey| {
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

fn request<'request>(
    canonical_name: &'request str,
    value: &'request CredentialValue,
    stored: Option<(&'request StoredCredential, &'request StoredHash)>,
) -> VerificationRequest<'request> {
    let (row, hash) = stored.unzip();
    let credential_type = "CRM5/PASSWORD";
    VerificationRequest { canonical_name, credential_type, value, row, hash, lets_in: true }
}

fn row(sealed_hash: &[u8]) -> StoredCredential {
    StoredCredential {
        user_id: UserId::try_from(1).unwrap(),
        credential_type: "CRM5/PASSWORD".to_owned(),
        sealed_hash: sealed_hash.to_vec(),
        key_id: "key".to_owned(),
        hash_scheme: HashScheme::Argon2id,
        hash_parameters: FAST,
        version: 1,
        validity: Validity::default(),
    }
}

/// What a login does: recalls, and proves what is not remembered.
async fn recall_or_prove(
    engine: &HashingEngine,
    request: &VerificationRequest<'_>,
) -> (Option<bool>, VerificationOutcome) {
    match engine.cached_result(request) {
        Some(is_right) => (
            Some(is_right),
            if is_right { VerificationOutcome::Now } else { VerificationOutcome::No },
        ),
        None => (None, engine.verify(ADDRESS, request).await.unwrap()),
    }
}

#[tokio::test]
async fn a_claim_is_hashed_once_whether_right_or_wrong_as_long_as_its_row_stays() {
    let engine = engine(FAST, Duration::from_secs(30));
    let hash = StoredHash::Own(engine.hash(ADDRESS, &value("right")).await.unwrap());
    let (row, other_row) = (row(b"sealed"), row(b"sealed anew"));
    let saved_row = StoredCredential { version: 2, ..row.clone() };
    let (right, wrong) = (value("right"), value("wrong"));
    let hashed = engine.hashed();
    for (request, proven, hashes) in [
        (request("anna", &right, Some((&row, &hash))), (None, VerificationOutcome::Now), 1),
        (request("anna", &right, Some((&row, &hash))), (Some(true), VerificationOutcome::Now), 1),
        (request("anna", &wrong, Some((&row, &hash))), (None, VerificationOutcome::No), 2),
        (request("anna", &wrong, Some((&row, &hash))), (Some(false), VerificationOutcome::No), 2),
        (request("nobody", &right, None), (None, VerificationOutcome::No), 3),
        (request("nobody", &right, None), (Some(false), VerificationOutcome::No), 3),
        (request("anna", &right, Some((&other_row, &hash))), (None, VerificationOutcome::Now), 4),
        // A hash made anew, or sealed anew, is of the same secret.
        (
            request("anna", &wrong, Some((&other_row, &hash))),
            (Some(false), VerificationOutcome::No),
            4,
        ),
        (request("anna", &wrong, Some((&saved_row, &hash))), (None, VerificationOutcome::No), 5),
        (request("anna", &right, Some((&row, &hash))), (Some(true), VerificationOutcome::Now), 5),
    ] {
        assert_eq!(recall_or_prove(&engine, &request).await, proven);
        assert_eq!(engine.hashed() - hashed, hashes);
    }
}

#[tokio::test]
async fn who_is_refused_all_the_same_is_remembered_as_if_their_secret_were_wrong() {
    let engine = engine(FAST, Duration::from_secs(30));
    let right = value("right");
    let hash = StoredHash::Own(engine.hash(ADDRESS, &right).await.unwrap());
    let row = row(b"sealed");
    let active = request("anna", &right, Some((&row, &hash)));
    let retired = VerificationRequest { lets_in: false, ..active };
    for (request, recalled) in [
        (retired, None),
        (retired, Some(false)),
        (active, None),
        (active, Some(true)),
        (retired, Some(false)),
    ] {
        assert_eq!(recall_or_prove(&engine, &request).await.0, recalled);
    }
}

/// An accent makes a value have two forms, of which the first that fits would end the work.
#[tokio::test]
async fn what_lets_nobody_in_is_held_against_the_decoy() {
    let engine = engine(FAST, Duration::from_secs(30));
    let right = value("r\u{ef}ght");
    let hash = StoredHash::Own(engine.hash(ADDRESS, &right).await.unwrap());
    let row = row(b"sealed");
    let active = request("anna", &right, Some((&row, &hash)));
    let locked = VerificationRequest { lets_in: false, ..active };
    assert_eq!(engine.verify(ADDRESS, &locked).await.unwrap(), VerificationOutcome::No);
    assert_eq!(engine.verify(ADDRESS, &active).await.unwrap(), VerificationOutcome::Now);
}

#[tokio::test]
async fn a_hundred_thousand_wrong_secrets_push_no_right_one_out() {
    let engine = engine(FAST, Duration::from_secs(30));
    let right = value("right");
    let hash = StoredHash::Own(engine.hash(ADDRESS, &right).await.unwrap());
    let row = row(b"sealed");
    let verification_cache = request("anna", &right, Some((&row, &hash)));
    engine.verify(ADDRESS, &verification_cache).await.unwrap();
    for number in 0..100_000 {
        let wrong = value(&format!("wrong {number}"));
        let guess = request("anna", &wrong, Some((&row, &hash)));
        assert_eq!(engine.verify(ADDRESS, &guess).await.unwrap(), VerificationOutcome::No);
    }
    let hashed = engine.hashed();
    assert_eq!(engine.cached_result(&verification_cache), Some(true));
    assert_eq!(engine.hashed(), hashed);
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_claims_at_once_cost_one_hash_of_known_and_unknown_names_alike() {
    let engine = engine(SLOW, Duration::from_secs(3600));
    let hash = StoredHash::Own(engine.hash(ADDRESS, &value("right")).await.unwrap());
    let row = row(b"sealed");
    for (stored, secret, proofs) in
        [(Some((&row, &hash)), "right", 32), (Some((&row, &hash)), "wrong", 0), (None, "right", 0)]
    {
        let hashed = engine.hashed();
        let value = value(secret);
        let request = request("name", &value, stored);
        let proven = join_all((0..32).map(|_| engine.verify(ADDRESS, &request))).await;
        let right = proven
            .into_iter()
            .filter(|proven| *proven.as_ref().unwrap() != VerificationOutcome::No);
        assert_eq!((right.count(), engine.hashed() - hashed), (proofs, 1));
        assert_eq!(engine.single_flight.len(), 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_do_not_share_a_hash() {
    let engine = engine(SLOW, Duration::from_secs(3600));
    let right = value("right");
    let request = request("name", &right, None);
    let (first, second) =
        tokio::join!(engine.verify(ADDRESS, &request), engine.verify(user(1), &request));
    assert_eq!(
        (first.unwrap(), second.unwrap()),
        (VerificationOutcome::No, VerificationOutcome::No)
    );
    assert_eq!(engine.hashed(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_first_goes_away_the_others_still_get_their_answer() {
    let engine = engine(SLOW, Duration::from_secs(3600));
    let hash = StoredHash::Own(engine.hash(ADDRESS, &value("right")).await.unwrap());
    let (row, right) = (row(b"sealed"), value("right"));
    let request = request("name", &right, Some((&row, &hash)));
    let mut first = Box::pin(engine.verify(ADDRESS, &request));
    assert!(futures_util::poll!(&mut first).is_pending());
    let mut second = Box::pin(engine.verify(ADDRESS, &request));
    assert!(futures_util::poll!(&mut second).is_pending());
    drop(first);
    assert_eq!(second.await.unwrap(), VerificationOutcome::Together);
    assert_eq!((engine.hashed(), engine.single_flight.len()), (2, 0));
}

#[tokio::test]
async fn what_can_wait_is_hashed_after_everything_else() {
    let engine = engine(SLOW, Duration::from_secs(3600));
    let job = || {
        let task = Task::Tag { salt: vec![0; phc::SALT_LENGTH], parameters: SLOW };
        engine.job(value("x").secret(), task)
    };
    let urgent = |caller| {
        let (job, answer) = job();
        engine.pool.submit(caller, job).unwrap();
        answer
    };
    // It keeps the thread busy while the others come.
    let running = urgent(ADDRESS);
    let (job, idle) = job();
    engine.pool.submit_idle(job);
    let earlier = [running, urgent(ADDRESS), urgent(user(1)), urgent(user(1))];

    let began = async |answer: Answer| answer.await.unwrap().unwrap().began;
    let idle = began(idle).await;
    for answer in earlier {
        assert!(began(answer).await < idle);
    }
    assert!(engine.hash_when_idle(&value("again")).await.unwrap().is_some());
}

#[tokio::test]
async fn a_closed_engine_takes_nothing_new() {
    let engine = engine(FAST, Duration::from_secs(30));
    engine.close();
    let error = engine.hash(ADDRESS, &value("x")).await.unwrap_err();
    assert!(matches!(error, HashingError::ShuttingDown));
}

#[tokio::test]
async fn whoever_logged_in_lately_from_there_needs_no_place_whatever_they_say_now() {
    let engine = engine(FAST, Duration::from_secs(30));
    let crowd: Vec<_> = std::iter::from_fn(|| engine.admit(ADDRESS).ok()).collect();
    assert_eq!(crowd.len(), engine.capacity().queue_length);
    assert!(engine.admit_login(ADDRESS, "anna").is_err());
    let hash = StoredHash::Own(engine.hash(ADDRESS, &value("right")).await.unwrap());
    let row = row(b"sealed");
    let (right, wrong) = (value("right"), value("wrong"));
    for (value, proven) in [
        (&wrong, VerificationOutcome::No),
        (&right, VerificationOutcome::Now),
        (&wrong, VerificationOutcome::No),
    ] {
        let request = request("anna", value, Some((&row, &hash)));
        assert_eq!(engine.verify(ADDRESS, &request).await.unwrap(), proven);
        let is_let_in = engine.admit_login(ADDRESS, "anna").is_ok_and(|place| place.is_none());
        assert_eq!(is_let_in, engine.verified.len() == 1, "only who was right once");
    }
    let elsewhere = FairnessKey::Address(IpAddr::V4(Ipv4Addr::BROADCAST));
    assert!(engine.admit_login(ADDRESS, "paul").is_err(), "another name");
    assert!(engine.admit_login(elsewhere, "anna").unwrap().is_some(), "from elsewhere");
    drop(crowd);
    assert!(engine.admit_login(ADDRESS, "paul").unwrap().is_some());
}
