//! Sensitive changes need a recent proof of the password (docs/reference/sensitive-changes.md).

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{
    guessing::{ELSEWHERE, PROXY, login},
    support::{Answer, Credentials, PLAIN, PRINCIPAL, TestApp, password_of},
};

const PROOF: &str = "/keeper/session/proof";

fn agent(name: &str) -> String {
    format!("/api/v1/Agents/User/{name}")
}

/// The sensitive changes of the API, in an order in which each is possible: method, path, body and
/// the status of success.
fn sensitive() -> Vec<(Method, String, Value, u16)> {
    [sensitive_for_one_user(), sensitive_for_others()].concat()
}

fn post(name: &str, body: Value, status: u16) -> (Method, String, Value, u16) {
    (Method::POST, agent(name), body, status)
}

fn sensitive_for_one_user() -> Vec<(Method, String, Value, u16)> {
    vec![
        post("SaveCredential", json!({"UserId": 278, "Credential": {"Value": "new"}}), 200),
        post("SetPassword", json!({"AssociateId": 278, "Password": "new"}), 200),
        post("SetPasswordFromName", json!({"AssociateName": "paul", "Password": "new"}), 200),
        post("SetGeneratedPassword", json!({"AssociateId": 278}), 200),
        post("SetGeneratedPasswordFromName", json!({"AssociateName": "paul"}), 200),
        post("ChangePasswordFromName", json!({"AssociateName": "paul", "NewPassword": "new"}), 200),
        post(
            "ChangePassword",
            json!({"AssociateId": 278, "OldPassword": "wrong", "NewPassword": "new"}),
            200,
        ),
        post("DeleteCredential", json!({"UserId": 278, "CredentialType": "Pin"}), 400),
        post("DeleteCredential", json!({"UserId": 278, "CredentialType": "CRM5/PASSWORD"}), 200),
        post("SaveUser", json!({"AssociateId": 278, "Credentials": [{"Value": "new"}]}), 200),
        post("SaveUser", json!({"AssociateId": 278, "Name": "paul@example.com"}), 200),
        post(
            "SaveUserFromName",
            json!({"UserName": "paul@example.com", "User": {"Name": "paul"}}),
            200,
        ),
        post("SaveUser", json!({"AssociateId": 278, "Role": {"Value": "Administrator"}}), 200),
        post("SaveUser", json!({"AssociateId": 278, "Role": {"Value": "User"}}), 200),
        post(
            "ChangeUserType",
            json!({"User": {"AssociateId": 278}, "UserType": "SystemAssociate"}),
            200,
        ),
        post(
            "ChangeUserType",
            json!({"User": {"AssociateId": 278}, "UserType": "ExternalAssociate"}),
            200,
        ),
        post(
            "ChangeUserType",
            json!({"User": {"AssociateId": 278}, "UserType": "InternalAssociate"}),
            200,
        ),
    ]
}

fn sensitive_for_others() -> Vec<(Method, String, Value, u16)> {
    let untrusted = json!({"PublicValue": "p", "SecretValue": "s"});
    vec![
        post("SaveUser", json!({"Name": "added", "Role": {"Value": "Administrator"}}), 200),
        post("SaveUser", json!({"Name": "second", "Credentials": [{"Value": "new"}]}), 200),
        post("SaveUser", json!({"Name": "third@example.com"}), 200),
        (Method::POST, "/api/v1/User".to_owned(), json!({"Name": "fourth"}), 200),
        (Method::DELETE, "/keeper/users/278/attempts".to_owned(), Value::Null, 204),
        post(
            "CreateExternalUser",
            json!({"UserName": "external", "Password": "new", "IsActive": true}),
            200,
        ),
        post("GenerateNewPasswordForExternalUser", json!({"AssociateName": "external"}), 200),
        post(
            "ResolveUserFromInfo",
            json!({"ContactId": 2, "UserType": "InternalAssociate",
                   "Credential": {"Value": "new", "DisplayValue": "resolved"}}),
            200,
        ),
        post(
            "SaveUntrustedCredentialsForAssociate",
            json!({"AssociateId": 278, "Type": "imap", "Credentials": untrusted}),
            204,
        ),
        post(
            "RemoveUntrustedCredentialsForAssociate",
            json!({"AssociateId": 278, "Type": "imap", "PublicValue": "p"}),
            204,
        ),
        (Method::PUT, "/keeper/users/278/change-required".to_owned(), json!({}), 200),
        (Method::DELETE, "/keeper/users/278/change-required".to_owned(), Value::Null, 200),
        (Method::PUT, "/keeper/users/278/role".to_owned(), json!({"Role": "auditor"}), 200),
        (Method::PUT, "/keeper/users/278/role".to_owned(), json!({"Role": "none"}), 200),
        post("MakeRetired", json!({"AssociateId": 278, "Retired": true}), 204),
        (Method::PUT, "/api/v1/User/278".to_owned(), json!({"Deleted": false}), 200),
        post("DeleteUserFromName", json!({"UserName": "added"}), 204),
        (Method::DELETE, "/api/v1/User/278".to_owned(), Value::Null, 204),
    ]
}

