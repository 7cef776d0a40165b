//! Logging in with a name and a password.

use sqlx::PgPool;

use super::{
    NAMESPACE, SERVICE, SOAP_1_1, SOAP_1_2, assert_fault, assert_login_refused, by_password,
    envelope, login, send, send_with, text_of, ticket, tickets, vendor_sample,
};
use crate::support::{
    ADMINISTRATOR, Credentials, PLAIN, PRINCIPAL, RETIRED, TICKETS, TestApp, password_of,
};

#[sqlx::test]
async fn the_vendors_sample_obtains_a_ticket_for_rest_and_agent(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let action = format!("{NAMESPACE}/SoPrincipal/AuthenticateUsernamePassword");
    let headers = [
        ("Content-Type", "text/xml;charset=UTF-8"),
        ("Accept", "application/json"),
        ("SOAPAction", action.as_str()),
    ];
    let message = vendor_sample(ADMINISTRATOR.1, &password_of(ADMINISTRATOR.1));
    // The sample spells the path in lower case.
    let path = "/remote/services88/SoPrincipal.svc";
    let answer = send_with(&app, path, &headers, message).await;
    assert_eq!(answer.header("content-type"), "text/xml; charset=utf-8");
    assert_eq!(answer.header("cache-control"), "no-store");
    assert!(answer.body.contains(&format!("xmlns:s=\"{SOAP_1_2}\"")), "{answer:?}");
    for (name, expected) in [
        ("UserType", "InternalAssociate"),
        ("Associate", ADMINISTRATOR.1),
        ("AssociateId", "1"),
        ("RoleName", "Administrator"),
        ("RoleType", "Employee"),
        ("EjUserStatus", "StatusNone"),
        ("a:string", "user-administrator"),
        ("Succeeded", "true"),
    ] {
        assert_eq!(text_of(&answer, name), Some(expected), "{answer:?}");
    }
    let ticket = ticket(&answer);
    assert!(ticket.starts_with("7T:"));
    let caller = Credentials::Ticket(ticket);
    let principal = app.get(PRINCIPAL, &caller).await;
    assert_eq!(principal.json()["AssociateId"], 1);
    app.save(&caller, PLAIN.0, "", "saved with a ticket from SOAP").await.assert_saved();
    // It is a ticket like any other: it obtains no further one.
    app.post(TICKETS, &caller, &serde_json::Value::Null).await.assert_forbidden();
}

#[sqlx::test]
async fn every_version_in_every_binding_is_answered_in_kind(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let password = password_of(PLAIN.1);
    let token = "<ApplicationToken>x</ApplicationToken>";
    let soap_1_1 = envelope(token, &by_password(PLAIN.1, &password));
    let soap_1_2 = soap_1_1.replace(SOAP_1_1, SOAP_1_2);
    for (message, namespace, media_type) in [
        (&soap_1_1, SOAP_1_1, "text/xml"),
        (&soap_1_2, SOAP_1_2, "text/xml"),
        (&soap_1_2, SOAP_1_2, "application/soap+xml"),
    ] {
        let answer =
            send_with(&app, SERVICE, &[("Content-Type", media_type)], message.clone()).await;
        assert_eq!(answer.header("content-type"), format!("{media_type}; charset=utf-8"));
        assert!(answer.body.contains(&format!("xmlns:s=\"{namespace}\"")), "{answer:?}");
        let caller = Credentials::Ticket(ticket(&answer));
        assert_eq!(app.get(PRINCIPAL, &caller).await.json()["AssociateId"], PLAIN.0);
    }
    let utf16: Vec<u8> = soap_1_1.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let headers = [("Content-Type", "text/xml; charset=utf-16")];
    ticket(&send_with(&app, SERVICE, &headers, utf16).await);
}

