//! Who may open the pages of administrators, and send their forms.

use credential_keeper::{Access, describe_routes};
use sqlx::PgPool;

use super::admin_browser::{Browser, form};
use crate::support::{Credentials, PLAIN, TestApp};

/// Every page of administrators about a user.
const PAGES: [&str; 11] = [
    "/admin/users",
    "/admin/users/new",
    "/admin/users/{id}",
    "/admin/users/{id}/change",
    "/admin/users/{id}/retire",
    "/admin/users/{id}/reactivate",
    "/admin/users/{id}/delete",
    "/admin/users/{id}/credential?type=CRM5%2FPASSWORD",
    "/admin/users/{id}/credential/delete?type=CRM5%2FPASSWORD",
    "/admin/users/{id}/credential/require-change?type=CRM5%2FPASSWORD",
    "/admin/users/{id}/password",
];

/// Every form, with fields that would change the user. The one with a file comes without it.
const FORMS: [(&str, &[(&str, &str)]); 17] = [
    ("/admin/export", &[]),
    ("/admin/import", &[("Mode", "import")]),
    ("/admin/import/{import}/cancel", &[]),
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
    ("/admin/users/{id}/credential/require-change", &[("Type", "CRM5/PASSWORD"), ("Version", "2")]),
    ("/admin/users/{id}/credential/clear-change", &[("Type", "CRM5/PASSWORD"), ("Version", "2")]),
    ("/admin/users/{id}/password", &[("Version", "2")]),
    ("/admin/users/{id}/tickets/end", &[("Ticket", TICKET)]),
    ("/admin/users/{id}/tickets/end-all", &[]),
];

/// The id of an import that does not exist.
const IMPORT: &str = "00000000-0000-4000-8000-000000000000";

/// The id of a ticket that does not exist.
const TICKET: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// The target of the pages.
const OTHER: (i32, &str) = (500, "otto");

/// A path without parameters.
fn concrete(path: &str) -> String {
    path.replace("{id}", "500").replace("{import}", IMPORT)
}

#[test]
fn every_form_is_in_the_list() {
    for route in describe_routes() {
        let is_form = route.access == Access::Page && route.method != "GET";
        if is_form && route.path.starts_with("/admin/") {
            let is_known = FORMS.iter().any(|(path, _)| *path == route.path);
            assert!(is_known, "the form {} is missing", route.path);
        }
    }
}

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
    app.add_user((505, "help"), &["--role", "help-desk"]);
    app.add_user((506, "audit"), &["--role", "auditor"]);
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
    for name in ["paul", "ext", "ano", "res", "audit"] {
        let browser = Browser::signed_in(&app, name).await;
        let refused = browser.get("/admin/users").await;
        let token = form(&refused, "/logout").hidden;
        for (path, fields) in FORMS {
            let own = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            let fields: Vec<_> = token
                .iter()
                .cloned()
                .chain(own)
                .chain([("Signature".to_owned(), "x".to_owned())])
                .collect();
            let answer = browser.post(&concrete(path), &fields).await;
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
            browser.post(&concrete(path), &fields).await.assert_status(401);
        }
    }
    assert_eq!(state(&app.pool).await, before);
}

#[sqlx::test]
async fn losing_the_right_closes_the_pages_at_once(pool: PgPool) {
    let app = app_with_everybody(pool).await;
    let browser = Browser::signed_in(&app, "anna").await;
    let page = browser.open("/admin/users/500/retire").await;
    let retire = form(&page, "/admin/users/500/retire");
    app.command(&["user", "grant-admin", "paul"], "").assert_success();
    app.command(&["user", "revoke-admin", "anna"], "").assert_success();
    browser.get("/admin/users").await.assert_status(403);
    browser.send(&retire, &[]).await.assert_status(403);
    let retired = sqlx::query_scalar::<_, bool>("SELECT is_retired FROM users WHERE user_id = 500");
    assert!(!retired.fetch_one(&app.pool).await.unwrap());
}

/// The hidden fields of a session's forms.
async fn token(browser: &Browser) -> Vec<(String, String)> {
    form(&browser.get("/admin/users").await, "/logout").hidden
}

#[sqlx::test]
async fn the_help_desk_acts_only_on_users_without_rights_over_others(pool: PgPool) {
    let app = app_with_everybody(pool).await;
    app.ticket(&Credentials::basic("otto", "otto-password")).await;
    app.ticket(&app.administrator()).await;
    let browser = Browser::signed_in(&app, "help").await;
    let page = browser.open("/admin/users/500").await;
    for allowed in ["/password\"", "/tickets/end\"", "/tickets/end-all\""] {
        assert!(page.body.contains(allowed), "{allowed}: {page:?}");
    }
    for refused in ["/change\"", "/retire\"", "/delete\"", "/credential"] {
        assert!(!page.body.contains(refused), "{refused}: {page:?}");
    }
    let password = browser.open("/admin/users/500/password").await;
    let generate = form(&password, "/admin/users/500/password");
    browser.send(&generate, &[]).await.assert_status(200);
    let before = state(&app.pool).await;
    let token = token(&browser).await;
    for (protected, name) in [(1, "anna"), (501, "sys"), (505, "help"), (506, "audit")] {
        let page = browser.open(&format!("/admin/users/{protected}")).await;
        assert!(page.body.contains(name), "{page:?}");
        assert_eq!(page.body.matches("<form").count(), 1, "only to sign out: {page:?}");
        assert!(!page.body.contains("/password\""), "{page:?}");
        browser.get(&format!("/admin/users/{protected}/password")).await.assert_status(403);
        for path in ["password", "unlock", "tickets/end-all", "retire", "delete"] {
            // Their own tickets are theirs to end.
            if protected == 505 && path.starts_with("tickets") {
                continue;
            }
            let fields: Vec<_> =
                token.iter().cloned().chain([("Version".into(), "2".into())]).collect();
            let path = format!("/admin/users/{protected}/{path}");
            browser.post(&path, &fields).await.assert_status(403);
        }
    }
    assert_eq!(state(&app.pool).await, before);
}

#[sqlx::test]
async fn an_auditor_sees_everything_and_no_button(pool: PgPool) {
    let app = app_with_everybody(pool).await;
    app.ticket(&app.administrator()).await;
    let browser = Browser::signed_in(&app, "audit").await;
    for id in [1, 500, 501] {
        let page = browser.open(&format!("/admin/users/{id}")).await;
        assert!(page.body.contains("Tickets and sessions"), "{page:?}");
        assert_eq!(page.body.matches("<form").count(), 1, "only to sign out: {page:?}");
        for page_of_changes in ["/change\"", "/retire\"", "/delete\"", "/credential", "/password\""]
        {
            assert!(!page.body.contains(page_of_changes), "{page_of_changes}: {page:?}");
        }
    }
    assert!(!browser.open("/admin/users").await.body.contains("/admin/users/new"));
}
