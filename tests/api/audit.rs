//! Every change appends an audit event, in the same transaction.

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{
    ADMINISTRATOR, Answer, CURRENT_TICKET, Credentials, PLAIN, PRINCIPAL, SAVE, TICKETS, TestApp,
    assert_becomes,
};

#[sqlx::test]
async fn a_save_records_actor_time_address_scheme_and_type(pool: PgPool) {
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
    // The request id that the service generated, not the one that the caller sent.
    assert_eq!(event.request_id, answer.header("x-request-id"));
    assert_ne!(event.request_id, "my-own-name");
    assert_eq!(event.credential_type.as_deref(), Some("CRM5/PASSWORD"));
    assert_eq!(event.session_epoch, 2);
    assert!(event.is_recent);
}

#[sqlx::test]
async fn a_command_records_neither_actor_nor_address(pool: PgPool) {
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

/// The stored spellings of an enum of the domain.
fn spellings<'source>(source: &'source str, name: &str) -> Vec<&'source str> {
    let (_, variants) = source.split_once(&format!("    {name} {{\n")).unwrap();
    let (variants, _) = variants.split_once("\n    }").unwrap();
    variants.split('"').skip(1).step_by(2).collect()
}

#[sqlx::test]
async fn an_event_of_each_kind_and_scheme_can_be_stored(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let kinds = spellings(include_str!("../../src/domain/audit.rs"), "AuditKind");
    let principals = include_str!("../../src/domain/principal.rs");
    let schemes = spellings(principals, "AuthenticationScheme");
    assert!(kinds.len() >= 22 && schemes.len() >= 7, "{kinds:?} {schemes:?}");
    let kinds = kinds.into_iter().map(|kind| (kind, "basic"));
    let schemes = schemes.into_iter().map(|scheme| ("user_changed", scheme));
    for (kind, scheme) in kinds.chain(schemes) {
        let inserted = sqlx::query(
            "INSERT INTO audit_events SELECT user_id, max(sequence) OVER () + 1, occurred_at, $1,
                    actor_user_id, $2, address, request_id, credential_type, session_epoch, key_id,
                    mac
             FROM audit_events WHERE user_id = 278 ORDER BY sequence DESC LIMIT 1",
        );
        let inserted = inserted.bind(kind).bind(scheme).execute(&app.pool).await;
        assert_eq!(inserted.unwrap().rows_affected(), 1, "{kind} {scheme}");
    }
}

#[sqlx::test]
async fn a_save_fails_when_its_event_cannot_be_written(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    // The next sequence number is taken, so the append fails.
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
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
}

/// All state that a change can affect, except for the audit log and the heads of its chains.
async fn state_without_audit(app: &TestApp) -> String {
    let statement = "SELECT concat(
        (SELECT json_agg(to_jsonb(u) - '{audit_sequence,audit_mac,session_epoch}'::text[]
                         ORDER BY user_id) FROM users u),
        (SELECT json_agg(n ORDER BY canonical_name) FROM login_names n),
        (SELECT json_agg(c ORDER BY user_id, credential_type) FROM
            (SELECT user_id, credential_type, sealed_hash, version FROM credentials) c),
        (SELECT json_agg(v ORDER BY version) FROM
            (SELECT version, sealed_secret FROM untrusted_credentials) v),
        (SELECT json_agg(i ORDER BY digest) FROM credential_identifiers i),
        (SELECT json_agg(t ORDER BY digest) FROM (SELECT user_id, digest, kind FROM tickets) t),
        (SELECT json_agg(a) FROM authentication_attempts a WHERE user_id = 278),
        (SELECT count(*) FROM password_mails)
    )";
    sqlx::query_scalar(statement).fetch_one(&app.pool).await.unwrap()
}

/// The head of every audit chain, with the session epoch of its user.
async fn chain_heads(app: &TestApp) -> String {
    let statement = "SELECT string_agg(concat_ws(' ', user_id, audit_sequence, session_epoch), ', '
                                       ORDER BY user_id) FROM users";
    sqlx::query_scalar(statement).fetch_one(&app.pool).await.unwrap()
}

