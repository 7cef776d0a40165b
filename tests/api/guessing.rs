//! Throttling of online guessing: attempts are counted before they are hashed, by all instances
//! together, and logins from known addresses keep working.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicUsize, Ordering},
    time::Instant,
};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use sqlx::PgPool;

use crate::support::{
    ADMINISTRATOR, Answer, Credentials, PLAIN, PRINCIPAL, TestApp, assert_becomes, password_of,
};

/// The tests act as a trusted proxy, so that they can choose the client address.
pub(crate) const PROXY: (&str, &str) = ("KEEPER__HTTP__TRUSTED_PROXIES", "127.0.0.1");
/// An address that the owner has logged in from.
pub(crate) const HOME: &str = "192.0.2.1";
/// An address that is unknown unless the owner logs in from it.
pub(crate) const ELSEWHERE: &str = "198.51.100.7";
const CHANGE_OWN: &str = "/api/v1/Agents/User/ChangeOwnPassword";
const ATTEMPTS: &str = "/keeper/users/278/attempts";

pub(crate) async fn login(app: &TestApp, from: &str, name: &str, password: &str) -> Answer {
    let credentials = Credentials::basic(name, password);
    let request = app.request(Method::GET, PRINCIPAL, &credentials).header("X-Forwarded-For", from);
    Answer::read(request.send().await.unwrap()).await
}

/// Logs in with the right password of a user.
pub(crate) async fn login_as_owner(app: &TestApp, from: &str, name: &str) -> Answer {
    login(app, from, name, &password_of(name)).await
}

/// Everything that a caller can see of a refusal, except for values that always differ.
pub(crate) fn fingerprint(answer: &Answer) -> (u16, Vec<String>, usize) {
    let ignored = ["date", "x-request-id", "content-length"];
    let headers = answer.headers.iter().filter(|(name, _)| !ignored.contains(&name.as_str()));
    let headers = headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
    let mut headers: Vec<_> = headers.collect();
    headers.sort();
    (answer.status.as_u16(), headers, answer.body.len())
}

/// Ends all delays, so that tests need not wait for them.
pub(crate) async fn end_delays(app: &TestApp) {
    let statement = "UPDATE authentication_attempts SET next_allowed_at = NULL";
    sqlx::query(statement).execute(&app.pool).await.unwrap();
}

/// Moves all failures of addresses 61 minutes back, so that they no longer count.
async fn age_failures(app: &TestApp) {
    for table in ["known_addresses", "address_failures"] {
        let statement =
            format!("UPDATE {table} SET last_failed_at = last_failed_at - interval '61 minutes'");
        sqlx::query(sqlx::AssertSqlSafe(statement)).execute(&app.pool).await.unwrap();
    }
}

/// The highest failure count of any credential of a user.
pub(crate) async fn failure_count(app: &TestApp, user_id: i32) -> i32 {
    let failures = "SELECT coalesce(max(greatest(failures, throttle_failures)), 0)
                    FROM authentication_attempts WHERE user_id = $1";
    sqlx::query_scalar(failures).bind(user_id).fetch_one(&app.pool).await.unwrap()
}

/// Guesses from an unknown address until the name is locked for unknown addresses.
pub(crate) async fn lock(app: &TestApp, name: &str) {
    static GUESSES: AtomicUsize = AtomicUsize::new(0);
    let guess = || format!("guess {}", GUESSES.fetch_add(1, Ordering::Relaxed));
    for _ in 0..50 {
        end_delays(app).await;
        login(app, ELSEWHERE, name, &guess()).await.assert_unauthenticated();
    }
    let locked = login(app, ELSEWHERE, name, &guess()).await;
    locked.assert_refused(429, "SoServiceUnavailableException", "too_many_attempts");
    assert_eq!(locked.headers.get("retry-after"), None, "a lock has no end to wait for");
}

async fn metric_count(app: &TestApp, metric: &str) -> i64 {
    format!("{:.0}", app.metric(metric).await).parse().unwrap()
}

async fn hash_count(app: &TestApp) -> i64 {
    metric_count(app, "keeper_hashing_hash_seconds_count").await
}

async fn cache_hits(app: &TestApp) -> i64 {
    metric_count(app, "keeper_hashing_cache_hits_total").await
}

