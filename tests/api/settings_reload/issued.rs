//! Settings of tickets, sessions, access tokens and uploads.

use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use serde_json::Value;
use sqlx::PgPool;

use super::status;
use crate::support::{Credentials, PLAIN, Reloading, TestApp};

/// The settings whose effect the tests of this module prove. Those of imports are proven in
/// `pages::uploads`.
pub(super) const SETTINGS: &[&str] = &[
    "tickets.lifetime_seconds",
    "tickets.maximum_per_user",
    "sessions.lifetime_seconds",
    "sessions.maximum_seconds",
    "sessions.absolute_seconds",
    "access_tokens.context",
    "access_tokens.issuer",
    "access_tokens.audience",
    "access_tokens.lifetime_seconds",
    "import.maximum_upload_bytes",
    "import.upload_timeout_seconds",
];

async fn ticket(app: &TestApp) -> Credentials {
    Credentials::Ticket(app.ticket(&app.plain()).await)
}

/// Longer than the lifetimes that the tests set, of one second.
async fn outlive() {
    tokio::time::sleep(Duration::from_millis(1300)).await;
}

#[sqlx::test]
async fn tickets_and_sessions_change_while_the_service_runs(pool: PgPool) {
    let reloading = Reloading::start(pool, &[]).await;
    let app = &reloading.app;
    reloading.set(&[("tickets.lifetime_seconds", "1")]).await;
    let short = ticket(app).await;
    outlive().await;
    assert_eq!(status(app, &short).await, 401);
    for setting in ["sessions.lifetime_seconds", "sessions.maximum_seconds"] {
        reloading.set(&[]).await;
        let long = app.session(PLAIN.1).await;
        reloading.set(&[(setting, "1")]).await;
        let short = app.session(PLAIN.1).await;
        outlive().await;
        assert_eq!(status(app, &short).await, 401, "{setting}");
        reloading.set(&[]).await;
        assert_eq!(status(app, &long).await, 200, "{setting}");
    }
    let issued = ticket(app).await;
    outlive().await;
    reloading.set(&[("sessions.absolute_seconds", "1")]).await;
    assert_eq!(status(app, &issued).await, 401);
    reloading.set(&[("tickets.maximum_per_user", "1")]).await;
    let (first, second) = (ticket(app).await, ticket(app).await);
    assert_eq!((status(app, &first).await, status(app, &second).await), (401, 200));
}

fn claims(token: &str) -> Value {
    let payload =
        BASE64URL_NOPAD.decode(token.split('.').rev().nth(1).unwrap().as_bytes()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

#[sqlx::test]
async fn access_tokens_change_while_the_service_runs(pool: PgPool) {
    let reloading = Reloading::start(pool, &[]).await;
    let app = &reloading.app;
    let before = app.token(&app.plain()).await;
    let settings = [
        ("access_tokens.context", "'Other'"),
        ("access_tokens.issuer", "'other-issuer'"),
        ("access_tokens.audience", "'other-audience'"),
        ("access_tokens.lifetime_seconds", "77"),
    ];
    reloading.set(&settings).await;
    assert_eq!(status(app, &Credentials::Bearer(before.clone())).await, 401);
    let after = app.token(&app.plain()).await;
    assert_eq!(status(app, &Credentials::Bearer(after.clone())).await, 200);
    let (before, after) = (claims(&before), claims(&after));
    assert_eq!((&after["iss"], &after["aud"]), (&"other-issuer".into(), &"other-audience".into()));
    let lifetime =
        |claims: &Value| claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert_eq!((lifetime(&before), lifetime(&after)), (3600, 77));
    let has_context = |claims: &Value| claims.to_string().contains("Other");
    assert_eq!((has_context(&before), has_context(&after)), (false, true), "{after}");
}