pub(crate) async fn execute_sql(app: &TestApp, statements: &'static str) {
    sqlx::raw_sql(statements).execute(&app.pool).await.unwrap();
}

/// All state that a request can affect.
#[derive(Debug, PartialEq)]
pub(crate) struct State {
    pub(crate) without_audit: String,
    pub(crate) chain_heads: String,
}

/// Runs something while no event can be written, and asserts that it has no effect. Returns the state
/// and the result.
pub(crate) async fn without_events<T>(
    app: &TestApp,
    description: &str,
    run: impl AsyncFnOnce() -> T,
) -> (State, T) {
    let state = async || State {
        without_audit: state_without_audit(app).await,
        chain_heads: chain_heads(app).await,
    };
    execute_sql(
        app,
        "ALTER TABLE audit_events ADD CONSTRAINT refusing CHECK (sequence < 0) NOT VALID",
    )
    .await;
    let before = state().await;
    let result = run().await;
    assert_eq!(state().await, before, "{description}");
    execute_sql(app, "ALTER TABLE audit_events DROP CONSTRAINT refusing").await;
    (before, result)
}

/// Asserts that a change fails and has no effect while no event can be written, and succeeds once
/// one can. `change` returns a status.
pub(crate) async fn assert_needs_event(
    app: &TestApp,
    description: &str,
    change: impl AsyncFn() -> u16,
) {
    let (before, status) = without_events(app, description, async || change().await).await;
    assert_eq!(status, 500, "{description}");
    let status = change().await;
    assert!((200..400).contains(&status), "{description}: {status}");
    assert_ne!(state_without_audit(app).await, before.without_audit, "{description}");
}

/// As [`assert_needs_event`], for a request that returns something and changes nothing but the chain.
pub(crate) async fn assert_reading_needs_event(
    app: &TestApp,
    description: &str,
    read: impl AsyncFn() -> u16,
) {
    let (before, status) = without_events(app, description, async || read().await).await;
    assert_eq!(status, 500, "{description}");
    assert_eq!(read().await, 200, "{description}");
    assert_ne!(chain_heads(app).await, before.chain_heads, "{description}");
}

/// The result of a command as an HTTP status.
fn command_status(app: &TestApp, arguments: &[&str], input: &str) -> u16 {
    if app.command(arguments, input).code == 0 { 200 } else { 500 }
}

async fn delete(app: &TestApp, path: &str, credentials: &Credentials) -> u16 {
    let request = app.request(reqwest::Method::DELETE, path, credentials);
    request.send().await.unwrap().status().as_u16()
}

/// Creates an identifier, a ticket and a counted failure, so that every change has an effect.
pub(crate) async fn prepare(app: &TestApp, administrator: &Credentials) {
    app.save(administrator, PLAIN.0, "ActiveDirectory", "S-1-5").await.assert_saved();
    app.command(&["ticket", "issue", "--user", "278"], "").assert_success();
    execute_sql(
        app,
        "INSERT INTO authentication_attempts
         VALUES (278, 'CRM5/PASSWORD', 1, '{}', 0, '{}', now(), NULL) ON CONFLICT DO NOTHING",
    )
    .await;
}