#[sqlx::test]
async fn concurrent_guesses_over_two_instances_hash_only_the_allowed_number(pool: PgPool) {
    // The queue has room for all, even if a busy machine is measured as a slow one at start.
    let long_queue = [
        PROXY,
        ("KEEPER__HASHING__DEADLINE_SECONDS", "600"),
        ("KEEPER__HTTP__ANSWER_TIMEOUT_SECONDS", "720"),
    ];
    let first = TestApp::spawn_with(pool, &long_queue, "").await;
    let second = first.spawn_instance(&[]).await;
    for name in [PLAIN.1, "nobody"] {
        let before = hash_count(&first).await + hash_count(&second).await;
        let guesses = (0..500).map(|number| {
            let app = if number % 2 == 0 { &first } else { &second };
            let from = format!("198.51.{}.{}", number / 250, number % 250 + 1);
            async move { login(app, &from, name, &format!("guess {number}")).await }
        });
        let started = Instant::now();
        let answers = join_all(guesses).await;
        // On a busy machine, the first delays may end meanwhile: after 1, 2, 4… seconds.
        let ended = (started.elapsed().as_secs() + 1).ilog2();
        let verified = answers.iter().filter(|answer| answer.status == 401).count();
        for answer in answers.iter().filter(|answer| answer.status != 401) {
            answer.assert_refused(429, "SoServiceUnavailableException", "too_many_attempts");
            let seconds: u32 = answer.header("retry-after").parse().unwrap();
            assert!((1..=2 << ended).contains(&seconds), "{answer:?}");
        }
        let verified = i64::try_from(verified).unwrap();
        let allowed = 5..=5 + i64::from(ended);
        assert!(allowed.contains(&verified), "{name}: {verified} attempts, allowed: {allowed:?}");
        let after = hash_count(&first).await + hash_count(&second).await;
        assert_eq!(after - before, verified, "{name}");
    }
}

#[sqlx::test]
async fn delays_double_until_the_lock_for_known_and_unknown_names_alike(pool: PgPool) {
    let app =
        TestApp::spawn_with(pool, &[PROXY, ("KEEPER__ATTEMPTS__MAXIMUM_DELAY_SECONDS", "60")], "")
            .await;
    let mut fingerprints = Vec::new();
    for name in [PLAIN.1, "nobody", "rita"] {
        let mut answers = Vec::new();
        for number in 0..51 {
            end_delays(&app).await;
            answers.push(login(&app, ELSEWHERE, name, &format!("guess {number}")).await);
            answers.push(login(&app, ELSEWHERE, name, &format!("early {number}")).await);
        }
        fingerprints.push(answers.iter().map(fingerprint).collect::<Vec<_>>());
        let delays: Vec<_> = answers
            .iter()
            .filter(|answer| answer.status == 429)
            .map(|answer| answer.headers.get("retry-after").map(|value| value.to_str().unwrap()))
            .collect();
        // Without a delay, both attempts of a round count.
        assert_eq!(delays[..7], ["1", "2", "4", "8", "16", "32", "60"].map(Some), "{name}");
        assert_eq!(delays.last(), Some(&None), "{name}");
        assert_eq!(answers.iter().filter(|answer| answer.status == 401).count(), 50, "{name}");
    }
    assert_eq!(fingerprints[0], fingerprints[1], "a known and an unknown name");
    assert_eq!(fingerprints[0], fingerprints[2], "an active and a retired user");
}

