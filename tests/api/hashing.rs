//! The hashing engine under load: deadlines, the queue, shared hashes and cached verifications.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{Method, StatusCode};
use rustix::process::Signal;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::task::JoinHandle;

use crate::support::{
    ADMINISTRATOR, Answer, Credentials, PLAIN, PRINCIPAL, SAVE, Server, TestApp, TestIssuer, keeper,
};

/// A hash takes about a third of a second, so that a queue forms.
const SLOW: (&str, &str) = ("KEEPER__HASHING__ITERATIONS", "40");
const ONE_THREAD: (&str, &str) = ("KEEPER__HASHING__THREADS", "1");

fn serve(app: &TestApp, variables: &[(&str, &str)]) -> Server {
    app.command(&["migrate"], "").assert_success();
    let mut command = keeper(&["serve"]);
    command.envs(app.variables()).envs(variables.iter().copied());
    Server::start(command).unwrap()
}

/// Stops the service and returns the number of hashes that its log reports.
fn stop_and_count_hashes(server: Server) -> u64 {
    server.signal(Signal::TERM);
    let (ended_well, log) = server.wait();
    assert!(ended_well, "{log}");
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let stopped = lines.into_iter().find(|line| line["message"] == "stopped").unwrap();
    stopped["keeper.hashing.hashes"].as_u64().unwrap()
}

async fn status(app: &TestApp, server: &Server, credentials: &Credentials) -> StatusCode {
    let request = app.client.get(format!("{}{PRINCIPAL}", server.ready));
    credentials.apply_to(request).send().await.unwrap().status()
}

#[sqlx::test]
async fn every_kind_of_refused_login_costs_the_same_number_of_hashes(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.add_user((400, "bare"), &[]);
    sqlx::query!("DELETE FROM credentials WHERE user_id = 400").execute(&app.pool).await.unwrap();
    sqlx::query!("UPDATE credentials SET version = version + 1 WHERE user_id = 300")
        .execute(&app.pool)
        .await
        .unwrap();
    for (name, description) in [
        ("paul", "a wrong password"),
        ("nobody", "an unknown user"),
        ("bare", "no credential"),
        ("rita", "a retired user whose credential cannot be unsealed"),
    ] {
        let server = serve(&app, &[]);
        for guess in ["wrong", "wrong too", "also wrong"] {
            let credentials = Credentials::basic(name, guess);
            assert_eq!(status(&app, &server, &credentials).await, 401);
        }
        assert_eq!(stop_and_count_hashes(server), 3, "{description}");
    }
}

#[sqlx::test]
async fn logins_past_the_hashing_deadline_answer_503_and_none_is_dropped(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let no_address_limit = ("KEEPER__ATTEMPTS__MAXIMUM_PER_ADDRESS", "0");
    let settings = [SLOW, ONE_THREAD, no_address_limit, ("KEEPER__HASHING__DEADLINE_SECONDS", "1")];
    let server = serve(&app, &settings);
    let logins: Vec<_> = (0..400)
        .map(|number| {
            let request = app.client.get(format!("{}{PRINCIPAL}", server.ready));
            let guess = Credentials::basic(&format!("nobody {number}"), "wrong");
            tokio::spawn(guess.apply_to(request).send())
        })
        .collect();
    let (mut hashed, mut refused) = (0, 0);
    for login in logins {
        let answer = login.await.unwrap().unwrap();
        if answer.status() == 503 {
            let wait: u64 = answer.headers()["retry-after"].to_str().unwrap().parse().unwrap();
            assert!(wait >= 1);
            assert_eq!(answer.json::<Value>().await.unwrap()["Code"], "overloaded");
            refused += 1;
        } else {
            assert_eq!(answer.status(), 401);
            hashed += 1;
        }
    }
    assert_eq!(hashed + refused, 400);
    // The numbers depend on the arrival times; the queue holds 128, the deadline is a second.
    assert!(hashed >= 1 && refused >= 1, "{hashed} hashed, {refused} refused");
    assert_eq!(stop_and_count_hashes(server), hashed);
}

