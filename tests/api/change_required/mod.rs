//! Credentials that their owners must change: they prove their owner for that change, and for nothing
//! else.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, Credentials, TestApp};

mod admin_page;
mod at_login;
mod commands;
mod marks;
mod matrix;
mod page;
mod resets;

/// Changes the password of the caller.
const CHANGE_OWN: &str = "/api/v1/Agents/User/ChangeOwnPassword";
/// The mark of the plain user's credential.
const MARK: &str = "/keeper/users/278/change-required";
const PAUL: &str = "paul-password";
/// A password that the policy accepts.
const GOOD: &str = "correct horse battery staple";

async fn put(app: &TestApp, path: &str, credentials: &Credentials, body: &Value) -> Answer {
    let request = app.request(Method::PUT, path, credentials).json(body);
    Answer::read(request.send().await.unwrap()).await
}

async fn delete(app: &TestApp, path: &str, credentials: &Credentials) -> Answer {
    Answer::read(app.request(Method::DELETE, path, credentials).send().await.unwrap()).await
}

/// Marks the plain user's password as compromised.
async fn mark(app: &TestApp) {
    put(app, MARK, &app.administrator(), &json!({"Cause": "compromised"})).await.assert_saved();
}

/// Asserts that the password is right, and must be changed first.
#[track_caller]
fn assert_change_required(answer: &Answer) {
    answer.assert_refused(403, "SoIllegalOperationException", "password_change_required");
}

/// The mark of the plain user's password, as it is stored.
async fn stored_mark(app: &TestApp) -> Option<String> {
    let statement = "SELECT change_required FROM credentials
                     WHERE user_id = 278 AND credential_type = 'CRM5/PASSWORD'";
    sqlx::query_scalar(statement).fetch_one(&app.pool).await.unwrap()
}

/// Asserts that every chain explains the state of its user.
async fn verify_chains(app: &TestApp) {
    // The retired user of every test was retired without an event.
    let statement = "UPDATE users SET is_retired = false WHERE user_id = 300";
    sqlx::query(statement).execute(&app.pool).await.unwrap();
    app.command(&["audit", "verify"], "").assert_success();
}

/// The kinds of the audit events of the plain user.
async fn events(app: &TestApp) -> Vec<String> {
    let statement = "SELECT kind FROM audit_events WHERE user_id = 278 ORDER BY sequence";
    sqlx::query_scalar(statement).fetch_all(&app.pool).await.unwrap()
}
