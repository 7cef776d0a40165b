//! Calls that name a user by login name, while the user loses that name.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::task::JoinHandle;

use super::{
    agent,
    external_users::{PASSWORD, create},
};
use crate::support::{Answer, Credentials, PLAIN, PRINCIPAL, TestApp};

/// Sends a request in the background.
fn start(
    app: &TestApp,
    credentials: &Credentials,
    (method, path): (Method, &str),
    body: &Value,
) -> JoinHandle<Answer> {
    let request = app.request(method, path, credentials).json(body);
    tokio::spawn(async move { Answer::read(request.send().await.unwrap()).await })
}

#[sqlx::test]
async fn a_user_who_lost_the_name_meanwhile_is_not_changed(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let administrator = Credentials::Ticket(app.ticket(&app.administrator()).await);
    let password = json!([{"Value": "a password of another user"}]);
    for (number, (method, path, body)) in [
        (
            Method::POST,
            agent("SaveUserFromName"),
            json!({"UserName": "ERIK", "User": {"Credentials": password}}),
        ),
        (Method::POST, agent("DeleteUserFromName"), json!({"UserName": "erik"})),
        (
            Method::POST,
            agent("GenerateNewPasswordForExternalUser"),
            json!({"AssociateName": "erik"}),
        ),
        (
            Method::POST,
            agent("SetPasswordFromName"),
            json!({"AssociateName": "erik", "Password": "a password of another user"}),
        ),
        (Method::POST, agent("SetGeneratedPasswordFromName"), json!({"AssociateName": "erik"})),
        (Method::PUT, "/api/v1/User/erik".to_owned(), json!({"Credentials": password})),
        (Method::DELETE, "/api/v1/User/erik".to_owned(), Value::Null),
    ]
    .into_iter()
    .enumerate()
    {
        let id = create(&app, "erik").await;
        let mut held = app.pool.begin().await.unwrap();
        let lock = sqlx::query("SELECT 1 FROM users WHERE user_id = $1 FOR UPDATE").bind(id);
        lock.execute(&mut *held).await.unwrap();
        // The rename is the first to wait for the row, so it is the first to get it.
        let new_name = format!("frida-{number}");
        let rename = json!({"AssociateId": id, "UserName": new_name});
        let rename = start(&app, &administrator, (Method::POST, &agent("SaveUser")), &rename);
        app.wait_for_blocked_sessions(1).await;
        let late = start(&app, &administrator, (method, &path), &body);
        app.wait_for_blocked_sessions(2).await;
        held.rollback().await.unwrap();
        rename.await.unwrap().assert_status(200);
        late.await.unwrap().assert_refused(404, "SoNotFoundException", "unknown_user");
        app.get(PRINCIPAL, &Credentials::basic(&new_name, PASSWORD)).await.assert_status(200);
    }
}

#[sqlx::test]
async fn a_credential_that_a_new_user_type_forbids_is_refused_where_it_is(pool: PgPool) {
    let settings = r#"
        [credentials]
        additional_types = [{ name = "Pin", kind = "secret", user_types = ["internal"] }]"#;
    let app = TestApp::spawn_with(pool, &[], settings).await;
    let administrator = Credentials::Ticket(app.ticket(&app.administrator()).await);
    let mut held = app.pool.begin().await.unwrap();
    let lock = sqlx::query("SELECT 1 FROM users WHERE user_id = $1 FOR UPDATE").bind(PLAIN.0);
    lock.execute(&mut *held).await.unwrap();
    let change = json!({"AssociateId": PLAIN.0, "Type": "ResourceAssociate"});
    let change = start(&app, &administrator, (Method::POST, &agent("SaveUser")), &change);
    app.wait_for_blocked_sessions(1).await;
    let pin = json!({"Type": {"Type": "Pin"}, "Value": "1234"});
    let body = json!({"UserName": PLAIN.1, "User": {"Credentials": [{"Value": PASSWORD}, pin]}});
    let late = start(&app, &administrator, (Method::POST, &agent("SaveUserFromName")), &body);
    app.wait_for_blocked_sessions(2).await;
    held.rollback().await.unwrap();
    change.await.unwrap().assert_status(200);
    late.await.unwrap().assert_field_refused("User.Credentials[1].Type.Type");
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
}
