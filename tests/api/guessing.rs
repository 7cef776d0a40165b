//! Nobody guesses for long (protocol.md 10.26): what is tried in vain is counted before it is hashed,
//! by all instances together, and who is known stays let in.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicUsize, Ordering},
};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use sqlx::PgPool;

use crate::support::{ADMINISTRATOR, Answer, Credentials, PLAIN, TestApp, WHO, password_of};

/// Tests come through a proxy that tells where from.
pub(crate) const PROXY: (&str, &str) = ("KEEPER__HTTP__TRUSTED_PROXIES", "127.0.0.1");
pub(crate) const HOME: &str = "192.0.2.1";
pub(crate) const ELSEWHERE: &str = "198.51.100.7";
const CHANGE_OWN: &str = "/api/v1/Agents/User/ChangeOwnPassword";
const ATTEMPTS: &str = "/keeper/users/278/attempts";

pub(crate) async fn login(app: &TestApp, from: &str, name: &str, password: &str) -> Answer {
    let credentials = Credentials::basic(name, password);
    let request = app.request(Method::GET, WHO, &credentials).header("X-Forwarded-For", from);
    Answer::read(request.send().await.unwrap()).await
}

/// The right password of a user, from that address.
pub(crate) async fn owner(app: &TestApp, from: &str, name: &str) -> Answer {
    login(app, from, name, &password_of(name)).await
}

/// What distinguishes one refusal from another.
pub(crate) fn shape(answer: &Answer) -> (u16, Vec<String>, usize) {
    let ignored = ["date", "x-request-id", "content-length"];
    let headers = answer.headers.iter().filter(|(name, _)| !ignored.contains(&name.as_str()));
    let headers = headers.map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()));
    let mut headers: Vec<_> = headers.collect();
    headers.sort();
    (answer.status.as_u16(), headers, answer.body.len())
}

/// Lets everybody try again who only has to wait: time that nobody has to sit through.
pub(crate) async fn wait(app: &TestApp) {
    let statement = "UPDATE authentication_attempts SET next_allowed_at = NULL";
    sqlx::query(statement).execute(&app.pool).await.unwrap();
}

pub(crate) async fn failures(app: &TestApp, user_id: i32) -> i32 {
    let failures = "SELECT coalesce(max(greatest(failures, throttle_failures)), 0)
                    FROM authentication_attempts WHERE user_id = $1";
    sqlx::query_scalar(failures).bind(user_id).fetch_one(&app.pool).await.unwrap()
}

/// Guesses until nothing is tried any more for that name.
async fn stop(app: &TestApp, name: &str) {
    static GUESSES: AtomicUsize = AtomicUsize::new(0);
    let guess = || format!("guess {}", GUESSES.fetch_add(1, Ordering::Relaxed));
    for _ in 0..50 {
        wait(app).await;
        login(app, ELSEWHERE, name, &guess()).await.assert_unauthenticated();
    }
    let stopped = login(app, ELSEWHERE, name, &guess()).await;
    stopped.assert_refused(429, "SoServiceUnavailableException", "too_many_attempts");
    assert_eq!(stopped.headers.get("retry-after"), None, "waiting does not help");
}

async fn count(app: &TestApp, metric: &str) -> i64 {
    format!("{:.0}", app.metric(metric).await).parse().unwrap()
}

async fn hashed(app: &TestApp) -> i64 {
    count(app, "keeper_hashing_hash_seconds_count").await
}

async fn verification_cache(app: &TestApp) -> i64 {
    count(app, "keeper_hashing_cache_hits_total").await
}

#[sqlx::test]
async fn of_five_hundred_guesses_at_once_over_two_instances_no_more_than_allowed_are_hashed(
    pool: PgPool,
) {
    let first = TestApp::spawn_with(pool, &[PROXY], "").await;
    let second = first.another(&[]).await;
    for name in [PLAIN.1, "nobody"] {
        let before = hashed(&first).await + hashed(&second).await;
        let guesses = (0..500).map(|number| {
            let app = if number % 2 == 0 { &first } else { &second };
            let from = format!("198.51.{}.{}", number / 250, number % 250 + 1);
            async move { login(app, &from, name, &format!("guess {number}")).await }
        });
        let answers = join_all(guesses).await;
        let tried = answers.iter().filter(|answer| answer.status == 401).count();
        for answer in answers.iter().filter(|answer| answer.status != 401) {
            answer.assert_refused(429, "SoServiceUnavailableException", "too_many_attempts");
            assert!(["1", "2"].contains(&answer.header("retry-after")), "{answer:?}");
        }
        assert_eq!(tried, 5, "{name}: as many as there are before the first delay");
        let after = hashed(&first).await + hashed(&second).await;
        assert_eq!(after - before, 5, "{name}");
    }
}