#[sqlx::test]
async fn a_command_a_route_and_a_save_unlock_a_credential_but_no_login_does(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[PROXY], "").await;
    let administrator = app.administrator();
    let user = ["credential", "attempts", "--user", "paul"];
    let unlock = ["credential", "unlock", "--user", "paul"];
    app.command(&unlock, "").assert_negative_answer();

    lock(&app, PLAIN.1).await;
    login_as_owner(&app, ELSEWHERE, PLAIN.1).await.assert_status(429);
    assert!(app.command(&user, "").assert_success().contains("50"));
    app.command(&unlock, "").assert_success();
    assert_eq!(
        app.command(&user, "").assert_success().lines().count(),
        1,
        "the list must be empty but for its header"
    );
    login_as_owner(&app, "203.0.113.9", PLAIN.1).await.assert_status(200);

    lock(&app, PLAIN.1).await;
    app.get(ATTEMPTS, &app.plain()).await.assert_status(429);
    let listed = app.get(ATTEMPTS, &administrator).await.json();
    assert_eq!(listed[0]["Type"], "CRM5/PASSWORD");
    assert_eq!((&listed[0]["Failures"], &listed[0]["IsStopped"]), (&json!(50), &json!(true)));
    let delete = app.request(Method::DELETE, ATTEMPTS, &administrator).send().await.unwrap();
    assert_eq!(delete.status(), 204);
    login_as_owner(&app, "203.0.113.1", PLAIN.1).await.assert_status(200);
    let statement =
        "SELECT count(*) FROM audit_events WHERE user_id = 278 AND kind = 'credential_unlocked'";
    let unlocked: i64 = sqlx::query_scalar(statement).fetch_one(&app.pool).await.unwrap();
    assert_eq!(unlocked, 2);

    lock(&app, PLAIN.1).await;
    app.save(&administrator, PLAIN.0, "", "another password").await.assert_saved();
    login(&app, "203.0.113.2", PLAIN.1, "another password").await.assert_status(200);

    lock(&app, PLAIN.1).await;
    login(&app, "203.0.113.3", PLAIN.1, "another password").await.assert_status(429);
    login(&app, "203.0.113.2", PLAIN.1, "another password").await.assert_status(200);
    login(&app, "203.0.113.3", PLAIN.1, "another password").await.assert_status(429);
}

#[sqlx::test]
async fn the_owner_can_log_in_during_an_attack_without_helping_the_attacker(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[PROXY], "").await;
    let second = app.spawn_instance(&[]).await;
    login_as_owner(&app, HOME, PLAIN.1).await.assert_status(200);
    let mut verified = 0;
    for number in 0..200 {
        let guess = login(&app, ELSEWHERE, PLAIN.1, &format!("guess {number}")).await;
        verified += usize::from(guess.status == 401);
        // Each instance verifies it once and then uses its cache.
        login_as_owner(if number % 2 == 0 { &app } else { &second }, HOME, PLAIN.1)
            .await
            .assert_status(200);
    }
    assert!(verified <= 8, "{verified} guesses were verified within seconds");
    login_as_owner(&app, ELSEWHERE, PLAIN.1).await.assert_status(429);
}

#[sqlx::test]
async fn a_cached_verification_does_not_bypass_the_lock(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[PROXY], "").await;
    lock(&app, PLAIN.1).await;
    app.command(&["credential", "unlock", "--user", "paul"], "").assert_success();
    login_as_owner(&app, HOME, PLAIN.1).await.assert_status(200);
    lock(&app, PLAIN.1).await;
    let hits = cache_hits(&app).await;
    let before = hash_count(&app).await;
    login_as_owner(&app, ELSEWHERE, PLAIN.1).await.assert_status(429);
    assert_eq!(cache_hits(&app).await, hits);
    login_as_owner(&app, HOME, PLAIN.1).await.assert_status(200);
    assert_eq!(cache_hits(&app).await, hits + 1);
    assert_eq!(hash_count(&app).await, before);
}

#[sqlx::test]
async fn a_known_address_has_three_attempts_while_unknown_ones_are_locked(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[PROXY], "").await;
    login_as_owner(&app, HOME, PLAIN.1).await.assert_status(200);
    lock(&app, PLAIN.1).await;
    for guess in ["a", "a", "b", "c"] {
        login(&app, HOME, PLAIN.1, guess).await.assert_unauthenticated();
    }
    login(&app, HOME, PLAIN.1, "d").await.assert_status(429);
    login_as_owner(&app, HOME, PLAIN.1).await.assert_status(429);
}

#[sqlx::test]
async fn logins_from_a_known_address_do_not_renew_its_attempts(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[PROXY], "").await;
    login_as_owner(&app, HOME, PLAIN.1).await.assert_status(200);
    lock(&app, PLAIN.1).await;
    login_as_owner(&app, HOME, PLAIN.1).await.assert_status(200);
    let mut verified = 0;
    for number in 0..100 {
        let guess = login(&app, HOME, PLAIN.1, &format!("guess from home {number}")).await;
        verified += usize::from(guess.status == 401);
        login(&app, HOME, PLAIN.1, &password_of(PLAIN.1)).await;
    }
    assert_eq!(verified, 3, "guesses that were verified within seconds");
    age_failures(&app).await;
    let statement = "UPDATE known_addresses
                     SET last_succeeded_at = last_succeeded_at - interval '61 minutes'";
    sqlx::query(statement).execute(&app.pool).await.unwrap();
    end_delays(&app).await;
    login_as_owner(&app, HOME, PLAIN.1).await.assert_status(200);
    let statement = "SELECT max(failures) FROM known_addresses
                     WHERE user_id = 278 AND last_succeeded_at IS NOT NULL";
    let failures: i32 = sqlx::query_scalar(statement).fetch_one(&app.pool).await.unwrap();
    assert_eq!(failures, 0);
}

