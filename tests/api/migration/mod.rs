//! Users who move from an old system at their first login (`migration.hook_url`).

mod commands;
mod counting;
mod moves;
mod outages;
mod refusals;
mod sample;

use reqwest::Method;
use sqlx::PgPool;

use crate::support::{Answer, Credentials, OldSystem, PRINCIPAL, TestApp};

/// An application whose users move from an old system.
async fn spawn(pool: PgPool, old: &OldSystem, more: &[(&str, &str)]) -> TestApp {
    let variables = old.variables();
    let variables = variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    TestApp::spawn_with(pool, &variables.chain(more.iter().copied()).collect::<Vec<_>>(), "").await
}

/// Logs in with Basic.
async fn login(app: &TestApp, name: &str, password: &str) -> Answer {
    let credentials = Credentials::basic(name, password);
    Answer::read(app.request(Method::GET, PRINCIPAL, &credentials).send().await.unwrap()).await
}

/// The id of the user with a canonical login name.
async fn user_id(app: &TestApp, name: &str) -> Option<i32> {
    let statement = "SELECT user_id FROM login_names WHERE canonical_name = $1";
    sqlx::query_scalar(statement).bind(name).fetch_optional(&app.pool).await.unwrap()
}

/// The audit events of a user, as `kind scheme actor`.
async fn events(app: &TestApp, user_id: i32) -> Vec<String> {
    let statement = "SELECT concat_ws(' ', kind, scheme, coalesce(actor_user_id::text, '-'))
                     FROM audit_events WHERE user_id = $1 ORDER BY sequence";
    sqlx::query_scalar(statement).bind(user_id).fetch_all(&app.pool).await.unwrap()
}

/// All failures that are counted anywhere.
async fn counted_failures(app: &TestApp) -> i64 {
    let statement = "SELECT (SELECT coalesce(sum(failures + throttle_failures), 0)
                             FROM authentication_attempts)
                          + (SELECT coalesce(sum(failures), 0) FROM known_addresses)
                          + (SELECT coalesce(sum(failures), 0) FROM address_failures)";
    sqlx::query_scalar(statement).fetch_one(&app.pool).await.unwrap()
}

/// The number of logins with an outcome, according to the metrics.
async fn logins(app: &TestApp, outcome: &str) -> f64 {
    app.metric(&format!("keeper_migration_logins_total{{outcome=\"{outcome}\"}}")).await
}

/// Asserts the error of an old system without a usable answer, which names nothing of it.
#[track_caller]
fn assert_unavailable(answer: &Answer) {
    answer.assert_refused(503, "SoServiceUnavailableException", "old_system_unavailable");
    assert_eq!(answer.header("retry-after"), "1");
    assert!(!answer.body.contains("localhost"), "{answer:?}");
}