#[sqlx::test]
async fn no_database_connection_is_held_during_a_hash(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let settings = [
        ("KEEPER__HASHING__ITERATIONS", "100"),
        ONE_THREAD,
        ("KEEPER__DATABASE__MAXIMUM_CONNECTIONS", "1"),
    ];
    let server = serve(&app, &settings);
    let ticket = Credentials::Ticket(app.ticket(&app.administrator()).await);
    let body = json!({"UserId": PLAIN.0, "Credential": {"Value": "takes about a second"}});
    let request = ticket.apply_to(app.client.post(format!("{}{SAVE}", server.ready))).json(&body);
    let save = tokio::spawn(request.send());
    let mut answered = 0;
    while !save.is_finished() {
        assert_eq!(status(&app, &server, &ticket).await, 200);
        answered += 1;
    }
    assert_eq!(save.await.unwrap().unwrap().status(), 200);
    // If the save held the only connection, no more than the first request could have overtaken it.
    assert!(answered > 3, "only {answered} requests were answered during the save");
}

#[sqlx::test]
async fn canceled_requests_are_not_hashed(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    // The first save takes so long that the others are canceled before their turn.
    let server = serve(&app, &[("KEEPER__HASHING__ITERATIONS", "400"), ONE_THREAD]);
    let ticket = Credentials::Ticket(app.ticket(&app.administrator()).await);
    let save = || {
        let body = json!({"UserId": PLAIN.0, "Credential": {"Value": "x"}});
        ticket.apply_to(app.client.post(format!("{}{SAVE}", server.ready))).json(&body).send()
    };
    let running = tokio::spawn(save());
    let abandoned: Vec<_> = (0..30).map(|_| tokio::spawn(save())).collect();
    tokio::time::sleep(Duration::from_millis(500)).await;
    for save in abandoned {
        // Aborting drops the request, which closes its connection.
        save.abort();
    }
    assert_eq!(running.await.unwrap().unwrap().status(), 200);
    let computed = stop_and_count_hashes(server);
    assert!(computed < 10, "{computed} hashes for a single save that was not canceled");
}

/// Sends `count` identical logins concurrently; returns the number of successful ones.
async fn log_in_concurrently(
    app: &TestApp,
    server: &Server,
    credentials: &Credentials,
    count: usize,
) -> usize {
    let logins: Vec<_> = (0..count)
        .map(|_| {
            let request = app.client.get(format!("{}{PRINCIPAL}", server.ready));
            tokio::spawn(credentials.apply_to(request).send())
        })
        .collect();
    let mut successes = 0;
    for login in logins {
        successes += usize::from(login.await.unwrap().unwrap().status() == 200);
    }
    successes
}

#[sqlx::test]
async fn identical_concurrent_logins_share_one_hash_even_for_unknown_names(pool: PgPool) {
    let mut app = TestApp::spawn(pool).await;
    // Hashes are slow, so that all logins arrive during the first one.
    app.reconfigure(&[SLOW]).await;
    app.save(&app.administrator(), PLAIN.0, "", "slow").await.assert_saved();
    for (name, password, successes) in
        [("paul", "slow", 32), ("paul", "wrong", 0), ("nobody", "slow", 0)]
    {
        let server = serve(&app, &[SLOW]);
        let credentials = Credentials::basic(name, password);
        assert_eq!(log_in_concurrently(&app, &server, &credentials, 32).await, successes);
        assert_eq!(stop_and_count_hashes(server), 1, "{name} with {password}");
    }
}

#[sqlx::test]
async fn a_repeated_login_needs_no_hash_until_the_password_changes(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let server = serve(&app, &[]);
    for _ in 0..10 {
        assert_eq!(status(&app, &server, &app.plain()).await, 200);
    }
    // `app` is another instance than `server`.
    app.save(&app.administrator(), PLAIN.0, "", "changed").await.assert_saved();
    assert_eq!(status(&app, &server, &app.plain()).await, 401);
    for _ in 0..10 {
        assert_eq!(status(&app, &server, &Credentials::basic(PLAIN.1, "changed")).await, 200);
    }
    assert_eq!(stop_and_count_hashes(server), 3);
    let without_cache = [("KEEPER__HASHING__MAXIMUM_VERIFIED", "0")];
    let server = serve(&app, &without_cache);
    for _ in 0..3 {
        assert_eq!(status(&app, &server, &Credentials::basic(PLAIN.1, "changed")).await, 200);
    }
    assert_eq!(stop_and_count_hashes(server), 3, "the verification cache is disabled");
}

