//! Who may open the pages of administrators, and send their forms.

use sqlx::PgPool;

use super::admin_browser::Browser;
use crate::support::{PLAIN, TestApp};

/// Every page of administrators about a user.
const PAGES: [&str; 9] = [
    "/admin/users",
    "/admin/users/new",
    "/admin/users/{id}",
    "/admin/users/{id}/change",
    "/admin/users/{id}/retire",
    "/admin/users/{id}/delete",
    "/admin/users/{id}/credential?type=CRM5%2FPASSWORD",
    "/admin/users/{id}/credential/delete?type=CRM5%2FPASSWORD",
    "/admin/users/{id}/password",
];

/// Every form, with fields that would change the user.
const FORMS: [(&str, &[(&str, &str)]); 12] = [
    ("/admin/users/new", &[("UserName", "new"), ("Type", "internal"), ("First", "none")]),
    ("/admin/users/{id}/change", &[("UserName", "other"), ("Type", "internal")]),
    ("/admin/users/{id}/retire", &[]),
    ("/admin/users/{id}/reactivate", &[]),
    ("/admin/users/{id}/delete", &[("UserName", "otto")]),
    ("/admin/users/{id}/unlock", &[]),
    (
        "/admin/users/{id}/credential",
        &[("Type", "CRM5/PASSWORD"), ("Version", "2"), ("CredentialValue", "stolen password")],
    ),
    ("/admin/users/{id}/credential/expire", &[("Type", "CRM5/PASSWORD"), ("Version", "2")]),
    ("/admin/users/{id}/credential/delete", &[("Type", "CRM5/PASSWORD"), ("Version", "2")]),
    ("/admin/users/{id}/password", &[("Version", "2")]),
    ("/admin/users/{id}/tickets/end", &[("Ticket", TICKET)]),
    ("/admin/users/{id}/tickets/end-all", &[]),
];

/// The id of a ticket that does not exist.
const TICKET: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The target of the pages.
const OTHER: (i32, &str) = (500, "otto");

/// Everything that a form could change.
async fn state(pool: &PgPool) -> Vec<String> {
    let statement = "SELECT (user_id, sequence, kind)::text FROM audit_events
                     WHERE kind NOT IN ('session_started', 'session_ended') ORDER BY 1";
    sqlx::query_scalar(statement).fetch_all(pool).await.unwrap()
}

async fn app_with_everybody(pool: PgPool) -> TestApp {
    let app = TestApp::spawn(pool).await;
    app.add_user(OTHER, &[]);
    app.add_user((501, "sys"), &["--type", "system"]);
    app.add_user((502, "ext"), &["--type", "external", "--administrator"]);
    app.add_user((503, "ano"), &["--type", "anonymous"]);
    app.add_user((504, "res"), &["--type", "resource"]);
    app
}

#[sqlx::test]
async fn only_administrators_and_system_users_open_the_pages(pool: PgPool) {
    let app = app_with_everybody(pool).await;
    for (name, status) in
        [("anna", 200), ("sys", 200), ("paul", 403), ("ext", 403), ("ano", 403), ("res", 403)]
    {
        let browser = Browser::signed_in(&app, name).await;
        // Nobody learns from the status whether a user exists.
        for id in [OTHER.0, PLAIN.0, 999_999] {
            for path in PAGES {
                let page = browser.get(&path.replace("{id}", &id.to_string())).await;
                let is_missing = id == 999_999 && path.contains("{id}") && status == 200;
                page.assert_status(if is_missing { 404 } else { status });
                assert!(page.header("content-type").starts_with("text/html"), "{page:?}");
                assert_eq!(page.header("cache-control"), "no-store");
                if status == 403 {
                    assert!(!page.body.contains("Otto") && !page.body.contains("otto"), "{path}");
                }
            }
        }
    }
    let nobody = Browser::anonymous(&app);
    for path in PAGES {
        let answer = nobody.get(&path.replace("{id}", "500")).await;
        answer.assert_status(303);
        assert!(answer.header("location").starts_with("/login?next="), "{answer:?}");
    }
}

#[sqlx::test]
async fn a_form_of_somebody_without_the_right_changes_nothing(pool: PgPool) {
    let app = app_with_everybody(pool).await;
    let before = state(&app.pool).await;
    for name in ["paul", "ext", "ano", "res"] {
        let browser = Browser::signed_in(&app, name).await;
        let refused = browser.get("/admin/users").await;
        let token = super::admin_browser::form(&refused, "/logout").hidden;
        for (path, fields) in FORMS {
            let own = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let fields: Vec<_> = token
                .iter()
                .cloned()
                .chain(own)
                .chain([("Signature".to_owned(), "x".to_owned())])
                .collect();
            let answer = browser.post(&path.replace("{id}", "500"), &fields).await;
            answer.assert_status(403);
            assert!(answer.header("content-type").starts_with("text/html"), "{answer:?}");
        }
    }
    assert_eq!(state(&app.pool).await, before);
}

#[sqlx::test]
async fn a_form_without_the_token_of_the_session_changes_nothing(pool: PgPool) {
    let app = app_with_everybody(pool).await;
    let before = state(&app.pool).await;
    let browser = Browser::signed_in(&app, "anna").await;
    for (path, fields) in FORMS {
        let fields: Vec<_> =
            fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        for token in [None, Some("x")] {
            let token = token.map(|token| ("XSRF_TOKEN".to_owned(), token.to_owned()));
            let fields: Vec<_> = fields.iter().cloned().chain(token).collect();
            browser.post(&path.replace("{id}", "500"), &fields).await.assert_status(401);
        }
    }
    assert_eq!(state(&app.pool).await, before);
}

#[sqlx::test]
async fn losing_the_right_closes_the_pages_at_once(pool: PgPool) {
    let app = app_with_everybody(pool).await;
    let browser = Browser::signed_in(&app, "anna").await;
    let page = browser.open("/admin/users/500/retire").await;
    let form = super::admin_browser::form(&page, "/admin/users/500/retire");
    app.command(&["user", "revoke-admin", "anna"], "").assert_success();
    browser.get("/admin/users").await.assert_status(403);
    browser.send(&form, &[]).await.assert_status(403);
    let retired = sqlx::query_scalar::<_, bool>("SELECT is_retired FROM users WHERE user_id = 500");
    assert!(!retired.fetch_one(&app.pool).await.unwrap());
}