#[sqlx::test]
async fn delays_double_until_nothing_is_tried_and_unknown_names_are_counted_alike(pool: PgPool) {
    let app =
        TestApp::spawn_with(pool, &[PROXY, ("KEEPER__ATTEMPTS__MAXIMUM_DELAY_SECONDS", "60")], "")
            .await;
    let mut seen = Vec::new();
    for name in [PLAIN.1, "nobody", "rita"] {
        let mut answers = Vec::new();
        for number in 0..51 {
            wait(&app).await;
            answers.push(login(&app, ELSEWHERE, name, &format!("guess {number}")).await);
            answers.push(login(&app, ELSEWHERE, name, &format!("early {number}")).await);
        }
        seen.push(answers.iter().map(shape).collect::<Vec<_>>());
        let delays: Vec<_> = answers
            .iter()
            .filter(|answer| answer.status == 429)
            .map(|answer| answer.headers.get("retry-after").map(|at| at.to_str().unwrap()))
            .collect();
        // The two of a round count each, as long as there is no delay.
        assert_eq!(delays[..7], ["1", "2", "4", "8", "16", "32", "60"].map(Some), "{name}");
        assert_eq!(delays.last(), Some(&None), "{name}");
        assert_eq!(answers.iter().filter(|answer| answer.status == 401).count(), 50, "{name}");
    }
    assert_eq!(seen[0], seen[1], "a known name and an unknown one");
    assert_eq!(seen[0], seen[2], "a retired user");
}

#[sqlx::test]
async fn what_was_stopped_is_opened_by_command_by_route_and_by_a_save_and_by_no_login(
    pool: PgPool,
) {
    let app = TestApp::spawn_with(pool, &[PROXY], "").await;
    let administrator = app.administrator();
    let user = ["credential", "attempts", "--user", "paul"];
    let unlock = ["credential", "unlock", "--user", "paul"];
    app.command(&unlock, "").answered_no();

    stop(&app, PLAIN.1).await;
    owner(&app, ELSEWHERE, PLAIN.1).await.assert_status(429);
    assert!(app.command(&user, "").succeeded().contains("50"));
    app.command(&unlock, "").succeeded();
    assert_eq!(app.command(&user, "").succeeded().lines().count(), 1, "only the heading");
    owner(&app, "203.0.113.9", PLAIN.1).await.assert_status(200);

    stop(&app, PLAIN.1).await;
    app.get(ATTEMPTS, &app.plain()).await.assert_status(429);
    let listed = app.get(ATTEMPTS, &administrator).await.json();
    assert_eq!(listed[0]["Type"], "CRM5/PASSWORD");
    assert_eq!((&listed[0]["Failures"], &listed[0]["IsStopped"]), (&json!(50), &json!(true)));
    let delete = app.request(Method::DELETE, ATTEMPTS, &administrator).send().await.unwrap();
    assert_eq!(delete.status(), 204);
    owner(&app, "203.0.113.1", PLAIN.1).await.assert_status(200);
    let kinds =
        "SELECT count(*) FROM audit_events WHERE user_id = 278 AND kind = 'credential_unlocked'";
    let unlocked: i64 = sqlx::query_scalar(kinds).fetch_one(&app.pool).await.unwrap();
    assert_eq!(unlocked, 2);

    stop(&app, PLAIN.1).await;
    app.save(&administrator, PLAIN.0, "", "another password").await.assert_saved();
    login(&app, "203.0.113.2", PLAIN.1, "another password").await.assert_status(200);

    stop(&app, PLAIN.1).await;
    login(&app, "203.0.113.3", PLAIN.1, "another password").await.assert_status(429);
    login(&app, "203.0.113.2", PLAIN.1, "another password").await.assert_status(200);
    login(&app, "203.0.113.3", PLAIN.1, "another password").await.assert_status(429);
}

