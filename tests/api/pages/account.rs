//! Self-service: credentials, password, and sessions of the user who is signed in.

use sqlx::PgPool;

use super::browser::{Browser, form_of, values_of};
use crate::support::{Answer, Credentials, PLAIN, PRINCIPAL, TestApp, assert_becomes};

const PASSWORD: &str = "/account/change-password";
const SESSIONS: &str = "/account/sessions";

async fn works(app: &TestApp, password: &str) -> bool {
    let answer = app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, password)).await;
    answer.status.as_u16() == 200
}

async fn change(browser: &mut Browser, old: &str, new: &str, repeated: &str) -> Answer {
    let page = browser.open(PASSWORD).await;
    page.assert_status(200);
    let typed = [("OldPassword", old), ("NewPassword", new), ("RepeatedPassword", repeated)];
    browser.submit(&page, PASSWORD, &typed).await
}

#[sqlx::test]
async fn the_account_shows_the_credentials_without_values(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::signed_in(&app, "paul").await;
    let used = "SELECT count(*) FROM credentials WHERE user_id = 278 AND last_used_at IS NOT NULL";
    let used = async || sqlx::query_scalar::<_, i64>(used).fetch_one(&app.pool).await.unwrap();
    assert_becomes(1, used).await;
    let page = browser.open("/account").await;
    page.assert_status(200);
    for part in [
        "<bdi>paul</bdi>",
        "Password",
        "127.0.0.1",
        "with name and password",
        "by the operator or the service",
    ] {
        assert!(page.body.contains(part), "{part}: {page:?}");
    }
    assert!(!page.body.contains("paul-password"), "{page:?}");
    assert!(!page.body.contains("Administrator"), "{page:?}");
    let page = Browser::signed_in(&app, "anna").await.open("/account").await;
    assert!(page.body.contains("Administrator"), "{page:?}");
}

#[sqlx::test]
async fn a_user_changes_the_password_with_the_current_one(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::signed_in(&app, "paul").await;
    let mut other = Browser::signed_in(&app, "paul").await;
    let new = "another pass phrase ä";
    let answer = change(&mut browser, "paul-password", new, new).await;
    let page = browser.follow(&answer).await;
    page.assert_status(200);
    assert!(page.body.contains("Your password was changed."), "{page:?}");
    assert!(works(&app, new).await && !works(&app, "paul-password").await);
    other.open("/account").await.assert_status(303);
    let event: (String, String) = sqlx::query_as(
        "SELECT kind, scheme FROM audit_events WHERE user_id = 278 ORDER BY sequence DESC LIMIT 1",
    )
    .fetch_one(&app.pool)
    .await
    .unwrap();
    assert_eq!(event, ("credential_saved".to_owned(), "session".to_owned()));
}

#[sqlx::test]
async fn a_refused_change_says_why_at_the_field_and_keeps_no_secret(pool: PgPool) {
    let mut app = TestApp::spawn(pool).await;
    app.reconfigure(&[("KEEPER__PASSWORDS__POLICY", "nist")]).await;
    let mut browser = Browser::signed_in(&app, "paul").await;
    let good = "marker correct horse battery 7";
    let long = "x".repeat(1025);
    for (old, new, repeated, field, text) in [
        ("", good, good, "OldPassword", "Current password: is required"),
        ("marker-wrong", good, good, "OldPassword", "Current password: is incorrect"),
        ("paul-password", "", good, "NewPassword", "New password: is required"),
        ("paul-password", good, "", "RepeatedPassword", "Repeat the new password: is required"),
        ("paul-password", good, "marker-other", "RepeatedPassword", "is not the same"),
        ("paul-password", "marker", "marker", "NewPassword", "at least 15 characters"),
        ("paul-password", &long, &long, "NewPassword", "at most 1024 bytes"),
        ("paul-password", "a\0marker", "a\0marker", "NewPassword", "must not contain NUL"),
    ] {
        let page = change(&mut browser, old, new, repeated).await;
        page.assert_status(400);
        assert!(page.body.contains(text), "{text}: {page:?}");
        assert!(page.body.contains(&format!("<a href=\"#{field}\">")), "{field}: {page:?}");
        assert!(page.body.contains(&format!("id=\"{field}-error\"")), "{field}: {page:?}");
        assert!(page.body.contains("role=\"alert\" tabindex=\"-1\" autofocus"), "{page:?}");
        assert!(!page.body.contains("marker"), "{page:?}");
    }
    assert!(works(&app, "paul-password").await);
}

#[sqlx::test]
async fn wrong_current_passwords_are_throttled(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::signed_in(&app, "paul").await;
    let mut wrong = 0;
    let delayed = loop {
        let page = change(&mut browser, &format!("wrong {wrong}"), "new", "new").await;
        if page.status == 429 {
            break page;
        }
        page.assert_status(400);
        wrong += 1;
        // Three from the known address of the session, and five more. On a slow machine the first
        // delays, of 1, 2, 4 and 8 seconds, may end before the next attempt.
        assert!(wrong < 14, "no delay after {wrong} wrong passwords");
    };
    assert!(wrong >= 8, "a delay after {wrong} wrong passwords");
    assert!(delayed.body.contains("Too many failed attempts."), "{delayed:?}");
}

/// The password that a page proposes.
fn proposed(page: &Answer) -> String {
    let (_, rest) = page.body.split_once("<code class=\"secret\">").unwrap();
    rest.split_once("</code>").unwrap().0.to_owned()
}

