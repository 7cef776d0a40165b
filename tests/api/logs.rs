//! What the log says, and what it never does.

use reqwest::Method;
use rustix::process::Signal;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{Answer, Credentials, PLAIN, SAVE, Server, TestApp, WHO, keeper};

/// Runs requests against a `serve` process at its most talkative, and gives back its log lines.
async fn log_of(app: &TestApp, requests: impl AsyncFnOnce(&str)) -> Vec<Value> {
    app.command(&["migrate"], "").succeeded();
    let mut command = keeper(&["serve"]);
    command.envs(app.variables()).env("KEEPER__LOG__LEVEL", "trace,actix_server=trace,sqlx=trace");
    let server = Server::start(command).unwrap();
    requests(&server.ready).await;
    server.signal(Signal::TERM);
    let (ended_well, log) = server.wait();
    assert!(ended_well, "{log}");
    let line =
        |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"));
    log.lines().map(line).collect()
}

/// The lines about one request.
fn of_request<'log>(log: &'log [Value], id: &str) -> Vec<&'log Value> {
    log.iter().filter(|line| line["span"]["request.id"] == id).collect()
}

#[sqlx::test]
async fn a_refused_login_logs_its_inner_reason_once_under_the_request_id(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let cases = [
        ("wrong-password", Credentials::basic("paul", "x"), "wrong password"),
        ("unknown-user", Credentials::basic("nobody", "x"), "no such user"),
        ("retired", Credentials::basic("rita", "rita-password"), "the user is retired"),
        ("no-ticket", Credentials::Ticket("7T:x".to_owned()), "not a ticket"),
        ("no-token", Credentials::Bearer("x".to_owned()), "the token was refused"),
    ];
    let log = log_of(&app, async |url| {
        for (id, credentials, _) in &cases {
            let request = app.client.get(format!("{url}{WHO}")).header("X-Request-Id", *id);
            let answer = credentials.put_into(request).send().await.unwrap();
            assert_eq!(answer.status(), 401);
        }
    })
    .await;
    for (id, _, reason) in cases {
        let lines = of_request(&log, id);
        let refusals: Vec<_> = lines.iter().filter(|line| line["level"] == "WARN").collect();
        assert_eq!(refusals.len(), 1, "{id}: {lines:?}");
        assert!(refusals[0]["cause"].as_str().unwrap().contains(reason), "{id}: {refusals:?}");
        assert!(lines.iter().all(|line| line["level"] != "ERROR"), "{id}: {lines:?}");
    }
}

#[sqlx::test]
async fn a_row_that_does_not_open_raises_an_alarm(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    sqlx::raw_sql("UPDATE credentials SET version = version + 1 WHERE user_id = 278")
        .execute(&app.pool)
        .await
        .unwrap();
    let log = log_of(&app, async |url| {
        let request = app.plain().put_into(app.client.get(format!("{url}{WHO}")));
        assert_eq!(request.send().await.unwrap().status(), 401);
    })
    .await;
    let alarms: Vec<_> = log.iter().filter(|line| line["alarm"] == true).collect();
    assert_eq!(alarms.len(), 1, "{log:?}");
    assert_eq!(alarms[0]["user.id"], "278");
}

#[sqlx::test]
async fn no_secret_reaches_the_log_at_any_level(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let ticket = app.ticket(&app.plain()).await;
    let token = app.token(&app.plain()).await;
    let markers =
        ["marker-value", "marker-password", "marker-ticket", "marker-token", "marker-query"];
    let log = log_of(&app, async |url| {
        let save = |credentials: Credentials, body: Value| {
            let request = app.client.request(Method::POST, format!("{url}{SAVE}?x=marker-query"));
            credentials.put_into(request).json(&body).send()
        };
        let body = |user: i32| json!({"UserId": user, "Credential": {"Value": "marker-value"}});
        for credentials in [
            Credentials::basic("paul", "marker-password"),
            Credentials::Ticket("7T:marker-ticket".to_owned()),
            Credentials::Bearer("marker-token".to_owned()),
            Credentials::Bearer("8A:Keeper.marker-token".to_owned()),
        ] {
            assert_eq!(save(credentials, body(278)).await.unwrap().status(), 401);
        }
        for credentials in [Credentials::Ticket(ticket.clone()), Credentials::Bearer(token.clone())]
        {
            assert_eq!(save(credentials, body(278)).await.unwrap().status(), 403);
        }
        assert_eq!(save(app.administrator(), body(278)).await.unwrap().status(), 200);
        assert_eq!(save(app.administrator(), body(4711)).await.unwrap().status(), 404);
        assert_eq!(save(app.administrator(), body(-1)).await.unwrap().status(), 400);
        let login = Credentials::basic(PLAIN.1, "marker-value");
        let who = login.put_into(app.client.get(format!("{url}{WHO}")));
        assert_eq!(who.send().await.unwrap().status(), 200);
    })
    .await;
    let text = Value::from(log).to_string();
    for issued in [&ticket[3..], token.rsplit('.').next().unwrap()] {
        assert!(!text.contains(issued), "an issued secret is in the log");
    }
    for marker in markers {
        assert!(!text.contains(marker), "{marker} is in the log");
    }
    for encoded in ["paul:marker-password", "paul:marker-value", "anna:anna-password"] {
        use base64::{Engine, engine::general_purpose::STANDARD};
        assert!(!text.contains(&STANDARD.encode(encoded)), "{encoded} is in the log");
    }
}

#[sqlx::test]
async fn the_request_id_is_kept_when_it_is_plain_and_replaced_otherwise(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let longest = "x".repeat(64);
    let too_long = "x".repeat(65);
    for (given, is_kept) in [
        ("A-1", true),
        (longest.as_str(), true),
        (too_long.as_str(), false),
        ("", false),
        ("a b", false),
        ("a;b", false),
        ("ä", false),
    ] {
        let request = app.request(Method::GET, WHO, &app.plain()).header("X-Request-Id", given);
        let answer = Answer::read(request.send().await.unwrap()).await;
        answer.has_status(200);
        assert_eq!(answer.header("x-request-id") == given, is_kept, "{given}");
    }
}
