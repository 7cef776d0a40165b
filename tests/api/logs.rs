//! Contents of the log: causes of refusals, alarms and request ids, but no secrets.

use base64::{Engine, engine::general_purpose::STANDARD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, Method, header::HeaderValue};
use rustix::process::Signal;
use serde_json::{Value, json};
use sqlx::PgPool;
use url::form_urlencoded;

use crate::{
    pages::admin_browser::Browser,
    soap,
    support::{Answer, Credentials, PLAIN, PRINCIPAL, SAVE, Server, TICKETS, TestApp, keeper},
};

/// Runs requests against `serve` at the most verbose log level; returns its log lines.
async fn log_of(app: &TestApp, requests: impl AsyncFnOnce(&str)) -> Vec<Value> {
    app.command(&["migrate"], "").assert_success();
    let mut command = keeper(&["serve"]);
    command.envs(app.variables()).env("KEEPER__LOG__LEVEL", "trace,actix_server=trace,sqlx=trace");
    let server = Server::start(command).unwrap();
    requests(&server.ready).await;
    server.signal(Signal::TERM);
    let (ended_well, log) = server.wait();
    assert!(ended_well, "{log}");
    let line =
        |line: &str| serde_json::from_str(line).unwrap_or_else(|_| panic!("not JSON: {line}"));
    log.lines().map(line).collect()
}

/// The lines of the request with this client request id.
fn lines_of_request<'log>(log: &'log [Value], id: &str) -> Vec<&'log Value> {
    log.iter().filter(|line| line["keeper.request.client_id"] == id).collect()
}

#[sqlx::test]
async fn a_refused_login_logs_its_cause_once_with_the_request_id(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let cases = [
        ("wrong-password", Credentials::basic("paul", "x"), "wrong password"),
        ("unknown-user", Credentials::basic("nobody", "x"), "no such user"),
        ("retired", Credentials::basic("rita", "rita-password"), "the user is retired"),
        ("retired-and-wrong", Credentials::basic("rita", "x"), "the user is retired"),
        ("no-ticket", Credentials::Ticket("7T:x".to_owned()), "malformed ticket"),
        ("no-token", Credentials::Bearer("x".to_owned()), "the token was refused"),
    ];
    let log = log_of(&app, async |url| {
        for (id, credentials, _) in &cases {
            let request = app.client.get(format!("{url}{PRINCIPAL}")).header("X-Request-Id", *id);
            let answer = credentials.apply_to(request).send().await.unwrap();
            assert_eq!(answer.status(), 401);
        }
    })
    .await;
    for (id, _, reason) in cases {
        let lines = lines_of_request(&log, id);
        let refusals: Vec<_> = lines.iter().filter(|line| line["log.level"] == "warn").collect();
        assert_eq!(refusals.len(), 1, "{id}: {lines:?}");
        assert!(
            refusals[0]["event.reason"].as_str().unwrap().contains(reason),
            "{id}: {refusals:?}"
        );
        assert!(lines.iter().all(|line| line["log.level"] != "error"), "{id}: {lines:?}");
    }
}

