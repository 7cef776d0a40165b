//! Every route with a password that must be changed.

use credential_keeper::{Access, describe_routes};
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::assert_change_required;
use crate::{
    soap,
    support::{Answer, TestApp},
};

/// The routes that such a password may use. Each checks that only the caller's own is changed.
const CHANGES: [&str; 4] = [
    "/api/v1/Agents/User/ChangeOwnPassword",
    "/api/v1/Agents/User/ChangePassword",
    "/api/v1/Agents/User/ChangePasswordFromName",
    "/api/v1/Agents/User/SaveCredential",
];

#[sqlx::test]
async fn every_other_route_refuses_a_password_that_must_be_changed(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.add_user((401, "sys"), &["--type", "system"]);
    for name in ["anna", "paul", "sys"] {
        let arguments = ["credential", "require-change", "--user", name];
        app.command(&arguments, "").assert_success();
    }
    let mut refused = 0;
    for route in describe_routes() {
        if route.access == Access::Anybody {
            continue;
        }
        for caller in ["anna", "paul", "sys"] {
            let password = format!("{caller}-password");
            let credentials = crate::support::Credentials::basic(caller, &password);
            let path = route.path.replace("{id}", "278").replace("{user}", "278");
            let path = path.replace("{ticket}", "1");
            let method: Method = route.method.parse().unwrap();
            let request = app.request(method, &path, &credentials);
            let request = if route.access == Access::Page {
                request.header("Content-Type", "application/x-www-form-urlencoded").body("a=b")
            } else {
                request.json(&json!({}))
            };
            let answer = Answer::read(request.send().await.unwrap()).await;
            if route.access == Access::Page {
                // Pages accept sessions only, and lead to the login page.
                assert!(answer.body.contains("name=\"LoginToken\""), "{route:?}: {answer:?}");
            } else if CHANGES.contains(&route.path) {
                answer.assert_status(400);
            } else {
                assert_change_required(&answer);
                refused += 1;
            }
        }
    }
    assert!(refused > 100, "{refused}");
}

/// `describe_routes` must know every call that the list above names.
#[test]
fn the_routes_of_the_change_exist() {
    let paths: Vec<_> = describe_routes().into_iter().map(|route| route.path).collect();
    assert!(CHANGES.iter().all(|path| paths.contains(path)));
}

#[sqlx::test]
async fn neither_a_session_nor_a_soap_login_starts(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    super::mark(&app).await;
    let body: Value = json!({"UserName": "paul", "Password": super::PAUL});
    let answer = app.post("/login", &crate::support::Credentials::Anonymous, &body).await;
    assert_change_required(&answer);
    assert_eq!(answer.headers.get("set-cookie"), None);
    let request = app
        .client
        .post(format!("{}{}", app.url, soap::SERVICE))
        .header("Content-Type", "text/xml; charset=utf-8")
        .body(soap::login("paul", super::PAUL));
    let answer = Answer::read(request.send().await.unwrap()).await;
    // A fault says what to do; a refused login would look like a wrong password.
    assert!(answer.body.contains("Your password must be changed"), "{answer:?}");
    assert!(!answer.body.contains("7T:"), "{answer:?}");
    let issued = "SELECT count(*) FROM tickets WHERE user_id = 278";
    let count: i64 = sqlx::query_scalar(issued).fetch_one(&app.pool).await.unwrap();
    assert_eq!(count, 0);
}
