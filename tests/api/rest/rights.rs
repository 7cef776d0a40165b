//! Who may do what with the resource. Rights are checked before the user is looked up.

use credential_keeper::describe_routes;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::USERS;
use crate::support::{Answer, Credentials, PLAIN, TestApp, password_of};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Callers {
    AnyUser,
    SelfOrReader,
    Readers,
    Administrators,
}

/// Every route of the resource with its path, the callers that it allows, and a body. `{user}` is
/// the target. The address of `DELETE` is an unknown one, because a deletion would remove the users
/// of this test.
fn routes() -> Vec<(Method, &'static str, Callers, Option<Value>)> {
    let change = || Some(json!({"Tooltip": "new"}));
    vec![
        (Method::GET, "/api/v1/User", Callers::Readers, None),
        (Method::POST, "/api/v1/User", Callers::Administrators, Some(json!({"Name": "anna"}))),
        (Method::GET, "/api/v1/User/CredentialTypes", Callers::AnyUser, None),
        (Method::GET, "/api/v1/User/currentPrincipal", Callers::AnyUser, None),
        (Method::GET, "/api/v1/User/currentToken", Callers::AnyUser, None),
        (Method::GET, "/api/v1/User/current", Callers::AnyUser, None),
        (Method::GET, "/api/v1/User/currentAssociate", Callers::AnyUser, None),
        (Method::GET, "/api/v1/User/Default", Callers::AnyUser, None),
        (Method::POST, "/api/v1/User/Validate", Callers::Administrators, change()),
        (Method::GET, "/api/v1/User/{user}", Callers::SelfOrReader, None),
        (Method::PUT, "/api/v1/User/{user}", Callers::Administrators, change()),
        (Method::DELETE, "/api/v1/User/{user}", Callers::Administrators, None),
    ]
}

async fn call(
    app: &TestApp,
    caller: &str,
    method: &Method,
    path: &str,
    body: Option<&Value>,
) -> Answer {
    let credentials = Credentials::basic(caller, &password_of(caller));
    let mut request = app.request(method.clone(), path, &credentials);
    if let Some(body) = body {
        request = request.json(body);
    }
    Answer::read(request.send().await.unwrap()).await
}

#[test]
fn every_route_of_the_resource_is_in_the_matrix() {
    let known: Vec<_> = routes().into_iter().map(|(method, path, ..)| (method, path)).collect();
    for route in describe_routes() {
        if route.path == USERS || route.path.starts_with(&format!("{USERS}/")) {
            let method: Method = route.method.parse().unwrap();
            assert!(known.contains(&(method, route.path)), "{route:?} is missing");
        }
    }
}

#[sqlx::test]
async fn each_route_allows_only_its_callers(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.add_user((401, "sys"), &["--type", "system"]);
    app.add_user((402, "ext"), &["--type", "external", "--administrator"]);
    app.add_user((403, "ano"), &["--type", "anonymous"]);
    app.add_user((404, "res"), &["--type", "resource"]);
    app.add_user((405, "hilde"), &["--role", "help-desk"]);
    app.add_user((407, "aurel"), &["--role", "auditor"]);
    // The user, whether they administer users, and whether they may read every user.
    let callers = [
        ((1, "anna"), true, true),
        ((401, "sys"), true, true),
        ((405, "hilde"), false, true),
        ((407, "aurel"), false, true),
        (PLAIN, false, false),
        ((402, "ext"), false, false),
        ((403, "ano"), false, false),
        ((404, "res"), false, false),
    ];
    for (method, path, allowed, body) in routes() {
        for (caller, is_administrator, reads) in callers {
            for (target, is_self) in [
                (caller.0.to_string(), true),
                (caller.1.to_uppercase(), true),
                ("300".to_owned(), false),
                ("rita".to_owned(), false),
                ("4711".to_owned(), false),
                ("nobody".to_owned(), false),
            ] {
                if method == Method::DELETE && is_administrator && target != "4711" {
                    continue;
                }
                let answer =
                    call(&app, caller.1, &method, &path.replace("{user}", &target), body.as_ref())
                        .await;
                let is_allowed = match allowed {
                    Callers::AnyUser => true,
                    Callers::SelfOrReader => reads || is_self,
                    Callers::Readers => reads,
                    Callers::Administrators => is_administrator,
                };
                if is_allowed {
                    // The name of a new user is taken, and two targets do not exist.
                    let is_expected = matches!(answer.status.as_u16(), 200 | 404 | 409);
                    assert!(is_expected, "{method} {path} {target} by {caller:?}: {answer:?}");
                } else {
                    answer.assert_forbidden();
                }
            }
        }
    }
}

#[sqlx::test]
async fn a_refusal_does_not_reveal_whether_a_user_exists(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (method, path, _, body) in routes().into_iter().filter(|(_, path, ..)| path.contains('{')) {
        let mut answers = Vec::new();
        for target in ["1", "4711", "anna", "nobody"] {
            let path = path.replace("{user}", target);
            let answer = call(&app, PLAIN.1, &method, &path, body.as_ref()).await;
            answer.assert_forbidden();
            let mut body = answer.json();
            body["RequestId"].take();
            answers.push(body);
        }
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{method} {path}: {answers:?}");
    }
}

#[sqlx::test]
async fn a_session_writes_only_with_its_xsrf_token(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let Credentials::Session { cookie, xsrf } = app.session("anna").await else { unreachable!() };
    let without = Credentials::Session { cookie: cookie.clone(), xsrf: String::new() };
    for (method, path, _, body) in routes() {
        let path = path.replace("{user}", "4711");
        let send = async |credentials: &Credentials| {
            let mut request = app.request(method.clone(), &path, credentials);
            if let Some(body) = &body {
                request = request.json(body);
            }
            Answer::read(request.send().await.unwrap()).await
        };
        send(&without).await.assert_status(401);
        let with = send(&Credentials::Session { cookie: cookie.clone(), xsrf: xsrf.clone() }).await;
        assert!(matches!(with.status.as_u16(), 200 | 404 | 409), "{method} {path}: {with:?}");
    }
}
