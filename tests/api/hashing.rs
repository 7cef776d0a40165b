//! The hashing engine as callers and operators meet it.

use std::{
    io::{Read, Write},
    net::TcpStream,
};

use base64::{Engine, engine::general_purpose::STANDARD};
use reqwest::{Method, StatusCode};
use rustix::process::Signal;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{
    ADMINISTRATOR, Answer, Credentials, PLAIN, SAVE, Server, TestApp, WHO, keeper,
};

/// About a third of a second a hash, so that a queue forms.
const SLOW: (&str, &str) = ("KEEPER__HASHING__ITERATIONS", "40");
const ONE_THREAD: (&str, &str) = ("KEEPER__HASHING__THREADS", "1");

fn serve(app: &TestApp, variables: &[(&str, &str)]) -> Server {
    app.command(&["migrate"], "").succeeded();
    let mut command = keeper(&["serve"]);
    command.envs(app.variables()).envs(variables.iter().copied());
    Server::start(command).unwrap()
}

/// Stops the service and reads from its log how many hashes it computed.
fn hashes(server: Server) -> u64 {
    server.signal(Signal::TERM);
    let (ended_well, log) = server.wait();
    assert!(ended_well, "{log}");
    let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let stopped = lines.into_iter().find(|line| line["message"] == "stopped").unwrap();
    stopped["hashes"].as_u64().unwrap()
}

async fn status(app: &TestApp, server: &Server, credentials: &Credentials) -> StatusCode {
    let request = app.client.get(format!("{}{WHO}", server.ready));
    credentials.put_into(request).send().await.unwrap().status()
}

#[sqlx::test]
async fn every_kind_of_refused_login_costs_the_same_hashes(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.add_user((400, "bare"), &[]);
    sqlx::query!("DELETE FROM credentials WHERE user_id = 400").execute(&app.pool).await.unwrap();
    sqlx::query!("UPDATE credentials SET version = version + 1 WHERE user_id = 300")
        .execute(&app.pool)
        .await
        .unwrap();
    for (name, what) in [
        ("paul", "a wrong password"),
        ("nobody", "an unknown user"),
        ("bare", "no credential"),
        ("rita", "a retired user whose row does not open"),
    ] {
        let server = serve(&app, &[]);
        for guess in ["wrong", "wrong too", "also wrong"] {
            let credentials = Credentials::basic(name, guess);
            assert_eq!(status(&app, &server, &credentials).await, 401);
        }
        assert_eq!(hashes(server), 3, "{what}");
    }
}