#[sqlx::test]
async fn a_wrong_current_password_is_logged_wherever_it_is_typed(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let ticket = Credentials::Ticket(app.ticket(&app.administrator()).await);
    let browser = Browser::signed_in(&app, "anna").await;
    let outdated = "UPDATE tickets SET auth_time = now() - interval '601 seconds'";
    sqlx::query(outdated).execute(&app.pool).await.unwrap();
    let log = log_of(&app, async |url| {
        let wrong = json!({"OldPassword": "a first guess", "NewPassword": "new"});
        let call = app.client.post(format!("{url}/api/v1/Agents/User/ChangeOwnPassword"));
        let answer = ticket.apply_to(call).json(&wrong).send().await.unwrap();
        assert_eq!(answer.text().await.unwrap(), "false");
        let browser = browser.at(url);
        let wrong = [
            ("OldPassword", "a second guess"),
            ("NewPassword", "new"),
            ("RepeatedPassword", "new"),
        ];
        browser.submit("/account/change-password", &wrong).await.assert_status(400);
        let wrong = [("OwnPassword", "a third guess")];
        browser.submit("/admin/users/278/retire", &wrong).await.assert_status(400);
    })
    .await;
    let is_refusal = |line: &&Value| {
        line["event.reason"].as_str().is_some_and(|reason| reason.contains("wrong password"))
    };
    let refusals: Vec<_> = log.iter().filter(is_refusal).collect();
    assert_eq!(refusals.len(), 3, "{refusals:?}");
    assert!(refusals.iter().all(|line| line["log.level"] == "warn"), "{refusals:?}");
    assert!(refusals.iter().all(|line| line["user.id"] == "1"), "{refusals:?}");
    assert!(refusals.iter().all(|line| !line.to_string().contains("guess")), "{refusals:?}");
}

/// A line break and a terminal sequence, then text that looks like a line of the log. It has no
/// colon, where the name of Basic credentials ends.
const FORGED: &str = "x\n1999-01-01T000000Z ERROR forged\r\u{1b}[2J\u{2028}";

/// The forged line, and a name that a user could have.
const FORGED_NAMES: [&str; 2] = [FORGED, "forged"];

/// Sends the forged line in paths, queries and bodies; returns the statuses.
async fn send_forged(client: &Client, url: &str, credentials: &Credentials) -> Vec<u16> {
    let encoded = utf8_percent_encode(FORGED, NON_ALPHANUMERIC).to_string();
    let paths = [
        format!("/{encoded}"),
        format!("/api/v1/User/{encoded}"),
        format!("{PRINCIPAL}?$select={encoded}&{encoded}=1"),
    ];
    let bodies = [
        json!({"UserId": 278, "Credential": {"Value": "x", "Type": {"Type": FORGED}}}),
        json!({"UserId": 278, "Credential": {"Value": FORGED, "DisplayValue": FORGED}}),
        json!({"UserId": FORGED, "Credential": FORGED}),
        json!({FORGED: FORGED}),
    ];
    let paths = paths.iter().map(|path| client.get(format!("{url}{path}")));
    let bodies = bodies.iter().map(|body| client.post(format!("{url}{SAVE}")).json(body));
    let mut statuses = Vec::new();
    for request in paths.chain(bodies) {
        statuses.push(credentials.apply_to(request).send().await.unwrap().status().as_u16());
    }
    statuses
}

/// Logs in with a name by JSON, by the form of the login page, and by SOAP.
async fn log_in_as(client: &Client, url: &str, name: &str) {
    let login = json!({"UserName": name, "Password": FORGED});
    let by_json = client.post(format!("{url}/login")).json(&login).send().await.unwrap();
    assert_eq!(by_json.status(), 401, "{name:?}");
    let page = Answer::read(client.get(format!("{url}/login")).send().await.unwrap()).await;
    let cookie = page.cookie("__Host-KEEPER-LOGIN").unwrap();
    let (_, token) = page.body.split_once("name=\"LoginToken\" value=\"").unwrap();
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("UserName", name)
        .append_pair("Password", FORGED)
        .append_pair("LoginToken", token.split('"').next().unwrap())
        .finish();
    let request = client.post(format!("{url}/login")).body(form);
    let request = request.header("Content-Type", "application/x-www-form-urlencoded");
    let request = request.header("Cookie", format!("__Host-KEEPER-LOGIN={cookie}"));
    assert_eq!(request.send().await.unwrap().status(), 401, "{name:?}");
    // XML has no escape character.
    let message = soap::login(&name.replace('\u{1b}', ""), "x");
    let request = client.post(format!("{url}{}", soap::SERVICE)).body(message);
    let request = request.header("Content-Type", "text/xml; charset=utf-8");
    let answer = Answer::read(request.send().await.unwrap()).await;
    assert!(answer.body.contains(">false</AuthenticationSucceeded>"), "{name:?}: {answer:?}");
}

