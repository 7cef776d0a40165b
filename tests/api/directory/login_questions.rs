//! Which logins a directory is asked about, and what they count when it decides or does not decide.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures_util::future::{join, join_all};
use reqwest::Method;
use sqlx::PgPool;

use super::{
    login_outages::{assert_undecided, bound, directory_with, failures},
    logins::{SETTINGS, add, assert_number, login, outcomes},
    spawn, spawn_with_file,
};
use crate::support::{
    BIND, Credentials, PLAIN, PRINCIPAL, RETIRED, RawDirectory, done, result, wait_until,
};

/// What is wrong with an account may change at any time; a wrong password stays wrong.
#[sqlx::test]
async fn only_a_wrong_password_is_not_sent_again(pool: PgPool) {
    let verdict = Arc::new(Mutex::new((0, "")));
    let current = Arc::clone(&verdict);
    let server = directory_with("uid=ola", move |id| {
        let (code, text) = *current.lock().unwrap();
        bound(id, code, text)
    });
    let app = spawn(pool, &server.variables(), &SETTINGS).await;
    add(&app, (501, "ola"), 1).await;
    for (number, (code, text, status)) in [
        (49, "x, data 530, v1", 200),
        (49, "x, data 533, v1", 200),
        (49, "x, data 773, v1", 200),
        (49, "x, data 775, v1", 200),
        (49, "x, data 52f, v1", 200),
        (53, "the account is inactive", 200),
        (10, "", 200),
        (49, "x, data 52e, v1", 401),
        (49, "", 401),
    ]
    .into_iter()
    .enumerate()
    {
        let password = format!("password {number}");
        *verdict.lock().unwrap() = (code, text);
        login(&app, "ola", &password).await.assert_unauthenticated();
        *verdict.lock().unwrap() = (0, "");
        let answer = login(&app, "ola", &password).await;
        assert_eq!(answer.status, status, "{code} {text}: {answer:?}");
    }
    assert_number(outcomes(&app, "not_sent").await, 2);
}

/// The client of the first login leaves when the first of two passwords here was compared. The second
/// login finds that result in the cache.
#[sqlx::test]
async fn an_undecided_login_takes_back_no_count_of_an_earlier_one(pool: PgPool) {
    let server = RawDirectory::start(|_, _| None);
    let types = r#"
        [credentials]
        additional_types = [{ name = "Pin", kind = "secret", usable_for_basic = true }]
    "#;
    let app = spawn_with_file(pool, &server.variables(), &SETTINGS, types).await;
    // In both forms of the statements.
    for ((id, name), distributed) in [(PLAIN, "off"), (RETIRED, "on")] {
        let slow =
            [("KEEPER__HASHING__ITERATIONS", "40"), ("KEEPER__DATABASE__DISTRIBUTED", distributed)];
        let instance = app.spawn_instance(&slow).await;
        let hashes = async || instance.metric("keeper_hashing_hash_seconds_count").await;
        let before = hashes().await;
        let guess = Credentials::basic(name, "a guess");
        let leaving = tokio::spawn(instance.request(Method::GET, PRINCIPAL, &guess).send());
        wait_until("one password is compared", async || hashes().await > before).await;
        leaving.abort();
        instance.wait_for_metric("keeper_http_requests_in_flight", 0.0).await;
        assert_undecided(&login(&instance, name, "a guess").await);
        let counted = [("ActiveDirectory", 0), ("CRM5/PASSWORD", 1), ("Pin", 1)];
        let counted = counted.map(|(name, failures)| (name.to_owned(), failures));
        assert_eq!(failures(&app, &format!("= {id}")).await, counted, "{distributed}");
    }
}

#[sqlx::test]
async fn a_timeout_after_a_wait_for_others_is_no_failure_of_the_directory(pool: PgPool) {
    let probes = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&probes);
    // It answers within the time limit, but not within half of it.
    let server = RawDirectory::with_requests(move |request| {
        let [2, 1, id, tag, ..] = *request else { return None };
        if tag == BIND {
            return Some(result(id, 0x61, 0));
        }
        let lookup = b"objectSid";
        if !request.windows(lookup.len()).any(|window| window == lookup) {
            seen.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(9000));
        }
        Some(done(id, 0))
    });
    // One address has half of the connections.
    let more = [("VERIFY_TIMEOUT_SECONDS", "10"), ("VERIFY_MAXIMUM_CONNECTIONS", "12")];
    let app = spawn(pool, &server.variables(), &[&SETTINGS[..1], &more].concat()).await;
    let names: Vec<_> = (0..12).map(|number| format!("unknown{number}")).collect();
    let (first, second) = names.split_at(6);
    let first = join_all(first.iter().map(|name| login(&app, name, "guess")));
    let second = async {
        wait_until("six are asked about", async || probes.load(Ordering::SeqCst) == 6).await;
        // They get their turn soon enough, and have too little time left.
        tokio::time::sleep(Duration::from_millis(5500)).await;
        join_all(second.iter().map(|name| login(&app, name, "guess"))).await
    };
    let (first, second) = join(first, second).await;
    for answer in first {
        answer.assert_unauthenticated();
    }
    assert!(second.iter().all(|answer| answer.status == 503), "{second:?}");
    let timed_out = outcomes(&app, "timed_out").await;
    assert!(timed_out >= 5.0, "{timed_out} would open the breaker");
    assert_number(app.metric("keeper_directory_login_breaker_open").await, 0);
}

/// Otherwise one login with an unknown name, which the directory answers, would keep the breaker closed.
#[sqlx::test]
async fn a_timeout_without_a_wait_is_a_failure_although_another_login_is_answered(pool: PgPool) {
    let binds = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&binds);
    // It answers binds of users after the time limit, and everything else at once.
    let server = directory_with("uid=ola", move |id| {
        seen.fetch_add(1, Ordering::SeqCst);
        std::thread::sleep(Duration::from_secs(6));
        bound(id, 49, "")
    });
    // One address has half of the connections.
    let more = [("VERIFY_TIMEOUT_SECONDS", "4"), ("VERIFY_MAXIMUM_CONNECTIONS", "12")];
    let app = spawn(pool, &server.variables(), &[&SETTINGS[..1], &more].concat()).await;
    add(&app, (501, "ola"), 1).await;
    let app = app.spawn_instance(&[("KEEPER__ATTEMPTS__BEFORE_DELAY", "1000")]).await;
    let guesses: Vec<_> = (0..5).map(|number| format!("guess {number}")).collect();
    let owner = join_all(guesses.iter().map(|guess| login(&app, "ola", guess)));
    let other = async {
        wait_until("five passwords are sent", async || binds.load(Ordering::SeqCst) == 5).await;
        login(&app, "unknown", "guess").await
    };
    let (owner, other) = join(owner, other).await;
    other.assert_unauthenticated();
    for answer in owner {
        assert_undecided(&answer);
    }
    assert_number(outcomes(&app, "timed_out").await, 5);
    assert_number(app.metric("keeper_directory_login_breaker_open").await, 1);
}
