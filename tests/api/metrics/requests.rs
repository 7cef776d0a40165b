//! Metrics of requests: each by route, method and status, and never by what a caller chose.

use std::collections::BTreeSet;

use reqwest::Method;
use serde_json::json;
use sqlx::PgPool;

use super::{labels_of, number};
use crate::support::{Credentials, PLAIN, PRINCIPAL, SAVE, TestApp, wait_until};

fn requests(route: &str, method: &str, status: u16) -> String {
    format!(r#"keeper_http_requests_total{{route="{route}",method="{method}",status="{status}"}}"#)
}

#[sqlx::test]
async fn each_request_counts_for_its_route_method_and_status(pool: PgPool) {
    let mut app = TestApp::spawn(pool).await;
    app.restart().await;
    let send = async |method: &[u8], path: &str, credentials: &Credentials| {
        let method = Method::from_bytes(method).unwrap();
        app.request(method, path, credentials).send().await.unwrap().status().as_u16()
    };
    let wrong = Credentials::basic(PLAIN.1, "wrong");
    let (plain, nobody) = (app.plain(), Credentials::Anonymous);
    for (method, path, credentials, status) in [
        (&b"GET"[..], PRINCIPAL, &plain, 200),
        (b"GET", PRINCIPAL, &plain, 200),
        // Another spelling is the same route.
        (b"GET", "/API/v1/user/CURRENTPRINCIPAL", &plain, 200),
        (b"HEAD", PRINCIPAL, &plain, 200),
        (b"GET", PRINCIPAL, &wrong, 401),
        (b"DELETE", PRINCIPAL, &plain, 405),
        (b"PURGE", PRINCIPAL, &plain, 405),
        (b"GET", "/api/v1/User/1", &plain, 403),
        (b"GET", "/api/v1/User/278", &plain, 200),
        (b"GET", "/no/such/route/4711", &nobody, 404),
        (b"GET", "/another/4712", &nobody, 404),
        (b"POST", SAVE, &plain, 400),
    ] {
        assert_eq!(send(method, path, credentials).await, status, "{path}");
    }
    let text = app.metrics().await.body;
    for (route, method, status, expected) in [
        (PRINCIPAL, "GET", 200, 3),
        (PRINCIPAL, "HEAD", 200, 1),
        (PRINCIPAL, "GET", 401, 1),
        (PRINCIPAL, "other", 405, 2),
        ("/api/v1/User/{user}", "GET", 403, 1),
        ("/api/v1/User/{user}", "GET", 200, 1),
        ("none", "GET", 404, 2),
        (SAVE, "POST", 400, 1),
        // Failures have a series before the first one.
        (PRINCIPAL, "GET", 500, 0),
        (SAVE, "POST", 503, 0),
    ] {
        assert_eq!(number(&text, &requests(route, method, status)), Some(expected), "{text}");
    }
    let total: u64 = labels_of(&text, "keeper_http_requests_total").iter().map(|(_, n)| n).sum();
    assert_eq!(total, 12, "{text}");
    let count = r#"keeper_http_request_duration_seconds_count{route="/api/v1/User/currentPrincipal",method="GET"}"#;
    assert_eq!(number(&text, count), Some(4), "{text}");
    // Without the values: a sum of seconds may have any digits.
    let series = text.lines().filter_map(|line| line.rsplit_once(' ')).map(|(series, _)| series);
    let of_requests: Vec<_> = series.filter(|series| series.starts_with("keeper_http_")).collect();
    assert!(!of_requests.is_empty(), "{text}");
    for secret in ["4711", "4712", "278", "PURGE", "paul"] {
        assert!(of_requests.iter().all(|series| !series.contains(secret)), "{secret}: {text}");
    }
}

#[sqlx::test]
async fn a_method_that_the_route_does_not_have_adds_no_series_of_its_own(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for method in [
        Method::GET,
        Method::HEAD,
        Method::POST,
        Method::PUT,
        Method::PATCH,
        Method::DELETE,
        Method::OPTIONS,
    ] {
        for path in [PRINCIPAL, SAVE] {
            app.request(method.clone(), path, &Credentials::Anonymous).send().await.unwrap();
        }
    }
    let text = app.metrics().await.body;
    for name in ["keeper_http_requests_total", "keeper_http_request_duration_seconds_count"] {
        let samples = labels_of(&text, name);
        let methods = |path: &str| -> BTreeSet<&str> {
            let of_path = samples.iter().filter(|(labels, _)| labels["route"] == path);
            of_path.map(|(labels, _)| labels["method"].as_str()).collect()
        };
        assert_eq!(methods(PRINCIPAL), BTreeSet::from(["GET", "HEAD", "other"]), "{name}");
        // GET and HEAD describe a call.
        assert_eq!(methods(SAVE), BTreeSet::from(["GET", "HEAD", "POST", "other"]), "{name}");
    }
}

/// The series of all metrics, in lower case and without their values.
async fn series(app: &TestApp) -> BTreeSet<String> {
    let text = app.metrics().await.body.to_lowercase();
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples.filter_map(|line| line.rsplit_once(' ')).map(|(series, _)| series.to_owned()).collect()
}

/// Sends requests with a text wherever a caller chooses one.
async fn choose(app: &TestApp, text: &str) {
    let wrong = Credentials::basic(text, text);
    let method = Method::from_bytes(text.as_bytes()).unwrap();
    let get = |path: &str, credentials: &Credentials| app.request(Method::GET, path, credentials);
    for request in [
        get(&format!("/{text}"), &Credentials::Anonymous),
        app.request(method, PRINCIPAL, &app.plain()),
        get(PRINCIPAL, &wrong),
        get(PRINCIPAL, &Credentials::Bearer(text.to_owned())),
        get(&format!("/api/v1/User/{text}"), &app.administrator()),
        get(&format!("/keeper/audit?kind={text}"), &app.administrator()),
        get(&format!("{PRINCIPAL}?{text}={text}"), &app.plain())
            .header("User-Agent", text)
            .header("SO-Language", text)
            .header("X-Request-Id", text),
    ] {
        request.send().await.unwrap();
    }
    let login = json!({"UserName": text, "Password": text});
    app.post("/login", &Credentials::Anonymous, &login).await.assert_status(401);
    let saved = app.save(&app.administrator(), PLAIN.0, text, "x").await;
    saved.assert_status(400);
}

#[sqlx::test]
async fn no_value_of_a_request_adds_a_series_to_any_metric(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut round = 0;
    // The first values add the series of their outcomes, as work in the background may.
    wait_until("other values add no series", async || {
        round += 1;
        let text = format!("chosen{round}");
        let before = series(&app).await;
        choose(&app, &text).await;
        let after = series(&app).await;
        assert!(after.iter().all(|series| !series.contains(&text)), "{text}: {after:?}");
        after == before
    })
    .await;
    assert!(round > 1, "no request added the series of its outcome");
}

#[sqlx::test]
async fn a_request_is_in_flight_until_it_is_answered_or_abandoned(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut transaction = app.pool.begin().await.unwrap();
    sqlx::query("SELECT FROM users WHERE user_id = 278 FOR UPDATE")
        .execute(&mut *transaction)
        .await
        .unwrap();
    let administrator = app.administrator();
    let mut save = Box::pin(app.save(&administrator, PLAIN.0, "", "waits for the lock"));
    tokio::select! {
        answer = &mut save => panic!("{answer:?}"),
        () = app.wait_for_blocked_sessions(1) => {}
    }
    app.wait_for_metric("keeper_http_requests_in_flight", 1.0).await;
    assert_eq!(app.metric("keeper_http_requests_abandoned_total").await.to_string(), "0");
    // The client disconnects.
    drop(save);
    app.wait_for_metric("keeper_http_requests_in_flight", 0.0).await;
    app.wait_for_metric("keeper_http_requests_abandoned_total", 1.0).await;
    // It took time, too.
    let count =
        format!(r#"keeper_http_request_duration_seconds_count{{route="{SAVE}",method="POST"}}"#);
    assert_eq!(number(&app.metrics().await.body, &count), Some(1));
    transaction.rollback().await.unwrap();
}