#[sqlx::test]
async fn what_cannot_be_hashed_in_time_is_503_and_everybody_is_answered(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let any_number = ("KEEPER__ATTEMPTS__MAXIMUM_PER_ADDRESS", "0");
    let settings = [SLOW, ONE_THREAD, any_number, ("KEEPER__HASHING__DEADLINE_SECONDS", "1")];
    let server = serve(&app, &settings);
    let logins: Vec<_> = (0..400)
        .map(|number| {
            let request = app.client.get(format!("{}{WHO}", server.ready));
            let guess = Credentials::basic(&format!("nobody {number}"), "wrong");
            tokio::spawn(guess.put_into(request).send())
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
    // How many depends on how fast they arrive; the queue holds 128 and the deadline is a second.
    assert!(hashed >= 1 && refused >= 1, "{hashed} hashed, {refused} refused");
    assert_eq!(hashes(server), hashed);
}

#[sqlx::test]
async fn no_connection_is_held_while_a_hash_is_computed(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let settings = [
        ("KEEPER__HASHING__ITERATIONS", "100"),
        ONE_THREAD,
        ("KEEPER__DATABASE__MAXIMUM_CONNECTIONS", "1"),
    ];
    let server = serve(&app, &settings);
    let ticket = Credentials::Ticket(app.ticket(&app.administrator()).await);
    let body = json!({"UserId": PLAIN.0, "Credential": {"Value": "takes about a second"}});
    let request = ticket.put_into(app.client.post(format!("{}{SAVE}", server.ready))).json(&body);
    let save = tokio::spawn(request.send());
    let mut answered = 0;
    while !save.is_finished() {
        assert_eq!(status(&app, &server, &ticket).await, 200);
        answered += 1;
    }
    assert_eq!(save.await.unwrap().unwrap().status(), 200);
    // With the one connection held by the save, at most the first could have overtaken it.
    assert!(answered > 3, "{answered} requests were answered meanwhile");
}

#[sqlx::test]
async fn logins_whose_callers_went_away_are_not_hashed(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    // Saves hash at today's cost, so slow that the callers go away during the first one.
    let server = serve(&app, &[("KEEPER__HASHING__ITERATIONS", "400"), ONE_THREAD]);
    let ticket = Credentials::Ticket(app.ticket(&app.administrator()).await);
    let save = || {
        let body = json!({"UserId": PLAIN.0, "Credential": {"Value": "x"}});
        ticket.put_into(app.client.post(format!("{}{SAVE}", server.ready))).json(&body).send()
    };
    let running = tokio::spawn(save());
    let abandoned: Vec<_> = (0..30).map(|_| tokio::spawn(save())).collect();
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    for save in abandoned {
        // Drops the request, and with it the connection.
        save.abort();
    }
    assert_eq!(running.await.unwrap().unwrap().status(), 200);
    let done = hashes(server);
    assert!(done < 10, "{done} hashes for one caller who waited");
}

/// Sends that many equal logins at once; how many were let in.
async fn logins_at_once(
    app: &TestApp,
    server: &Server,
    credentials: &Credentials,
    count: usize,
) -> usize {
    let logins: Vec<_> = (0..count)
        .map(|_| {
            let request = app.client.get(format!("{}{WHO}", server.ready));
            tokio::spawn(credentials.put_into(request).send())
        })
        .collect();
    let mut let_in = 0;
    for login in logins {
        let_in += usize::from(login.await.unwrap().unwrap().status() == 200);
    }
    let_in
}

#[sqlx::test]
async fn equal_logins_at_once_cost_one_hash_of_known_and_unknown_names_alike(pool: PgPool) {
    let mut app = TestApp::spawn(pool).await;
    // Hashed so slowly that all of them arrive while the first is under way.
    let slow = SLOW;
    app.reconfigure(&[slow]).await;
    app.save(&app.administrator(), PLAIN.0, "", "slow").await.assert_saved();
    for (name, password, let_in) in
        [("paul", "slow", 32), ("paul", "wrong", 0), ("nobody", "slow", 0)]
    {
        let server = serve(&app, &[slow]);
        let credentials = Credentials::basic(name, password);
        assert_eq!(logins_at_once(&app, &server, &credentials, 32).await, let_in);
        assert_eq!(hashes(server), 1, "{name} with {password}");
    }
}

#[sqlx::test]
async fn a_returning_caller_costs_no_hash_until_the_password_is_another(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let server = serve(&app, &[]);
    for _ in 0..10 {
        assert_eq!(status(&app, &server, &app.plain()).await, 200);
    }
    // Through another instance.
    app.save(&app.administrator(), PLAIN.0, "", "changed").await.assert_saved();
    assert_eq!(status(&app, &server, &app.plain()).await, 401);
    for _ in 0..10 {
        assert_eq!(status(&app, &server, &Credentials::basic(PLAIN.1, "changed")).await, 200);
    }
    assert_eq!(hashes(server), 3);
    let off = [("KEEPER__HASHING__MAXIMUM_VERIFIED", "0")];
    let server = serve(&app, &off);
    for _ in 0..3 {
        assert_eq!(status(&app, &server, &Credentials::basic(PLAIN.1, "changed")).await, 200);
    }
    assert_eq!(hashes(server), 3, "switched off");
}

/// The head of a save with a body of 60 bytes.
fn head_of_a_save(ticket: &str) -> String {
    format!(
        "POST {SAVE} HTTP/1.1\r\nHost: localhost\r\nAuthorization: SOTicket {ticket}\r\n\
         Content-Type: application/json\r\nContent-Length: 60\r\n\r\n"
    )
}

/// A save whose body does not come; it keeps its place until the connection is dropped.
fn save_without_end(app: &TestApp, ticket: &str) -> TcpStream {
    let mut connection = TcpStream::connect(app.url.trim_start_matches("http://")).unwrap();
    connection.write_all(head_of_a_save(ticket).as_bytes()).unwrap();
    connection
}

/// Sends whole saves, one after the other, on one connection; the status lines of the answers.
fn saves_on_one_connection(address: &str, ticket: &str) -> Vec<String> {
    let mut connection = TcpStream::connect(address).unwrap();
    let save = format!("{}{:60}", head_of_a_save(ticket), "{}");
    connection.set_read_timeout(Some(std::time::Duration::from_secs(10))).unwrap();
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

/// Well-formed tickets that name a user and that nobody ever issued.
fn forged_ticket(user_id: i32, number: usize) -> String {
    let text = format!("00000000-0000-4000-8000-{number:012};{user_id}");
    let bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    format!("7T:{}", STANDARD.encode(bytes))
}

#[sqlx::test]
async fn forged_tickets_take_no_place_of_the_user_they_name(pool: PgPool) {
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
    // Every look-up of a ticket waits for this lock.
    let mut transaction = app.pool.begin().await.unwrap();
    sqlx::query!("LOCK TABLE tickets").execute(&mut *transaction).await.unwrap();
    let mut forged = Vec::new();
    let refused = loop {
        let next = forged.len();
        forged.extend((next..next + 8).map(|number| tokio::spawn(forge(number))));
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        if let Some(at) = forged.iter().position(tokio::task::JoinHandle::is_finished) {
            break Answer::read(forged.swap_remove(at).await.unwrap().unwrap()).await;
        }
    };
    refused.assert_refused(503, "SoServiceUnavailableException", "overloaded");
    let own = tokio::spawn(save(&victim, "192.0.2.1", "by its owner"));
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    assert!(!own.is_finished(), "it was let in, and waits for a connection");
    transaction.rollback().await.unwrap();
    Answer::read(own.await.unwrap().unwrap()).await.assert_saved();
    app.get(WHO, &Credentials::basic(PLAIN.1, "by its owner")).await.assert_status(200);
    for forged in forged {
        let status = forged.await.unwrap().unwrap().status();
        assert!(status == 401 || status == 503, "{status}");
    }
}

#[sqlx::test]
async fn who_takes_all_places_is_refused_before_any_statement_and_nobody_else_is(pool: PgPool) {
    let mut app = TestApp::spawn(pool).await;
    app.add_user((400, "target"), &[]);
    app.reconfigure(&[SLOW]).await;
    let ticket = app.ticket(&app.administrator()).await;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
    let places = app.metric("keeper_hashing_queue_length").await as usize;
    let mut crowd: Vec<_> = (0..places).map(|_| save_without_end(&app, &ticket)).collect();
    let administrator = Credentials::Ticket(ticket.clone());
    let save = async || app.save(&administrator, 400, "", "one too many").await;
    let refused = loop {
        let answer = save().await;
        if answer.status == 503 {
            break answer;
        }
        // On a busy machine some of them may be turned away for want of a connection.
        crowd.extend((0..8).map(|_| save_without_end(&app, &ticket)));
    };
    refused.assert_refused(503, "SoServiceUnavailableException", "overloaded");
    let not_admitted =
        async || app.metric("keeper_hashing_shed_total{reason=\"not_admitted\"}").await;
    let before = not_admitted().await;
    // Whatever asks for a user now has to wait, and fails in another way.
    let mut transaction = app.pool.begin().await.unwrap();
    sqlx::query!("LOCK TABLE users").execute(&mut *transaction).await.unwrap();
    save().await.assert_refused(503, "SoServiceUnavailableException", "overloaded");
    transaction.rollback().await.unwrap();
    assert!(not_admitted().await > before);
    let address = app.url.trim_start_matches("http://").to_owned();
    let answers = tokio::task::spawn_blocking(move || saves_on_one_connection(&address, &ticket));
    assert_eq!(answers.await.unwrap(), vec!["HTTP/1.1 503 Service Unavailable"; 10]);
    app.save(&app.plain(), PLAIN.0, "", "by somebody else").await.assert_saved();
    drop(crowd);
    while save().await.status == 503 {}
}
