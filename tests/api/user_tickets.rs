//! Listing and ending the tickets and sessions of a user, one by one or all at once.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{
    soap,
    support::{
        ADMINISTRATOR, Answer, Credentials, PLAIN, PRINCIPAL, TICKETS, TestApp, password_of,
    },
};

fn path(user_id: i32) -> String {
    format!("/keeper/users/{user_id}/tickets")
}

async fn list(app: &TestApp, credentials: &Credentials, user_id: i32) -> Vec<Value> {
    let answer = app.get(&path(user_id), credentials).await;
    answer.assert_status(200);
    answer.json().as_array().unwrap().clone()
}

async fn delete(app: &TestApp, credentials: &Credentials, path: &str) -> Answer {
    Answer::read(app.request(Method::DELETE, path, credentials).send().await.unwrap()).await
}

#[sqlx::test]
async fn valid_tickets_are_listed_newest_first_without_their_text(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let ticket = app.ticket(&app.plain()).await;
    let session = app.session(PLAIN.1).await;
    for credentials in
        [app.plain(), app.administrator(), Credentials::Ticket(ticket.clone()), session]
    {
        let listed = list(&app, &credentials, PLAIN.0).await;
        let kinds: Vec<_> = listed.iter().map(|info| info["Kind"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["session", "ticket"]);
        for info in &listed {
            assert_eq!(info["Id"].as_str().unwrap().len(), 64);
            assert!(info["ExpiresAt"].as_str().unwrap() > info["CreatedAt"].as_str().unwrap());
            assert!(!info.to_string().contains(&ticket));
            // The id in the list does not authenticate.
            let id = Credentials::Ticket(info["Id"].as_str().unwrap().to_owned());
            app.get(PRINCIPAL, &id).await.assert_unauthenticated();
        }
    }
    sqlx::query!(
        "UPDATE tickets SET created_at = created_at - interval '1 year', expires_at = now()"
    )
    .execute(&app.pool)
    .await
    .unwrap();
    assert!(list(&app, &app.plain(), PLAIN.0).await.is_empty(), "expired tickets are not listed");
}

#[sqlx::test]
async fn ending_one_ticket_keeps_the_others(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let first = Credentials::Ticket(app.ticket(&app.plain()).await);
    let second = Credentials::Ticket(app.ticket(&app.plain()).await);
    let newest = list(&app, &app.plain(), PLAIN.0).await[0]["Id"].as_str().unwrap().to_owned();
    let ticket_path = format!("{}/{newest}", path(PLAIN.0));
    delete(&app, &app.administrator(), &format!("{}/{newest}", path(1))).await.assert_status(404);
    delete(&app, &first, &ticket_path).await.assert_status(204);
    app.get(PRINCIPAL, &second).await.assert_unauthenticated();
    app.get(PRINCIPAL, &first).await.assert_status(200);
    delete(&app, &first, &ticket_path).await.assert_status(404);
    for wrong in ["x", &newest[1..], &"å".repeat(32)] {
        delete(&app, &first, &format!("{}/{wrong}", path(PLAIN.0))).await.assert_status(404);
    }
}

#[sqlx::test]
async fn ending_all_tickets_keeps_the_one_in_use(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let own = Credentials::Ticket(app.ticket(&app.plain()).await);
    let other = Credentials::Ticket(app.ticket(&app.plain()).await);
    let token = Credentials::Bearer(app.token(&app.plain()).await);
    delete(&app, &own, &path(PLAIN.0)).await.assert_status(204);
    app.get(PRINCIPAL, &own).await.assert_status(200);
    app.get(PRINCIPAL, &other).await.assert_unauthenticated();
    app.get(PRINCIPAL, &token).await.assert_unauthenticated();
    assert_eq!(list(&app, &own, PLAIN.0).await.len(), 1);
    delete(&app, &app.administrator(), &path(PLAIN.0)).await.assert_status(204);
    app.get(PRINCIPAL, &own).await.assert_unauthenticated();
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    let event = sqlx::query!(
        "SELECT kind, actor_user_id FROM audit_events WHERE user_id = 278
         ORDER BY sequence DESC LIMIT 1"
    );
    let event = event.fetch_one(&app.pool).await.unwrap();
    assert_eq!(
        (event.kind.as_str(), event.actor_user_id),
        ("sessions_ended", Some(ADMINISTRATOR.0))
    );
}

#[sqlx::test]
async fn an_expired_ticket_is_not_ended_again(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let expired = app.ticket(&app.plain()).await;
    let ticket_path =
        format!("{}/{}", path(PLAIN.0), list(&app, &app.plain(), PLAIN.0).await[0]["Id"]);
    sqlx::query!(
        "UPDATE tickets SET created_at = created_at - interval '1 year', expires_at = now()"
    )
    .execute(&app.pool)
    .await
    .unwrap();
    delete(&app, &app.plain(), &ticket_path.replace('"', "")).await.assert_status(404);
    app.get(PRINCIPAL, &Credentials::Ticket(expired)).await.assert_unauthenticated();
    let ended =
        sqlx::query_scalar!("SELECT count(*) FROM audit_events WHERE kind = 'ticket_ended'");
    assert_eq!(ended.fetch_one(&app.pool).await.unwrap(), Some(0));
}

#[sqlx::test]
async fn retiring_oneself_ends_the_ticket_in_use(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.command(&["user", "add", "second", "--administrator"], "a password of hers")
        .assert_success();
    let own = Credentials::Ticket(app.ticket(&app.administrator()).await);
    let body = json!({"AssociateId": ADMINISTRATOR.0, "Retired": true});
    let answer = app.request(Method::POST, "/api/v1/Agents/User/MakeRetired", &own).json(&body);
    assert_eq!(answer.send().await.unwrap().status(), 204);
    app.get(PRINCIPAL, &own).await.assert_unauthenticated();
    app.command(&["user", "reactivate", ADMINISTRATOR.1], "").assert_success();
    app.get(PRINCIPAL, &app.administrator()).await.assert_status(200);
    app.get(PRINCIPAL, &own).await.assert_unauthenticated();
}

#[sqlx::test]
async fn only_administrators_may_access_tickets_of_other_users(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for user_id in [ADMINISTRATOR.0, 4711] {
        app.get(&path(user_id), &app.plain()).await.assert_forbidden();
        delete(&app, &app.plain(), &path(user_id)).await.assert_forbidden();
        let ticket_path = format!("{}/{}", path(user_id), "0".repeat(64));
        delete(&app, &app.plain(), &ticket_path).await.assert_forbidden();
    }
    for user_id in ["4711", "x", "-1"] {
        let path = format!("/keeper/users/{user_id}/tickets");
        delete(&app, &app.administrator(), &path).await.assert_status(404);
    }
    app.get(&path(4711), &app.administrator()).await.assert_status(404);
}

#[sqlx::test]
async fn an_anonymous_user_may_neither_list_nor_end_tickets(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (id, name, user_type, status) in
        [(500, "ano", "anonymous", 403), (501, "ext", "external", 204)]
    {
        app.add_user((id, name), &["--type", user_type]);
        let credentials = Credentials::basic(name, &password_of(name));
        delete(&app, &credentials, &path(id)).await.assert_status(status);
        app.get(&path(id), &credentials).await.assert_status(if status == 403 { 403 } else { 200 });
    }
}

/// A browser on a phone, with characters that a terminal or a log would obey.
const BROWSER: &str =
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) CriOS/131 Zx7marker\t\u{202e}";

