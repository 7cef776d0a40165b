//! The evidence that each change leaves.

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{
    ADMINISTRATOR, Answer, CURRENT_TICKET, Credentials, PLAIN, SAVE, TICKETS, TestApp, WHO,
};

#[sqlx::test]
async fn a_save_leaves_who_what_when_from_where_and_how(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let body = json!({"UserId": PLAIN.0, "Credential": {"Value": "x"}});
    let request = app
        .request(reqwest::Method::POST, SAVE, &app.administrator())
        .header("X-Request-Id", "my-own-name")
        .json(&body);
    let answer = Answer::read(request.send().await.unwrap()).await;
    answer.assert_saved();
    let event = sqlx::query!(
        r#"SELECT e.*, now() - e.occurred_at < interval '1 minute' AS "is_recent!"
           FROM audit_events e JOIN users u USING (user_id)
           WHERE u.user_id = 278 AND e.sequence = u.audit_sequence AND e.mac = u.audit_mac"#
    );
    let event = event.fetch_one(&app.pool).await.unwrap();
    assert_eq!((event.sequence, event.kind.as_str()), (3, "credential_saved"));
    assert_eq!(event.actor_user_id, Some(ADMINISTRATOR.0));
    assert_eq!(event.scheme, "basic");
    assert_eq!(event.address.as_deref(), Some("127.0.0.1"));
    // The service's own name of the request; not one that the caller chose.
    assert_eq!(event.request_id, answer.header("x-request-id"));
    assert_ne!(event.request_id, "my-own-name");
    assert_eq!(event.credential_type.as_deref(), Some("CRM5/PASSWORD"));
    assert_eq!(event.session_epoch, 2);
    assert!(event.is_recent);
}

#[sqlx::test]
async fn a_command_leaves_its_own_kind_of_evidence(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let events = sqlx::query!(
        "SELECT sequence, kind, actor_user_id, scheme, address FROM audit_events
         WHERE user_id = 278 ORDER BY sequence"
    );
    let events = events.fetch_all(&app.pool).await.unwrap();
    let kinds: Vec<_> = events.iter().map(|event| (event.sequence, event.kind.as_str())).collect();
    assert_eq!(kinds, [(1, "user_added"), (2, "credential_saved")]);
    for event in events {
        assert_eq!((event.actor_user_id, event.scheme.as_str()), (None, "command"));
        assert_eq!(event.address, None);
    }
}

#[sqlx::test]
async fn when_the_event_cannot_be_written_the_change_does_not_happen(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    // The next event's place is taken, so the append must fail.
    sqlx::raw_sql(
        "INSERT INTO audit_events SELECT user_id, sequence + 1, occurred_at, kind, actor_user_id,
                scheme, address, request_id, credential_type, session_epoch, key_id, mac
         FROM audit_events WHERE user_id = 278 AND sequence = 2",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    let answer = app.save(&app.administrator(), PLAIN.0, "", "x").await;
    answer.assert_refused(500, "Exception", "internal");
    assert_eq!(answer.json()["Message"], "An error has occurred.");
    app.get(WHO, &app.plain()).await.assert_status(200);
}

/// Everything that a change could have changed but the evidence of it.
async fn everything(app: &TestApp) -> String {
    let statement = "SELECT concat(
        (SELECT json_agg(to_jsonb(u) - '{audit_sequence,audit_mac,session_epoch}'::text[]
                         ORDER BY user_id) FROM users u),
        (SELECT json_agg(n ORDER BY canonical_name) FROM login_names n),
        (SELECT json_agg(c ORDER BY user_id, credential_type) FROM
            (SELECT user_id, credential_type, sealed_hash, version FROM credentials) c),
        (SELECT json_agg(i ORDER BY digest) FROM credential_identifiers i),
        (SELECT json_agg(t ORDER BY digest) FROM (SELECT user_id, digest, kind FROM tickets) t),
        (SELECT json_agg(a) FROM authentication_attempts a WHERE user_id = 278)
    )";
    sqlx::query_scalar(statement).fetch_one(&app.pool).await.unwrap()
}

async fn heads(app: &TestApp) -> String {
    let statement = "SELECT string_agg(concat_ws(' ', user_id, audit_sequence, session_epoch), ', '
                                       ORDER BY user_id) FROM users";
    sqlx::query_scalar(statement).fetch_one(&app.pool).await.unwrap()
}

async fn edit(app: &TestApp, statements: &'static str) {
    sqlx::raw_sql(statements).execute(&app.pool).await.unwrap();
}

