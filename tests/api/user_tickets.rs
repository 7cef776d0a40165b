//! Listing and ending the tickets and sessions of a user, one by one or all at once.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{ADMINISTRATOR, Answer, Credentials, PLAIN, PRINCIPAL, TestApp, password_of};

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
