//! Lockout: 100 consecutive failures lock a credential, whatever their addresses and times. Delays
//! for unknown addresses end with time only, so that they reveal no logins of the owner.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use sqlx::PgPool;

use crate::{
    guessing::{ELSEWHERE, HOME, PROXY, end_delays, fingerprint, login, login_as_owner},
    support::{Answer, Credentials, Instance, PLAIN, PRINCIPAL, TestApp, password_of},
};

/// Another address that the owner has logged in from.
const WORK: &str = "192.0.2.77";
/// A name that no user has.
const NOBODY: &str = "nosuchuser";

/// Moves all times of attempts into the past, as if hours had passed.
async fn pass_hours(app: &TestApp, hours: i32) {
    for statement in [
        "UPDATE authentication_attempts
         SET next_allowed_at = next_allowed_at - make_interval(hours => $1),
             throttled_at = throttled_at - make_interval(hours => $1)",
        "UPDATE known_addresses
         SET last_failed_at = last_failed_at - make_interval(hours => $1),
             last_succeeded_at = last_succeeded_at - make_interval(hours => $1)",
        "UPDATE address_failures SET last_failed_at = last_failed_at - make_interval(hours => $1)",
    ] {
        sqlx::query(statement).bind(hours).execute(&app.pool).await.unwrap();
    }
}

/// The number of consecutive failures of the plain user's password.
async fn consecutive_failures(app: &TestApp) -> i32 {
    let statement = "SELECT coalesce(max(failures), 0) FROM authentication_attempts
                     WHERE user_id = 278";
    sqlx::query_scalar(statement).fetch_one(&app.pool).await.unwrap()
}

/// Sets the number of consecutive failures of everybody but the administrator.
async fn set_consecutive_failures(app: &TestApp, failures: i32) {
    let statement = "UPDATE authentication_attempts SET failures = $1, counted_secrets = '{}'
                     WHERE user_id <> 1";
    sqlx::query(statement).bind(failures).execute(&app.pool).await.unwrap();
}

/// Asserts 429 without `Retry-After`: the credential is locked, and waiting does not help.
#[track_caller]
fn assert_locked(answer: &Answer) {
    answer.assert_refused(429, "SoServiceUnavailableException", "too_many_attempts");
    assert_eq!(answer.headers.get("retry-after"), None, "{answer:?}");
}

#[sqlx::test]
async fn two_weeks_of_guessing_from_all_addresses_verify_only_100_secrets(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[PROXY], "").await;
    for address in [HOME, WORK] {
        login_as_owner(&app, address, PLAIN.1).await.assert_status(200);
    }
    let (mut refused_at_home, mut verified) = (0, 0);
    for hour in 0..24 * 14 {
        let elsewhere = (hour % 7 == 0).then_some((ELSEWHERE, 4));
        let guesses = elsewhere.into_iter().chain((0..4).map(|number| (HOME, number)));
        for (address, number) in guesses {
            let before = consecutive_failures(&app).await;
            let answer = login(&app, address, PLAIN.1, &format!("guess {hour} {number}")).await;
            if answer.status == 401 {
                refused_at_home += i32::from(address == HOME);
                verified += i32::from(before < 100);
            } else {
                answer.assert_status(429);
                assert!(address == HOME, "delays must end within an hour: {answer:?}");
            }
        }
        pass_hours(&app, 1).await;
    }
    assert_eq!(verified, 100);
    assert!((90..100).contains(&refused_at_home), "{refused_at_home}");
    // To an unknown address, the lock looks like a wrong password, even for the right one.
    for address in [ELSEWHERE, "203.0.113.1"] {
        end_delays(&app).await;
        login_as_owner(&app, address, PLAIN.1).await.assert_unauthenticated();
    }
    for address in [HOME, WORK] {
        assert_locked(&login_as_owner(&app, address, PLAIN.1).await);
    }
    app.command(&["credential", "unlock", "--user", "paul"], "").assert_success();
    login_as_owner(&app, HOME, PLAIN.1).await.assert_status(200);
    login_as_owner(&app, "203.0.113.1", PLAIN.1).await.assert_status(200);
}