/// Makes a change while no event can be written, and again while one can: `change` answers with a
/// status. The first time it fails and nothing changes, the second time something does.
async fn needs_its_event(app: &TestApp, what: &str, change: impl AsyncFn() -> u16) {
    edit(app, "ALTER TABLE audit_events ADD CONSTRAINT refusing CHECK (sequence < 0) NOT VALID")
        .await;
    let before = (everything(app).await, heads(app).await);
    assert_eq!(change().await, 500, "{what}");
    assert_eq!((everything(app).await, heads(app).await), before, "{what}");
    edit(app, "ALTER TABLE audit_events DROP CONSTRAINT refusing").await;
    let status = change().await;
    assert!((200..300).contains(&status), "{what}: {status}");
    assert_ne!(everything(app).await, before.0, "{what}");
}

/// A status for what a command did.
fn status_of(app: &TestApp, arguments: &[&str], input: &str) -> u16 {
    if app.command(arguments, input).code == 0 { 200 } else { 500 }
}

async fn delete(app: &TestApp, path: &str, credentials: &Credentials) -> u16 {
    let request = app.request(reqwest::Method::DELETE, path, credentials);
    request.send().await.unwrap().status().as_u16()
}

/// So that every change has something to change.
async fn prepare(app: &TestApp, administrator: &Credentials) {
    app.save(administrator, PLAIN.0, "ActiveDirectory", "S-1-5").await.assert_saved();
    app.command(&["ticket", "issue", "--user", "278"], "").succeeded();
    edit(
        app,
        "INSERT INTO authentication_attempts (user_id, credential_type, failures, tried)
         VALUES (278, 'CRM5/PASSWORD', 1, '{}') ON CONFLICT DO NOTHING",
    )
    .await;
}

#[sqlx::test]
async fn no_change_of_any_kind_happens_without_its_event(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let administrator = app.administrator();
    let of_user = json!({"AssociateId": PLAIN.0, "Password": "another password"});
    for (call, body) in [
        ("SaveCredential", json!({"UserId": 278, "Credential": {"Value": "x"}})),
        (
            "SaveCredential",
            json!({"UserId": 278, "Credential": {"Type": {"Type": "ActiveDirectory"}, "Value": "S-2"}}),
        ),
        ("DeleteCredential", json!({"UserId": 278, "CredentialType": "ActiveDirectory"})),
        ("SetPassword", of_user.clone()),
        ("SetGeneratedPassword", of_user),
        ("SaveUser", json!({"AssociateId": 278, "Name": "another"})),
        ("SaveUser", json!({"AssociateId": 0, "Name": "new"})),
        ("MakeRetired", json!({"AssociateId": 278, "Retired": true})),
        ("MakeRetired", json!({"AssociateId": 278, "Retired": false})),
    ] {
        if body["Retired"].is_null() {
            prepare(&app, &administrator).await;
        }
        let path = format!("/api/v1/Agents/User/{call}");
        let change = async || app.post(&path, &administrator, &body).await.status.as_u16();
        needs_its_event(&app, &format!("{call} {body}"), change).await;
    }
    for path in ["/keeper/users/278/tickets", "/keeper/users/278/attempts"] {
        prepare(&app, &administrator).await;
        needs_its_event(&app, path, async || delete(&app, path, &administrator).await).await;
    }
    for (arguments, input) in [
        (&["user", "add", "newer"][..], "a password"),
        (&["user", "grant-admin", "278"], ""),
        (&["user", "revoke-admin", "278"], ""),
        (&["credential", "save", "--user", "278"], "a password"),
        (&["credential", "delete", "--user", "278", "--type", "ActiveDirectory"], ""),
        (&["credential", "unlock", "--user", "278"], ""),
        (&["ticket", "issue", "--user", "278"], ""),
        (&["ticket", "revoke", "--user", "278"], ""),
        (&["user", "retire", "278"], ""),
        (&["user", "reactivate", "278"], ""),
        (&["user", "delete", "300"], ""),
    ] {
        if arguments.get(1) != Some(&"reactivate") {
            prepare(&app, &administrator).await;
        }
        let change = async || status_of(&app, arguments, input);
        needs_its_event(&app, &arguments.join(" "), change).await;
    }
    let path = "/api/v1/Agents/User/DeleteUser?userId=278";
    let change = async || app.post(path, &administrator, &Value::Null).await.status.as_u16();
    needs_its_event(&app, path, change).await;
}

