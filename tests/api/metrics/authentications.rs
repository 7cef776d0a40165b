//! Metrics of authentications: by scheme and outcome, and never by user.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::number;
use crate::{
    guessing::{ELSEWHERE, PROXY, lock, login},
    pages::browser::Browser,
    support::{Credentials, DatabaseProxy, PLAIN, PRINCIPAL, RETIRED, TestApp, password_of},
};

async fn authentications(app: &TestApp, scheme: &str, outcome: &str) -> u64 {
    let name = format!(r#"keeper_authentications_total{{scheme="{scheme}",outcome="{outcome}"}}"#);
    number(&app.metrics().await.body, &name).unwrap_or_else(|| panic!("{name} is missing"))
}

/// The number of all authentications.
async fn all(app: &TestApp) -> u64 {
    let text = app.metrics().await.body;
    super::labels_of(&text, "keeper_authentications_total").iter().map(|(_, n)| n).sum()
}

/// Sends a request, and asserts which single counter it increases.
async fn assert_counted(app: &TestApp, credentials: &Credentials, status: u16, counter: [&str; 2]) {
    let [scheme, outcome] = counter;
    let before = (authentications(app, scheme, outcome).await, all(app).await);
    app.get(PRINCIPAL, credentials).await.assert_status(status);
    let after = (authentications(app, scheme, outcome).await, all(app).await);
    assert_eq!(after, (before.0 + 1, before.1 + 1), "{scheme} {outcome}");
}

#[sqlx::test]
async fn each_authentication_counts_for_its_scheme_and_outcome(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let ticket = Credentials::Ticket(app.ticket(&app.plain()).await);
    let token = Credentials::Bearer(app.token(&app.plain()).await);
    let session = app.session(PLAIN.1).await;
    let retired = Credentials::basic(RETIRED.1, "rita-password");
    let unknown = Credentials::Bearer("not.a.token".to_owned());
    for (credentials, status, counter) in [
        (&app.plain(), 200, ["basic", "success"]),
        (&Credentials::basic(PLAIN.1, "wrong"), 401, ["basic", "refused"]),
        (&Credentials::basic("nobody", "wrong"), 401, ["basic", "refused"]),
        // Not a possible name.
        (&Credentials::basic("\u{1}", "wrong"), 401, ["basic", "refused"]),
        (&retired, 401, ["basic", "refused"]),
        (&ticket, 200, ["so_ticket", "success"]),
        (&token, 200, ["bearer", "success"]),
        (&unknown, 401, ["bearer", "refused"]),
        (&session, 200, ["session", "success"]),
    ] {
        assert_counted(&app, credentials, status, counter).await;
    }
    app.post("/logout", &session, &serde_json::Value::Null).await.assert_status(204);
    assert_counted(&app, &session, 401, ["session", "refused"]).await;
}

#[sqlx::test]
async fn throttled_and_locked_logins_count_as_such(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[PROXY], "").await;
    lock(&app, PLAIN.1).await;
    assert_eq!(authentications(&app, "basic", "locked").await, 1);
    let before = authentications(&app, "basic", "throttled").await;
    let mut refused = 0;
    while login(&app, ELSEWHERE, "nobody", &format!("guess {refused}")).await.status != 429 {
        refused += 1;
        assert!(refused < 20, "no attempt was delayed");
    }
    assert_eq!(authentications(&app, "basic", "throttled").await, before + 1);
}

#[sqlx::test]
async fn a_password_that_must_be_changed_is_neither_a_success_nor_a_failure(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let path = "/keeper/users/278/change-required";
    let request = app.request(Method::PUT, path, &app.administrator());
    assert!(request.send().await.unwrap().status().is_success());
    assert_counted(&app, &app.plain(), 403, ["basic", "change_required"]).await;
}

#[sqlx::test]
async fn an_overloaded_service_counts_logins_that_it_refused(pool: PgPool) {
    let settings = [
        ("KEEPER__HASHING__ITERATIONS", "40"),
        ("KEEPER__HASHING__THREADS", "1"),
        ("KEEPER__HASHING__DEADLINE_SECONDS", "1"),
        ("KEEPER__ATTEMPTS__MAXIMUM_PER_ADDRESS", "0"),
    ];
    let app = TestApp::spawn(pool).await;
    let app = app.spawn_instance(&settings).await;
    let logins = (0..200).map(|number| {
        let guess = Credentials::basic(&format!("nobody {number}"), "wrong");
        let app = &app;
        async move { app.get(PRINCIPAL, &guess).await.status.as_u16() }
    });
    let statuses = futures_util::future::join_all(logins).await;
    let overloaded = statuses.iter().filter(|status| **status == 503).count();
    assert!(overloaded > 0, "{statuses:?}");
    let counted = authentications(&app, "basic", "overloaded").await;
    assert_eq!(usize::try_from(counted).unwrap(), overloaded);
}

#[sqlx::test]
async fn a_login_that_is_repeated_after_a_lost_connection_counts_once(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let password = password_of(PLAIN.1);
    let session = app.session(PLAIN.1).await;
    for (path, credentials, body, expected) in [
        (PRINCIPAL, app.plain(), Value::Null, 1),
        ("/login", Credentials::Anonymous, json!({"UserName": PLAIN.1, "Password": password}), 1),
        // The session of the request, and the password.
        ("/keeper/session/proof", session, json!({"Password": password}), 2),
    ] {
        // The text of a statement is sent once on each connection, so the instance must be new.
        let proxy = DatabaseProxy::start(&app.pool).await;
        let other = app.spawn_instance(&[("KEEPER__DATABASE__URL", proxy.url.as_str())]).await;
        let before = all(&other).await;
        proxy.hold_reply_to("login_names");
        let method = if body.is_null() { Method::GET } else { Method::POST };
        let request = other.request(method, path, &credentials);
        let request = if body.is_null() { request } else { request.json(&body) };
        let lose = async {
            proxy.wait_until_held().await;
            proxy.lose();
        };
        let (answer, ()) = tokio::join!(request.send(), lose);
        assert!(answer.unwrap().status().is_success(), "{path}");
        assert_eq!(all(&other).await, before + expected, "{path}");
        assert_eq!(authentications(&other, "basic", "success").await, 1, "{path}");
        assert_eq!(authentications(&other, "basic", "unavailable").await, 0, "{path}");
    }
}

#[sqlx::test]
async fn a_disabled_scheme_counts_as_refused(pool: PgPool) {
    let switches = [("KEEPER__AUTHENTICATION__BASIC", "false")];
    let app = TestApp::spawn_with(pool, &switches, "").await;
    assert_counted(&app, &app.plain(), 401, ["basic", "refused"]).await;
}

#[sqlx::test]
async fn the_form_that_changes_a_password_and_signs_in_counts_once(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let path = "/keeper/users/278/change-required";
    let request = app.request(Method::PUT, path, &app.administrator());
    assert!(request.send().await.unwrap().status().is_success());
    let mut browser = Browser::new(&app);
    let former = password_of(PLAIN.1);
    let page = browser.sign_in("/login", PLAIN.1, &former).await;
    page.assert_status(403);
    assert_eq!(authentications(&app, "basic", "change_required").await, 1);
    let before = all(&app).await;
    let new = "correct horse battery staple";
    let typed = [("Password", former.as_str()), ("NewPassword", new), ("RepeatedPassword", new)];
    let answer = browser.submit(&page, "/login/change-password", &typed).await;
    answer.assert_status(303);
    assert_eq!(all(&app).await, before + 1);
    assert_eq!(authentications(&app, "basic", "change_required").await, 2);
}
