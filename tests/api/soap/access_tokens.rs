//! Logging in with an access token.

use sqlx::PgPool;

use super::{access_token_login, assert_login_refused, send, text_of, ticket, tickets};
use crate::support::{Answer, Credentials, PLAIN, PRINCIPAL, TICKETS, TestApp, TestIssuer};

async fn log_in(app: &TestApp, token: &str) -> Answer {
    send(app, access_token_login(token)).await
}

/// The claims of an access token of this service.
fn claims(token: &str) -> serde_json::Value {
    use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
    let claims = token.split('.').nth_back(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap()
}

#[sqlx::test]
async fn an_access_token_obtains_one_that_works_as_so_ticket(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let token = app.token(&app.plain()).await;
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let answer = log_in(&app, &token).await;
    assert_eq!(text_of(&answer, "AssociateId"), Some("278"));
    let obtained = ticket(&answer);
    assert!(obtained.starts_with("8A:"), "{obtained}");
    // The time of the password stays, so that the absolute lifetime holds.
    assert_eq!(claims(&obtained)["auth_time"], claims(&token)["auth_time"]);
    assert_eq!(tickets(&app).await, 0, "a token obtained a ticket");
    for caller in [Credentials::Ticket(obtained.clone()), Credentials::Bearer(obtained)] {
        assert_eq!(app.get(PRINCIPAL, &caller).await.json()["AssociateId"], PLAIN.0);
        app.post(TICKETS, &caller, &serde_json::Value::Null).await.assert_forbidden();
        app.save(&app.administrator(), 300, "", "x").await.assert_saved();
    }
    app.save(&app.administrator(), PLAIN.0, "", "another").await.assert_saved();
    assert_login_refused(&log_in(&app, &token).await);
}

#[sqlx::test]
async fn other_texts_in_the_place_of_a_token_are_refused(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let ticket = app.ticket(&app.plain()).await;
    let token = app.token(&app.plain()).await;
    let changed = format!("{}x", &token[..token.len() - 1]);
    for text in ["", "8A:", "x", "8A:Keeper.x.y.z", &ticket, &changed] {
        assert_login_refused(&log_in(&app, text).await);
    }
    assert_eq!(tickets(&app).await, 1);
}

#[sqlx::test]
async fn a_token_of_an_issuer_obtains_an_access_token(pool: PgPool) {
    let issuer = TestIssuer::new();
    let app = TestApp::spawn_with(pool, &[], &issuer.settings()).await;
    app.save(&app.administrator(), PLAIN.0, "OpenId", "S-1-5-7").await.assert_saved();
    let answer = log_in(&app, &issuer.token(&TestIssuer::claims("S-1-5-7"))).await;
    let caller = Credentials::Ticket(ticket(&answer));
    assert_eq!(app.get(PRINCIPAL, &caller).await.json()["AssociateId"], PLAIN.0);
    assert_login_refused(&log_in(&app, &issuer.token(&TestIssuer::claims("S-1-5-8"))).await);
}

#[sqlx::test]
async fn an_access_token_as_so_ticket_counts_as_bearer(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let token = app.token(&app.plain()).await;
    let without = |scheme: &'static str| [(scheme, "false")];
    let without_tickets = app.spawn_instance(&without("KEEPER__AUTHENTICATION__SO_TICKET")).await;
    let caller = Credentials::Ticket(token.clone());
    without_tickets.get(PRINCIPAL, &caller).await.assert_status(200);
    ticket(&log_in(&without_tickets, &token).await);
    let without_bearer = app.spawn_instance(&without("KEEPER__AUTHENTICATION__BEARER")).await;
    without_bearer.get(PRINCIPAL, &caller).await.assert_unauthenticated();
    assert_login_refused(&log_in(&without_bearer, &token).await);
}