#[sqlx::test]
async fn a_generated_password_is_saved_when_it_is_confirmed(pool: PgPool) {
    let mut app = TestApp::spawn(pool).await;
    app.reconfigure(&[("KEEPER__PASSWORDS__POLICY", "nist")]).await;
    let mut browser = Browser::signed_in(&app, "paul").await;
    let page = browser.open(PASSWORD).await;
    // A form that is sent twice proposes twice, and the browser shows the second proposal.
    let first = browser.submit(&page, PASSWORD, &[("Action", "generate")]).await;
    let second = browser.submit(&page, PASSWORD, &[("Action", "generate")]).await;
    for shown in [&first, &second] {
        shown.assert_status(200);
        assert_eq!(shown.header("cache-control"), "no-store");
    }
    let password = proposed(&second);
    assert_ne!(proposed(&first), password);
    assert!(works(&app, "paul-password").await, "a proposal changes nothing");
    let wrong = browser.submit(&second, PASSWORD, &[("OldPassword", "wrong")]).await;
    wrong.assert_status(400);
    assert!(!wrong.body.contains(&password), "a form must not repeat a secret");
    let confirmed = browser.submit(&second, PASSWORD, &[("OldPassword", "paul-password")]).await;
    confirmed.assert_status(303);
    assert!(works(&app, &password).await);
    for path in ["/account", PASSWORD] {
        assert!(!browser.open(path).await.body.contains(&password), "{path}");
    }
}

#[sqlx::test]
async fn a_proof_does_not_change_when_a_session_was_signed_in(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::signed_in(&app, "paul").await;
    let statement = "UPDATE tickets SET created_at = '2026-01-02 03:04:00Z'";
    sqlx::query(statement).execute(&app.pool).await.unwrap();
    let page = browser.open(SESSIONS).await;
    assert!(page.body.contains("2026-01-02 03:04 UTC"), "{page:?}");
}

#[sqlx::test]
async fn a_form_that_ends_all_others_twice_ends_them_once(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::signed_in(&app, "paul").await;
    app.ticket(&app.plain()).await;
    let page = browser.open(SESSIONS).await;
    let events = "SELECT count(*) FROM audit_events WHERE kind = 'sessions_ended'";
    for newer in [false, false, true] {
        if newer {
            app.ticket(&app.plain()).await;
        }
        let form = format!("{}</form>", page.body.rsplit_once("<form ").unwrap().1);
        assert!(form.contains("name=\"Others\""), "{form}");
        let mut fields = super::browser::values_of(&form);
        fields.push(("Others".to_owned(), "1".to_owned()));
        browser.submit_fields(SESSIONS, &fields).await.assert_status(303);
        let count = sqlx::query_scalar::<_, i64>(events).fetch_one(&app.pool).await.unwrap();
        assert_eq!(count, if newer { 2 } else { 1 });
        let live = "SELECT count(*) FROM tickets WHERE user_id = 278";
        let live = sqlx::query_scalar::<_, i64>(live).fetch_one(&app.pool).await.unwrap();
        assert_eq!(live, 1);
    }
}

#[sqlx::test]
async fn a_user_ends_one_session_or_all_others(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::signed_in(&app, "paul").await;
    let ticket = Credentials::Ticket(app.ticket(&app.plain()).await);
    let mut second = Browser::signed_in(&app, "paul").await;
    let foreign = Browser::signed_in(&app, "anna").await;
    let page = browser.open(SESSIONS).await;
    page.assert_status(200);
    assert_eq!(page.body.matches("This session").count(), 1, "{page:?}");
    assert_eq!(page.body.matches("name=\"Ticket\"").count(), 2, "{page:?}");
    // The newest is first: the second session.
    let answer = browser.submit(&page, SESSIONS, &[]).await;
    let page = browser.follow(&answer).await;
    assert!(page.body.contains("The session has ended."), "{page:?}");
    second.open("/account").await.assert_status(303);
    app.get(PRINCIPAL, &ticket).await.assert_status(200);
    let page = browser.open(SESSIONS).await;
    let mut fields = values_of(&form_of(&page.body, SESSIONS));
    fields.retain(|(name, _)| name != "Ticket");
    browser.submit_fields(SESSIONS, &fields).await.assert_status(400);
    fields.push(("Others".to_owned(), "1".to_owned()));
    let answer = browser.submit_fields(SESSIONS, &fields).await;
    let page = browser.follow(&answer).await;
    assert!(page.body.contains("All other sessions have ended."), "{page:?}");
    app.get(PRINCIPAL, &ticket).await.assert_unauthenticated();
    foreign.copy().open("/account").await.assert_status(200);
}

#[sqlx::test]
async fn a_user_cannot_end_the_session_of_another(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let anna = Browser::signed_in(&app, "anna").await;
    let digest: Vec<u8> = sqlx::query_scalar("SELECT digest FROM tickets WHERE user_id = 1")
        .fetch_one(&app.pool)
        .await
        .unwrap();
    let id = data_encoding::HEXLOWER.encode(&digest);
    let mut browser = Browser::signed_in(&app, "paul").await;
    app.ticket(&app.plain()).await;
    let page = browser.open(SESSIONS).await;
    let fields = values_of(&form_of(&page.body, SESSIONS));
    for (value, status) in [(id.as_str(), 303), ("", 400), ("zz", 400), ("00", 400)] {
        let mut fields = fields.clone();
        fields.retain(|(name, _)| name != "Ticket");
        fields.push(("Ticket".to_owned(), value.to_owned()));
        browser.submit_fields(SESSIONS, &fields).await.assert_status(status);
    }
    anna.copy().open("/account").await.assert_status(200);
}

#[sqlx::test]
async fn signing_out_ends_the_session_of_the_pages(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::signed_in(&app, "paul").await;
    let stolen = browser.copy();
    let page = browser.open("/account").await;
    let answer = browser.submit(&page, "/logout", &[]).await;
    answer.assert_status(303);
    assert_eq!(answer.header("location"), "/login");
    stolen.copy().open("/account").await.assert_status(303);
}