#[sqlx::test]
async fn values_of_requests_are_not_logged_and_cannot_forge_lines(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.command(&["migrate"], "").assert_success();
    let mut command = keeper(&["serve"]);
    command.envs(app.variables()).env("KEEPER__LOG__LEVEL", "trace,actix_server=trace,sqlx=trace");
    command.env("KEEPER__LOG__FORMAT", "text").env("KEEPER__ATTEMPTS__BEFORE_DELAY", "1000");
    let server = Server::start(command).unwrap();
    let (client, url) = (&app.client, server.ready.as_str());
    for name in FORGED_NAMES {
        let statuses = send_forged(client, url, &Credentials::basic(name, FORGED)).await;
        assert_eq!(statuses, [404, 401, 401, 401, 401, 401, 401], "{name:?}");
        log_in_as(client, url, name).await;
    }
    let administrator = app.administrator();
    let statuses = send_forged(client, url, &administrator).await;
    assert_eq!(statuses[..2], [404, 404]);
    assert_eq!(statuses[3..], [400, 200, 400, 400]);
    // A header has no line break. What is left is stored with the ticket.
    let device = HeaderValue::from_bytes("x\tERROR forged\u{2028}".as_bytes()).unwrap();
    let ticket = client.post(format!("{url}{TICKETS}")).header("User-Agent", device);
    let issued = administrator.apply_to(ticket).send().await.unwrap();
    assert_eq!(issued.status(), 201);
    server.signal(Signal::TERM);
    let (ended_well, log) = server.wait();
    assert!(ended_well, "{log}");
    assert!(log.lines().count() > 20, "{log}");
    // No value is logged, so none needs escaping.
    assert!(!log.lines().any(|line| line.starts_with("1999")), "{log}");
    assert!(!log.contains("forged"), "{log}");
}

#[sqlx::test]
async fn an_unreadable_credential_logs_its_cause_but_not_its_value(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let basic = |pair: &[u8]| [b"Basic ", STANDARD.encode(pair).as_bytes()].concat();
    let line = |name, value: &[u8]| (name, HeaderValue::from_bytes(value).unwrap());
    let authorization = |value: &[u8]| vec![line("Authorization", value)];
    let session = |cookies: &[u8]| vec![line("X-XSRF-TOKEN", b"x"), line("Cookie", cookies)];
    let twice = vec![line("Authorization", b"Basic eDp5"), line("Authorization", b"Basic eDp5")];
    let xsrf_twice = vec![line("X-XSRF-TOKEN", b"x"), line("X-XSRF-TOKEN", b"x")];
    let cases = [
        ("twice", twice, "Authorization cannot be read: the header is given more than once"),
        ("no-text", authorization(b"Basic \xffmarker"), "the header is not valid UTF-8"),
        ("empty", authorization(b""), "no credentials after its scheme"),
        ("bare", authorization(b"marker"), "no credentials after its scheme"),
        (
            "unknown",
            authorization(b"Marker abc"),
            "the scheme of the Authorization header is not supported",
        ),
        ("no-base64", authorization(b"Basic marker!"), "the Basic credentials are not base64"),
        ("no-utf8", authorization(&basic(b"marker:\xff")), "the Basic credentials are not UTF-8"),
        ("no-colon", authorization(&basic(b"marker")), "the Basic credentials have no colon"),
        ("both", authorization(&basic(b"7T:marker:marker")), "are a ticket with a password"),
        ("xsrf-twice", xsrf_twice, "X-XSRF-TOKEN cannot be read"),
        ("no-cookie", session(b"a=marker"), "the session cookie is missing"),
        (
            "two-cookies",
            session(b"ASP.NET_SessionId=marker; ASP.NET_SessionId=marker"),
            "the cookie ASP.NET_SessionId is given more than once",
        ),
        ("odd-cookie", session(b"ASP.NET_SessionId=marker\xff"), "malformed session cookie"),
    ];
    let log = log_of(&app, async |url| {
        for (id, lines, _) in &cases {
            let request = app.client.get(format!("{url}{PRINCIPAL}")).header("X-Request-Id", *id);
            let request =
                lines.iter().fold(request, |request, (name, value)| request.header(*name, value));
            Answer::read(request.send().await.unwrap()).await.assert_unauthenticated();
        }
    })
    .await;
    for (id, _, reason) in cases {
        let lines = lines_of_request(&log, id);
        let refusals: Vec<_> = lines.iter().filter(|line| line["log.level"] == "warn").collect();
        assert_eq!(refusals.len(), 1, "{id}: {lines:?}");
        assert_eq!(refusals[0]["error.code"], "unauthenticated", "{id}");
        assert!(
            refusals[0]["event.reason"].as_str().unwrap().contains(reason),
            "{id}: {refusals:?}"
        );
    }
    assert!(
        !Value::from(log).to_string().to_lowercase().contains("marker"),
        "the value of a credential is in the log"
    );
}

