//! Settings of passwords, credentials, and the proofs and reasons of sensitive changes.

use std::time::Duration;

use serde_json::json;
use sqlx::PgPool;

use super::{save_of_paul, status};
use crate::support::{Credentials, PLAIN, Reloading, SAVE, TestApp, assert_becomes};

/// The settings whose effect the tests of this module prove.
pub(super) const SETTINGS: &[&str] = &[
    "authentication.maximum_proof_age_seconds",
    "audit.require_reason",
    "credentials.single_per_user",
    "passwords.policy",
    "passwords.with_second_factor",
    "passwords.context_words",
    "passwords.check_at_login",
    "passwords.check_at_login_except",
    "passwords.change_required_after_reset",
];

/// A password of the list of common passwords.
const LISTED: &str = "password123";

/// A password of fourteen characters that the policy accepts with a second factor only.
const SHORT: &str = "qX7#vK2!mZ9$pL";

const NO_POLICY: (&str, &str) = ("passwords.policy", "'none'");

async fn save(app: &TestApp, value: &str) -> u16 {
    app.post(SAVE, &app.administrator(), &save_of_paul(value)).await.status.as_u16()
}

#[sqlx::test]
async fn the_password_policy_changes_while_the_service_runs(pool: PgPool) {
    let reloading = Reloading::start(pool, &[NO_POLICY]).await;
    let app = &reloading.app;
    assert_eq!(save(app, "short").await, 200);
    reloading.set(&[]).await;
    assert_eq!(save(app, "short").await, 400);
    assert_eq!(save(app, SHORT).await, 400);
    reloading.set(&[("passwords.with_second_factor", "true")]).await;
    assert_eq!(save(app, SHORT).await, 200);
    let passphrase = "wombat-qX7v-K2z";
    let words = ("passwords.context_words", "['wombat']");
    assert_eq!(save(app, passphrase).await, 200);
    reloading.set(&[("passwords.with_second_factor", "true"), words]).await;
    assert_eq!(save(app, passphrase).await, 400);
    reloading.set(&[NO_POLICY]).await;
    let set = async |password: &str| {
        let body = json!({ "AssociateId": PLAIN.0, "Password": password });
        let set = app.post("/api/v1/Agents/User/SetPassword", &app.administrator(), &body).await;
        set.assert_status(200);
        status(app, &Credentials::basic(PLAIN.1, password)).await
    };
    assert_eq!(set("first").await, 200);
    reloading.set(&[NO_POLICY, ("passwords.change_required_after_reset", "true")]).await;
    assert_eq!(set("second").await, 403);
    reloading.set(&[NO_POLICY]).await;
    assert_eq!(set("third").await, 200);
}

/// Asserts that the password of a user who just logged in gets a mark, or that it gets none.
async fn assert_marked(app: &TestApp, id: i32, is_expected: bool) {
    let mark = "SELECT change_required IS NOT NULL FROM credentials WHERE user_id = $1";
    if !is_expected {
        // A mark would be stored by now.
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    let is_marked =
        async || sqlx::query_scalar::<_, bool>(mark).bind(id).fetch_one(&app.pool).await.unwrap();
    assert_becomes((id, is_expected), async || (id, is_marked().await)).await;
}

#[sqlx::test]
async fn the_check_of_passwords_at_login_changes_while_the_service_runs(pool: PgPool) {
    let off = ("passwords.check_at_login", "false");
    let reloading = Reloading::start(pool, &[NO_POLICY]).await;
    let app = &reloading.app;
    for (number, (settings, is_expected)) in [
        (&[NO_POLICY][..], false),
        (&[], true),
        (&[off], false),
        (&[("passwords.check_at_login_except", "['internal']")], false),
        (&[], true),
    ]
    .into_iter()
    .enumerate()
    {
        // Saved without a policy, which would refuse the password.
        reloading.set(&[NO_POLICY, off]).await;
        let (id, name) = (2000 + i32::try_from(number).unwrap(), format!("user{number}"));
        app.add_user((id, &name), &[]);
        app.save(&app.administrator(), id, "", LISTED).await.assert_saved();
        reloading.set(settings).await;
        assert_eq!(status(app, &Credentials::basic(&name, LISTED)).await, 200);
        assert_marked(app, id, is_expected).await;
    }
}

#[sqlx::test]
async fn proofs_reasons_and_single_credentials_change_while_the_service_runs(pool: PgPool) {
    let additional = ("credentials.additional_types", "[{ name = 'Pin', kind = 'secret' }]");
    let reloading = Reloading::start(pool, &[NO_POLICY, additional]).await;
    let app = &reloading.app;
    let credentials = async || {
        let all = "SELECT count(*) FROM credentials WHERE user_id = 278";
        let count: i64 = sqlx::query_scalar(all).fetch_one(&app.pool).await.unwrap();
        count
    };
    let ticket = Credentials::Ticket(app.ticket(&app.administrator()).await);
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let save = async || app.post(SAVE, &ticket, &save_of_paul("new")).await;
    save().await.assert_saved();
    reloading
        .set(&[NO_POLICY, additional, ("authentication.maximum_proof_age_seconds", "1")])
        .await;
    save().await.assert_refused(403, "SoIllegalOperationException", "proof_too_old");
    reloading.set(&[NO_POLICY, additional, ("audit.require_reason", "true")]).await;
    save().await.assert_status(400);
    reloading.set(&[NO_POLICY, additional]).await;
    save().await.assert_saved();
    app.save(&ticket, PLAIN.0, "Pin", "4711").await.assert_saved();
    assert_eq!(credentials().await, 2);
    let single = ("credentials.single_per_user", "true");
    reloading.set(&[NO_POLICY, additional, single]).await;
    app.save(&ticket, PLAIN.0, "Pin", "4712").await.assert_saved();
    assert_eq!(credentials().await, 1);
}