/// The failures of strangers do not count for the owner's address.
#[sqlx::test]
async fn a_login_of_the_owner_warns_of_no_limit_that_it_does_not_reach(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[PROXY], "").await;
    login_as_owner(&app, HOME, PLAIN.1).await.assert_status(200);
    login(&app, ELSEWHERE, PLAIN.1, "guess").await.assert_unauthenticated();
    let reached = "UPDATE authentication_attempts SET throttle_failures = 50 WHERE user_id = $1";
    sqlx::query(reached).bind(PLAIN.0).execute(&app.pool).await.unwrap();
    // Another instance has not verified the password yet.
    let instance = Instance::start(&app, &[PROXY]);
    let request = instance.client.get(format!("{}{PRINCIPAL}", instance.server.ready));
    let owner = Credentials::basic(PLAIN.1, &password_of(PLAIN.1));
    let request = owner.apply_to(request).header("X-Forwarded-For", HOME);
    assert_eq!(request.send().await.unwrap().status(), 200);
    let log = instance.stop();
    assert!(!log.contains("the maximum number of failed attempts is reached"), "{log}");
}

#[sqlx::test]
async fn an_unlock_or_a_save_ends_a_lock_that_only_known_addresses_can_see(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[PROXY], "").await;
    login_as_owner(&app, HOME, PLAIN.1).await.assert_status(200);
    for name in [PLAIN.1, NOBODY] {
        for guess in ["guess", "another"] {
            login(&app, ELSEWHERE, name, guess).await.assert_unauthenticated();
        }
    }
    let wrong = fingerprint(&login(&app, ELSEWHERE, NOBODY, "another").await);
    set_consecutive_failures(&app, 99).await;
    // A cached verification must not bypass the lock either.
    login(&app, HOME, PLAIN.1, "the hundredth").await.assert_unauthenticated();
    assert_locked(&login_as_owner(&app, HOME, PLAIN.1).await);
    assert_locked(&login(&app, HOME, PLAIN.1, "guess").await);
    set_consecutive_failures(&app, 100).await;
    for name in [PLAIN.1, NOBODY] {
        for password in ["paul-password", "a third", "paul-password", "guess"] {
            let answer = login(&app, "203.0.113.1", name, password).await;
            assert_eq!(fingerprint(&answer), wrong, "{name}: {password}");
        }
        login(&app, "203.0.113.1", name, "a fourth").await.assert_unauthenticated();
        let delayed = login(&app, "203.0.113.1", name, "a fifth").await;
        assert_eq!((delayed.status.as_u16(), delayed.header("retry-after")), (429, "1"), "{name}");
    }
    let administrator = app.administrator();
    let listed = app.get("/keeper/users/278/attempts", &administrator).await.json();
    assert_eq!((&listed[0]["Failures"], &listed[0]["IsStopped"]), (&json!(100), &json!(true)));
    let request = app.request(Method::DELETE, "/keeper/users/278/attempts", &administrator);
    assert_eq!(request.send().await.unwrap().status(), 204);
    login_as_owner(&app, HOME, PLAIN.1).await.assert_status(200);

    login(&app, ELSEWHERE, PLAIN.1, "a new guess").await.assert_unauthenticated();
    set_consecutive_failures(&app, 100).await;
    assert_locked(&login_as_owner(&app, HOME, PLAIN.1).await);
    app.save(&administrator, PLAIN.0, "", "another password").await.assert_saved();
    login(&app, HOME, PLAIN.1, "another password").await.assert_status(200);
    assert_eq!(consecutive_failures(&app).await, 0);
}

#[sqlx::test]
async fn a_login_from_any_address_resets_the_count_below_the_lock(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[PROXY], "").await;
    for address in [HOME, HOME, WORK] {
        for number in 0..3 {
            login(&app, ELSEWHERE, PLAIN.1, &format!("{address} {number}")).await;
            end_delays(&app).await;
        }
        set_consecutive_failures(&app, 99).await;
        login_as_owner(&app, address, PLAIN.1).await.assert_status(200);
        assert_eq!(consecutive_failures(&app).await, 0);
    }
}

#[sqlx::test]
async fn concurrent_guesses_cannot_exceed_the_failures_left_before_the_lock(pool: PgPool) {
    let no_delays = [PROXY, ("KEEPER__ATTEMPTS__BEFORE_DELAY", "1000")];
    let app = TestApp::spawn_with(pool, &no_delays, "").await;
    let second = app.spawn_instance(&[]).await;
    login(&app, ELSEWHERE, PLAIN.1, "guess").await.assert_unauthenticated();
    set_consecutive_failures(&app, 97).await;
    let guesses = (0..40).map(|number| {
        let app = if number % 2 == 0 { &app } else { &second };
        let from = format!("198.51.100.{}", number + 10);
        async move { login(app, &from, PLAIN.1, &format!("guess {number}")).await }
    });
    for answer in join_all(guesses).await {
        answer.assert_unauthenticated();
    }
    assert_eq!(
        consecutive_failures(&app).await,
        101,
        "one beyond the maximum marks the credential as locked"
    );
    login_as_owner(&app, HOME, PLAIN.1).await.assert_unauthenticated();
}