#[sqlx::test]
async fn a_user_has_sixteen_known_addresses_and_a_new_one_replaces_the_oldest(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[PROXY], "").await;
    for number in 1..=17 {
        login_as_owner(&app, &format!("192.0.2.{number}"), PLAIN.1).await.assert_status(200);
    }
    lock(&app, PLAIN.1).await;
    let statement = "SELECT count(*) FROM known_addresses
                     WHERE user_id = 278 AND last_succeeded_at IS NOT NULL";
    let known: i64 = sqlx::query_scalar(statement).fetch_one(&app.pool).await.unwrap();
    assert_eq!(known, 16);
    login_as_owner(&app, "192.0.2.1", PLAIN.1).await.assert_status(429);
    login_as_owner(&app, "192.0.2.2", PLAIN.1).await.assert_status(200);
}

#[sqlx::test]
async fn a_repeated_wrong_secret_is_counted_once_and_hashed_once(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[PROXY], "").await;
    let second = app.spawn_instance(&[]).await;
    for (name, condition) in [(PLAIN.1, "user_id = 278"), ("nobody", "user_id < 0")] {
        let before = hash_count(&app).await;
        for _ in 0..20 {
            let logins = (0..100).map(|_| login(&app, HOME, name, "an old password"));
            assert!(join_all(logins).await.iter().all(|answer| answer.status == 401));
        }
        assert_eq!(hash_count(&app).await - before, 1, "{name}");
        login(&second, ELSEWHERE, name, "an old password").await.assert_unauthenticated();
        for table in ["authentication_attempts", "known_addresses", "address_failures"] {
            let statement = format!("SELECT max(failures) FROM {table} WHERE {condition}");
            let failures: i32 = sqlx::query_scalar(sqlx::AssertSqlSafe(statement))
                .fetch_one(&app.pool)
                .await
                .unwrap();
            assert_eq!(failures, 1, "{name}: {table}");
        }
    }
}

#[sqlx::test]
async fn concurrent_logins_with_the_right_password_are_never_throttled(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[PROXY], "").await;
    let second = app.spawn_instance(&[]).await;
    let logins = (0..40).map(|number| {
        let (app, from) =
            (if number % 2 == 0 { &app } else { &second }, format!("192.0.2.{number}"));
        async move { login_as_owner(app, &from, PLAIN.1).await.status }
    });
    let statuses: HashSet<_> =
        join_all(logins).await.into_iter().map(|status| status.as_u16()).collect();
    assert_eq!(statuses, HashSet::from([200]));
    assert_eq!(failure_count(&app, PLAIN.0).await, 0);
}

#[sqlx::test]
async fn an_address_with_many_failed_names_is_delayed_except_for_known_users(pool: PgPool) {
    let limited = [PROXY, ("KEEPER__ATTEMPTS__MAXIMUM_PER_ADDRESS", "10")];
    let app = TestApp::spawn_with(pool, &limited, "").await;
    login_as_owner(&app, HOME, PLAIN.1).await.assert_status(200);
    for number in 0..10 {
        login(&app, HOME, &format!("name {number}"), "guess").await.assert_unauthenticated();
    }
    let refused = login(&app, HOME, "one more", "guess").await;
    refused.assert_refused(429, "SoServiceUnavailableException", "too_many_attempts");
    assert_eq!(refused.header("retry-after"), "3600");
    login_as_owner(&app, HOME, ADMINISTRATOR.1).await.assert_status(429);
    login_as_owner(&app, HOME, PLAIN.1).await.assert_status(200);
    login_as_owner(&app, ELSEWHERE, ADMINISTRATOR.1).await.assert_status(200);
    age_failures(&app).await;
    login_as_owner(&app, HOME, ADMINISTRATOR.1).await.assert_status(200);
}

