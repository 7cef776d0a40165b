//! Concurrent changes of external users.

use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::task::JoinHandle;

use super::{
    agent,
    external_users::{PASSWORD, create, new_user},
};
use crate::support::{Answer, Credentials, PRINCIPAL, TestApp};

/// Sends a call in the background.
fn start(app: &TestApp, credentials: &Credentials, name: &str, body: &Value) -> JoinHandle<Answer> {
    let request = app.request(reqwest::Method::POST, &agent(name), credentials).json(body);
    tokio::spawn(async move { Answer::read(request.send().await.unwrap()).await })
}

#[sqlx::test]
async fn two_callers_cannot_create_the_same_external_user(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let administrator = Credentials::Ticket(app.ticket(&app.administrator()).await);
    for round in 0..10 {
        let (lower, upper) = (format!("erik-{round}"), format!("ERIK-{round}"));
        let calls = [lower.as_str(), &upper]
            .map(|name| start(&app, &administrator, "CreateExternalUser", &new_user(name)));
        let mut statuses = Vec::new();
        for call in calls {
            let answer = call.await.unwrap();
            if answer.status != 200 {
                answer.assert_refused(409, "ArgumentException", "login_name_taken");
            }
            statuses.push(answer.status.as_u16());
        }
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409]);
        app.get(PRINCIPAL, &Credentials::basic(&lower, PASSWORD)).await.assert_status(200);
    }
    let statement = "SELECT count(DISTINCT u.user_id), count(c.user_id)
                     FROM users u LEFT JOIN credentials c USING (user_id)
                     WHERE u.user_type = 'external'";
    let rows: (i64, i64) = sqlx::query_as(statement).fetch_one(&app.pool).await.unwrap();
    assert_eq!(rows, (10, 10));
}

#[sqlx::test]
async fn a_user_who_is_no_longer_external_is_not_changed(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let administrator = Credentials::Ticket(app.ticket(&app.administrator()).await);
    for (number, call) in
        ["SetExternalUserInfo", "DeleteExternalUser", "GenerateNewPasswordForExternalUser"]
            .into_iter()
            .enumerate()
    {
        let name = format!("erik-{number}");
        let id = create(&app, &name).await;
        let mut held = app.pool.begin().await.unwrap();
        let lock = sqlx::query("SELECT 1 FROM users WHERE user_id = $1 FOR UPDATE").bind(id);
        lock.execute(&mut *held).await.unwrap();
        // The change of the type is the first to wait for the row, so it is the first to get it.
        let change = json!({"AssociateId": id, "Type": "InternalAssociate"});
        let change = start(&app, &administrator, "SaveUser", &change);
        app.wait_for_blocked_sessions(1).await;
        let body = json!({
            "AssociateId": id, "AssociateName": name, "Password": "never saved",
            "ExternalUserInfoModification": "Password",
        });
        let late = start(&app, &administrator, call, &body);
        app.wait_for_blocked_sessions(2).await;
        held.rollback().await.unwrap();
        change.await.unwrap().assert_status(200);
        let field = if call.starts_with("Generate") { "AssociateName" } else { "AssociateId" };
        late.await.unwrap().assert_field_refused(field);
        app.get(PRINCIPAL, &Credentials::basic(&name, PASSWORD)).await.assert_status(200);
    }
}

#[sqlx::test]
async fn a_change_is_refused_when_its_right_ended_while_it_waited(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let id = create(&app, "erik").await;
    for revocation in [
        "UPDATE users SET session_epoch = session_epoch + 1 WHERE user_id = 1",
        "UPDATE users SET is_retired = true WHERE user_id = 1",
        "UPDATE users SET is_administrator = false WHERE user_id = 1",
    ] {
        for (call, body) in [
            ("CreateExternalUser", new_user("frida")),
            (
                "SetExternalUserInfo",
                json!({"AssociateId": id, "IsActive": false, "ExternalUserInfoModification": "Active"}),
            ),
            ("DeleteExternalUser", json!({"AssociateId": id})),
            ("GenerateNewPasswordForExternalUser", json!({"AssociateName": "erik"})),
        ] {
            let ticket = Credentials::Ticket(app.ticket(&app.administrator()).await);
            let mut held = app.pool.begin().await.unwrap();
            sqlx::raw_sql(revocation).execute(&mut *held).await.unwrap();
            let change = start(&app, &ticket, call, &body);
            app.wait_for_blocked_sessions(1).await;
            held.commit().await.unwrap();
            change.await.unwrap().assert_unauthenticated();
            app.restore_administrator().await;
        }
    }
    app.get(PRINCIPAL, &Credentials::basic("erik", PASSWORD)).await.assert_status(200);
    let frida = app.get(PRINCIPAL, &Credentials::basic("frida", PASSWORD)).await;
    frida.assert_unauthenticated();
}
