//! Granting and revoking roles: over the API, by commands and by imports, with audit events.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::{AUDITOR, HELP_DESK, app_with_roles, basic, send};
use crate::support::{ADMINISTRATOR, Credentials, PLAIN, TestApp};

const ROLE: &str = "/keeper/users/278/role";

/// The kinds of the last events of a user.
async fn kinds(app: &TestApp, user_id: i32, count: i64) -> Vec<String> {
    let statement = "SELECT kind FROM (SELECT kind, sequence FROM audit_events WHERE user_id = $1
                     ORDER BY sequence DESC LIMIT $2) last ORDER BY sequence";
    sqlx::query_scalar(statement).bind(user_id).bind(count).fetch_all(&app.pool).await.unwrap()
}

async fn set(app: &TestApp, role: &str) {
    let body = Some(json!({"Role": role}));
    let answer = send(app, &app.administrator(), Method::PUT, ROLE, body.as_ref()).await;
    answer.assert_status(200);
    assert_eq!(answer.json(), json!({"Role": role, "IsAdministrator": false}));
    let read = app.get(ROLE, &app.administrator()).await;
    assert_eq!(read.json()["Role"], role);
}

#[sqlx::test]
async fn a_role_takes_effect_at_once_and_leaves_its_events(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let ticket = Credentials::Ticket(app.ticket(&app.plain()).await);
    app.get("/api/v1/User", &ticket).await.assert_forbidden();
    set(&app, "help_desk").await;
    app.get("/api/v1/User", &ticket).await.assert_status(200);
    set(&app, "auditor").await;
    set(&app, "auditor").await;
    set(&app, "none").await;
    app.get("/api/v1/User", &ticket).await.assert_forbidden();
    let expected = ["help_desk_granted", "help_desk_revoked", "auditor_granted", "auditor_revoked"];
    assert_eq!(kinds(&app, PLAIN.0, 4).await, expected);
    app.assert_intact_chains().await;
}

#[sqlx::test]
async fn a_role_is_named_exactly(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for body in [
        json!({}),
        json!({"Role": null}),
        json!({"Role": ""}),
        json!({"Role": "administrator"}),
        json!({"Role": "Help_Desk"}),
        json!({"Role": "help-desk"}),
        json!({"Role": ["auditor"]}),
    ] {
        let answer = send(&app, &app.administrator(), Method::PUT, ROLE, Some(&body)).await;
        answer.assert_refused(400, "ArgumentException", "invalid_field");
        assert_eq!(answer.json()["Field"], "Role", "{body}");
    }
    for (path, status) in [("/keeper/users/4711/role", 404), ("/keeper/users/x/role", 404)] {
        let body = json!({"Role": "auditor"});
        let answer = send(&app, &app.administrator(), Method::PUT, path, Some(&body)).await;
        answer.assert_status(status);
    }
}

#[sqlx::test]
async fn nobody_changes_their_own_role(pool: PgPool) {
    let app = app_with_roles(pool).await;
    app.command(&["user", "grant-admin", HELP_DESK.1], "").assert_success();
    let own = format!("/keeper/users/{}/role", HELP_DESK.0);
    for role in ["none", "auditor", "help_desk"] {
        let body = json!({"Role": role});
        let refused = send(&app, &basic(HELP_DESK), Method::PUT, &own, Some(&body)).await;
        refused.assert_forbidden();
        assert!(refused.body.contains("own role"), "{refused:?}");
    }
    assert_eq!(app.get(&own, &basic(HELP_DESK)).await.json()["Role"], "help_desk");
    // The administrator right includes the role, and does not take it away.
    let read = app.get(&own, &app.administrator()).await.json();
    assert_eq!(read, json!({"Role": "help_desk", "IsAdministrator": true}));
    app.command(&["user", "revoke-admin", HELP_DESK.1], "").assert_success();
    app.get("/api/v1/User", &basic(HELP_DESK)).await.assert_status(200);
}

#[sqlx::test]
async fn commands_show_and_set_roles(pool: PgPool) {
    let app = app_with_roles(pool).await;
    let list = app.command(&["user", "list", "--json"], "").assert_success();
    let users: Vec<Value> = serde_json::from_str(&list).unwrap();
    let role = |id: i32| users.iter().find(|user| user["id"] == id).unwrap()["role"].clone();
    assert_eq!((role(ADMINISTRATOR.0), role(HELP_DESK.0)), (json!(""), json!("help_desk")));
    app.command(&["user", "set-role", AUDITOR.1, "help-desk"], "").assert_success();
    assert_eq!(kinds(&app, AUDITOR.0, 2).await, ["auditor_revoked", "help_desk_granted"]);
    let shown = app.command(&["user", "show", AUDITOR.1, "--json"], "").assert_success();
    assert_eq!(serde_json::from_str::<Value>(&shown).unwrap()["role"], "help_desk");
    assert_eq!(app.command(&["user", "set-role", AUDITOR.1, "administrator"], "").code, 2);
    app.command(&["user", "delete", AUDITOR.1], "").assert_success();
    app.assert_intact_chains().await;
}

#[sqlx::test]
async fn a_role_survives_an_export_and_an_import(pool: PgPool) {
    let app = app_with_roles(pool).await;
    let exported = app.command(&["export"], "").assert_success();
    let lines: Vec<Value> =
        exported.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of = |id: i32| lines.iter().find(|line| line["id"] == id).unwrap().get("role").cloned();
    assert_eq!((of(HELP_DESK.0), of(PLAIN.0)), (Some(json!("help_desk")), None));

    // A missing member keeps the role of a user who exists.
    let lines = [
        json!({"login_name": "paul", "role": "auditor"}),
        json!({"login_name": "hilde"}),
        json!({"login_name": "hugo", "role": "none"}),
        json!({"login_name": "new", "role": "help_desk"}),
        json!({"login_name": "wrong", "role": "admin"}),
    ];
    let input = lines.map(|line| line.to_string()).join("\n");
    let imported = app.command(&["import", "-"], &input);
    assert!(
        imported.stdout.contains(r#""line":5,"result":"failed","field":"role""#),
        "{imported:?}"
    );
    let roles =
        "SELECT string_agg(login_name || ' ' || coalesce(role, '-'), ', ' ORDER BY login_name)
                 FROM users WHERE login_name IN ('paul', 'hilde', 'hugo', 'new', 'wrong')";
    let roles: String = sqlx::query_scalar(roles).fetch_one(&app.pool).await.unwrap();
    assert_eq!(roles, "hilde help_desk, hugo -, new help_desk, paul auditor");
    app.assert_intact_chains().await;
}