/// Signs in as the plain user in each way that issues a ticket or session, with this `User-Agent`.
async fn sign_in_everywhere(app: &TestApp, device: &str) {
    let ticket = app.request(Method::POST, TICKETS, &app.plain()).header("User-Agent", device);
    assert_eq!(ticket.send().await.unwrap().status(), 201);
    let body = json!({"UserName": PLAIN.1, "Password": password_of(PLAIN.1)});
    let session = app.request(Method::POST, "/login", &Credentials::Anonymous);
    let session = session.header("User-Agent", device).json(&body);
    assert_eq!(session.send().await.unwrap().status(), 200);
    let message = soap::login(PLAIN.1, &password_of(PLAIN.1));
    let login = app.request(Method::POST, soap::SERVICE, &Credentials::Anonymous);
    let login = login.header("Content-Type", "text/xml").header("User-Agent", device);
    assert_eq!(login.body(message).send().await.unwrap().status(), 200);
}

#[sqlx::test]
async fn each_ticket_and_session_has_the_device_and_address_that_it_was_issued_to(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    sign_in_everywhere(&app, BROWSER).await;
    let listed = list(&app, &app.plain(), PLAIN.0).await;
    assert_eq!(listed.len(), 3);
    for info in &listed {
        assert_eq!(info["Address"], "127.0.0.1");
        assert_eq!(info["DeviceName"], "Chrome on iPhone");
        let device = info["Device"].as_str().unwrap();
        let plain = BROWSER.trim_end_matches(['\u{202e}']).trim_end();
        assert_eq!(device, plain);
        assert_eq!((&info["LastUsedAt"], &info["LastUsedAddress"]), (&Value::Null, &Value::Null));
    }
    let output = app.command(&["ticket", "list", "--user", "paul"], "").assert_success();
    assert_eq!(output.matches("Chrome on iPhone").count(), 3, "{output}");
    assert_eq!(output.matches("127.0.0.1").count(), 3, "{output}");
    assert!(!output.contains("Zx7marker"), "{output}");
}

