//! Errors are pages for browsers, and error objects for programs.

use reqwest::Method;
use sqlx::PgPool;

use super::browser::Browser;
use crate::support::{Answer, Credentials, TestApp};

#[track_caller]
fn assert_page(page: &Answer, status: u16, title: &str) {
    page.assert_status(status);
    assert!(page.header("content-type").starts_with("text/html"), "{page:?}");
    assert!(page.body.contains(&format!("<h1>{title}</h1>")), "{page:?}");
    assert_eq!(page.header("cache-control"), "no-store");
    let id = page.header("x-request-id").to_owned();
    assert!(page.body.contains(&id), "{page:?}");
}

#[sqlx::test]
async fn errors_are_pages_for_browsers(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut anna = Browser::signed_in(&app, "anna").await;
    assert_page(&anna.open("/account/nowhere").await, 404, "Page not found");
    assert_page(&anna.open("/nowhere").await, 404, "Page not found");
    let cross = anna.request(Method::GET, "/account").header("Sec-Fetch-Site", "cross-site");
    let page = anna.send(cross).await;
    assert_page(&page, 403, "Permission denied");
    let put = anna.request(Method::PUT, "/account");
    let page = anna.send(put).await;
    assert_page(&page, 405, "The request was refused");
    assert_eq!(page.header("allow"), "GET, HEAD");
    let image = anna
        .request(Method::POST, "/account/sessions")
        .header("Content-Type", "image/png")
        .body("x");
    assert_page(&anna.send(image).await, 415, "The request was refused");
    let large = vec![("Comment".to_owned(), "x".repeat(70_000))];
    let page = anna.submit_fields("/account/sessions", &large).await;
    assert_page(&page, 413, "The request was refused");
    let mut german = anna.copy().in_language("de");
    assert_page(&german.open("/nowhere").await, 404, "Seite nicht gefunden");
    sqlx::query("ALTER TABLE credentials RENAME TO lost").execute(&app.pool).await.unwrap();
    let page = anna.open("/account").await;
    assert_page(&page, 503, "Try again in a moment");
    // The page of an error of a signed-in user still has the navigation.
    assert!(page.body.contains("action=\"/logout\""), "{page:?}");
}

#[sqlx::test]
async fn programs_get_error_objects(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for path in ["/nowhere", "/account/nowhere"] {
        let answer = app.get(path, &Credentials::Anonymous).await;
        answer.assert_refused(404, "SoNotFoundException", "unknown_route");
    }
    for (accept, is_page) in [
        ("text/html", true),
        ("TEXT/HTML ; level=1;q=0.1, */*;q=0.1", true),
        ("text/html;q=0, */*", false),
        ("application/xhtml+xml, text/html;q=0.000", false),
        ("text/html5", false),
        ("text/*", false),
    ] {
        let request = app.request(Method::GET, "/nowhere", &Credentials::Anonymous);
        let answer = Answer::read(request.header("Accept", accept).send().await.unwrap()).await;
        answer.assert_status(404);
        let media_type = answer.header("content-type");
        assert_eq!(media_type.starts_with("text/html"), is_page, "{accept}: {media_type}");
    }
    let mut browser = Browser::new(&app);
    for path in ["/api/v1/nowhere", "/keeper/nowhere", "/Remote/nowhere", "/assets/nowhere"] {
        let answer = browser.open(path).await;
        answer.assert_status(404);
        assert!(!answer.header("content-type").starts_with("text/html"), "{answer:?}");
    }
}
