//! The page of a user, and the forms on it.

use sqlx::PgPool;

use super::admin_browser::{Browser, form};
use crate::support::{Answer, Credentials, PLAIN, PRINCIPAL, TestApp, password_of};

const PAGE: &str = "/admin/users/278";

/// Asserts a redirect to the page of the user with a notice, and opens it.
async fn assert_notice(browser: &Browser, answer: &Answer, notice: &str) -> Answer {
    answer.assert_status(303);
    assert!(answer.header("location").starts_with(PAGE), "{answer:?}");
    let page = browser.open(answer.header("location")).await;
    assert!(page.body.contains(notice), "{notice}: {page:?}");
    page
}

/// The kinds of the last events of the plain user.
async fn last_kinds(app: &TestApp, number: i64) -> Vec<String> {
    let statement = "SELECT kind FROM audit_events WHERE user_id = 278
                     ORDER BY sequence DESC LIMIT $1";
    sqlx::query_scalar(statement).bind(number).fetch_all(&app.pool).await.unwrap()
}

#[sqlx::test]
async fn the_page_shows_everything_about_a_user_but_no_secret(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.save(&app.administrator(), PLAIN.0, "ActiveDirectory", "S-1-5-21-7").await.assert_saved();
    app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, "wrong")).await.assert_status(401);
    let ticket = app.ticket(&app.plain()).await;
    app.session(PLAIN.1).await;
    let browser = Browser::signed_in(&app, "anna").await;
    let page = browser.open(PAGE).await;
    for text in [
        "<bdi>paul</bdi>",
        "<dd>278</dd>",
        "Employee",
        "Active Directory",
        "Failed attempts",
        "Tickets and sessions",
        "Unlimited",
        "Operator or service",
        "<bdi>anna</bdi>",
    ] {
        assert!(page.body.contains(text), "{text}: {page:?}");
    }
    assert_eq!(page.body.matches("/tickets/end\"").count(), 2, "{page:?}");
    for secret in [ticket.as_str(), "S-1-5-21-7", "argon2id", &password_of(PLAIN.1)] {
        assert!(!page.body.contains(secret), "{secret}");
    }
    assert_eq!(page.body.matches("<h1").count(), 1);
    assert!(page.body.len() <= 50_000, "{} bytes", page.body.len());
    for unknown in ["/admin/users/999999", "/admin/users/0", "/admin/users/x"] {
        let answer = browser.get(unknown).await;
        answer.assert_status(404);
        assert!(answer.header("content-type").starts_with("text/html"), "{answer:?}");
    }
}

#[sqlx::test]
async fn a_locked_user_is_unlocked_once(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, "wrong")).await.assert_status(401);
    sqlx::raw_sql("UPDATE authentication_attempts SET failures = 100 WHERE user_id = 278")
        .execute(&app.pool)
        .await
        .unwrap();
    let browser = Browser::signed_in(&app, "anna").await;
    let page = browser.open(PAGE).await;
    assert!(page.body.contains("Locked"), "{page:?}");
    let unlock = form(&page, "/admin/users/278/unlock");
    let page = assert_notice(&browser, &browser.send(&unlock, &[]).await, "was unlocked").await;
    assert!(page.body.contains("There are no failed attempts."), "{page:?}");
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    assert_eq!(last_kinds(&app, 1).await, ["credential_unlocked"]);
    // A double click.
    assert_notice(&browser, &browser.send(&unlock, &[]).await, "Nothing was changed").await;
    assert_eq!(last_kinds(&app, 2).await, ["credential_unlocked", "credential_saved"]);
}

