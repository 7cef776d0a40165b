//! A form whose session ends before it is sent loses nothing but secrets.

use sqlx::PgPool;

use super::browser::{Browser, form_of, values_of};
use crate::support::{Answer, Credentials, PRINCIPAL, TestApp};

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
    assert!(login.body.contains("Your entries are kept, except passwords."), "{login:?}");
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

/// The path of a page, the action of its form, and what is typed.
type FormOfPage = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// The forms of administrators.
const FORMS: [FormOfPage; 8] = [
    (
        "/admin/users/new",
        "/admin/users/new",
        &[("UserName", "new"), ("Type", "system"), ("Role", "auditor"), ("First", "generated")],
    ),
    (
        "/admin/users/278/change",
        "/admin/users/278/change",
        &[("DisplayName", "Pauline"), ("Type", "system"), ("Role", "auditor")],
    ),
    ("/admin/users/278/retire", "/admin/users/278/retire", &[]),
    ("/admin/users/278/reactivate", "/admin/users/278/reactivate", &[]),
    ("/admin/users/278/delete", "/admin/users/278/delete", &[("UserName", "paul")]),
    (
        "/admin/users/278/credential?type=CRM5%2FPASSWORD",
        "/admin/users/278/credential",
        &[("CredentialValue", "typed-secret"), ("DisplayValue", "shown"), ("ValidTo", "x")],
    ),
    (
        "/admin/users/278/credential/delete?type=CRM5%2FPASSWORD",
        "/admin/users/278/credential/delete",
        &[],
    ),
    ("/admin/users/278/password", "/admin/users/278/password", &[]),
];

#[sqlx::test]
async fn every_form_of_administrators_keeps_what_was_typed(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let events = "SELECT count(*) FROM audit_events WHERE user_id <> 1";
    let events = || sqlx::query_scalar::<_, i64>(events).fetch_one(&app.pool);
    let before = events().await.unwrap();
    for (path, action, typed) in FORMS {
        let mut browser = Browser::signed_in(&app, "anna").await;
        let page = browser.open(path).await;
        page.assert_status(200);
        end_every_session(&app).await;
        let typed = [typed, &[("Reason", "Ticket <4711>"), ("OwnPassword", "typed-secret")]];
        let login = browser.submit(&page, action, &typed.concat()).await;
        login.assert_status(401);
        let name = [("UserName", "anna"), ("Password", "anna-password")];
        let resume = browser.submit(&login, "/login", &name).await;
        resume.assert_status(200);
        let shown = browser.submit(&resume, action, &[]).await;
        assert_eq!(shown.status.as_u16(), 200, "{path}: {shown:?}");
        let form = form_of(&shown.body, action);
        for (name, value) in typed.concat() {
            let value = value.replace('<', "&#60;").replace('>', "&#62;");
            let is_secret = ["CredentialValue", "OwnPassword"].contains(&name);
            let is_shown = form.contains(&format!("value=\"{value}\""));
            let is_chosen = !form.contains(&format!("<option value=\"{value}\">"));
            assert_eq!(is_shown && is_chosen, !is_secret, "{path} {name}: {form}");
        }
        assert!(!shown.body.contains("typed-secret"), "{path}: {shown:?}");
        assert!(!shown.body.contains("role=\"alert\""), "{path}: {shown:?}");
    }
    assert_eq!(events().await.unwrap(), before);
}

#[sqlx::test]
async fn a_resumed_form_says_that_its_credential_has_changed(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for page in ["credential", "credential/expire", "credential/delete", "password"] {
        let mut browser = Browser::signed_in(&app, "anna").await;
        let action = format!("/admin/users/278/{page}");
        let opened = browser.open(&format!("{action}?type=CRM5%2FPASSWORD")).await;
        app.save(&app.administrator(), 278, "CRM5/PASSWORD", "another value").await.assert_saved();
        end_every_session(&app).await;
        let login = browser.submit(&opened, &action, &[("Reason", "x")]).await;
        let name = [("UserName", "anna"), ("Password", "anna-password")];
        let resume = browser.submit(&login, "/login", &name).await;
        let shown = browser.submit(&resume, &action, &[]).await;
        shown.assert_status(200);
        assert!(shown.body.contains("The credential was changed after"), "{page}: {shown:?}");
    }
}

#[sqlx::test]
async fn a_resumed_form_says_that_its_user_has_changed(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::signed_in(&app, "anna").await;
    let action = "/admin/users/278/change";
    let opened = browser.open(action).await;
    app.command(&["user", "set-role", "paul", "auditor"], "").assert_success();
    end_every_session(&app).await;
    let chosen = [("DisplayName", "Pauline"), ("Type", "internal"), ("Administrator", "")];
    let typed = [&chosen[..], &[("Role", "none")]].concat();
    let login = browser.submit(&opened, action, &typed).await;
    let name = [("UserName", "anna"), ("Password", "anna-password")];
    let resume = browser.submit(&login, "/login", &name).await;
    let shown = browser.submit(&resume, action, &[]).await;
    shown.assert_status(200);
    assert!(shown.body.contains("The user was changed after this form"), "{shown:?}");
    assert!(shown.body.contains("value=\"Pauline\""), "{shown:?}");
    assert!(shown.body.contains("<option value=\"auditor\" selected>"), "{shown:?}");
    // Sent from that page, it is saved.
    let typed = [&chosen[..], &[("Role", "auditor")]].concat();
    browser.submit(&shown, action, &typed).await.assert_status(303);
}

#[sqlx::test]
async fn a_button_of_the_page_of_a_user_leads_back_to_that_page(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for action in ["unlock", "tickets/end", "tickets/end-all"] {
        app.ticket(&app.plain()).await;
        let wrong = Credentials::basic("paul", "wrong");
        app.get(PRINCIPAL, &wrong).await.assert_unauthenticated();
        let mut browser = Browser::signed_in(&app, "anna").await;
        let page = browser.open("/admin/users/278?notice=user-changed").await;
        end_every_session(&app).await;
        let action = format!("/admin/users/278/{action}");
        let login = browser.submit(&page, &action, &[]).await;
        login.assert_status(401);
        let typed = [("UserName", "anna"), ("Password", "anna-password")];
        let mut answer = browser.submit(&login, "/login", &typed).await;
        if answer.status == 200 {
            answer = browser.submit(&answer, &action, &[]).await;
        }
        answer.assert_status(303);
        assert_eq!(answer.header("location"), "/admin/users/278", "{action}");
        browser.follow(&answer).await.assert_status(200);
    }
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
