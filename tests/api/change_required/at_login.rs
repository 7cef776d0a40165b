//! A common password is found when its owner logs in.

use serde_json::json;
use sqlx::PgPool;

use super::{
    CHANGE_OWN, GOOD, MARK, assert_change_required, delete, events, stored_mark, verify_chains,
};
use crate::{
    soap,
    support::{Credentials, PRINCIPAL, TICKETS, TestApp, wait_for, wait_until},
};

const LISTED: &str = "passwordpassword";
const NIST: (&str, &str) = ("KEEPER__PASSWORDS__POLICY", "nist");

/// Starts the service with a listed password that is older than the policy.
async fn app_with_listed_password(pool: PgPool, settings: &[(&str, &str)]) -> TestApp {
    let mut app = TestApp::spawn(pool).await;
    app.save(&app.administrator(), 278, "", LISTED).await.assert_saved();
    app.reconfigure(&[&[NIST], settings].concat()).await;
    app
}

fn paul() -> Credentials {
    Credentials::basic("paul", LISTED)
}

async fn wait_until_marked(app: &TestApp) {
    wait_until("the password is marked", async || stored_mark(app).await.is_some()).await;
}

#[sqlx::test]
async fn a_listed_password_is_marked_after_the_login(pool: PgPool) {
    let app = app_with_listed_password(pool, &[]).await;
    // This login is answered as before.
    let ticket = app.ticket(&paul()).await;
    wait_until_marked(&app).await;
    assert_eq!(stored_mark(&app).await.as_deref(), Some("common_password"));
    assert_eq!(events(&app).await.last().unwrap(), "change_required");
    // What it issued has ended.
    app.get(PRINCIPAL, &Credentials::Ticket(ticket)).await.assert_unauthenticated();
    assert_change_required(&app.get(PRINCIPAL, &paul()).await);
    let change = json!({"OldPassword": LISTED, "NewPassword": GOOD});
    app.post(CHANGE_OWN, &paul(), &change).await.assert_saved();
    app.get(PRINCIPAL, &Credentials::basic("paul", GOOD)).await.assert_status(200);
    verify_chains(&app).await;
}

#[sqlx::test]
async fn every_login_with_a_typed_password_is_checked(pool: PgPool) {
    let app = app_with_listed_password(pool, &[]).await;
    for way in ["basic", "ticket", "login", "soap"] {
        match way {
            "basic" => app.get(PRINCIPAL, &paul()).await.assert_status(200),
            "ticket" => app.post(TICKETS, &paul(), &json!(null)).await.assert_status(201),
            "login" => {
                let body = json!({"UserName": "paul", "Password": LISTED});
                app.post("/login", &Credentials::Anonymous, &body).await.assert_status(200);
            }
            _ => {
                let url = format!("{}{}", app.url, soap::SERVICE);
                let request = app.client.post(url).header("Content-Type", "text/xml");
                let response = request.body(soap::login("paul", LISTED)).send().await.unwrap();
                assert_eq!(response.status(), 200, "{way}");
            }
        }
        wait_until_marked(&app).await;
        // A mark that an administrator removes is a new version, which is checked once more.
        delete(&app, MARK, &app.administrator()).await.assert_saved();
        assert_eq!(stored_mark(&app).await, None);
    }
}

/// The mark ends what the login issues, so it must wait for the answer. Each round finds the password
/// again: removing the mark makes a new version.
#[sqlx::test]
async fn the_login_that_finds_a_listed_password_succeeds(pool: PgPool) {
    let app = app_with_listed_password(pool, &[]).await;
    for _ in 0..30 {
        app.post(TICKETS, &paul(), &json!(null)).await.assert_status(201);
        wait_until_marked(&app).await;
        delete(&app, MARK, &app.administrator()).await.assert_saved();
    }
}

/// Logs in until another user, whose password is checked later, is marked: then the first one would
/// have been, too.
#[sqlx::test]
async fn other_passwords_and_users_who_cannot_change_theirs_are_not_marked(pool: PgPool) {
    let mut app = TestApp::spawn(pool).await;
    app.add_user((401, "ext"), &["--type", "external"]);
    app.add_user((402, "sys"), &["--type", "system"]);
    app.add_user((403, "last"), &[]);
    let administrator = app.administrator();
    for id in [401, 402, 403] {
        app.save(&administrator, id, "", LISTED).await.assert_saved();
    }
    app.reconfigure(&[NIST, ("KEEPER__PASSWORDS__CHECK_AT_LOGIN_EXCEPT", "system")]).await;
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    for name in ["ext", "sys", "last"] {
        app.get(PRINCIPAL, &Credentials::basic(name, LISTED)).await.assert_status(200);
    }
    let marked = "SELECT user_id FROM credentials WHERE change_required IS NOT NULL";
    let marked = wait_for("a user is marked", async || {
        let users: Vec<i32> = sqlx::query_scalar(marked).fetch_all(&app.pool).await.unwrap();
        Some(users).filter(|users| !users.is_empty())
    });
    assert_eq!(marked.await, [403]);
}

#[sqlx::test]
async fn nothing_is_marked_without_the_policy_or_when_it_is_off(pool: PgPool) {
    let mut app =
        app_with_listed_password(pool, &[("KEEPER__PASSWORDS__CHECK_AT_LOGIN", "false")]).await;
    app.get(PRINCIPAL, &paul()).await.assert_status(200);
    app.reconfigure(&[
        ("KEEPER__PASSWORDS__POLICY", "none"),
        ("KEEPER__PASSWORDS__CHECK_AT_LOGIN", "true"),
    ])
    .await;
    app.get(PRINCIPAL, &paul()).await.assert_status(200);
    // Shutdown ends every background task; a mark would have been written, or be tried now.
    app.reconfigure(&[NIST, ("KEEPER__PASSWORDS__CHECK_AT_LOGIN", "false")]).await;
    app.get(PRINCIPAL, &paul()).await.assert_status(200);
    assert_eq!(stored_mark(&app).await, None);
    assert!(!events(&app).await.contains(&"change_required".to_owned()));
}

/// The mark follows the response, so a crash in between loses it. The next process checks again.
#[sqlx::test]
async fn a_lost_mark_is_made_up_for_at_the_next_login(pool: PgPool) {
    let mut app = app_with_listed_password(pool, &[]).await;
    sqlx::raw_sql(
        "ALTER TABLE audit_events ADD CONSTRAINT no_mark CHECK (kind <> 'change_required') NOT VALID",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    app.get(PRINCIPAL, &paul()).await.assert_status(200);
    app.restart().await;
    sqlx::raw_sql("ALTER TABLE audit_events DROP CONSTRAINT no_mark")
        .execute(&app.pool)
        .await
        .unwrap();
    assert_eq!(stored_mark(&app).await, None);
    app.get(PRINCIPAL, &paul()).await.assert_status(200);
    wait_until_marked(&app).await;
}