#[sqlx::test]
async fn under_fire_the_owner_gets_in_from_home_and_the_attacker_gets_no_more_tries_by_that(
    pool: PgPool,
) {
    let app = TestApp::spawn_with(pool, &[PROXY], "").await;
    let second = app.another(&[]).await;
    owner(&app, HOME, PLAIN.1).await.assert_status(200);
    let mut tried = 0;
    for number in 0..200 {
        let guess = login(&app, ELSEWHERE, PLAIN.1, &format!("guess {number}")).await;
        tried += usize::from(guess.status == 401);
        // Remembered on one instance, hashed anew on the other after each restart of its memory.
        owner(if number % 2 == 0 { &app } else { &second }, HOME, PLAIN.1).await.assert_status(200);
    }
    assert!(tried <= 8, "{tried} guesses within seconds");
    owner(&app, ELSEWHERE, PLAIN.1).await.assert_status(429);
}

#[sqlx::test]
async fn a_remembered_password_does_not_open_a_stopped_account_to_an_unknown_address(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[PROXY], "").await;
    stop(&app, PLAIN.1).await;
    app.command(&["credential", "unlock", "--user", "paul"], "").succeeded();
    owner(&app, HOME, PLAIN.1).await.assert_status(200);
    stop(&app, PLAIN.1).await;
    let hits = verification_cache(&app).await;
    let before = hashed(&app).await;
    owner(&app, ELSEWHERE, PLAIN.1).await.assert_status(429);
    assert_eq!(verification_cache(&app).await, hits);
    owner(&app, HOME, PLAIN.1).await.assert_status(200);
    assert_eq!(verification_cache(&app).await, hits + 1);
    assert_eq!(hashed(&app).await, before);
}

#[sqlx::test]
async fn a_known_address_may_try_three_wrong_secrets_while_others_have_to_wait(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[PROXY], "").await;
    owner(&app, HOME, PLAIN.1).await.assert_status(200);
    stop(&app, PLAIN.1).await;
    for guess in ["a", "a", "b", "c"] {
        login(&app, HOME, PLAIN.1, guess).await.assert_unauthenticated();
    }
    login(&app, HOME, PLAIN.1, "d").await.assert_status(429);
    owner(&app, HOME, PLAIN.1).await.assert_status(429);
}

#[sqlx::test]
async fn whoever_shares_the_owners_address_gets_no_new_tries_each_time_the_owner_logs_in(
    pool: PgPool,
) {
    let app = TestApp::spawn_with(pool, &[PROXY], "").await;
    owner(&app, HOME, PLAIN.1).await.assert_status(200);
    stop(&app, PLAIN.1).await;
    owner(&app, HOME, PLAIN.1).await.assert_status(200);
    let mut tried = 0;
    for number in 0..100 {
        let guess = login(&app, HOME, PLAIN.1, &format!("guess beside {number}")).await;
        tried += usize::from(guess.status == 401);
        login(&app, HOME, PLAIN.1, &password_of(PLAIN.1)).await;
    }
    assert_eq!(tried, 3, "guesses within seconds");
    let statement = "UPDATE callers SET last_failed_at = last_failed_at - interval '61 minutes',
                         last_succeeded_at = last_succeeded_at - interval '61 minutes'";
    sqlx::query(statement).execute(&app.pool).await.unwrap();
    wait(&app).await;
    owner(&app, HOME, PLAIN.1).await.assert_status(200);
    let failures =
        "SELECT max(failures) FROM callers WHERE user_id = 278 AND last_succeeded_at IS NOT NULL";
    let failures: i32 = sqlx::query_scalar(failures).fetch_one(&app.pool).await.unwrap();
    assert_eq!(failures, 0);
}