/// The head of a save with a body of 60 bytes.
fn save_head(ticket: &str) -> String {
    format!(
        "POST {SAVE} HTTP/1.1\r\nHost: localhost\r\nAuthorization: SOTicket {ticket}\r\n\
         Content-Type: application/json\r\nContent-Length: 60\r\n\r\n"
    )
}

/// Starts a save without a body, which keeps its queue place until the connection is dropped.
fn start_save_without_body(app: &TestApp, ticket: &str) -> TcpStream {
    let mut connection = TcpStream::connect(app.url.trim_start_matches("http://")).unwrap();
    connection.write_all(save_head(ticket).as_bytes()).unwrap();
    connection
}

/// Sends ten saves in sequence on one connection; returns the status lines of the answers.
fn save_repeatedly(address: &str, ticket: &str) -> Vec<String> {
    let mut connection = TcpStream::connect(address).unwrap();
    let save = format!("{}{:60}", save_head(ticket), "{}");
    connection.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut answers = Vec::new();
    for _ in 0..10 {
        connection.write_all(save.as_bytes()).unwrap();
        let mut bytes = [0; 4096];
        let length = connection.read(&mut bytes).unwrap();
        let answer = String::from_utf8_lossy(&bytes[..length]).into_owned();
        answers.push(answer.lines().next().unwrap_or_default().to_owned());
    }
    answers
}

#[sqlx::test]
async fn no_caller_costs_a_statement_while_nobody_is_admitted(pool: PgPool) {
    let issuer = TestIssuer::new();
    let mut app = TestApp::spawn_with(pool, &[], &issuer.settings()).await;
    app.save(&app.administrator(), ADMINISTRATOR.0, "OpenId", "subject").await.assert_saved();
    let settings = [
        SLOW,
        // The shortest queue, and statements that wait for a lock for longer than this test.
        ("KEEPER__HASHING__DEADLINE_SECONDS", "2"),
        ("KEEPER__DATABASE__ACQUIRE_TIMEOUT_SECONDS", "60"),
        ("KEEPER__DATABASE__LOCK_TIMEOUT_SECONDS", "60"),
        ("KEEPER__DATABASE__STATEMENT_TIMEOUT_SECONDS", "60"),
        ("KEEPER__HTTP__ANSWER_TIMEOUT_SECONDS", "200"),
        ("KEEPER__HTTP__TRUSTED_PROXIES", "127.0.0.1"),
    ];
    app.reconfigure(&settings).await;
    // A name that returns needs no admission to log in.
    let returning = app.administrator();
    app.get(PRINCIPAL, &returning).await.assert_status(200);
    let token = Credentials::Bearer(issuer.token(&TestIssuer::claims("subject")));
    let mut transaction = app.pool.begin().await.unwrap();
    sqlx::query!("LOCK TABLE users").execute(&mut *transaction).await.unwrap();
    let nobody = Credentials::basic("nobody", "wrong");
    let login_from = |number: usize| {
        let address = format!("2001:db8:{number:x}::1");
        app.request(Method::GET, PRINCIPAL, &nobody).header("X-Forwarded-For", address).send()
    };
    let mut logins = Vec::new();
    while !logins.iter().any(JoinHandle::is_finished) {
        logins.push(tokio::spawn(login_from(logins.len())));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert!(logins.len() > 128, "{}", logins.len());
    for caller in [&returning, &token] {
        let refused = app.save(caller, PLAIN.0, "", "a new password").await;
        refused.assert_refused(503, "SoServiceUnavailableException", "overloaded");
    }
    transaction.rollback().await.unwrap();
    for login in logins {
        let status = login.await.unwrap().unwrap().status();
        assert!(status == 401 || status == 503, "{status}");
    }
    for caller in [&returning, &token] {
        app.save(caller, PLAIN.0, "", "a new password").await.assert_saved();
    }
}

/// A well-formed ticket for a user that was never issued.
fn forged_ticket(user_id: i32, number: usize) -> String {
    let text = format!("00000000-0000-4000-8000-{number:012};{user_id}");
    let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    format!("7T:{}", STANDARD.encode(bytes))
}

#[sqlx::test]
async fn forged_tickets_use_no_queue_place_of_the_user_they_name(pool: PgPool) {
    let mut app = TestApp::spawn(pool).await;
    app.reconfigure(&[SLOW, ("KEEPER__HTTP__TRUSTED_PROXIES", "127.0.0.1")]).await;
    let victim = Credentials::Bearer(app.token(&app.administrator()).await);
    let save = |credentials: &Credentials, address: &str, value: &str| {
        let body = json!({ "UserId": PLAIN.0, "Credential": { "Value": value } });
        let request = app.request(Method::POST, SAVE, credentials).json(&body);
        request.header("X-Forwarded-For", address).send()
    };
    let forge = |number| {
        save(&Credentials::Ticket(forged_ticket(ADMINISTRATOR.0, number)), "203.0.113.66", "forged")
    };
    // Every lookup of a ticket waits for this lock.
    let mut transaction = app.pool.begin().await.unwrap();
    sqlx::query!("LOCK TABLE tickets").execute(&mut *transaction).await.unwrap();
    let mut forged = Vec::new();
    let refused = loop {
        let next = forged.len();
        forged.extend((next..next + 8).map(|number| tokio::spawn(forge(number))));
        tokio::time::sleep(Duration::from_millis(20)).await;
        if let Some(index) = forged.iter().position(tokio::task::JoinHandle::is_finished) {
            break Answer::read(forged.swap_remove(index).await.unwrap().unwrap()).await;
        }
    };
    refused.assert_refused(503, "SoServiceUnavailableException", "overloaded");
    let own = tokio::spawn(save(&victim, "192.0.2.1", "by its owner"));
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!own.is_finished(), "the save must be admitted and wait for a connection");
    transaction.rollback().await.unwrap();
    Answer::read(own.await.unwrap().unwrap()).await.assert_saved();
    app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, "by its owner")).await.assert_status(200);
    for forged in forged {
        let status = forged.await.unwrap().unwrap().status();
        assert!(status == 401 || status == 503, "{status}");
    }
}