#[sqlx::test]
async fn ipv6_is_counted_by_64_bit_prefix_and_only_proxies_forward_addresses(pool: PgPool) {
    let limited = [PROXY, ("KEEPER__ATTEMPTS__MAXIMUM_PER_ADDRESS", "10")];
    let app = TestApp::spawn_with(pool, &limited, "").await;
    let untrusting = app.spawn_instance(&[("KEEPER__HTTP__TRUSTED_PROXIES", "")]).await;
    for number in 0..10 {
        let from = format!("2001:db8:0:1::{number:x}");
        login(&app, &from, &format!("name {number}"), "guess").await.assert_unauthenticated();
    }
    login(&app, "2001:db8:0:1:ffff::1", "one more", "guess").await.assert_status(429);
    login(&app, "2001:db8:0:2::1", "one more", "guess").await.assert_status(401);
    for number in 0..10 {
        let from = format!("203.0.113.{number}");
        login(&untrusting, &from, &format!("other {number}"), "guess")
            .await
            .assert_unauthenticated();
    }
    login(&untrusting, "203.0.113.99", "one more", "guess").await.assert_status(429);
}

#[sqlx::test]
async fn a_wrong_old_password_is_counted_and_the_right_one_resets_the_count(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[PROXY], "").await;
    let ticket = Credentials::Ticket(app.ticket(&app.plain()).await);
    let change = |old: &str| {
        let body = json!({"OldPassword": old, "NewPassword": "paul-password"});
        let ticket = &ticket;
        let app = &app;
        async move { app.post(CHANGE_OWN, ticket, &body).await }
    };
    // Three attempts of the known address, then five of unknown ones.
    for number in 0..8 {
        let answer = change(&format!("guess {number}")).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "false"));
    }
    change("guess").await.assert_refused(429, "SoServiceUnavailableException", "too_many_attempts");
    end_delays(&app).await;
    let changed = change(&password_of(PLAIN.1)).await;
    assert_eq!((changed.status.as_u16(), changed.body.as_str()), (200, "true"));
    assert_eq!(failure_count(&app, PLAIN.0).await, 0);
}

#[sqlx::test]
async fn a_repeated_wrong_old_password_is_counted_once_and_hashed_once(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[PROXY], "").await;
    let ticket = Credentials::Ticket(app.ticket(&app.plain()).await);
    let before = hash_count(&app).await;
    for _ in 0..20 {
        let body = json!({"OldPassword": "an old one", "NewPassword": "another"});
        let answer = app.post(CHANGE_OWN, &ticket, &body).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "false"));
    }
    assert_eq!(hash_count(&app).await - before, 1);
    assert_eq!(failure_count(&app, PLAIN.0).await, 1);
}

#[sqlx::test]
async fn failures_of_addresses_are_swept_but_known_addresses_are_kept(pool: PgPool) {
    let mut app = TestApp::spawn_with(pool, &[PROXY], "").await;
    login_as_owner(&app, HOME, PLAIN.1).await.assert_status(200);
    login(&app, ELSEWHERE, "nobody", "guess").await.assert_unauthenticated();
    age_failures(&app).await;
    app.restart().await;
    let remaining = "SELECT 'known', user_id FROM known_addresses
                     UNION ALL SELECT 'failures', NULL FROM address_failures";
    let remaining = async || {
        let rows = sqlx::query_as::<_, (String, Option<i32>)>(remaining);
        rows.fetch_all(&app.pool).await.unwrap()
    };
    assert_becomes([("known".to_owned(), Some(PLAIN.0))], remaining).await;
}

#[sqlx::test]
async fn only_administrators_may_access_attempts_and_only_of_existing_users(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[PROXY], "").await;
    for method in [Method::GET, Method::DELETE] {
        let call = async |path: &str, credentials: &Credentials| {
            let request = app.request(method.clone(), path, credentials);
            Answer::read(request.send().await.unwrap()).await
        };
        for path in [ATTEMPTS, "/keeper/users/4711/attempts"] {
            call(path, &app.plain()).await.assert_forbidden();
            call(path, &Credentials::Anonymous).await.assert_status(401);
        }
        let administrator = app.administrator();
        let unknown = call("/keeper/users/4711/attempts", &administrator).await;
        unknown.assert_refused(404, "SoNotFoundException", "unknown_user");
        call("/keeper/users/no-id/attempts", &administrator).await.assert_status(404);
    }
}

