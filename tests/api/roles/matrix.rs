//! Authorization: every route of this service's own API by every kind of caller, on each kind of
//! target. The routes of the vendor's API are in the matrices of `agents` and `rest`.

use credential_keeper::describe_routes;
use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::{AUDITOR, HELP_DESK, OTHER_HELP_DESK, SYSTEM, app_with_roles, basic, send};
use crate::support::{ADMINISTRATOR, Answer, Credentials, PLAIN, RETIRED, TestApp, password_of};

/// The callers of a route whose request is not answered with 403.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Callers {
    /// Users who may read every user; every user on themselves.
    SelfOrReaders,
    /// Users who may read every user.
    Readers,
    /// Administrators and auditors; every user on themselves.
    SelfOrAuditors,
    /// Administrators; the help desk on users without rights over others.
    Helpers,
    /// As [`Self::Helpers`], and every user on themselves.
    SelfOrHelpers,
    /// As [`Self::SelfOrHelpers`], and auditors.
    SelfOrHelpersOrAuditors,
    /// Administrators.
    Administrators,
    /// Administrators on others than themselves.
    AdministratorsOnOthers,
}

/// Every route below `/keeper` that names a user.
fn routes() -> Vec<(Method, &'static str, Callers, Option<Value>)> {
    let role = Some(json!({"Role": "none"}));
    // A type of which nobody has a credential.
    let pin = Some(json!({"Type": "Pin"}));
    vec![
        (Method::GET, "/keeper/users/{id}/tickets", Callers::SelfOrHelpersOrAuditors, None),
        (Method::DELETE, "/keeper/users/{id}/tickets", Callers::SelfOrHelpers, None),
        (Method::DELETE, "/keeper/users/{id}/tickets/{ticket}", Callers::SelfOrHelpers, None),
        (Method::GET, "/keeper/users/{id}/audit", Callers::SelfOrAuditors, None),
        (Method::GET, "/keeper/users/{id}/attempts", Callers::Readers, None),
        (Method::DELETE, "/keeper/users/{id}/attempts", Callers::Helpers, None),
        (Method::GET, "/keeper/users/{id}/role", Callers::SelfOrReaders, None),
        (Method::PUT, "/keeper/users/{id}/change-required", Callers::Administrators, pin),
        (Method::DELETE, "/keeper/users/{id}/change-required", Callers::Administrators, None),
        (Method::PUT, "/keeper/users/{id}/role", Callers::AdministratorsOnOthers, role),
    ]
}

/// The routes below `/keeper` that concern no user. Their callers are in `audit_list` and `activity`.
const OF_INSTALLATION: [(&str, &str); 3] =
    [("GET", "/keeper/activity"), ("GET", "/keeper/audit"), ("GET", "/keeper/audit/export")];

/// The routes below `/keeper` that concern the caller only.
const OWN: [(&str, &str); 3] = [
    ("POST", "/keeper/tickets"),
    ("DELETE", "/keeper/tickets/current"),
    ("POST", "/keeper/session/proof"),
];

/// What a caller is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Administrator,
    HelpDesk,
    Auditor,
    Plain,
}

#[test]
fn every_route_of_the_service_is_in_the_matrix() {
    let routes = routes();
    for route in describe_routes().into_iter().filter(|route| route.path.starts_with("/keeper/")) {
        let is_known = routes
            .iter()
            .map(|(method, path, ..)| (method.as_str(), *path))
            .chain(OF_INSTALLATION)
            .chain(OWN)
            .any(|(method, path)| method == route.method && path == route.path);
        assert!(is_known, "{route:?} is missing from the matrix");
    }
}