async fn send(
    app: &TestApp,
    credentials: &Credentials,
    (method, path, body): (&Method, &str, &Value),
) -> Answer {
    let mut request = app.request(method.clone(), path, credentials);
    if !body.is_null() {
        request = request.json(body);
    }
    Answer::read(request.send().await.unwrap()).await
}

/// Lets the proofs of all tickets and sessions be of this many seconds ago.
async fn age(app: &TestApp, seconds: i32) {
    let update = "UPDATE tickets SET auth_time = now() - $1 * interval '1 second'";
    sqlx::query(update).bind(seconds).execute(&app.pool).await.unwrap();
}

async fn prove(app: &TestApp, session: &Credentials, password: &str) -> Answer {
    app.post(PROOF, session, &json!({"Password": password})).await
}

async fn state(app: &TestApp) -> (i64, i64) {
    let counts = "SELECT (SELECT sum(audit_sequence)::bigint FROM users),
                         (SELECT count(*) FROM users WHERE deleted_at IS NULL)";
    sqlx::query_as(counts).fetch_one(&app.pool).await.unwrap()
}

#[sqlx::test]
async fn a_session_makes_sensitive_changes_only_with_a_proof_of_the_last_ten_minutes(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let session = app.session("anna").await;
    for (method, path, body, status) in sensitive() {
        if status != 400 {
            age(&app, 601).await;
            let before = state(&app).await;
            let refused = send(&app, &session, (&method, &path, &body)).await;
            refused.assert_refused(403, "SoIllegalOperationException", "proof_too_old");
            assert!(refused.body.contains(PROOF), "{refused:?}");
            assert_eq!(state(&app).await, before, "{method} {path} {body}");
            prove(&app, &session, &password_of("anna")).await.assert_status(204);
        }
        let answer = send(&app, &session, (&method, &path, &body)).await;
        assert_eq!(answer.status, status, "{method} {path} {body}: {answer:?}");
    }
}

#[sqlx::test]
async fn a_right_that_comes_back_or_ends_with_another_change_needs_it(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.add_user((401, "boss"), &["--administrator"]);
    app.add_user((402, "help"), &["--role", "help-desk"]);
    app.add_user((403, "guest"), &["--role", "auditor", "--type", "external"]);
    for name in ["boss", "help"] {
        app.command(&["user", "retire", name], "").assert_success();
    }
    let session = app.session("anna").await;
    age(&app, 601).await;
    let kind = |id, kind| json!({"User": {"AssociateId": id}, "UserType": kind});
    let changes = [
        (agent("MakeRetired"), json!({"AssociateId": 401, "Retired": false})),
        (agent("SaveUser"), json!({"AssociateId": 402, "Deleted": false})),
        (agent("ChangeUserType"), kind(403, "InternalAssociate")),
        (agent("ChangeUserType"), kind(403, "ExternalAssociate")),
    ];
    for (path, body) in &changes {
        age(&app, 601).await;
        let before = state(&app).await;
        let refused = send(&app, &session, (&Method::POST, path, body)).await;
        refused.assert_refused(403, "SoIllegalOperationException", "proof_too_old");
        assert_eq!(state(&app).await, before, "{path} {body}");
        prove(&app, &session, &password_of("anna")).await.assert_status(204);
        let answer = send(&app, &session, (&Method::POST, path, body)).await;
        assert!(answer.status.is_success(), "{path} {body}: {answer:?}");
    }
}