#[sqlx::test]
async fn the_login_page_uses_the_same_failure_counter(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[PROXY], "").await;
    let sign_in = async |password: &str| {
        let request = app.client.post(format!("{}/login", app.url));
        let request = request.header("X-Forwarded-For", ELSEWHERE);
        let body = json!({"UserName": PLAIN.1, "Password": password});
        Answer::read(request.json(&body).send().await.unwrap()).await
    };
    for number in 0..5 {
        sign_in(&format!("guess {number}")).await.assert_unauthenticated();
    }
    assert_eq!(failure_count(&app, PLAIN.0).await, 5);
    let refused = sign_in(&password_of(PLAIN.1)).await;
    refused.assert_refused(429, "SoServiceUnavailableException", "too_many_attempts");
    login_as_owner(&app, "203.0.113.1", PLAIN.1).await.assert_status(429);
}

/// The number of digests of secrets that were tried for the plain user.
async fn count_digests(app: &TestApp) -> i64 {
    let statement = "SELECT (
             SELECT coalesce(sum(cardinality(counted_secrets || throttle_secrets)), 0)
             FROM authentication_attempts WHERE user_id = 278
         ) + (
             SELECT coalesce(sum(cardinality(counted_secrets)), 0)
             FROM known_addresses WHERE user_id = 278
         )";
    sqlx::query_scalar(statement).fetch_one(&app.pool).await.unwrap()
}

/// Housekeeping, which runs at the start of an instance, empties those of addresses.
#[sqlx::test]
async fn digests_of_failed_secrets_go_with_a_save_and_an_hour(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[PROXY], "").await;
    login(&app, ELSEWHERE, PLAIN.1, "guess").await.assert_unauthenticated();
    assert_eq!(count_digests(&app).await, 3, "one in each of the three lists");
    login_as_owner(&app, ELSEWHERE, PLAIN.1).await.assert_status(200);
    assert_eq!(count_digests(&app).await, 1, "the failure of the address still counts");
    login(&app, HOME, PLAIN.1, "another guess").await.assert_unauthenticated();
    assert_eq!(count_digests(&app).await, 4);
    app.save(&app.administrator(), PLAIN.0, "", "another password").await.assert_saved();
    assert_eq!(count_digests(&app).await, 2, "those of the two addresses");
    let an_hour_ago =
        "UPDATE known_addresses SET last_failed_at = last_failed_at - interval '1 hour'
                       WHERE last_succeeded_at IS NOT NULL AND user_id = 278";
    sqlx::query(an_hour_ago).execute(&app.pool).await.unwrap();
    let first = app.spawn_instance(&[PROXY]).await;
    assert_becomes(1, async || count_digests(&app).await).await;
    age_failures(&app).await;
    drop(first);
    let _second = app.spawn_instance(&[PROXY]).await;
    assert_becomes(0, async || count_digests(&app).await).await;
}

#[sqlx::test]
async fn a_login_that_waits_for_the_attempts_has_locked_no_address(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[PROXY], "").await;
    for address in [HOME, ELSEWHERE] {
        login(&app, address, PLAIN.1, "guess").await.assert_unauthenticated();
        login_as_owner(&app, address, PLAIN.1).await.assert_status(200);
    }
    // The next login is cached, is recorded although it reserves no attempt, and finds no copy.
    let statement = "UPDATE known_addresses
                     SET last_succeeded_at = last_succeeded_at - interval '2 hours';
                     DELETE FROM address_failures";
    sqlx::raw_sql(statement).execute(&app.pool).await.unwrap();
    let mut holder = app.pool.begin().await.unwrap();
    sqlx::query("SELECT 1 FROM authentication_attempts WHERE user_id = 278 FOR UPDATE")
        .execute(&mut *holder)
        .await
        .unwrap();
    let credentials = Credentials::basic(PLAIN.1, &password_of(PLAIN.1));
    let request = app.request(Method::GET, PRINCIPAL, &credentials);
    let waiting = tokio::spawn(request.header("X-Forwarded-For", HOME).send());
    app.wait_for_blocked_sessions(1).await;
    sqlx::query("SELECT 1 FROM known_addresses WHERE user_id = 278 FOR UPDATE NOWAIT")
        .execute(&mut *holder)
        .await
        .unwrap();
    holder.commit().await.unwrap();
    assert_eq!(waiting.await.unwrap().unwrap().status(), 200);
}