#[sqlx::test]
async fn each_route_allows_only_its_callers_on_its_targets(pool: PgPool) {
    let app = app_with_roles(pool).await;
    app.add_user((402, "ext"), &["--type", "external", "--role", "help-desk"]);
    app.add_user((500, "otto"), &[]);
    let callers = [
        (ADMINISTRATOR, Kind::Administrator),
        (SYSTEM, Kind::Administrator),
        (HELP_DESK, Kind::HelpDesk),
        (AUDITOR, Kind::Auditor),
        (PLAIN, Kind::Plain),
        // A role gives an external user no right.
        ((402, "ext"), Kind::Plain),
    ];
    let protected =
        [ADMINISTRATOR, SYSTEM, OTHER_HELP_DESK, HELP_DESK, AUDITOR, RETIRED, (402, "ext")];
    for (method, path, allowed, body) in routes() {
        for (caller, kind) in callers {
            for target in protected.into_iter().chain([PLAIN, (500, "otto")]) {
                let is_protected = protected.contains(&target);
                let is_allowed = is_allowed(allowed, kind, caller == target, is_protected);
                // These would take away the rights that this test is about.
                let removes_role = allowed == Callers::AdministratorsOnOthers && is_protected;
                if is_allowed && removes_role {
                    continue;
                }
                let answer = call(&app, caller, &method, path, target.0, body.as_ref()).await;
                if is_allowed {
                    // 404: there is no such ticket.
                    let is_expected = matches!(answer.status.as_u16(), 200 | 204 | 404);
                    assert!(is_expected, "{method} {path} on {target:?} by {caller:?}: {answer:?}");
                } else {
                    assert_eq!(
                        answer.status, 403,
                        "{method} {path} {target:?} {caller:?} {answer:?}"
                    );
                    answer.assert_forbidden();
                }
            }
        }
    }
}

fn is_allowed(allowed: Callers, kind: Kind, is_self: bool, is_protected: bool) -> bool {
    let helps = match kind {
        Kind::Administrator => true,
        Kind::HelpDesk => !is_protected,
        Kind::Auditor | Kind::Plain => false,
    };
    match allowed {
        Callers::Readers => kind != Kind::Plain,
        Callers::SelfOrReaders => is_self || kind != Kind::Plain,
        Callers::SelfOrAuditors => is_self || matches!(kind, Kind::Administrator | Kind::Auditor),
        Callers::Helpers => helps,
        Callers::SelfOrHelpers => is_self || helps,
        Callers::SelfOrHelpersOrAuditors => is_self || helps || kind == Kind::Auditor,
        Callers::Administrators => kind == Kind::Administrator,
        Callers::AdministratorsOnOthers => kind == Kind::Administrator && !is_self,
    }
}

async fn call(
    app: &TestApp,
    caller: (i32, &str),
    method: &Method,
    path: &str,
    user_id: i32,
    body: Option<&Value>,
) -> Answer {
    let ticket = "0".repeat(64);
    let path = path.replace("{id}", &user_id.to_string()).replace("{ticket}", &ticket);
    send(app, &basic(caller), method.clone(), &path, body).await
}

#[sqlx::test]
async fn a_caller_without_a_role_does_not_learn_who_exists(pool: PgPool) {
    let app = app_with_roles(pool).await;
    for (method, path, _, body) in routes() {
        let mut answers = Vec::new();
        for user_id in [HELP_DESK.0, ADMINISTRATOR.0, 4711] {
            let answer = call(&app, PLAIN, &method, path, user_id, body.as_ref()).await;
            answer.assert_forbidden();
            let mut body = answer.json();
            body["RequestId"].take();
            answers.push(body);
        }
        assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "{method} {path}: {answers:?}");
    }
}

#[sqlx::test]
async fn online_a_role_has_a_session_and_its_loss_ends_the_right_to_it_at_once(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[("KEEPER__INSTALLATION__TYPE", "online")], "").await;
    app.add_user(HELP_DESK, &["--role", "help-desk"]);
    app.add_user(AUDITOR, &["--role", "auditor"]);
    app.add_user((402, "ext"), &["--type", "external", "--role", "auditor"]);
    let list = "/api/v1/User";
    for user in [HELP_DESK, AUDITOR] {
        let session = app.session(user.1).await;
        app.get(list, &session).await.assert_status(200);
        app.command(&["user", "set-role", user.1, "none"], "").assert_success();
        let refused = app.get(list, &session).await;
        refused.assert_forbidden();
        assert!(refused.body.contains("session"), "{refused:?}");
    }
    for name in [PLAIN.1, "ext"] {
        let form = json!({"UserName": name, "Password": password_of(name)});
        app.post("/login", &Credentials::Anonymous, &form).await.assert_forbidden();
    }
}