#[sqlx::test]
async fn logins_by_form_and_by_json_are_logged(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let form = "application/x-www-form-urlencoded";
    let cases = [
        ("by-json", "application/json", r#"{"UserName":"paul","Password":"x"}"#, "wrong password"),
        ("by-form", form, "UserName=paul&Password=x&LoginToken=TOKEN", "wrong password"),
        ("foreign", form, "UserName=paul&Password=x&LoginToken=x", ""),
        ("well", "application/json", r#"{"UserName":"paul","Password":"paul-password"}"#, ""),
    ];
    let log = log_of(&app, async |url| {
        let page = Answer::read(app.client.get(format!("{url}/login")).send().await.unwrap()).await;
        let cookie = page.cookie("__Host-KEEPER-LOGIN").unwrap();
        let (_, token) = page.body.split_once("name=\"LoginToken\" value=\"").unwrap();
        let token = token.split('"').next().unwrap();
        for (id, content_type, body, _) in cases {
            let request = app.client.post(format!("{url}/login")).header("X-Request-Id", id);
            let request = request.header("Cookie", format!("__Host-KEEPER-LOGIN={cookie}"));
            let request = request.header("Content-Type", content_type);
            request.body(body.replace("TOKEN", token)).send().await.unwrap();
        }
    })
    .await;
    for (id, _, _, reason) in cases {
        let lines = lines_of_request(&log, id);
        let refusals = lines.iter().filter(|line| line["log.level"] == "warn").count();
        assert_eq!(refusals, usize::from(id != "well"), "{id}: {lines:?}");
        let last = lines.last().unwrap();
        if reason.is_empty() {
            let principal = &last["user.id"];
            assert_eq!(principal == &json!(PLAIN.0.to_string()), id == "well", "{id}: {last}");
        } else {
            assert_eq!(last["user.target.id"], PLAIN.0.to_string(), "{id}: {last}");
            assert!(
                lines.iter().any(|line| line["event.reason"].to_string().contains(reason)),
                "{id}"
            );
        }
    }
}

#[sqlx::test]
async fn a_credential_that_cannot_be_unsealed_raises_an_alarm(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    sqlx::raw_sql("UPDATE credentials SET version = version + 1 WHERE user_id = 278")
        .execute(&app.pool)
        .await
        .unwrap();
    let log = log_of(&app, async |url| {
        let request = app.plain().apply_to(app.client.get(format!("{url}{PRINCIPAL}")));
        assert_eq!(request.send().await.unwrap().status(), 401);
    })
    .await;
    let alarms: Vec<_> = log.iter().filter(|line| line["keeper.alarm"] == true).collect();
    assert_eq!(alarms.len(), 1, "{log:?}");
    assert_eq!(alarms[0]["user.target.id"], "278");
}

#[sqlx::test]
async fn no_secret_reaches_the_log_at_any_level(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let ticket = app.ticket(&app.plain()).await;
    let token = app.token(&app.plain()).await;
    let markers = [
        "marker-value",
        "marker-password",
        "marker-ticket",
        "marker-token",
        "marker-query",
        "marker-form",
    ];
    let mut issued = vec![ticket[3..].to_owned(), token.rsplit('.').next().unwrap().to_owned()];
    let log = log_of(&app, async |url| {
        let form =
            app.client.post(format!("{url}/login")).body("UserName=paul&Password=marker-form");
        let form = form.header("Content-Type", "application/x-www-form-urlencoded");
        assert_eq!(form.send().await.unwrap().status(), 403);
        let body = json!({ "UserName": "anna", "Password": "anna-password" });
        let login = app.client.post(format!("{url}/login")).json(&body).send().await.unwrap();
        let login = Answer::read(login).await;
        let cookies = [login.cookie("ASP.NET_SessionId"), login.cookie("XSRF-TOKEN")];
        let [cookie, xsrf] = cookies.map(Option::unwrap);
        issued.extend([cookie.clone(), xsrf.clone()]);
        let session = Credentials::Session { cookie, xsrf };
        let request = session.apply_to(app.client.get(format!("{url}{PRINCIPAL}")));
        assert_eq!(request.send().await.unwrap().status(), 200);
        let save = |credentials: Credentials, body: Value| {
            let request = app.client.request(Method::POST, format!("{url}{SAVE}?x=marker-query"));
            credentials.apply_to(request).json(&body).send()
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
        let request = login.apply_to(app.client.get(format!("{url}{PRINCIPAL}")));
        assert_eq!(request.send().await.unwrap().status(), 200);
    })
    .await;
    let text = Value::from(log).to_string();
    assert_eq!(issued.len(), 4);
    for issued in issued {
        assert!(!text.contains(&issued), "an issued secret is in the log");
    }
    for marker in markers {
        assert!(!text.contains(marker), "{marker} is in the log");
    }
    for encoded in ["paul:marker-password", "paul:marker-value", "anna:anna-password"] {
        assert!(!text.contains(&STANDARD.encode(encoded)), "{encoded} is in the log");
    }
}

#[sqlx::test]
async fn the_log_has_a_generated_request_id_and_a_valid_client_request_id(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let longest = "x".repeat(64);
    let too_long = "x".repeat(65);
    let cases = [
        (&[b"A-1".as_slice()][..], true),
        (&[longest.as_bytes()], true),
        (&[too_long.as_bytes()], false),
        (&[b""], false),
        (&[b"a b"], false),
        (&[b"a;b"], false),
        (&["ä".as_bytes()], false),
        (&[b"\xff"], false),
        (&[b"twice", b"twice"], false),
    ];
    let mut ids = Vec::new();
    let log = log_of(&app, async |url| {
        for (lines, _) in cases {
            let request = app.plain().apply_to(app.client.get(format!("{url}{PRINCIPAL}")));
            let request = lines.iter().fold(request, |request, line| {
                request.header("X-Request-Id", HeaderValue::from_bytes(line).unwrap())
            });
            let answer = Answer::read(request.send().await.unwrap()).await;
            answer.assert_status(200);
            ids.push(answer.header("x-request-id").to_owned());
        }
    })
    .await;
    for (id, (lines, is_logged)) in ids.iter().zip(cases) {
        let request_lines: Vec<_> =
            log.iter().filter(|line| line["http.request.id"] == **id).collect();
        assert!(
            request_lines.iter().any(|line| line["message"] == "answered"),
            "{lines:?}: {request_lines:?}"
        );
        let given = str::from_utf8(lines[0]).unwrap_or_default();
        for line in request_lines {
            let client_id = line["keeper.request.client_id"].as_str();
            assert_eq!(client_id, is_logged.then_some(given), "{line}");
            assert_ne!(line["http.request.id"], given);
        }
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), cases.len(), "request ids must be unique");
}