#[sqlx::test]
async fn a_caller_who_fills_the_queue_is_refused_before_any_statement(pool: PgPool) {
    let mut app = TestApp::spawn(pool).await;
    app.add_user((400, "target"), &[]);
    app.reconfigure(&[SLOW]).await;
    let ticket = app.ticket(&app.administrator()).await;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
    let places = app.metric("keeper_hashing_queue_length").await as usize;
    let mut unfinished: Vec<_> =
        (0..places).map(|_| start_save_without_body(&app, &ticket)).collect();
    let administrator = Credentials::Ticket(ticket.clone());
    let save = async || app.save(&administrator, 400, "", "beyond the queue").await;
    let refused = loop {
        let answer = save().await;
        if answer.status == 503 {
            break answer;
        }
        // On a busy machine, some of these requests may be refused for lack of a connection.
        unfinished.extend((0..8).map(|_| start_save_without_body(&app, &ticket)));
    };
    refused.assert_refused(503, "SoServiceUnavailableException", "overloaded");
    let not_admitted =
        async || app.metric("keeper_hashing_shed_total{reason=\"not_admitted\"}").await;
    let before = not_admitted().await;
    // Any statement on users would now wait for this lock and time out with another error.
    let mut transaction = app.pool.begin().await.unwrap();
    sqlx::query!("LOCK TABLE users").execute(&mut *transaction).await.unwrap();
    save().await.assert_refused(503, "SoServiceUnavailableException", "overloaded");
    transaction.rollback().await.unwrap();
    assert!(not_admitted().await > before);
    // These need no hash for a user who exists and gets no credential.
    for (call, body) in [
        ("ChangeUserType", json!({"User": {"AssociateId": 400}, "UserType": "ResourceAssociate"})),
        (
            "ResolveUserFromInfo",
            json!({
                "ContactId": 2, "UserType": "ResourceAssociate",
                "Credential": {"Value": "a password", "DisplayValue": "target"},
            }),
        ),
    ] {
        let path = format!("/api/v1/Agents/User/{call}");
        app.post(&path, &administrator, &body).await.assert_status(200);
    }
    let address = app.url.trim_start_matches("http://").to_owned();
    let answers = tokio::task::spawn_blocking(move || save_repeatedly(&address, &ticket));
    assert_eq!(answers.await.unwrap(), vec!["HTTP/1.1 503 Service Unavailable"; 10]);
    app.save(&app.plain(), PLAIN.0, "", "by another caller").await.assert_saved();
    drop(unfinished);
    while save().await.status == 503 {}
}
