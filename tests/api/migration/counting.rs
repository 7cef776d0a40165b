//! What a login counts while the old system decides about it.

use std::time::Duration;

use reqwest::Method;
use sqlx::PgPool;

use super::{assert_unavailable, counted_failures, login, logins, spawn};
use crate::support::{
    Answer, Credentials, OldSystem, PRINCIPAL, Reply, TestApp, assert_becomes, http_reply, late,
};

const JSON: &str = "application/json";

fn rejected() -> Reply {
    http_reply("200 OK", JSON, r#"{"result":"rejected"}"#)
}

fn failed() -> Reply {
    http_reply("500 Internal Server Error", JSON, "")
}

/// Logs in with one wrong password at two instances at once, which do not share the question. The old
/// system gives `first` to the login that began first, but after it has given `second` to the other one.
/// Returns the answers in the order of the beginnings.
async fn log_in_twice(app: &TestApp, old: &OldSystem, first: Reply, second: Reply) -> [Answer; 2] {
    let other = app.spawn_instance(&[]).await;
    let before = old.requests().len();
    old.set_reply(late(Duration::from_secs(1), first));
    let slow = login(app, "anton", "guess");
    let fast = async {
        assert_becomes(before + 1, async || old.requests().len()).await;
        old.set_reply(second);
        login(&other, "anton", "guess").await
    };
    futures_util::future::join(slow, fast).await.into()
}

#[sqlx::test]
async fn an_undecided_login_takes_back_no_concurrent_failure(pool: PgPool) {
    let old = OldSystem::start();
    let app = spawn(pool, &old, &[]).await;
    let [undecided, refused] = log_in_twice(&app, &old, failed(), rejected()).await;
    assert_unavailable(&undecided);
    refused.assert_unauthenticated();
    let after_one = counted_failures(&app).await;
    // Failures in a row, throttling, and the address with its copy.
    assert_eq!(after_one, 4);
}

#[sqlx::test]
async fn a_failure_counts_after_an_undecided_login_was_taken_back(pool: PgPool) {
    let old = OldSystem::start();
    let app = spawn(pool, &old, &[]).await;
    let [refused, undecided] = log_in_twice(&app, &old, rejected(), failed()).await;
    assert_unavailable(&undecided);
    refused.assert_unauthenticated();
    assert_eq!(counted_failures(&app).await, 4);
}

#[sqlx::test]
async fn an_undecided_login_takes_back_no_earlier_failure(pool: PgPool) {
    let old = OldSystem::start();
    let mut app = spawn(pool, &old, &[]).await;
    for guess in 0..4 {
        login(&app, "anton", &format!("guess {guess}")).await.assert_unauthenticated();
    }
    assert_eq!(counted_failures(&app).await, 16);
    // The new process has no cached refusals.
    app.restart().await;
    old.set_reply(failed());
    for guess in 0..4 {
        assert_unavailable(&login(&app, "anton", &format!("guess {guess}")).await);
    }
    assert_eq!(counted_failures(&app).await, 16);
    // Asked about once more, a failure is counted once.
    old.set_reply(rejected());
    login(&app, "anton", "guess 0").await.assert_unauthenticated();
    assert_eq!(counted_failures(&app).await, 16);
    // The limit of failures without delay is five.
    login(&app, "anton", "guess 4").await.assert_unauthenticated();
    let delayed = login(&app, "anton", "guess 5").await;
    delayed.assert_refused(429, "SoServiceUnavailableException", "too_many_attempts");
}

/// The old system may accept any of them, so one count for all would be no limit.
#[sqlx::test]
async fn each_spelling_of_a_guess_is_asked_about_once_and_counted(pool: PgPool) {
    let old = OldSystem::start();
    let app = spawn(pool, &old, &[]).await;
    app.command(&["import", "-"], r#"{"login_name":"known"}"#).assert_success();
    for [name, spelled] in [["anton", "ANTON"], ["known", "KNOWN"]] {
        let (asked, counted) = (old.requests().len(), counted_failures(&app).await);
        for _ in 0..2 {
            for (name, guess) in
                [(name, "gu\u{e9}ss"), (spelled, "gu\u{e9}ss"), (name, "gue\u{301}ss")]
            {
                login(&app, name, guess).await.assert_unauthenticated();
            }
        }
        assert_eq!(old.requests().len(), asked + 3, "{name}");
        assert_eq!(counted_failures(&app).await, counted + 3 * 4, "{name}");
    }
}

/// Otherwise, the client could learn the answer with its next login, and take back the count later.
#[sqlx::test]
async fn the_guess_of_a_client_that_leaves_counts(pool: PgPool) {
    let old = OldSystem::start();
    let app = spawn(pool, &old, &[]).await;
    let other = app.spawn_instance(&[]).await;
    old.set_reply(late(Duration::from_secs(1), rejected()));
    let guess = Credentials::basic("anton", "guess");
    let leaving = tokio::spawn(app.request(Method::GET, PRINCIPAL, &guess).send());
    assert_becomes(1, async || old.requests().len()).await;
    leaving.abort();
    assert_becomes(1.0, async || logins(&app, "rejected").await).await;
    login(&app, "anton", "guess").await.assert_unauthenticated();
    assert_eq!(old.requests().len(), 1);
    // An instance that does not know the answer asks a system that cannot tell.
    old.set_reply(failed());
    assert_unavailable(&login(&other, "anton", "guess").await);
    assert_eq!(counted_failures(&app).await, 4);
}
