//! Logins that the old system refuses.

use std::time::Duration;

use reqwest::Method;
use serde_json::Value;
use sqlx::PgPool;

use super::{counted_failures, login, logins, spawn, user_id};
use crate::{
    guessing::{end_delays, fingerprint},
    support::{
        Credentials, Instance, OldSystem, PLAIN, PRINCIPAL, Reloading, http_reply, late,
        old_password, wait_until,
    },
};

/// True for a statement of a login. Work in the background has no span, or that of another statement.
fn is_of_login(line: &Value) -> bool {
    let span = line["keeper.span"].as_str().unwrap_or_default();
    line["log.logger"] == "sqlx::query"
        && (span.starts_with("db.logins.") || span.starts_with("db.attempts."))
        && span != "db.attempts.sweep"
}

/// The statements of each request in a log, in the order of the requests.
fn statements(log: &str) -> Vec<Vec<String>> {
    let (mut requests, mut current) = (Vec::new(), Vec::new());
    for line in log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
        if is_of_login(&line) {
            current.push(line["labels.summary"].as_str().unwrap().to_owned());
        } else if line["message"] == "answered" {
            requests.push(std::mem::take(&mut current));
        }
    }
    requests
}

#[sqlx::test]
async fn a_refusal_does_not_tell_whether_the_user_exists_here(pool: PgPool) {
    let old = OldSystem::start();
    let app = spawn(pool, &old, &[]).await;
    app.command(&["import", "-"], r#"{"login_name":"known"}"#).assert_success();
    let instance = Instance::start(&app, &[("KEEPER__LOG__LEVEL", "info,sqlx=debug")]);
    let mut answers = Vec::new();
    for name in ["first", "known", "absent"] {
        let wrong = Credentials::basic(name, "wrong");
        answers.push(fingerprint(&instance.get(PRINCIPAL, &wrong).await));
    }
    assert_eq!(answers[1], answers[2]);
    assert_eq!(old.requests().len(), 3);
    let statements = statements(&instance.stop());
    let [.., known, absent] = statements.as_slice() else { panic!("{statements:?}") };
    assert!(known.len() >= 4, "{known:?}");
    assert_eq!(known, absent);
}

#[sqlx::test]
async fn a_refused_login_looks_like_every_other_and_is_counted(pool: PgPool) {
    let old = OldSystem::start();
    let app = spawn(pool, &old, &[]).await;
    let known = fingerprint(&login(&app, PLAIN.1, "wrong").await);
    let failures = counted_failures(&app).await;
    for (number, name) in (1..).zip(["anton", "ulla"]) {
        let refused = login(&app, name, "wrong").await;
        refused.assert_unauthenticated();
        assert_eq!(fingerprint(&refused), known, "{name}");
        assert_eq!(counted_failures(&app).await, failures * (1 + number), "{name}");
        assert_eq!(user_id(&app, name).await, None);
    }
    assert!((logins(&app, "rejected").await - 1.0).abs() < f64::EPSILON);
    assert!((logins(&app, "unknown").await - 1.0).abs() < f64::EPSILON);
}

#[sqlx::test]
async fn a_refused_password_is_not_asked_about_again(pool: PgPool) {
    let old = OldSystem::start();
    let app = spawn(pool, &old, &[]).await;
    for _ in 0..3 {
        login(&app, "anton", "wrong").await.assert_unauthenticated();
    }
    assert_eq!(old.requests().len(), 1);
    login(&app, "anton", &old_password("anton")).await.assert_status(200);
}

#[sqlx::test]
async fn guesses_are_throttled_before_the_old_system_is_asked(pool: PgPool) {
    let old = OldSystem::start();
    let app = spawn(pool, &old, &[]).await;
    for guess in 0..5 {
        login(&app, "anton", &format!("guess {guess}")).await.assert_unauthenticated();
    }
    let delayed = login(&app, "anton", "guess 5").await;
    delayed.assert_refused(429, "SoServiceUnavailableException", "too_many_attempts");
    assert_eq!(old.requests().len(), 5);
    for guess in 6..51 {
        end_delays(&app).await;
        login(&app, "anton", &format!("guess {guess}")).await.assert_unauthenticated();
    }
    end_delays(&app).await;
    // Even the right password is not asked about.
    let stopped = login(&app, "anton", &old_password("anton")).await;
    stopped.assert_refused(429, "SoServiceUnavailableException", "too_many_attempts");
    assert_eq!(stopped.headers.get("retry-after"), None);
    assert_eq!(old.requests().len(), 50);
}

#[sqlx::test]
async fn the_same_guess_of_many_reaches_the_old_system_once(pool: PgPool) {
    let old = OldSystem::start();
    let app = spawn(pool, &old, &[("KEEPER__HTTP__TRUSTED_PROXIES", "127.0.0.1")]).await;
    let credentials = Credentials::basic("anton", "a guess");
    let guesses = (1..=24).map(|number| {
        let request = app.request(Method::GET, PRINCIPAL, &credentials);
        request.header("X-Forwarded-For", format!("203.0.113.{number}")).send()
    });
    for answer in futures_util::future::join_all(guesses).await {
        assert_eq!(answer.unwrap().status(), 401);
    }
    assert_eq!(old.requests().len(), 1);
}

#[sqlx::test]
async fn a_guess_of_a_client_that_leaves_reaches_the_old_system_once(pool: PgPool) {
    let old = OldSystem::start();
    let rejected = http_reply("200 OK", "application/json", r#"{"result":"rejected"}"#);
    old.set_reply(late(Duration::from_secs(1), rejected));
    let app = spawn(pool, &old, &[]).await;
    let credentials = Credentials::basic("anton", "a guess");
    for _ in 0..3 {
        let request = app.request(Method::GET, PRINCIPAL, &credentials).send();
        let leaving = tokio::spawn(request);
        wait_until("the old system is asked", async || old.requests().len() == 1).await;
        leaving.abort();
        app.wait_for_metric("keeper_http_requests_in_flight", 0.0).await;
    }
    login(&app, "anton", "a guess").await.assert_unauthenticated();
    assert_eq!(old.requests().len(), 1);
}

#[sqlx::test]
async fn a_guess_before_and_after_a_reload_reaches_the_old_system_once(pool: PgPool) {
    let old = OldSystem::start();
    let rejected = http_reply("200 OK", "application/json", r#"{"result":"rejected"}"#);
    old.set_reply(late(Duration::from_secs(5), rejected));
    let timeout = "migration.hook_timeout_seconds";
    let variables = old.variables().into_iter().map(|(name, value)| {
        let name = name.trim_start_matches("KEEPER__").replace("__", ".").to_lowercase();
        (name, format!("'{value}'"))
    });
    let variables: Vec<_> = variables.filter(|(name, _)| name != timeout).collect();
    let settings = variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let mut settings: Vec<_> = settings.chain([(timeout, "20")]).collect();
    let reloading = Reloading::start(pool, &settings).await;
    settings.push(("attempts.before_delay", "4"));
    let guess = || login(&reloading.app, "anton", "a guess");
    let after_reload = async {
        wait_until("the old system is asked", async || old.requests().len() == 1).await;
        reloading.set(&settings).await;
        guess().await
    };
    let (before, after) = futures_util::future::join(guess(), after_reload).await;
    before.assert_unauthenticated();
    after.assert_unauthenticated();
    assert_eq!(old.requests().len(), 1);
}

#[sqlx::test]
async fn concurrent_guesses_reach_the_old_system_no_more_often_than_allowed(pool: PgPool) {
    let old = OldSystem::start();
    let app = spawn(pool, &old, &[]).await;
    let guesses: Vec<_> = (0..24).map(|guess| format!("guess {guess}")).collect();
    let guesses = guesses.iter().map(|guess| login(&app, "anton", guess));
    futures_util::future::join_all(guesses).await;
    assert_eq!(old.requests().len(), 5);
}
