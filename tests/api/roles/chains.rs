//! A user of the help desk cannot gain the rights of another user, in one step or in several, nor can
//! an auditor change anything.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::task::JoinHandle;

use super::{AUDITOR, HELP_DESK, OTHER_HELP_DESK, SYSTEM, app_with_roles, basic, send};
use crate::support::{ADMINISTRATOR, Answer, Credentials, PLAIN, PRINCIPAL, RETIRED, TestApp};

/// The path of a call of the User agent.
fn agent(name: &str) -> String {
    format!("/api/v1/Agents/User/{name}")
}

/// Users with rights over others, and users who would have them in another state.
const PROTECTED: [(i32, &str); 7] = [
    ADMINISTRATOR,
    SYSTEM,
    HELP_DESK,
    OTHER_HELP_DESK,
    AUDITOR,
    // A retired administrator, and an external one: their right has no effect yet.
    RETIRED,
    (402, "ext"),
];

async fn app(pool: PgPool) -> TestApp {
    let app = app_with_roles(pool).await;
    app.add_user((402, "ext"), &["--type", "external", "--administrator"]);
    app
}

async fn generate(app: &TestApp, credentials: &Credentials, user: (i32, &str)) -> [Answer; 2] {
    let by_id = json!({"AssociateId": user.0});
    let by_name = json!({"AssociateName": user.1});
    [
        app.post(&agent("SetGeneratedPassword"), credentials, &by_id).await,
        app.post(&agent("SetGeneratedPasswordFromName"), credentials, &by_name).await,
    ]
}

#[sqlx::test]
async fn the_help_desk_generates_no_password_of_a_user_with_rights(pool: PgPool) {
    let app = app(pool).await;
    let stored =
        "SELECT string_agg(user_id || ' ' || version, ',' ORDER BY user_id) FROM credentials";
    let before: String = sqlx::query_scalar(stored).fetch_one(&app.pool).await.unwrap();
    let ticket = Credentials::Ticket(app.ticket(&basic(HELP_DESK)).await);
    let session = app.session(HELP_DESK.1).await;
    for credentials in [basic(HELP_DESK), ticket, session] {
        for target in PROTECTED {
            for answer in generate(&app, &credentials, target).await {
                answer.assert_forbidden();
            }
        }
    }
    let after: String = sqlx::query_scalar(stored).fetch_one(&app.pool).await.unwrap();
    assert_eq!(after, before, "no credential was written");
    let generated = generate(&app, &basic(HELP_DESK), PLAIN).await.map(|answer| {
        answer.assert_status(200);
        Credentials::basic(PLAIN.1, answer.json().as_str().unwrap())
    });
    // The second one replaced the first.
    app.get(PRINCIPAL, &generated[0]).await.assert_unauthenticated();
    app.get(PRINCIPAL, &generated[1]).await.assert_status(200);
}

#[sqlx::test]
async fn the_help_desk_sets_no_password_of_its_choice(pool: PgPool) {
    let app = app(pool).await;
    for (call, body) in [
        ("SetPassword", json!({"AssociateId": PLAIN.0, "Password": "chosen"})),
        ("SetPasswordFromName", json!({"AssociateName": PLAIN.1, "Password": "chosen"})),
        ("SaveCredential", json!({"UserId": PLAIN.0, "Credential": {"Value": "chosen"}})),
        (
            "SaveCredential",
            json!({"UserId": PLAIN.0, "Credential":
                {"Type": {"Type": "ActiveDirectory"}, "Value": "S-1-5-1"}}),
        ),
        ("ChangePasswordFromName", json!({"AssociateName": PLAIN.1, "NewPassword": "chosen"})),
        ("SendChangePasswordEMail", json!({"AssociateId": PLAIN.0})),
        ("DeleteCredential", json!({"UserId": PLAIN.0, "CredentialType": "CRM5/PASSWORD"})),
    ] {
        for helper in [HELP_DESK, AUDITOR] {
            app.post(&agent(call), &basic(helper), &body).await.assert_forbidden();
        }
    }
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
}

