//! Roles beside the administrator right: the help desk and auditors (docs/reference/rights.md).

mod chains;
mod granting;
mod matrix;

use reqwest::Method;
use serde_json::Value;
use sqlx::PgPool;

use crate::support::{Answer, Credentials, TestApp, password_of};

/// A user of the help desk.
const HELP_DESK: (i32, &str) = (405, "hilde");
/// Another user of the help desk.
const OTHER_HELP_DESK: (i32, &str) = (406, "hugo");
/// An auditor.
const AUDITOR: (i32, &str) = (407, "aurel");
/// A system user.
const SYSTEM: (i32, &str) = (401, "sys");

/// An application with a user of each role.
async fn app_with_roles(pool: PgPool) -> TestApp {
    let file = r#"
        [credentials]
        additional_types = [{ name = "Pin", kind = "secret" }]"#;
    let app = TestApp::spawn_with(pool, &[], file).await;
    app.add_user(HELP_DESK, &["--role", "help-desk"]);
    app.add_user(OTHER_HELP_DESK, &["--role", "help-desk"]);
    app.add_user(AUDITOR, &["--role", "auditor"]);
    app.add_user(SYSTEM, &["--type", "system"]);
    app
}

/// The name and the password of a user.
fn basic(user: (i32, &str)) -> Credentials {
    Credentials::basic(user.1, &password_of(user.1))
}

/// Sends a request, with a JSON body if there is one.
async fn send(
    app: &TestApp,
    credentials: &Credentials,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Answer {
    let mut request = app.request(method, path, credentials);
    if let Some(body) = body {
        request = request.json(body);
    }
    Answer::read(request.send().await.unwrap()).await
}