#[sqlx::test]
async fn other_changes_need_no_recent_proof(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let session = app.session("anna").await;
    age(&app, 3600).await;
    for (method, path, body) in [
        (Method::GET, "/api/v1/User".to_owned(), Value::Null),
        (Method::POST, agent("SaveUser"), json!({"AssociateId": 278, "Tooltip": "Paul"})),
        // A member that stays as it is, as clients send back what they read.
        (
            Method::POST,
            agent("SaveUser"),
            json!({"AssociateId": 278, "Tooltip": "P", "Role": {"Value": "User"}, "Deleted": false}),
        ),
        (Method::DELETE, "/keeper/users/278/tickets".to_owned(), Value::Null),
        // The old password is the proof.
        (
            Method::POST,
            agent("ChangeOwnPassword"),
            json!({"OldPassword": password_of("anna"), "NewPassword": "new"}),
        ),
    ] {
        let answer = send(&app, &session, (&method, &path, &body)).await;
        assert!(answer.status.is_success(), "{method} {path}: {answer:?}");
    }
}

#[sqlx::test]
async fn the_help_desk_and_owners_need_it_too(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.add_user((405, "hilde"), &["--role", "help-desk"]);
    let helper = app.session("hilde").await;
    let administrator = app.session("anna").await;
    age(&app, 601).await;
    let generate = json!({"AssociateId": 278});
    let refused = app.post(&agent("SetGeneratedPassword"), &helper, &generate).await;
    refused.assert_refused(403, "SoIllegalOperationException", "proof_too_old");
    // An administrator's own password, without the old one.
    let own = json!({"AssociateId": 1, "Password": "new"});
    let refused = app.post(&agent("SetPassword"), &administrator, &own).await;
    refused.assert_refused(403, "SoIllegalOperationException", "proof_too_old");
    // A missing right comes first.
    let plain = app.session(PLAIN.1).await;
    age(&app, 601).await;
    let forbidden = app.post(&agent("SetPassword"), &plain, &own).await;
    forbidden.assert_refused(403, "SoIllegalOperationException", "forbidden");
}

#[sqlx::test]
async fn tickets_and_tokens_need_it_only_with_the_setting(pool: PgPool) {
    let mut app = TestApp::spawn(pool).await;
    let ticket = Credentials::Ticket(app.ticket(&app.administrator()).await);
    age(&app, 7200).await;
    let token = Credentials::Bearer(app.token(&ticket).await);
    let save = json!({"UserId": 278, "Credential": {"Value": "new"}});
    for credentials in [&ticket, &token] {
        app.post(&agent("SaveCredential"), credentials, &save).await.assert_saved();
    }
    app.reconfigure(&[("KEEPER__AUTHENTICATION__MAXIMUM_PROOF_AGE_SECONDS", "3600")]).await;
    for credentials in [&ticket, &token] {
        let refused = app.post(&agent("SaveCredential"), credentials, &save).await;
        refused.assert_refused(403, "SoIllegalOperationException", "proof_too_old");
        app.get(PRINCIPAL, credentials).await.assert_status(200);
    }
    // A Basic request proves the password at that moment, also for a new ticket.
    app.post(&agent("SaveCredential"), &app.administrator(), &save).await.assert_saved();
    let newer = Credentials::Ticket(app.ticket(&app.administrator()).await);
    app.post(&agent("SaveCredential"), &newer, &save).await.assert_saved();
    age(&app, 3599 - 60).await;
    app.post(&agent("SaveCredential"), &newer, &save).await.assert_saved();
    // A session keeps its own, shorter limit.
    let session = app.session("anna").await;
    age(&app, 601).await;
    let refused = app.post(&agent("SaveCredential"), &session, &save).await;
    refused.assert_refused(403, "SoIllegalOperationException", "proof_too_old");
}

#[sqlx::test]
async fn a_token_that_was_issued_to_a_session_needs_a_proof_as_recent_as_its_own(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let session = app.session("anna").await;
    let save = json!({"UserId": 278, "Credential": {"Value": "new"}});
    let recent = Credentials::Bearer(app.token(&session).await);
    app.post(&agent("SaveCredential"), &recent, &save).await.assert_saved();
    age(&app, 601).await;
    let current = app.token(&session).await;
    let exchanged = app.token(&Credentials::Bearer(current.clone())).await;
    let for_application = app.post(&agent("GetAccessToken"), &session, &json!({})).await;
    let for_application = for_application.json().as_str().unwrap().to_owned();
    for token in [&current, &exchanged, &for_application] {
        for credentials in [Credentials::Bearer(token.clone()), Credentials::Ticket(token.clone())]
        {
            let refused = app.post(&agent("SaveCredential"), &credentials, &save).await;
            refused.assert_refused(403, "SoIllegalOperationException", "proof_too_old");
            app.get(PRINCIPAL, &credentials).await.assert_status(200);
        }
    }
    prove(&app, &session, &password_of("anna")).await.assert_status(204);
    let newer = Credentials::Bearer(app.token(&session).await);
    app.post(&agent("SaveCredential"), &newer, &save).await.assert_saved();
}