/// A user whose password the help desk knows must not become one with rights by another of its calls.
#[sqlx::test]
async fn the_help_desk_gives_no_rights_and_takes_no_name(pool: PgPool) {
    let app = app(pool).await;
    for body in [
        json!({"AssociateId": PLAIN.0, "Role": {"Value": "Administrator"}}),
        json!({"AssociateId": PLAIN.0, "Type": "SystemAssociate"}),
        json!({"AssociateId": PLAIN.0, "Name": "anna2"}),
        json!({"AssociateId": HELP_DESK.0, "Role": {"Value": "Administrator"}}),
        json!({"Name": "new", "Role": {"Value": "Administrator"}}),
    ] {
        for helper in [HELP_DESK, AUDITOR] {
            app.post(&agent("SaveUser"), &basic(helper), &body).await.assert_forbidden();
        }
    }
    let credential = json!({"Value": "x", "DisplayValue": "anna"});
    let resolve = json!({"ContactId": 2, "UserType": "SystemAssociate", "Credential": credential});
    app.post(&agent("ResolveUserFromInfo"), &basic(HELP_DESK), &resolve).await.assert_forbidden();
    for target in [HELP_DESK.0, PLAIN.0] {
        let path = format!("/keeper/users/{target}/role");
        for role in ["help_desk", "auditor", "none"] {
            let body = Some(json!({"Role": role}));
            for helper in [HELP_DESK, AUDITOR, PLAIN] {
                send(&app, &basic(helper), Method::PUT, &path, body.as_ref())
                    .await
                    .assert_forbidden();
            }
        }
    }
}

#[sqlx::test]
async fn the_help_desk_neither_unlocks_nor_logs_out_a_user_with_rights(pool: PgPool) {
    let app = app(pool).await;
    let administrator = Credentials::Ticket(app.ticket(&app.administrator()).await);
    let listed = app.get("/keeper/users/1/tickets", &app.administrator()).await.json();
    let one = format!("/keeper/users/1/tickets/{}", listed[0]["Id"].as_str().unwrap());
    let helper = basic(HELP_DESK);
    send(&app, &helper, Method::DELETE, &one, None).await.assert_forbidden();
    for target in PROTECTED.into_iter().filter(|target| *target != HELP_DESK) {
        for (method, path) in [
            (Method::GET, format!("/keeper/users/{}/tickets", target.0)),
            (Method::DELETE, format!("/keeper/users/{}/tickets", target.0)),
            (Method::DELETE, format!("/keeper/users/{}/attempts", target.0)),
        ] {
            send(&app, &helper, method, &path, None).await.assert_forbidden();
        }
    }
    let own = format!("/keeper/users/{}/attempts", HELP_DESK.0);
    send(&app, &helper, Method::DELETE, &own, None).await.assert_forbidden();
    app.get(PRINCIPAL, &administrator).await.assert_status(200);

    let plain = Credentials::Ticket(app.ticket(&app.plain()).await);
    let all = format!("/keeper/users/{}/tickets", PLAIN.0);
    let listed = send(&app, &helper, Method::GET, &all, None).await;
    assert_eq!(listed.json().as_array().unwrap().len(), 1);
    send(&app, &helper, Method::DELETE, &all, None).await.assert_status(204);
    app.get(PRINCIPAL, &plain).await.assert_unauthenticated();
}

/// Starts a request whose target or actor another transaction has locked.
fn start(
    app: &TestApp,
    credentials: &Credentials,
    method: Method,
    path: &str,
) -> JoinHandle<Answer> {
    let request = app.request(method, path, credentials);
    let is_agent_call = path.starts_with("/api/");
    let body = json!({"AssociateId": PLAIN.0});
    let request = if is_agent_call { request.json(&body) } else { request };
    tokio::spawn(async move { Answer::read(request.send().await.unwrap()).await })
}