#[sqlx::test]
async fn no_ticket_and_no_session_begins_or_ends_without_its_event(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let plain = app.plain();
    // What a first login counts and remembers is no part of it.
    app.get(WHO, &plain).await.assert_status(200);
    let issue = async || app.post(TICKETS, &plain, &Value::Null).await.status.as_u16();
    needs_its_event(&app, "a ticket", issue).await;
    let own = Credentials::Ticket(app.ticket(&plain).await);
    let end = async || delete(&app, CURRENT_TICKET, &own).await;
    needs_its_event(&app, "the end of the own ticket", end).await;
    let text = app.ticket(&plain).await;
    let revoke = async || status_of(&app, &["ticket", "revoke"], &text);
    needs_its_event(&app, "the end of a ticket by its text", revoke).await;
    let listed = app.get("/keeper/users/278/tickets", &plain).await.json();
    let one = format!("/keeper/users/278/tickets/{}", listed[0]["Id"].as_str().unwrap());
    needs_its_event(&app, &one, async || delete(&app, &one, &plain).await).await;
    let body = json!({"UserName": PLAIN.1, "Password": "paul-password"});
    let sign_in = async || app.post("/login", &Credentials::Anonymous, &body).await.status.as_u16();
    needs_its_event(&app, "a session", sign_in).await;
    let session = app.session(PLAIN.1).await;
    let sign_out = async || app.post("/logout", &session, &Value::Null).await.status.as_u16();
    needs_its_event(&app, "the end of a session", sign_out).await;
}

#[sqlx::test]
async fn tickets_and_sessions_leave_who_began_and_ended_them_and_what_expires_leaves_nothing(
    pool: PgPool,
) {
    let mut app =
        TestApp::spawn_with(pool, &[("KEEPER__TICKETS__MAXIMUM_PER_USER", "2")], "").await;
    let administrator = app.administrator();
    let ticket = app.command(&["ticket", "issue", "--user", "paul"], "").succeeded();
    delete(&app, CURRENT_TICKET, &Credentials::Ticket(ticket)).await;
    for _ in 0..3 {
        app.ticket(&app.plain()).await;
    }
    let session = app.session(PLAIN.1).await;
    let listed = app.get("/keeper/users/278/tickets", &administrator).await.json();
    let id = listed[0]["Id"].as_str().unwrap();
    delete(&app, &format!("/keeper/users/278/tickets/{id}"), &administrator).await;
    // It has ended already.
    app.post("/logout", &session, &Value::Null).await.assert_status(204);
    let session = app.session(PLAIN.1).await;
    // Another person at the same browser.
    let Credentials::Session { cookie, .. } = &session else { panic!("no session") };
    let body = json!({"UserName": ADMINISTRATOR.1, "Password": "anna-password"});
    let request = app.request(reqwest::Method::POST, "/login", &Credentials::Anonymous);
    let request = request.header("Cookie", format!("ASP.NET_SessionId={cookie}")).json(&body);
    assert_eq!(request.send().await.unwrap().status(), 200);
    let session = app.session(PLAIN.1).await;
    app.post("/logout", &session, &Value::Null).await.assert_status(204);
    edit(&app, "UPDATE tickets SET created_at = now() - interval '1 d', expires_at = now()").await;
    app.restart().await;
    for _ in 0..100 {
        let left = "SELECT count(*) FROM tickets WHERE user_id = 278";
        let left: i64 = sqlx::query_scalar(left).fetch_one(&app.pool).await.unwrap();
        if left == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    let events = "SELECT concat_ws(' ', kind, actor_user_id, scheme) FROM audit_events
                  WHERE user_id = 278 AND sequence > 2 ORDER BY sequence";
    let events: Vec<String> = sqlx::query_scalar(events).fetch_all(&app.pool).await.unwrap();
    let expected = [
        "ticket_issued command",
        "ticket_ended 278 so_ticket",
        "ticket_issued 278 basic",
        "ticket_issued 278 basic",
        "ticket_issued 278 basic",
        "ticket_ended 278 basic",
        "session_started 278 basic",
        "session_ended 1 basic",
        "session_started 278 basic",
        "session_ended 1 basic",
        "session_started 278 basic",
        "session_ended 278 session",
    ];
    assert_eq!(events, expected);
    assert!(
        app.command(&["audit", "list", "--user", "paul"], "").succeeded().contains("ticket_ended")
    );
}

#[sqlx::test]
async fn single_logins_are_in_the_log_and_not_in_the_chain(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let ticket = Credentials::Ticket(app.ticket(&app.plain()).await);
    let session = app.session(PLAIN.1).await;
    let before = heads(&app).await;
    for by in [app.plain(), ticket, session] {
        app.get(WHO, &by).await.assert_status(200);
        let token = Credentials::Bearer(app.token(&by).await);
        app.get(WHO, &token).await.assert_status(200);
    }
    app.get(WHO, &Credentials::basic(PLAIN.1, "wrong")).await.assert_status(401);
    assert_eq!(heads(&app).await, before);
}
