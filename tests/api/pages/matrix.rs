//! Every page, with every kind of caller and of request.

use credential_keeper::{Access, describe_routes};
use reqwest::Method;
use sqlx::PgPool;

use super::browser::Browser;
use crate::support::{Credentials, TestApp};

/// The users of the matrix, and what `user add` needs to know about them.
const USERS: [(&str, i32, &[&str]); 7] = [
    ("boss", 401, &["--administrator"]),
    ("sys", 402, &["--type", "system"]),
    ("plain", 403, &[]),
    ("ext", 404, &["--type", "external"]),
    ("ano", 405, &["--type", "anonymous"]),
    ("help", 406, &["--role", "help-desk"]),
    ("audit", 407, &["--role", "auditor"]),
];

/// The pages, each with the users who may read it.
const PAGES: [(&str, &[&str]); 24] = [
    ("/account", &["boss", "sys", "plain", "ext", "ano", "help", "audit"]),
    ("/account/change-password", &["boss", "sys", "plain", "ext", "ano", "help", "audit"]),
    ("/account/events", &["boss", "sys", "plain", "ext", "help", "audit"]),
    ("/account/sessions", &["boss", "sys", "plain", "ext", "help", "audit"]),
    ("/admin/activity", &["boss", "sys", "audit"]),
    ("/admin/audit", &["boss", "sys", "audit"]),
    ("/admin/audit/export", &["boss", "sys", "audit"]),
    ("/admin/export", &["boss", "sys"]),
    ("/admin/import", &["boss", "sys"]),
    ("/admin/import/{import}", &["boss", "sys"]),
    ("/admin/import/{import}/results", &["boss", "sys"]),
    ("/admin/users", &["boss", "sys", "help", "audit"]),
    ("/admin/users/new", &["boss", "sys"]),
    ("/admin/users/{id}", &["boss", "sys", "help", "audit"]),
    ("/admin/users/{id}/change", &["boss", "sys"]),
    ("/admin/users/{id}/retire", &["boss", "sys"]),
    ("/admin/users/{id}/reactivate", &["boss", "sys"]),
    ("/admin/users/{id}/delete", &["boss", "sys"]),
    ("/admin/users/{id}/credential", &["boss", "sys"]),
    ("/admin/users/{id}/credential/expire", &["boss", "sys"]),
    ("/admin/users/{id}/credential/delete", &["boss", "sys"]),
    ("/admin/users/{id}/credential/require-change", &["boss", "sys"]),
    ("/admin/users/{id}/credential/clear-change", &["boss", "sys"]),
    ("/admin/users/{id}/password", &["boss", "sys", "help"]),
];

/// The id of an import that no instance knows.
const UNKNOWN_IMPORT: &str = "00000000-0000-4000-8000-000000000000";

/// Every route of a page: method and path.
fn routes() -> Vec<(Method, &'static str)> {
    let pages = describe_routes().into_iter().filter(|route| route.access == Access::Page);
    pages.map(|route| (route.method.parse().unwrap(), route.path)).collect()
}

/// A path without parameters.
fn concrete(path: &str) -> String {
    path.replace("{id}", "278").replace("{import}", UNKNOWN_IMPORT)
}

#[test]
fn every_page_is_in_the_matrix() {
    for (method, path) in routes() {
        let is_known = PAGES.iter().any(|(known, _)| *known == path);
        assert!(method != Method::GET || is_known, "{path} is missing from the matrix");
    }
}

#[sqlx::test]
async fn each_page_is_only_for_its_readers(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (name, id, options) in USERS {
        app.add_user((id, name), options);
        let mut browser = Browser::signed_in(&app, name).await;
        for (path, readers) in PAGES {
            let page = browser.open(&concrete(path)).await;
            let expected = match readers.contains(&name) {
                true if path.contains("{import}") => 404,
                true => 200,
                false => 403,
            };
            assert_eq!(page.status.as_u16(), expected, "{name} {path}: {page:?}");
            let is_download = path == "/admin/audit/export" && expected == 200;
            let media_type = if is_download { "text/csv" } else { "text/html" };
            assert!(page.header("content-type").starts_with(media_type), "{path}");
        }
    }
}

#[sqlx::test]
async fn a_page_without_a_session_leads_to_the_login_page_and_back(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (method, path) in routes() {
        let path = concrete(path);
        let mut browser = Browser::new(&app);
        if method != Method::GET {
            let answer = browser.submit_fields(&path, &[]).await;
            answer.assert_status(401);
            assert!(answer.body.contains("Your session has ended."), "{answer:?}");
            continue;
        }
        let answer = browser.open(&path).await;
        answer.assert_status(303);
        let login = answer.header("location").to_owned();
        assert!(login.starts_with("/login?next="), "{login}");
        let answer = browser.sign_in(&login, "anna", "anna-password").await;
        answer.assert_status(303);
        assert_eq!(answer.header("location"), path);
    }
}