#[sqlx::test]
async fn a_user_who_gains_a_right_meanwhile_is_protected(pool: PgPool) {
    let app = app(pool).await;
    let gains = [
        "is_administrator = true",
        "role = 'help_desk'",
        "role = 'auditor'",
        "user_type = 'system'",
    ];
    let calls = [
        (Method::POST, agent("SetGeneratedPassword")),
        (Method::DELETE, "/keeper/users/278/tickets".to_owned()),
        (Method::DELETE, "/keeper/users/278/attempts".to_owned()),
    ];
    for gain in gains {
        for (method, path) in &calls {
            let ticket = Credentials::Ticket(app.ticket(&basic(HELP_DESK)).await);
            let mut granting = app.pool.begin().await.unwrap();
            // The audit head moves, as by every change that the service makes.
            let update = format!(
                "UPDATE users SET {gain}, audit_sequence = audit_sequence + 1 WHERE user_id = 278"
            );
            sqlx::raw_sql(sqlx::AssertSqlSafe(update)).execute(&mut *granting).await.unwrap();
            let call = start(&app, &ticket, method.clone(), path);
            app.wait_for_blocked_sessions(1).await;
            granting.commit().await.unwrap();
            call.await.unwrap().assert_forbidden();
            app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
            let restore = "UPDATE users SET is_administrator = false, role = NULL,
                           user_type = 'internal' WHERE user_id = 278";
            sqlx::raw_sql(restore).execute(&app.pool).await.unwrap();
        }
    }
}

#[sqlx::test]
async fn a_role_that_is_lost_meanwhile_gives_nothing(pool: PgPool) {
    let app = app(pool).await;
    for path in [agent("SetGeneratedPassword"), "/keeper/users/278/tickets".to_owned()] {
        let method = if path.starts_with("/api") { Method::POST } else { Method::DELETE };
        for change in ["role = NULL", "role = 'auditor'"] {
            let ticket = Credentials::Ticket(app.ticket(&basic(HELP_DESK)).await);
            let mut revoking = app.pool.begin().await.unwrap();
            let update = format!("UPDATE users SET {change} WHERE user_id = {}", HELP_DESK.0);
            sqlx::raw_sql(sqlx::AssertSqlSafe(update)).execute(&mut *revoking).await.unwrap();
            let call = start(&app, &ticket, method.clone(), &path);
            app.wait_for_blocked_sessions(1).await;
            revoking.commit().await.unwrap();
            call.await.unwrap().assert_unauthenticated();
            app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
            let restore = "UPDATE users SET role = 'help_desk' WHERE user_id = 405";
            sqlx::raw_sql(restore).execute(&app.pool).await.unwrap();
        }
    }
}

#[sqlx::test]
async fn an_auditor_reads_untrusted_credentials_without_secrets_and_changes_none(pool: PgPool) {
    let app = app(pool).await;
    let credentials = json!({"PublicValue": "p", "SecretValue": "s"});
    let own = json!({"Type": "imap", "Credentials": credentials});
    app.post(&agent("SaveUntrustedCredentials"), &app.plain(), &own).await.assert_status(204);
    let list = json!({"AssociateId": PLAIN.0, "Type": "imap"});
    let path = agent("GetUntrustedCredentialsForAssociate");
    let read = app.post(&path, &basic(AUDITOR), &list).await;
    read.assert_status(200);
    assert_eq!(read.json()[0]["PublicValue"], "p");
    assert_eq!(read.json()[0]["SecretValue"], Value::Null);
    app.post(&path, &basic(HELP_DESK), &list).await.assert_forbidden();
    let save = json!({"AssociateId": PLAIN.0, "Type": "imap", "Credentials": credentials});
    let remove = json!({"AssociateId": PLAIN.0, "Type": "imap", "PublicValue": "p"});
    for caller in [AUDITOR, HELP_DESK] {
        for (call, body) in [
            ("SaveUntrustedCredentialsForAssociate", &save),
            ("RemoveUntrustedCredentialsForAssociate", &remove),
        ] {
            app.post(&agent(call), &basic(caller), body).await.assert_forbidden();
        }
    }
}