#[sqlx::test]
async fn a_user_is_unlocked_with_a_recent_proof_and_a_reason(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, "wrong")).await.assert_status(401);
    let browser = Browser::signed_in(&app, "anna").await;
    assert!(!browser.open(PAGE).await.body.contains("name=\"OwnPassword\""));
    let outdated = "UPDATE tickets SET auth_time = now() - interval '11 minutes'";
    sqlx::query(outdated).execute(&app.pool).await.unwrap();
    let unlock = form(&browser.open(PAGE).await, "/admin/users/278/unlock");
    for (password, status) in [("", 403), ("wrong", 400)] {
        let typed = [("OwnPassword", password), ("Reason", "case 4711")];
        let page = browser.send(&unlock, &typed).await;
        page.assert_status(status);
        assert!(page.body.contains("<a href=\"#OwnPassword\">"), "{page:?}");
        assert!(page.body.contains("value=\"case 4711\""), "{page:?}");
    }
    assert_eq!(last_kinds(&app, 1).await, ["credential_saved"]);
    let typed = [("OwnPassword", "anna-password"), ("Reason", "case 4711")];
    assert_notice(&browser, &browser.send(&unlock, &typed).await, "was unlocked").await;
    let reason =
        "SELECT reason FROM audit_events WHERE user_id = 278 ORDER BY sequence DESC LIMIT 1";
    let reason: Option<String> = sqlx::query_scalar(reason).fetch_one(&app.pool).await.unwrap();
    assert_eq!(reason.as_deref(), Some("case 4711"));
}

#[sqlx::test]
async fn tickets_and_sessions_are_ended_one_by_one_and_all_at_once(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let first = Credentials::Ticket(app.ticket(&app.plain()).await);
    let session = app.session(PLAIN.1).await;
    let browser = Browser::signed_in(&app, "anna").await;
    // The newest is the first one on the page.
    let page = browser.open(PAGE).await;
    let end = form(&page, "/admin/users/278/tickets/end");
    assert_notice(&browser, &browser.send(&end, &[]).await, "was ended").await;
    app.get(PRINCIPAL, &session).await.assert_unauthenticated();
    app.get(PRINCIPAL, &first).await.assert_status(200);
    assert_notice(&browser, &browser.send(&end, &[]).await, "Nothing was changed").await;
    let page = browser.open(PAGE).await;
    let all = form(&page, "/admin/users/278/tickets/end-all");
    let page = assert_notice(&browser, &browser.send(&all, &[]).await, "were ended").await;
    assert!(page.body.contains("No ticket or session is valid."), "{page:?}");
    app.get(PRINCIPAL, &first).await.assert_unauthenticated();
    assert_eq!(last_kinds(&app, 2).await, ["sessions_ended", "session_ended"]);
    // A double click.
    assert_notice(&browser, &browser.send(&all, &[]).await, "Nothing was changed").await;
    assert_eq!(last_kinds(&app, 2).await, ["sessions_ended", "session_ended"]);
    // What is newer than the page ends, too.
    let newer = Credentials::Ticket(app.ticket(&app.plain()).await);
    assert_notice(&browser, &browser.send(&all, &[]).await, "were ended").await;
    app.get(PRINCIPAL, &newer).await.assert_unauthenticated();
    assert_eq!(last_kinds(&app, 2).await, ["sessions_ended", "ticket_issued"]);
}

#[sqlx::test]
async fn a_user_is_retired_and_reactivated(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let browser = Browser::signed_in(&app, "anna").await;
    let page = browser.open("/admin/users/278/retire").await;
    assert!(page.body.contains("can no longer sign in"), "{page:?}");
    let retire = form(&page, "/admin/users/278/retire");
    for _ in 0..2 {
        let answer = browser.send(&retire, &[("Confirm", "true")]).await;
        assert_notice(&browser, &answer, "The user was retired.").await;
    }
    app.get(PRINCIPAL, &app.plain()).await.assert_unauthenticated();
    assert_eq!(last_kinds(&app, 2).await, ["user_retired", "credential_saved"]);
    let page = browser.open(PAGE).await;
    assert!(page.body.contains("href=\"/admin/users/278/reactivate\""), "{page:?}");
    let page = browser.open("/admin/users/278/reactivate").await;
    let reactivate = form(&page, "/admin/users/278/reactivate");
    for _ in 0..2 {
        let answer = browser.send(&reactivate, &[]).await;
        assert_notice(&browser, &answer, "The user was reactivated.").await;
    }
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    assert_eq!(last_kinds(&app, 2).await, ["user_reactivated", "user_retired"]);
}
