//! One caller with many requests keeps no other from the database.

use futures_util::future::join_all;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{
    guessing::{ELSEWHERE, HOME, PROXY, login_as_owner},
    support::{
        Answer, Credentials, PLAIN, PRINCIPAL, RETIRED, SAVE, TICKETS, TestApp, password_of,
    },
};

/// The connections of the service, and half of them.
const CONNECTIONS: (&str, &str) = ("KEEPER__DATABASE__MAXIMUM_CONNECTIONS", "4");
const HALF: i64 = 2;

/// The requests of one caller.
const REQUESTS: usize = 30;

fn request(
    app: &TestApp,
    from: &str,
    method: Method,
    path: &str,
    caller: &Credentials,
) -> RequestBuilder {
    app.request(method, path, caller).header("X-Forwarded-For", from)
}

async fn answer(request: RequestBuilder) -> Answer {
    Answer::read(request.send().await.unwrap()).await
}

#[sqlx::test]
async fn a_caller_whose_requests_wait_leaves_connections_to_others(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[CONNECTIONS, PROXY], "").await;
    login_as_owner(&app, ELSEWHERE, PLAIN.1).await.assert_status(200);
    login_as_owner(&app, HOME, "anna").await.assert_status(200);
    let mut held = app.pool.begin().await.unwrap();
    let hold = "SELECT 1 FROM users WHERE user_id = 278 FOR UPDATE";
    sqlx::query(hold).execute(&mut *held).await.unwrap();
    // Each waits for the row of its user, with a connection. A sign-in is the work of its user, too.
    let (plain, administrator) = (app.plain(), app.administrator());
    let sign_in = json!({ "UserName": PLAIN.1, "Password": password_of(PLAIN.1) });
    let many = (0..REQUESTS).map(|number| {
        let (path, caller, body) = match number % 2 {
            0 => (TICKETS, &plain, &Value::Null),
            _ => ("/login", &Credentials::Anonymous, &sign_in),
        };
        tokio::spawn(answer(request(&app, ELSEWHERE, Method::POST, path, caller).json(body)))
    });
    let many: Vec<_> = many.collect();
    app.wait_for_blocked_sessions(HALF).await;
    let in_flight = f64::from(u32::try_from(REQUESTS).unwrap());
    app.wait_for_metric("keeper_http_requests_in_flight", in_flight).await;
    for _ in 0..3 {
        let read = request(&app, HOME, Method::GET, PRINCIPAL, &administrator);
        answer(read).await.assert_status(200);
        let body = json!({
            "UserId": RETIRED.0,
            "Credential": { "Type": { "Type": "" }, "Value": "not waited", "DisplayValue": "" },
        });
        let save = request(&app, HOME, Method::POST, SAVE, &administrator).json(&body);
        answer(save).await.assert_saved();
    }
    let ready = app.client.get(format!("{}/health/ready", app.operations)).send().await.unwrap();
    assert_eq!(ready.status(), 200);
    let blocked = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let blocked: i64 = sqlx::query_scalar(blocked).fetch_one(&app.pool).await.unwrap();
    assert_eq!(blocked, HALF, "the others wait without a connection");
    held.rollback().await.unwrap();
    for answered in join_all(many).await {
        assert!(answered.unwrap().status.is_success());
    }
}