#[sqlx::test]
async fn of_one_user_sixteen_addresses_are_known_and_the_one_not_used_for_longest_is_forgotten(
    pool: PgPool,
) {
    let app = TestApp::spawn_with(pool, &[PROXY], "").await;
    for number in 1..=17 {
        owner(&app, &format!("192.0.2.{number}"), PLAIN.1).await.assert_status(200);
    }
    stop(&app, PLAIN.1).await;
    let known =
        "SELECT count(*) FROM callers WHERE user_id = 278 AND last_succeeded_at IS NOT NULL";
    let known: i64 = sqlx::query_scalar(known).fetch_one(&app.pool).await.unwrap();
    assert_eq!(known, 16);
    owner(&app, "192.0.2.1", PLAIN.1).await.assert_status(429);
    owner(&app, "192.0.2.2", PLAIN.1).await.assert_status(200);
}

#[sqlx::test]
async fn the_same_wrong_secret_ten_thousand_times_counts_once_and_costs_one_hash(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[PROXY], "").await;
    let second = app.another(&[]).await;
    for (name, subject) in [(PLAIN.1, "user_id = 278"), ("nobody", "user_id < 0")] {
        let before = hashed(&app).await;
        for _ in 0..100 {
            let stale = (0..100).map(|_| login(&app, HOME, name, "an old password"));
            assert!(join_all(stale).await.iter().all(|answer| answer.status == 401));
        }
        assert_eq!(hashed(&app).await - before, 1, "{name}");
        login(&second, ELSEWHERE, name, "an old password").await.assert_unauthenticated();
        for table in ["authentication_attempts", "callers WHERE failures > 0 AND TRUE"] {
            let connector = if table.contains("WHERE") { "AND" } else { "WHERE" };
            let statement = format!("SELECT max(failures) FROM {table} {connector} {subject}");
            let failures: i32 = sqlx::query_scalar(sqlx::AssertSqlSafe(statement))
                .fetch_one(&app.pool)
                .await
                .unwrap();
            assert_eq!(failures, 1, "{name}: {table}");
        }
    }
}

#[sqlx::test]
async fn the_right_password_of_many_at_once_is_never_refused_however_cold(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[PROXY], "").await;
    let second = app.another(&[]).await;
    let logins = (0..40).map(|number| {
        let (app, from) =
            (if number % 2 == 0 { &app } else { &second }, format!("192.0.2.{number}"));
        async move { owner(app, &from, PLAIN.1).await.status }
    });
    let statuses: HashSet<_> = join_all(logins).await.into_iter().map(|of| of.as_u16()).collect();
    assert_eq!(statuses, HashSet::from([200]));
    assert_eq!(failures(&app, PLAIN.0).await, 0);
}

#[sqlx::test]
async fn an_address_that_fails_with_many_names_has_to_wait_and_a_known_user_of_it_has_not(
    pool: PgPool,
) {
    let limited = [PROXY, ("KEEPER__ATTEMPTS__MAXIMUM_PER_ADDRESS", "10")];
    let app = TestApp::spawn_with(pool, &limited, "").await;
    owner(&app, HOME, PLAIN.1).await.assert_status(200);
    for number in 0..10 {
        login(&app, HOME, &format!("name {number}"), "guess").await.assert_unauthenticated();
    }
    let refused = login(&app, HOME, "one more", "guess").await;
    refused.assert_refused(429, "SoServiceUnavailableException", "too_many_attempts");
    assert_eq!(refused.header("retry-after"), "3600");
    owner(&app, HOME, ADMINISTRATOR.1).await.assert_status(429);
    owner(&app, HOME, PLAIN.1).await.assert_status(200);
    owner(&app, ELSEWHERE, ADMINISTRATOR.1).await.assert_status(200);
    let statement = "UPDATE callers SET last_failed_at = last_failed_at - interval '61 minutes'";
    sqlx::query(statement).execute(&app.pool).await.unwrap();
    owner(&app, HOME, ADMINISTRATOR.1).await.assert_status(200);
}

