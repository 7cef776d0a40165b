//! Exports of users that end before they are complete.

use reqwest::{Method, Response};
use sqlx::PgPool;
use url::form_urlencoded;

use super::{
    browser::{Browser, form_of, values_of},
    transfers::EXPORT,
};
use crate::{
    rest::add_rows,
    support::{TestApp, password_of, wait_for},
};

/// Users whose export is larger than all buffers between the service and a client that does not read.
const USERS: i32 = 60_000;

/// Begins an export, and returns the response with its first lines.
async fn begin(browser: &mut Browser) -> (Response, Vec<u8>) {
    let page = browser.open(EXPORT).await;
    page.assert_status(200);
    let fields = values_of(&form_of(&page.body, EXPORT));
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
    let request = browser
        .request(Method::POST, EXPORT)
        .header("Content-Type", "application/x-www-form-urlencoded")
        .header("Sec-Fetch-Site", "same-origin")
        .body(body);
    let mut response = request.send().await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
    let first = response.chunk().await.unwrap().unwrap().to_vec();
    (response, first)
}

fn lines_of(text: &[u8]) -> usize {
    String::from_utf8_lossy(text).matches('\n').count()
}

/// The rest of a response that is cut off. Panics if it is complete.
async fn read_until_cut_off(mut response: Response, mut text: Vec<u8>) -> usize {
    loop {
        match response.chunk().await {
            Ok(Some(bytes)) => text.extend_from_slice(&bytes),
            Ok(None) => panic!("the response looks complete"),
            Err(_) => return lines_of(&text),
        }
    }
}

/// The reason of the event of the end, when it is there.
async fn end(app: &TestApp) -> String {
    let reason = "SELECT reason FROM audit_events WHERE kind = 'users_export_ended'";
    wait_for("the end of the export", async || {
        sqlx::query_scalar(reason).fetch_optional(&app.pool).await.unwrap()
    })
    .await
}

/// The number of users in the reason.
fn users_of(reason: &str) -> usize {
    reason.split_once(' ').unwrap().0.parse().unwrap()
}

#[sqlx::test]
async fn an_export_ends_with_the_right_of_its_administrator(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    add_rows(&app.pool, USERS).await;
    let mut browser = Browser::signed_in(&app, "anna").await;
    let (response, first) = begin(&mut browser).await;
    let revoke = "UPDATE users SET is_administrator = false WHERE user_id = 1";
    sqlx::query(revoke).execute(&app.pool).await.unwrap();
    let lines = read_until_cut_off(response, first).await;
    let reason = end(&app).await;
    assert!(reason.ends_with("; the administrator signed out or lost the right"), "{reason}");
    let users = users_of(&reason);
    assert!(users >= lines && users < 60_000, "{lines} {reason}");
}

#[sqlx::test]
async fn an_export_ends_with_the_session_that_began_it(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    add_rows(&app.pool, USERS).await;
    let mut browser = Browser::signed_in(&app, "anna").await;
    let (response, first) = begin(&mut browser).await;
    let account = browser.open("/account").await;
    browser.submit(&account, "/logout", &[]).await.assert_status(303);
    let lines = read_until_cut_off(response, first).await;
    let reason = end(&app).await;
    assert!(reason.ends_with("; the administrator signed out or lost the right"), "{reason}");
    assert!(users_of(&reason) >= lines && lines < 60_000, "{lines} {reason}");
}

#[sqlx::test]
async fn an_export_goes_on_after_its_administrator_changes_the_password(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    add_rows(&app.pool, USERS).await;
    let mut browser = Browser::signed_in(&app, "anna").await;
    let (mut response, first) = begin(&mut browser).await;
    let path = "/account/change-password";
    let page = browser.open(path).await;
    let (old, new) = (password_of("anna"), "another password of anna");
    let typed = [("OldPassword", &*old), ("NewPassword", new), ("RepeatedPassword", new)];
    browser.submit(&page, path, &typed).await.assert_status(303);
    let mut lines = lines_of(&first);
    while let Some(bytes) = response.chunk().await.unwrap() {
        lines += lines_of(&bytes);
    }
    let reason = end(&app).await;
    assert!(reason.ends_with("; it is complete"), "{reason}");
    assert_eq!(users_of(&reason), lines);
}

#[sqlx::test]
async fn an_export_that_the_client_ends_says_how_many_users_were_sent(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    add_rows(&app.pool, USERS).await;
    let mut browser = Browser::signed_in(&app, "anna").await;
    let (response, first) = begin(&mut browser).await;
    let lines = lines_of(&first);
    // The event of its end is still to come.
    app.wait_for_metric("keeper_changes_in_progress", 1.0).await;
    drop(response);
    let reason = end(&app).await;
    app.wait_for_metric("keeper_changes_in_progress", 0.0).await;
    assert!(reason.ends_with("; the client ended it"), "{reason}");
    let users = users_of(&reason);
    assert!(users >= lines && users < 60_000, "{lines} {reason}");
}

#[sqlx::test]
async fn a_complete_export_has_its_end_although_the_client_leaves(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    add_rows(&app.pool, USERS).await;
    let mut browser = Browser::signed_in(&app, "anna").await;
    let (mut response, first) = begin(&mut browser).await;
    // The event of the end is one of the administrator, whose right can still be read.
    let mut held = app.pool.begin().await.unwrap();
    let hold = "SELECT 1 FROM users WHERE user_id = 1 FOR SHARE";
    sqlx::query(hold).execute(&mut *held).await.unwrap();
    let users: i64 =
        sqlx::query_scalar("SELECT count(*) FROM users").fetch_one(&app.pool).await.unwrap();
    let (users, mut lines) = (usize::try_from(users).unwrap(), lines_of(&first));
    while lines < users {
        lines += lines_of(&response.chunk().await.unwrap().unwrap());
    }
    app.wait_for_blocked_sessions(1).await;
    let connections = app.metric("keeper_http_connections").await;
    drop(response);
    app.wait_for_metric("keeper_http_connections", connections - 1.0).await;
    held.rollback().await.unwrap();
    let reason = end(&app).await;
    assert!(reason.ends_with("; it is complete"), "{reason}");
    assert_eq!(users_of(&reason), users);
}