/// Guesses at a name from one address until it is locked, and returns the fingerprint of each
/// answer: five attempts at once, then one after each delay. With `owner_logs_in`, the owner logs
/// in meanwhile, from a known address and from new ones.
async fn guess_until_locked(
    [app, other]: [&TestApp; 2],
    name: &str,
    owner_logs_in: bool,
) -> Vec<(u16, Vec<String>, usize)> {
    let mut fingerprints = Vec::new();
    for round in 0..52 {
        let guess = format!("guess {round}");
        fingerprints.push(fingerprint(&login(app, ELSEWHERE, name, &guess).await));
        if owner_logs_in {
            login_as_owner(app, HOME, PLAIN.1).await.assert_status(200);
        }
        fingerprints
            .push(fingerprint(&login(app, ELSEWHERE, name, &format!("early {round}")).await));
        if round < 3 {
            continue;
        }
        end_delays(app).await;
        if owner_logs_in && round % 10 == 9 && round < 40 {
            login_as_owner(app, &format!("203.0.113.{round}"), PLAIN.1).await.assert_status(200);
        }
        // The other instance has no cache, so it reads the count from the database.
        fingerprints.push(fingerprint(&login(other, ELSEWHERE, name, &guess).await));
        end_delays(app).await;
    }
    fingerprints
}

#[sqlx::test]
async fn logins_of_the_owner_do_not_reveal_to_others_that_a_name_exists(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[PROXY], "").await;
    login_as_owner(&app, HOME, PLAIN.1).await.assert_status(200);
    let other = app.spawn_instance(&[]).await;
    let known = guess_until_locked([&app, &other], PLAIN.1, true).await;
    let unknown = guess_until_locked([&app, &other], NOBODY, false).await;
    for (step, (known, unknown)) in known.iter().zip(&unknown).enumerate() {
        assert_eq!(known, unknown, "step {step}");
    }
    assert_eq!(known.first().unwrap().0, 401);
    assert_eq!(known.last().unwrap().0, 429, "the last answer must be the lock");
    assert_locked(&login(&app, ELSEWHERE, PLAIN.1, "one more").await);
    // The lock does not end with time.
    pass_hours(&app, 24 * 30).await;
    for name in [PLAIN.1, NOBODY] {
        assert_locked(&login(&app, ELSEWHERE, name, "after a month").await);
    }
}

#[sqlx::test]
async fn below_the_lock_one_failure_expires_every_six_hours(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[PROXY], "").await;
    login_as_owner(&app, HOME, PLAIN.1).await.assert_status(200);
    for name in [PLAIN.1, NOBODY] {
        for number in 0..8 {
            end_delays(&app).await;
            login(&app, ELSEWHERE, name, &format!("guess {number}")).await.assert_unauthenticated();
        }
    }
    login_as_owner(&app, HOME, PLAIN.1).await.assert_status(200);
    // Of eight failures, four expire within a day; two hours count toward the next one.
    pass_hours(&app, 26).await;
    for name in [PLAIN.1, NOBODY] {
        login(&app, ELSEWHERE, name, "guess 8").await.assert_unauthenticated();
        let delayed = login(&app, ELSEWHERE, name, "guess 9").await;
        assert_eq!((delayed.status.as_u16(), delayed.header("retry-after")), (429, "1"), "{name}");
    }
    pass_hours(&app, 4).await;
    for name in [PLAIN.1, NOBODY] {
        login(&app, ELSEWHERE, name, "guess 10").await.assert_unauthenticated();
        let delayed = login(&app, ELSEWHERE, name, "guess 11").await;
        assert_eq!((delayed.status.as_u16(), delayed.header("retry-after")), (429, "1"), "{name}");
    }
    pass_hours(&app, 24 * 30).await;
    for name in [PLAIN.1, NOBODY] {
        for number in 12..17 {
            login(&app, ELSEWHERE, name, &format!("guess {number}")).await.assert_unauthenticated();
        }
        login(&app, ELSEWHERE, name, "guess 17").await.assert_status(429);
    }
}