#[sqlx::test]
async fn ipv6_is_counted_by_its_first_half_and_nobody_but_a_proxy_says_where_from(pool: PgPool) {
    let limited = [PROXY, ("KEEPER__ATTEMPTS__MAXIMUM_PER_ADDRESS", "10")];
    let app = TestApp::spawn_with(pool, &limited, "").await;
    let untrusting = app.another(&[("KEEPER__HTTP__TRUSTED_PROXIES", "")]).await;
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
async fn a_wrong_old_password_is_counted_and_a_right_one_forgets(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[PROXY], "").await;
    let ticket = Credentials::Ticket(app.ticket(&app.plain()).await);
    let change = |old: &str| {
        let body = json!({"OldPassword": old, "NewPassword": "paul-password"});
        let ticket = &ticket;
        let app = &app;
        async move { app.post(CHANGE_OWN, ticket, &body).await }
    };
    // Three from where they logged in, and five as anybody.
    for number in 0..8 {
        let answer = change(&format!("guess {number}")).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "false"));
    }
    change("guess").await.assert_refused(429, "SoServiceUnavailableException", "too_many_attempts");
    wait(&app).await;
    let changed = change(&password_of(PLAIN.1)).await;
    assert_eq!((changed.status.as_u16(), changed.body.as_str()), (200, "true"));
    assert_eq!(failures(&app, PLAIN.0).await, 0);
}

#[sqlx::test]
async fn the_same_wrong_old_password_counts_once_and_costs_one_hash(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[PROXY], "").await;
    let ticket = Credentials::Ticket(app.ticket(&app.plain()).await);
    let before = hashed(&app).await;
    for _ in 0..20 {
        let body = json!({"OldPassword": "an old one", "NewPassword": "another"});
        let answer = app.post(CHANGE_OWN, &ticket, &body).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "false"));
    }
    assert_eq!(hashed(&app).await - before, 1);
    assert_eq!(failures(&app, PLAIN.0).await, 1);
}

#[sqlx::test]
async fn what_addresses_failed_at_is_swept_and_what_they_succeeded_at_is_not(pool: PgPool) {
    let mut app = TestApp::spawn_with(pool, &[PROXY], "").await;
    owner(&app, HOME, PLAIN.1).await.assert_status(200);
    login(&app, ELSEWHERE, "nobody", "guess").await.assert_unauthenticated();
    let statement = "UPDATE callers SET last_failed_at = last_failed_at - interval '61 minutes'";
    sqlx::query(statement).execute(&app.pool).await.unwrap();
    app.restart().await;
    let left = || async {
        let left: i64 =
            sqlx::query_scalar("SELECT count(*) FROM callers").fetch_one(&app.pool).await.unwrap();
        left
    };
    for _ in 0..100 {
        if left().await == 1 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(left().await, 1);
    let subject: i32 =
        sqlx::query_scalar("SELECT user_id FROM callers").fetch_one(&app.pool).await.unwrap();
    assert_eq!(subject, PLAIN.0);
}

#[sqlx::test]
async fn attempts_are_for_administrators_about_users_that_there_are(pool: PgPool) {
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
async fn the_login_page_counts_with_the_same_counter(pool: PgPool) {
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
    assert_eq!(failures(&app, PLAIN.0).await, 5);
    let refused = sign_in(&password_of(PLAIN.1)).await;
    refused.assert_refused(429, "SoServiceUnavailableException", "too_many_attempts");
    owner(&app, "203.0.113.1", PLAIN.1).await.assert_status(429);
}

#[sqlx::test]
async fn what_was_tried_is_forgotten_with_a_success_and_with_a_save(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[PROXY], "").await;
    let kept = async || {
        let kept = "SELECT coalesce(sum(cardinality(tried || throttle_tried)), 0)
                    FROM authentication_attempts WHERE user_id = 278";
        let kept: i64 = sqlx::query_scalar(kept).fetch_one(&app.pool).await.unwrap();
        kept
    };
    login(&app, ELSEWHERE, PLAIN.1, "guess").await.assert_unauthenticated();
    assert_eq!(kept().await, 2, "once in each list");
    owner(&app, ELSEWHERE, PLAIN.1).await.assert_status(200);
    assert_eq!(kept().await, 0);
    login(&app, "203.0.113.1", PLAIN.1, "another guess").await.assert_unauthenticated();
    assert_eq!(kept().await, 2);
    owner(&app, ELSEWHERE, PLAIN.1).await.assert_status(200);
    assert_eq!(kept().await, 1, "what another address tried still counts there");
    app.save(&app.administrator(), PLAIN.0, "", "another password").await.assert_saved();
    assert_eq!(kept().await, 0);
}