#[sqlx::test]
async fn a_page_authenticates_with_the_session_only(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let ticket = app.ticket(&app.administrator()).await;
    let token = app.token(&app.administrator()).await;
    let anna = Browser::signed_in(&app, "anna").await;
    for (method, path) in routes() {
        for credentials in [
            app.administrator(),
            Credentials::Ticket(ticket.clone()),
            Credentials::Bearer(token.clone()),
        ] {
            // Also beside a live session: the Authorization header decides alone.
            for browser in [Browser::new(&app), anna.copy()] {
                let mut browser = browser;
                let request = browser.request(method.clone(), &concrete(path));
                let answer = browser.send(credentials.apply_to(request)).await;
                let expected = if method == Method::GET { 303 } else { 401 };
                assert_eq!(answer.status.as_u16(), expected, "{method} {path}: {answer:?}");
            }
        }
    }
}

#[sqlx::test]
async fn a_form_needs_the_xsrf_token_of_its_own_session(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut anna = Browser::signed_in(&app, "anna").await;
    let mut paul = Browser::signed_in(&app, "paul").await;
    let foreign = paul.open("/account/sessions").await;
    let foreign = foreign.body.split_once("name=\"XSRF_TOKEN\" value=\"").unwrap().1;
    let foreign = foreign.split_once('"').unwrap().0.to_owned();
    let events = events(&app).await;
    for (method, path) in routes() {
        if method == Method::GET {
            continue;
        }
        for fields in [
            vec![],
            vec![("XSRF_TOKEN", "")],
            vec![("XSRF_TOKEN", "x")],
            vec![("XSRF_TOKEN", foreign.as_str())],
            vec![("XSRF_TOKEN", foreign.as_str()), ("XSRF_TOKEN", foreign.as_str())],
        ] {
            let fields: Vec<_> =
                fields.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
            anna.submit_fields(&concrete(path), &fields).await.assert_status(401);
        }
    }
    assert_eq!(self::events(&app).await, events);
    anna.open("/account").await.assert_status(200);
}

async fn events(app: &TestApp) -> i64 {
    let count = sqlx::query_scalar("SELECT count(*) FROM audit_events");
    count.fetch_one(&app.pool).await.unwrap()
}

#[sqlx::test]
async fn another_site_can_neither_load_a_page_nor_send_a_form(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut anna = Browser::signed_in(&app, "anna").await;
    for (method, path) in routes() {
        let path = concrete(path);
        for (site, mode, destination, is_allowed) in [
            ("none", "navigate", "document", true),
            ("same-origin", "navigate", "document", true),
            ("cross-site", "navigate", "document", method == Method::GET),
            ("same-site", "navigate", "document", method == Method::GET),
            ("cross-site", "navigate", "iframe", false),
            ("same-site", "no-cors", "image", false),
            ("same-site", "no-cors", "script", false),
            ("same-site", "cors", "empty", false),
            ("cross-site", "no-cors", "empty", false),
            ("cross-site", "cors", "document", false),
            ("nonsense", "", "", false),
        ] {
            let request = anna
                .request(method.clone(), &path)
                .header("Sec-Fetch-Site", site)
                .header("Sec-Fetch-Mode", mode)
                .header("Sec-Fetch-Dest", destination);
            let answer = anna.send(request).await;
            let is_refused = answer.status.as_u16() == 403;
            assert_ne!(is_refused, is_allowed, "{method} {path} {site} {destination}: {answer:?}");
            assert_eq!(answer.header("cross-origin-resource-policy"), "same-origin");
        }
        let repeated = anna.request(method.clone(), &path).header("Sec-Fetch-Site", "none");
        let repeated = repeated.header("Sec-Fetch-Site", "cross-site");
        anna.send(repeated).await.assert_status(403);
        if method != Method::GET {
            for origin in ["http://evil.example", "null"] {
                let request = anna.request(method.clone(), &path).header("Origin", origin);
                anna.send(request).await.assert_status(403);
            }
        }
    }
}

#[sqlx::test]
async fn pages_do_not_exist_without_sessions(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[("KEEPER__AUTHENTICATION__SESSION", "false")], "").await;
    for (method, path) in routes() {
        let mut browser = Browser::new(&app);
        let request = browser.request(method.clone(), &concrete(path));
        browser.send(request).await.assert_status(404);
    }
}
