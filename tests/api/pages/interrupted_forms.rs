//! A form whose session ends before it is sent loses nothing but secrets.

use sqlx::PgPool;

use super::browser::{Browser, form_of, values_of};
use crate::support::{Answer, TestApp};

const PATH: &str = "/account/sessions";

/// Fields as a page with a text field has them.
const TYPED: [(&str, &str); 4] = [
    ("KEEP", "Comment Other NewPassword"),
    ("Comment", "<i>å & \"b\"'=%2B+\u{202e}\u{5d0}"),
    ("NewPassword", "typed-secret"),
    ("PAGE", "/account"),
];

async fn end_every_session(app: &TestApp) {
    sqlx::query("DELETE FROM tickets").execute(&app.pool).await.unwrap();
}

#[track_caller]
fn assert_resumes(page: &Answer) -> Vec<(String, String)> {
    assert!(!page.body.contains("typed-secret"), "{page:?}");
    let fields = values_of(&form_of(&page.body, PATH));
    let value =
        |name: &str| fields.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    assert_eq!(value("Comment").as_deref(), Some(TYPED[1].1));
    assert_eq!(value("RESUME").as_deref(), Some("1"));
    assert_eq!(value("KEEP").as_deref(), Some("Comment"));
    fields
}

#[sqlx::test]
async fn an_expired_session_keeps_what_was_typed_and_changes_nothing(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::signed_in(&app, "paul").await;
    app.ticket(&app.plain()).await;
    let page = browser.open(PATH).await;
    end_every_session(&app).await;
    let login = browser.submit(&page, PATH, &TYPED).await;
    login.assert_status(401);
    login.header("www-authenticate");
    assert!(login.body.contains("What you typed is kept, except passwords."), "{login:?}");
    assert!(!login.body.contains("typed-secret"), "{login:?}");
    // A wrong password in between loses nothing, either.
    let wrong = [("UserName", "paul"), ("Password", "wrong")];
    let login = browser.submit(&login, "/login", &wrong).await;
    login.assert_status(401);
    let typed = [("UserName", "paul"), ("Password", "paul-password")];
    let resume = browser.submit(&login, "/login", &typed).await;
    resume.assert_status(200);
    assert!(resume.body.contains("You are signed in again."), "{resume:?}");
    let fields = assert_resumes(&resume);
    let other = Browser::signed_in(&app, "paul").await;
    // The form is only shown again: the other session, which it would end, is still there.
    let fields = [fields, vec![("Others".to_owned(), "1".to_owned())]].concat();
    let shown = browser.submit_fields(PATH, &fields).await;
    shown.assert_status(200);
    other.copy().open(PATH).await.assert_status(200);
}

#[sqlx::test]
async fn a_form_without_typed_values_returns_to_its_page(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::signed_in(&app, "paul").await;
    app.ticket(&app.plain()).await;
    let page = browser.open(PATH).await;
    end_every_session(&app).await;
    let login = browser.submit(&page, PATH, &[]).await;
    login.assert_status(401);
    let typed = [("UserName", "paul"), ("Password", "paul-password")];
    let answer = browser.submit(&login, "/login", &typed).await;
    answer.assert_status(303);
    assert_eq!(answer.header("location"), PATH);
}

#[sqlx::test]
async fn a_form_of_an_earlier_session_in_another_tab_is_kept(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::signed_in(&app, "paul").await;
    app.ticket(&app.plain()).await;
    let stale = browser.open(PATH).await;
    browser.submit(&stale, "/logout", &[]).await.assert_status(303);
    browser.sign_in("/login", "anna", "anna-password").await.assert_status(303);
    let page = browser.submit(&stale, PATH, &TYPED).await;
    page.assert_status(401);
    assert!(page.body.contains("You signed in again after this page was opened."), "{page:?}");
    let fields = assert_resumes(&page);
    browser.submit_fields(PATH, &fields).await.assert_status(200);
    browser.open("/account").await.assert_status(200);
}

#[sqlx::test]
async fn hidden_values_of_the_login_page_lead_nowhere_else(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (action, fields) in [
        ("//evil.example", "Comment=1"),
        ("https://evil.example/account", "Comment=1"),
        ("/logout", "Comment=1"),
        ("/account/sessions", ""),
        ("/account/sessions", "NewPassword=1&XSRF_TOKEN=1&RESUME=1"),
    ] {
        let mut browser = Browser::new(&app);
        let page = browser.open("/login").await;
        let typed = [
            ("UserName", "paul"),
            ("Password", "paul-password"),
            ("KeptAction", action),
            ("KeptFields", fields),
        ];
        let answer = browser.submit(&page, "/login", &typed).await;
        answer.assert_status(303);
        assert_eq!(answer.header("location"), "/account", "{action} {fields}");
    }
}
