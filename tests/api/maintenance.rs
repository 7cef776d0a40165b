//! The read-only mode: logins and reads work, changes get 503, and background work waits.

use std::time::Duration;

use base64::{Engine, engine::general_purpose::STANDARD};
use credential_keeper::{Effect, describe_routes};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{
    pages::{
        browser::Browser,
        transfers::{send, wait_for_end},
    },
    raw_http::client::RawClient,
    soap,
    support::{
        ADMINISTRATOR, Answer, Credentials, OldSystem, PLAIN, PRINCIPAL, Reloading, SAVE, TICKETS,
        TestApp, assert_becomes, old_password, password_of, wait_until,
    },
};

const READ_ONLY: (&str, &str) = ("KEEPER__MAINTENANCE__READ_ONLY", "true");

/// The same as a setting of a file.
const ON: (&str, &str) = ("maintenance.read_only", "true");

const NO_POLICY: (&str, &str) = ("passwords.policy", "'none'");

/// A password of the list of common passwords.
const LISTED: &str = "password123";

#[track_caller]
fn assert_read_only(answer: &Answer) {
    answer.assert_refused(503, "SoServiceUnavailableException", "read_only");
    assert_eq!(answer.header("retry-after"), "60");
}

#[sqlx::test]
async fn every_route_that_changes_something_is_refused_and_no_other(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[READ_ONLY], "").await;
    let (mut refused, mut served) = (0, 0);
    for route in describe_routes() {
        let path = route.path.replace("{id}", "278").replace("{user}", "paul");
        for credentials in [Credentials::Anonymous, app.administrator()] {
            let request = app.request(route.method.parse().unwrap(), &path, &credentials);
            let answer = Answer::read(request.send().await.unwrap()).await;
            if route.effect == Effect::Changes {
                assert_read_only(&answer);
                refused += 1;
            } else {
                assert_ne!(answer.status, 503, "{} {path}: {answer:?}", route.method);
                served += 1;
            }
        }
    }
    assert!(refused > 100 && served > 100, "{refused} {served}");
}

/// Everything that a change writes, and that neither a login nor a read may: users, credentials, mails
/// and the audit events of changes.
pub(crate) async fn written(app: &TestApp) -> String {
    let statement = "SELECT concat_ws('/',
        (SELECT md5(string_agg((to_jsonb(u) - 'audit_sequence' - 'audit_mac')::text, ','
            ORDER BY user_id)) FROM users u),
        (SELECT md5(string_agg(concat_ws(' ', user_id, credential_type, version, sealed_hash), ','
            ORDER BY user_id, credential_type)) FROM credentials),
        (SELECT count(*) FROM untrusted_credentials), (SELECT count(*) FROM password_mails),
        (SELECT count(*) FROM audit_events WHERE kind NOT IN ('ticket_issued', 'ticket_ended',
            'session_started', 'session_proven', 'session_ended')))";
    sqlx::query_scalar(statement).fetch_one(&app.pool).await.unwrap()
}

#[sqlx::test]
async fn everybody_can_log_in_while_the_service_is_read_only(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[READ_ONLY], "").await;
    let before = written(&app).await;
    let ticket = app.ticket(&app.plain()).await;
    let session = app.session(PLAIN.1).await;
    let token = app.token(&app.plain()).await;
    for credentials in
        [app.plain(), Credentials::Ticket(ticket), Credentials::Bearer(token), session.clone()]
    {
        app.get(PRINCIPAL, &credentials).await.assert_status(200);
    }
    let url = format!("{}{}", app.url, soap::SERVICE);
    let request = app.client.post(url).header("Content-Type", "text/xml");
    let request = request.body(soap::login(PLAIN.1, &password_of(PLAIN.1)));
    assert_eq!(request.send().await.unwrap().status(), 200);
    app.post("/logout", &session, &json!({})).await.assert_status(204);
    app.get(PRINCIPAL, &session).await.assert_unauthenticated();
    // Guessing is still counted: it must not be free during maintenance.
    for number in 0..5 {
        let wrong = Credentials::basic("nobody", &format!("wrong {number}"));
        app.get(PRINCIPAL, &wrong).await.assert_unauthenticated();
    }
    let wrong = Credentials::basic("nobody", "another");
    app.get(PRINCIPAL, &wrong).await.assert_status(429);
    assert_eq!(written(&app).await, before);
    let ready = app.client.get(format!("{}/health/ready", app.operations)).send().await.unwrap();
    assert_eq!(ready.status(), 200);
}