#[sqlx::test]
async fn a_device_is_bounded_and_a_missing_one_is_null(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (header, device) in [
        (&b"caf\xe9/1"[..], Some("caf\u{fffd}/1".to_owned())),
        (&[b'x'; 5_000], Some("x".repeat(200))),
        ("å".repeat(300).as_bytes(), Some("å".repeat(200))),
        ("\u{202e}\u{2028}".as_bytes(), None),
        (b"<script>alert(1)</script>", Some("<script>alert(1)</script>".to_owned())),
    ] {
        let request = app.request(Method::POST, TICKETS, &app.plain());
        let answer = request.header("User-Agent", header).send().await.unwrap();
        assert_eq!(answer.status(), 201);
        let listed = list(&app, &app.plain(), PLAIN.0).await;
        assert_eq!(listed[0]["Device"], json!(device));
    }
    // The client of the tests sends none, and a command has neither.
    app.ticket(&app.plain()).await;
    app.command(&["ticket", "issue", "--user", "paul"], "").assert_success();
    let listed = list(&app, &app.plain(), PLAIN.0).await;
    assert_eq!((&listed[0]["Device"], &listed[0]["Address"]), (&Value::Null, &Value::Null));
    assert_eq!((&listed[1]["Device"], &listed[1]["DeviceName"]), (&Value::Null, &Value::Null));
    assert_eq!(listed[1]["Address"], "127.0.0.1");
}

/// How often the ticket row of the plain user was written, and its last use.
async fn uses(app: &TestApp) -> (String, Option<time::OffsetDateTime>, Option<String>) {
    let row = "SELECT xmin::text, last_used_at, last_used_address FROM tickets WHERE user_id = 278";
    sqlx::query_as(row).fetch_one(&app.pool).await.unwrap()
}

#[sqlx::test]
async fn a_use_is_recorded_at_most_every_five_minutes_also_at_the_end_of_the_lifetime(
    pool: PgPool,
) {
    let app =
        TestApp::spawn_with(pool, &[("KEEPER__SESSIONS__ABSOLUTE_SECONDS", "3600")], "").await;
    let ticket = Credentials::Ticket(app.ticket(&app.plain()).await);
    let issued = uses(&app).await;
    app.get(PRINCIPAL, &ticket).await.assert_status(200);
    assert_eq!(uses(&app).await, issued, "a new ticket is not written again");
    // Its expiry is that of the absolute lifetime, which no use extends.
    for _ in 0..2 {
        sqlx::raw_sql(
            "UPDATE tickets SET created_at = created_at - interval '6 minutes',
                                last_used_at = last_used_at - interval '6 minutes'",
        )
        .execute(&app.pool)
        .await
        .unwrap();
        let before = uses(&app).await;
        app.get(PRINCIPAL, &ticket).await.assert_status(200);
        let (row, used_at, address) = uses(&app).await;
        assert_ne!(row, before.0);
        assert_eq!(address.as_deref(), Some("127.0.0.1"));
        for _ in 0..3 {
            app.get(PRINCIPAL, &ticket).await.assert_status(200);
            assert_eq!(uses(&app).await, (row.clone(), used_at, address.clone()));
        }
    }
    let listed = list(&app, &app.administrator(), PLAIN.0).await;
    assert_eq!(listed[0]["LastUsedAddress"], "127.0.0.1");
    assert!(listed[0]["LastUsedAt"].is_string());
}

#[sqlx::test]
async fn a_session_is_ended_by_its_id(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (own, other) = (app.session(PLAIN.1).await, app.session(PLAIN.1).await);
    let listed = list(&app, &app.plain(), PLAIN.0).await;
    assert_eq!(listed[0]["Kind"], "session");
    let session_path = format!("{}/{}", path(PLAIN.0), listed[0]["Id"].as_str().unwrap());
    delete(&app, &own, &session_path).await.assert_status(204);
    app.get(PRINCIPAL, &other).await.assert_unauthenticated();
    app.get(PRINCIPAL, &own).await.assert_status(200);
    delete(&app, &own, &session_path).await.assert_status(404);
    let kind = "SELECT kind FROM audit_events WHERE user_id = 278 ORDER BY sequence DESC LIMIT 1";
    let kind: String = sqlx::query_scalar(kind).fetch_one(&app.pool).await.unwrap();
    assert_eq!(kind, "session_ended");
}