#[sqlx::test]
async fn every_refused_login_has_the_same_response(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let ticket = app.ticket(&app.plain()).await;
    let mut bodies = Vec::new();
    for (name, password) in [
        (PLAIN.1, "wrong"),
        ("nobody", "wrong"),
        (RETIRED.1, &password_of(RETIRED.1)),
        (PLAIN.1, ""),
        ("", "wrong"),
        ("a:b", "wrong"),
        // A ticket in the place of the name obtains no ticket.
        (&ticket, ""),
        (PLAIN.1, &"x".repeat(2000)),
    ] {
        let answer = send(&app, login(name, password)).await;
        assert_login_refused(&answer);
        assert_eq!(text_of(&answer, "Succeeded"), Some("true"));
        bodies.push(answer.body);
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    assert_eq!(tickets(&app).await, 1, "a refused login issued a ticket");
}

#[sqlx::test]
async fn a_ticket_from_soap_ends_with_the_password_and_leaves_an_event(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let answer = send(&app, login(PLAIN.1, &password_of(PLAIN.1))).await;
    let caller = Credentials::Ticket(ticket(&answer));
    let events: Vec<(String, String)> = sqlx::query_as(
        "SELECT kind, scheme FROM audit_events WHERE user_id = 278 ORDER BY sequence DESC LIMIT 1",
    )
    .fetch_all(&app.pool)
    .await
    .unwrap();
    assert_eq!(events, [("ticket_issued".to_owned(), "basic".to_owned())]);
    app.save(&app.administrator(), PLAIN.0, "", "another").await.assert_saved();
    app.get(PRINCIPAL, &caller).await.assert_unauthenticated();
    assert_login_refused(&send(&app, login(PLAIN.1, &password_of(PLAIN.1))).await);
}

#[sqlx::test]
async fn the_password_login_follows_the_switches_of_basic(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[("KEEPER__AUTHENTICATION__BASIC", "false")], "").await;
    let message = login(PLAIN.1, &password_of(PLAIN.1));
    assert_login_refused(&send(&app, message.clone()).await);
    let online = [
        ("KEEPER__INSTALLATION__TYPE", "online"),
        ("KEEPER__AUTHENTICATION__BASIC", "false"),
        ("KEEPER__AUTHENTICATION__SESSION", "true"),
    ];
    let online = app.spawn_instance(&online).await;
    assert_login_refused(&send(&online, message).await);
    assert_eq!(tickets(&app).await, 0);
}

#[sqlx::test]
async fn logins_over_soap_and_basic_share_their_throttling(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[("KEEPER__ATTEMPTS__BEFORE_DELAY", "3")], "").await;
    for name in [PLAIN.1, "nobody"] {
        for attempt in 0..2 {
            assert_login_refused(&send(&app, login(name, &format!("wrong {attempt}"))).await);
        }
        for attempt in 2..4 {
            let caller = Credentials::basic(name, &format!("wrong {attempt}"));
            app.get(PRINCIPAL, &caller).await;
        }
        let answer = send(&app, login(name, "another wrong one")).await;
        let message = assert_fault(&answer, 429, "Server", "too_many_attempts");
        assert!(message.contains("Too many failed attempts"), "{message}");
        let wait: u64 = answer.header("retry-after").parse().unwrap();
        assert!(wait >= 1);
        let rest = app.get(PRINCIPAL, &Credentials::basic(name, "one more")).await;
        rest.assert_refused(429, "SoServiceUnavailableException", "too_many_attempts");
    }
}

#[sqlx::test]
async fn the_vendors_ids_are_in_the_response(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let body = serde_json::json!({
        "AssociateId": PLAIN.0, "Person": {"PersonId": 7}, "Role": {"Id": 3}, "EjUserId": 5,
    });
    let saved = app.post("/api/v1/Agents/User/SaveUser", &app.administrator(), &body).await;
    saved.assert_status(200);
    let answer = send(&app, vendor_sample(PLAIN.1, &password_of(PLAIN.1))).await;
    for (name, expected) in [
        ("IsPerson", "true"),
        ("PersonId", "7"),
        ("RoleId", "3"),
        ("RoleName", "User"),
        ("EjUserId", "5"),
    ] {
        assert_eq!(text_of(&answer, name), Some(expected), "{answer:?}");
    }
}

#[sqlx::test]
async fn names_are_escaped_in_the_response(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let name = "<&\">']]>\u{85}";
    sqlx::query("UPDATE users SET display_name = $1 WHERE user_id = 278")
        .bind(name)
        .execute(&app.pool)
        .await
        .unwrap();
    let answer = send(&app, login(PLAIN.1, &password_of(PLAIN.1))).await;
    let escaped = text_of(&answer, "FullName").unwrap();
    let text = escaped
        .replace("&#60;", "<")
        .replace("&#62;", ">")
        .replace("&#34;", "\"")
        .replace("&#39;", "'")
        .replace("&#38;", "&");
    assert_eq!(text, name);
}

#[sqlx::test]
async fn get_system_info_needs_no_login(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let answer = send(&app, envelope("", "<GetSystemInfo/>")).await;
    answer.assert_status(200);
    assert_eq!(text_of(&answer, "AssemblyVersion"), Some(env!("CARGO_PKG_VERSION")));
    assert_eq!(text_of(&answer, "Description"), Some("Credential Keeper"));
}