#[sqlx::test]
async fn pages_say_that_the_service_is_read_only(pool: PgPool) {
    let mut app = TestApp::spawn(pool).await;
    let text = "The service is read-only during maintenance.";
    let mut browser = Browser::signed_in(&app, ADMINISTRATOR.1).await;
    let form = browser.open("/admin/users/new").await;
    assert!(!form.body.contains(text), "{form:?}");
    app.reconfigure(&[READ_ONLY]).await;
    let mut browser = browser.moved_to(&app.url);
    let fields = [("LoginName", "new"), ("DisplayName", "New")];
    let refused = browser.submit(&form, "/admin/users/new", &fields).await;
    refused.assert_status(503);
    assert_eq!(refused.header("retry-after"), "60");
    for page in [&refused, &browser.open("/account").await, &browser.open("/login").await] {
        assert!(page.body.contains(text), "{page:?}");
    }
    let mut browser = browser.in_language("de");
    let page = browser.open("/account").await;
    assert!(
        page.body.contains("Der Dienst ist während einer Wartung schreibgeschützt."),
        "{page:?}"
    );
}

#[sqlx::test]
async fn commands_of_an_operator_work_while_the_service_is_read_only(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[READ_ONLY], "").await;
    app.add_user((401, "added"), &[]);
    app.command(&["user", "retire", "added"], "").assert_success();
}

#[sqlx::test]
async fn background_work_waits_until_changes_are_allowed(pool: PgPool) {
    let reloading = Reloading::start(pool, &[NO_POLICY]).await;
    let app = &reloading.app;
    let mark = async || {
        let mark = "SELECT change_required FROM credentials WHERE user_id = 278";
        let mark: Option<String> = sqlx::query_scalar(mark).fetch_one(&app.pool).await.unwrap();
        mark
    };
    app.save(&app.administrator(), PLAIN.0, "", LISTED).await.assert_saved();
    reloading.set(&[ON]).await;
    let paul = Credentials::basic(PLAIN.1, LISTED);
    app.get(PRINCIPAL, &paul).await.assert_status(200);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(mark().await, None);
    reloading.set(&[]).await;
    wait_until("the password is marked", async || mark().await.is_some()).await;
}

#[sqlx::test]
async fn a_later_login_rehashes_what_was_not_rehashed_while_read_only(pool: PgPool) {
    let mut app = TestApp::spawn(pool).await;
    let cost = async |app: &TestApp| {
        let statement = "SELECT hash_iterations FROM credentials WHERE user_id = 278";
        let cost: i32 = sqlx::query_scalar(statement).fetch_one(&app.pool).await.unwrap();
        cost
    };
    let former = cost(&app).await;
    let new = (former + 1).to_string();
    app.reconfigure(&[("KEEPER__HASHING__ITERATIONS", new.as_str()), READ_ONLY]).await;
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(cost(&app).await, former);
    app.reconfigure(&[("KEEPER__MAINTENANCE__READ_ONLY", "false")]).await;
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    assert_becomes(former + 1, async || cost(&app).await).await;
}

#[sqlx::test]
async fn an_import_in_progress_waits_until_changes_are_allowed(pool: PgPool) {
    const LINES: i64 = 400;
    let reloading = Reloading::start(pool, &[NO_POLICY]).await;
    let app = &reloading.app;
    let imported = async || {
        let count = "SELECT count(*) FROM users WHERE login_name LIKE 'held-%'";
        let count: i64 = sqlx::query_scalar(count).fetch_one(&app.pool).await.unwrap();
        count
    };
    let line = |number| {
        json!({"login_name": format!("held-{number}"), "credentials": [{"value": "a password"}]})
            .to_string()
    };
    let file: Vec<_> = (0..LINES).map(line).collect();
    let mut browser = Browser::at(&app.url);
    browser.sign_in("/login", "anna", &password_of("anna")).await.assert_status(303);
    let sent = send(&mut browser, "import", file.join("\n")).await;
    wait_until("the import begins", async || imported().await > 0).await;
    reloading.set(&[NO_POLICY, ON]).await;
    // Lines whose change has begun end.
    let mut held = imported().await;
    wait_until("no line is imported within a second", async || {
        let before = held;
        tokio::time::sleep(Duration::from_secs(1)).await;
        held = imported().await;
        held == before
    })
    .await;
    assert!(held < LINES, "the import ended before it could be held");
    reloading.set(&[NO_POLICY]).await;
    wait_for_end(&mut browser, &sent).await;
    assert_eq!(imported().await, LINES);
}

