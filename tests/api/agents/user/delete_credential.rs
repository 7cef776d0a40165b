//! `DeleteCredential`.

use serde_json::json;
use sqlx::PgPool;

use super::agent;
use crate::support::{Answer, Credentials, PLAIN, PRINCIPAL, TestApp};

async fn delete(app: &TestApp, credentials: &Credentials, type_name: &str) -> Answer {
    let body = json!({"UserId": PLAIN.0, "CredentialType": type_name});
    app.post(&agent("DeleteCredential"), credentials, &body).await
}

#[sqlx::test]
async fn deleting_a_password_ends_logins_tickets_and_tokens(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let ticket = Credentials::Ticket(app.ticket(&app.plain()).await);
    let token = Credentials::Bearer(app.token(&app.plain()).await);
    delete(&app, &app.administrator(), "crm5/password").await.assert_saved();
    for credentials in [app.plain(), ticket, token] {
        app.get(PRINCIPAL, &credentials).await.assert_unauthenticated();
    }
    let event = sqlx::query!(
        "SELECT kind, credential_type, actor_user_id, session_epoch FROM audit_events
         WHERE user_id = 278 ORDER BY sequence DESC LIMIT 1"
    );
    let event = event.fetch_one(&app.pool).await.unwrap();
    assert_eq!(event.kind, "credential_deleted");
    assert_eq!(event.credential_type.as_deref(), Some("CRM5/PASSWORD"));
    assert_eq!((event.actor_user_id, event.session_epoch), (Some(1), 2));
}

#[sqlx::test]
async fn deleting_an_absent_credential_answers_false_without_an_event(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let answer = delete(&app, &app.administrator(), "ActiveDirectory").await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "false"));
    let events = sqlx::query_scalar!("SELECT count(*) FROM audit_events WHERE user_id = 278");
    assert_eq!(events.fetch_one(&app.pool).await.unwrap(), Some(2));
}

#[sqlx::test]
async fn deleting_an_identifier_frees_it_and_keeps_tickets_valid(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.add_user((500, "otto"), &[]);
    let administrator = app.administrator();
    let ticket = Credentials::Ticket(app.ticket(&app.plain()).await);
    app.save(&administrator, PLAIN.0, "ActiveDirectory", "S-1-5-7").await.assert_saved();
    app.save(&administrator, 500, "ActiveDirectory", "S-1-5-7").await.assert_status(409);
    delete(&app, &administrator, "ActiveDirectory").await.assert_saved();
    app.save(&administrator, 500, "ActiveDirectory", "S-1-5-7").await.assert_saved();
    app.get(PRINCIPAL, &ticket).await.assert_status(200);
}

#[sqlx::test]
async fn an_administrators_ticket_survives_deleting_their_own_password(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let ticket = Credentials::Ticket(app.ticket(&app.administrator()).await);
    let body = json!({"UserId": 1, "CredentialType": "CRM5/PASSWORD"});
    app.post(&agent("DeleteCredential"), &ticket, &body).await.assert_saved();
    app.get(PRINCIPAL, &ticket).await.assert_status(200);
    app.get(PRINCIPAL, &app.administrator()).await.assert_unauthenticated();
}