/// Calls of the User agent that change something, each with a body.
pub(crate) fn calls() -> [(&'static str, Value); 11] {
    let password_change = json!({"AssociateId": PLAIN.0, "Password": "another password"});
    [
        ("SaveCredential", json!({"UserId": 278, "Credential": {"Value": "x"}})),
        (
            "SaveCredential",
            json!({"UserId": 278, "Credential": {"Type": {"Type": "ActiveDirectory"}, "Value": "S-2"}}),
        ),
        ("DeleteCredential", json!({"UserId": 278, "CredentialType": "ActiveDirectory"})),
        (
            "SaveUntrustedCredentials",
            json!({"Type": "t", "Credentials": {"PublicValue": "p", "SecretValue": "s"}}),
        ),
        ("RemoveUntrustedCredentials", json!({"Type": "t", "PublicValue": "p"})),
        ("SetPassword", password_change.clone()),
        ("SetGeneratedPassword", password_change),
        ("SaveUser", json!({"AssociateId": 278, "Name": "another"})),
        ("SaveUser", json!({"AssociateId": 0, "Name": "new"})),
        ("MakeRetired", json!({"AssociateId": 278, "Retired": true})),
        ("MakeRetired", json!({"AssociateId": 278, "Retired": false})),
    ]
}

/// Paths of which a DELETE ends or resets everything.
pub(crate) const DELETIONS: [&str; 2] = ["/keeper/users/278/tickets", "/keeper/users/278/attempts"];

/// The last change of a user.
pub(crate) const DELETE_USER: &str = "/api/v1/Agents/User/DeleteUser?userId=278";

#[sqlx::test]
async fn every_kind_of_change_needs_its_event(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let administrator = app.administrator();
    for (call, body) in calls() {
        if body["Retired"].is_null() {
            prepare(&app, &administrator).await;
        }
        let path = format!("/api/v1/Agents/User/{call}");
        let change = async || app.post(&path, &administrator, &body).await.status.as_u16();
        assert_needs_event(&app, &format!("{call} {body}"), change).await;
    }
    for path in DELETIONS {
        prepare(&app, &administrator).await;
        assert_needs_event(&app, path, async || delete(&app, path, &administrator).await).await;
    }
    for (arguments, input) in [
        (&["user", "add", "newer"][..], "a password"),
        (&["user", "grant-admin", "278"], ""),
        (&["user", "revoke-admin", "278"], ""),
        (&["user", "set-role", "278", "auditor"], ""),
        (&["credential", "save", "--user", "278"], "a password"),
        (&["credential", "delete", "--user", "278", "--type", "ActiveDirectory"], ""),
        (&["credential", "unlock", "--user", "278"], ""),
        (&["credential", "require-change", "--user", "278"], ""),
        (&["credential", "clear-change", "--user", "278"], ""),
        (&["ticket", "issue", "--user", "278"], ""),
        (&["ticket", "revoke", "--user", "278"], ""),
        (&["user", "retire", "278"], ""),
        (&["user", "reactivate", "278"], ""),
        (&["user", "delete", "300"], ""),
    ] {
        if arguments.get(1) != Some(&"reactivate") {
            prepare(&app, &administrator).await;
        }
        let change = async || command_status(&app, arguments, input);
        assert_needs_event(&app, &arguments.join(" "), change).await;
    }
    let change = async || app.post(DELETE_USER, &administrator, &Value::Null).await.status.as_u16();
    assert_needs_event(&app, DELETE_USER, change).await;
}

/// Calls of the User agent that change an external user, each with a body.
pub(crate) fn external_calls() -> [(&'static str, Value); 7] {
    let set = |flag: &str| {
        json!({
            "AssociateId": 400, "UserName": "renamed", "Password": "new", "RoleId": 4,
            "IsActive": false, "ExternalUserInfoModification": flag,
        })
    };
    [
        ("CreateExternalUser", json!({"UserName": "new", "Password": "x", "IsActive": true})),
        ("SetExternalUserInfo", set("UserName")),
        ("SetExternalUserInfo", set("Password")),
        ("SetExternalUserInfo", set("Role")),
        ("SetExternalUserInfo", set("Active")),
        ("GenerateNewPasswordForExternalUser", json!({"AssociateName": "renamed"})),
        ("DeleteExternalUser", json!({"AssociateId": 400})),
    ]
}

#[sqlx::test]
async fn every_change_of_an_external_user_needs_its_event(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.add_user((400, "ext"), &["--type", "external"]);
    let administrator = Credentials::Ticket(app.ticket(&app.administrator()).await);
    for (call, body) in external_calls() {
        let path = format!("/api/v1/Agents/User/{call}");
        let change = async || app.post(&path, &administrator, &body).await.status.as_u16();
        assert_needs_event(&app, &format!("{call} {body}"), change).await;
    }
}

#[sqlx::test]
async fn starting_or_ending_a_ticket_or_session_needs_its_event(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let plain = app.plain();
    // The first login counts an attempt and fills the verification cache, which is not under test.
    app.get(PRINCIPAL, &plain).await.assert_status(200);
    let issue = async || app.post(TICKETS, &plain, &Value::Null).await.status.as_u16();
    assert_needs_event(&app, "a ticket", issue).await;
    let own = Credentials::Ticket(app.ticket(&plain).await);
    let end = async || delete(&app, CURRENT_TICKET, &own).await;
    assert_needs_event(&app, "ending the caller's own ticket", end).await;
    let ticket = app.ticket(&plain).await;
    let revoke = async || command_status(&app, &["ticket", "revoke"], &ticket);
    assert_needs_event(&app, "revoking a ticket by its text", revoke).await;
    let listed = app.get("/keeper/users/278/tickets", &plain).await.json();
    let path = format!("/keeper/users/278/tickets/{}", listed[0]["Id"].as_str().unwrap());
    assert_needs_event(&app, &path, async || delete(&app, &path, &plain).await).await;
    let body = json!({"UserName": PLAIN.1, "Password": "paul-password"});
    let sign_in = async || app.post("/login", &Credentials::Anonymous, &body).await.status.as_u16();
    assert_needs_event(&app, "a session", sign_in).await;
    let session = app.session(PLAIN.1).await;
    let sign_out = async || app.post("/logout", &session, &Value::Null).await.status.as_u16();
    assert_needs_event(&app, "ending a session", sign_out).await;
}

#[sqlx::test]
async fn tickets_and_sessions_record_start_and_end_but_not_expiry(pool: PgPool) {
    let mut app =
        TestApp::spawn_with(pool, &[("KEEPER__TICKETS__MAXIMUM_PER_USER", "2")], "").await;
    let administrator = app.administrator();
    let ticket = app.command(&["ticket", "issue", "--user", "paul"], "").assert_success();
    delete(&app, CURRENT_TICKET, &Credentials::Ticket(ticket)).await;
    for _ in 0..3 {
        app.ticket(&app.plain()).await;
    }
    let session = app.session(PLAIN.1).await;
    let listed = app.get("/keeper/users/278/tickets", &administrator).await.json();
    let id = listed[0]["Id"].as_str().unwrap();
    delete(&app, &format!("/keeper/users/278/tickets/{id}"), &administrator).await;
    // Deleting the listed ticket or session has already ended this one.
    app.post("/logout", &session, &Value::Null).await.assert_status(204);
    let session = app.session(PLAIN.1).await;
    // Another user logs in with the same browser.
    let Credentials::Session { cookie, .. } = &session else { panic!("no session") };
    let body = json!({"UserName": ADMINISTRATOR.1, "Password": "anna-password"});
    let request = app.request(reqwest::Method::POST, "/login", &Credentials::Anonymous);
    let request = request.header("Cookie", format!("ASP.NET_SessionId={cookie}")).json(&body);
    assert_eq!(request.send().await.unwrap().status(), 200);
    let session = app.session(PLAIN.1).await;
    app.post("/logout", &session, &Value::Null).await.assert_status(204);
    execute_sql(&app, "UPDATE tickets SET created_at = now() - interval '1 d', expires_at = now()")
        .await;
    app.restart().await;
    let remaining = "SELECT count(*) FROM tickets WHERE user_id = 278";
    let remaining =
        async || sqlx::query_scalar::<_, i64>(remaining).fetch_one(&app.pool).await.unwrap();
    assert_becomes(0, remaining).await;
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
        app.command(&["audit", "list", "--user", "paul"], "")
            .assert_success()
            .contains("ticket_ended")
    );
}

#[sqlx::test]
async fn a_login_appends_nothing_to_the_audit_chain(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let ticket = Credentials::Ticket(app.ticket(&app.plain()).await);
    let session = app.session(PLAIN.1).await;
    let before = chain_heads(&app).await;
    for credentials in [app.plain(), ticket, session] {
        app.get(PRINCIPAL, &credentials).await.assert_status(200);
        let token = Credentials::Bearer(app.token(&credentials).await);
        app.get(PRINCIPAL, &token).await.assert_status(200);
    }
    app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, "wrong")).await.assert_status(401);
    assert_eq!(chain_heads(&app).await, before);
}