#[sqlx::test]
async fn nobody_moves_from_the_old_system_while_the_service_is_read_only(pool: PgPool) {
    let old = OldSystem::start();
    let variables = old.variables();
    let variables = variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let variables: Vec<_> = variables.chain([READ_ONLY]).collect();
    let mut app = TestApp::spawn_with(pool, &variables, "").await;
    let mover = Credentials::basic("mover", &old_password("mover"));
    assert_read_only(&app.get(PRINCIPAL, &mover).await);
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    assert!(old.requests().is_empty(), "the old system is not asked");
    app.reconfigure(&[("KEEPER__MAINTENANCE__READ_ONLY", "false")]).await;
    app.get(PRINCIPAL, &mover).await.assert_status(200);
}

#[sqlx::test]
async fn a_change_is_refused_before_its_body_and_its_caller_are_examined(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[READ_ONLY], "").await;
    let request = app.request(Method::POST, SAVE, &Credentials::Raw("nonsense".to_owned()));
    let request = request.header("Content-Type", "image/png").body("x");
    assert_read_only(&Answer::read(request.send().await.unwrap()).await);
    assert_read_only(&app.post(SAVE, &app.administrator(), &Value::Null).await);
    app.post(TICKETS, &app.administrator(), &Value::Null).await.assert_status(201);
    let preflight = app.request(Method::OPTIONS, SAVE, &Credentials::Anonymous);
    assert_eq!(preflight.send().await.unwrap().status(), 405);
}

const READS_ONLY: &str = "keeper_read_only";
const CHANGES: &str = "keeper_changes_in_progress";

/// Sends a save by the administrator without the last byte of its body.
fn begin_save(app: &TestApp, value: &str) -> RawClient {
    let body = json!({ "UserId": PLAIN.0, "Credential": { "Value": value } }).to_string();
    let caller = format!("{}:{}", ADMINISTRATOR.1, password_of(ADMINISTRATOR.1));
    let client = RawClient::connect(app);
    let sent = client.send(
        format!(
            "POST {SAVE} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n\
             Authorization: Basic {}\r\nContent-Length: {}\r\n\r\n{}",
            STANDARD.encode(caller),
            body.len(),
            body.strip_suffix('}').unwrap()
        )
        .as_bytes(),
    );
    assert!(sent);
    client
}

#[sqlx::test]
async fn a_change_that_began_before_the_mode_counts_until_it_ends(pool: PgPool) {
    let reloading = Reloading::start(pool, &[NO_POLICY]).await;
    let Reloading { app, instance, .. } = &reloading;
    assert_eq!(instance.metric(READS_ONLY).await, Some(0.0));
    let (mut slow, given_up) = (begin_save(app, "slow"), begin_save(app, "given up"));
    instance.wait_for_metric(CHANGES, 2.0).await;
    reloading.set(&[NO_POLICY, ON]).await;
    assert_eq!(instance.metric(READS_ONLY).await, Some(1.0));
    assert_read_only(&app.save(&app.administrator(), PLAIN.0, "", "late").await);
    drop(given_up);
    instance.wait_for_metric(CHANGES, 1.0).await;
    assert!(slow.send(b"}"));
    assert_eq!(slow.status(), Some(200));
    instance.wait_for_metric(CHANGES, 0.0).await;
    let saved = Credentials::basic(PLAIN.1, "slow");
    app.get(PRINCIPAL, &saved).await.assert_status(200);
}

#[sqlx::test]
async fn a_change_whose_client_has_left_counts_until_the_database_has_answered(pool: PgPool) {
    let reloading = Reloading::start(pool, &[NO_POLICY]).await;
    let Reloading { app, instance, .. } = &reloading;
    let mut lock = app.pool.begin().await.unwrap();
    let hold = "SELECT FROM users WHERE user_id = 278 FOR UPDATE";
    sqlx::query(hold).execute(&mut *lock).await.unwrap();
    let client = begin_save(app, "left");
    assert!(client.send(b"}"));
    wait_until("the save waits for its user", async || {
        let waiting = "SELECT count(*) > 0 FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'";
        sqlx::query_scalar(waiting).fetch_one(&app.pool).await.unwrap()
    })
    .await;
    drop(client);
    instance.wait_for_metric("keeper_http_requests_in_flight", 0.0).await;
    assert_eq!(instance.metric(CHANGES).await, Some(1.0));
    lock.rollback().await.unwrap();
    instance.wait_for_metric(CHANGES, 0.0).await;
}