#[sqlx::test]
async fn a_proof_needs_the_password_of_the_caller_and_a_session(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let session = app.session("anna").await;
    age(&app, 601).await;
    for wrong in ["wrong", &password_of(PLAIN.1)] {
        prove(&app, &session, wrong).await.assert_unauthenticated();
    }
    for body in [json!({}), json!({"Password": null})] {
        let refused = app.post(PROOF, &session, &body).await;
        refused.assert_refused(400, "ArgumentException", "invalid_field");
        assert_eq!(refused.json()["Field"], "Password");
    }
    let save = json!({"UserId": 278, "Credential": {"Value": "new"}});
    app.post(&agent("SaveCredential"), &session, &save).await.assert_status(403);
    // The session itself goes on.
    app.get(PRINCIPAL, &session).await.assert_status(200);
    for other in [
        app.administrator(),
        Credentials::Ticket(app.ticket(&app.administrator()).await),
        Credentials::Bearer(app.token(&app.administrator()).await),
    ] {
        prove(&app, &other, &password_of("anna")).await.assert_forbidden();
    }
    let Credentials::Session { cookie, .. } = &session else { unreachable!() };
    let without = Credentials::Session { cookie: cookie.clone(), xsrf: String::new() };
    prove(&app, &without, &password_of("anna")).await.assert_status(401);
    prove(&app, &session, &password_of("anna")).await.assert_status(204);
    let kind = "SELECT kind FROM audit_events WHERE user_id = 1 ORDER BY sequence DESC LIMIT 1";
    let kind: String = sqlx::query_scalar(kind).fetch_one(&app.pool).await.unwrap();
    assert_eq!(kind, "session_proven");
    app.assert_intact_chains().await;
}

#[sqlx::test]
async fn wrong_proofs_count_as_wrong_logins(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[("KEEPER__ATTEMPTS__BEFORE_DELAY", "3")], "").await;
    let session = app.session("anna").await;
    let mut wrong = 0;
    let delayed = loop {
        let answer = prove(&app, &session, &format!("wrong {wrong}")).await;
        if answer.status == 429 {
            break answer;
        }
        answer.assert_unauthenticated();
        wrong += 1;
        // Three from the known address of the session, and three more. On a slow machine the first
        // delays, of 1, 2, 4 and 8 seconds, may end before the next attempt.
        assert!(wrong < 12, "no delay after {wrong} wrong proofs");
    };
    assert!(wrong >= 6, "a delay after {wrong} wrong proofs");
    // Neither a lock nor a stop, which have no end to wait for.
    delayed.header("retry-after");
    let counted = "SELECT failures, throttle_failures FROM authentication_attempts
                   WHERE user_id = 1";
    let counted: (i32, i32) = sqlx::query_as(counted).fetch_one(&app.pool).await.unwrap();
    assert_eq!(counted, (wrong, wrong - 3));
    // The delay is that of logins from any other address.
    let longer = "UPDATE authentication_attempts
                  SET next_allowed_at = next_allowed_at + interval '1 hour'
                  WHERE user_id = 1 AND next_allowed_at IS NOT NULL";
    let longer = sqlx::query(longer).execute(&app.pool).await.unwrap();
    assert_eq!(longer.rows_affected(), 1);
    let behind_proxy = app.spawn_instance(&[PROXY]).await;
    let refused = login(&behind_proxy, ELSEWHERE, "anna", "wrong").await;
    refused.assert_refused(429, "SoServiceUnavailableException", "too_many_attempts");
    refused.header("retry-after");
}

#[sqlx::test]
async fn a_proof_does_not_revive_an_ended_session(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let session = app.session("anna").await;
    app.command(&["ticket", "revoke", "--user", "anna"], "").assert_success();
    prove(&app, &session, &password_of("anna")).await.assert_unauthenticated();
    app.get(PRINCIPAL, &session).await.assert_unauthenticated();
}
