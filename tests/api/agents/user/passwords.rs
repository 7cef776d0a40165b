//! Setting, changing and generating passwords: every call writes the same credential row.

use serde_json::{Value, json};
use sqlx::PgPool;

use super::agent;
use crate::support::{Answer, Credentials, PLAIN, PRINCIPAL, TestApp, password_of};

async fn call(app: &TestApp, name: &str, credentials: &Credentials, body: Value) -> Answer {
    app.post(&agent(name), credentials, &body).await
}

async fn logs_in(app: &TestApp, password: &str) -> bool {
    app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, password)).await.status == 200
}

/// Kind, type and sequence of the plain user's newest event.
async fn newest_event(app: &TestApp) -> (String, Option<String>, i64) {
    let event = sqlx::query!(
        "SELECT kind, credential_type, sequence FROM audit_events WHERE user_id = 278
         ORDER BY sequence DESC LIMIT 1"
    );
    let event = event.fetch_one(&app.pool).await.unwrap();
    (event.kind, event.credential_type, event.sequence)
}

#[sqlx::test]
async fn an_administrator_sets_a_password_by_id_and_by_name(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let administrator = app.administrator();
    let ticket = Credentials::Ticket(app.ticket(&app.plain()).await);
    let body = json!({"AssociateId": 278, "Password": "by id"});
    call(&app, "SetPassword", &administrator, body).await.assert_saved();
    assert!(logs_in(&app, "by id").await && !logs_in(&app, &password_of(PLAIN.1)).await);
    app.get(PRINCIPAL, &ticket).await.assert_unauthenticated();
    let body = json!({"associateName": "PAUL", "password": "by name"});
    call(&app, "SetPasswordFromName", &administrator, body).await.assert_saved();
    assert!(logs_in(&app, "by name").await && !logs_in(&app, "by id").await);
    let audit_log = ("credential_saved".to_owned(), Some("CRM5/PASSWORD".to_owned()), 5);
    assert_eq!(newest_event(&app).await, audit_log);
    let rows = sqlx::query_scalar!("SELECT version FROM credentials WHERE user_id = 278");
    assert_eq!(rows.fetch_all(&app.pool).await.unwrap(), [5], "one row, written by that event");
}

#[sqlx::test]
async fn changing_ones_own_password_keeps_only_the_ticket_in_use(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let plain = app.plain();
    let schemes =
        [Credentials::Ticket(app.ticket(&plain).await), app.session(PLAIN.1).await, plain.clone()];
    let mut old = password_of(PLAIN.1);
    for (number, credentials) in schemes.into_iter().enumerate() {
        let credentials = if number == 2 { Credentials::basic(PLAIN.1, &old) } else { credentials };
        if number == 1 {
            // The first change has ended the session.
            app.get(PRINCIPAL, &credentials).await.assert_refused(
                401,
                "SoSessionException",
                "unauthenticated",
            );
            continue;
        }
        let new = format!("own {number}");
        let body = json!({"OldPassword": old, "NewPassword": new});
        call(&app, "ChangeOwnPassword", &credentials, body).await.assert_saved();
        assert!(logs_in(&app, &new).await && !logs_in(&app, &old).await);
        if number == 0 {
            app.get(PRINCIPAL, &credentials).await.assert_status(200);
        }
        old = new;
    }
}

#[sqlx::test]
async fn a_wrong_old_password_answers_false_and_changes_nothing(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let before = newest_event(&app).await;
    for (name, user) in [
        ("ChangeOwnPassword", json!({})),
        ("ChangePassword", json!({"AssociateId": 278})),
        ("ChangePasswordFromName", json!({"AssociateName": "paul"})),
    ] {
        for credentials in [app.plain(), app.administrator()] {
            let mut body = json!({"OldPassword": "wrong", "NewPassword": "never"});
            body.as_object_mut().unwrap().extend(user.as_object().unwrap().clone());
            let answer = call(&app, name, &credentials, body).await;
            assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "false"), "{name}");
        }
    }
    assert_eq!(newest_event(&app).await, before);
    assert!(logs_in(&app, &password_of(PLAIN.1)).await);
}

#[sqlx::test]
async fn only_an_administrator_by_name_may_omit_the_old_password(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let change_by_name =
        |old: Value| json!({"AssociateName": "paul", "OldPassword": old, "NewPassword": "new"});
    for old in [json!(""), json!(null)] {
        call(&app, "ChangePasswordFromName", &app.plain(), change_by_name(old.clone()))
            .await
            .assert_forbidden();
        call(&app, "ChangePasswordFromName", &app.administrator(), change_by_name(old))
            .await
            .assert_saved();
        app.save(&app.administrator(), PLAIN.0, "", &password_of(PLAIN.1)).await.assert_saved();
    }
    let change_by_id = json!({"AssociateId": 278, "OldPassword": "", "NewPassword": "new"});
    call(&app, "ChangePassword", &app.administrator(), change_by_id)
        .await
        .assert_field_refused("OldPassword");
}

#[sqlx::test]
async fn concurrent_changes_with_one_old_password_have_one_winner(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let ticket = Credentials::Ticket(app.ticket(&app.administrator()).await);
    let old = password_of(PLAIN.1);
    let changes = (0..8).map(|number| {
        let body =
            json!({"AssociateId": 278, "OldPassword": old, "NewPassword": format!("new {number}")});
        let request =
            app.request(reqwest::Method::POST, &agent("ChangePassword"), &ticket).json(&body);
        tokio::spawn(async move { Answer::read(request.send().await.unwrap()).await })
    });
    let changes: Vec<_> = changes.collect();
    let mut winners = 0;
    for change in changes {
        let answer = change.await.unwrap();
        match (answer.status.as_u16(), answer.body.as_str()) {
            (200, "true") => winners += 1,
            // Refused at the write (401) or at the check of the old password (`false`).
            (401, _) | (200, "false") => {}
            _ => panic!("{answer:?}"),
        }
    }
    assert_eq!(winners, 1);
}

#[sqlx::test]
async fn a_generated_password_logs_in_until_the_next_is_generated(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut passwords = Vec::new();
    for (name, user) in [
        ("SetGeneratedPassword", json!({"AssociateId": 278})),
        ("SetGeneratedPasswordFromName", json!({"AssociateName": "paul"})),
    ] {
        let answer = call(&app, name, &app.administrator(), user).await;
        answer.assert_status(200);
        let password = answer.json().as_str().unwrap().to_owned();
        assert!(password.len() >= 20, "{}", password.len());
        assert!(logs_in(&app, &password).await);
        passwords.push(password);
    }
    assert_ne!(passwords[0], passwords[1]);
    assert!(!logs_in(&app, &passwords[0]).await);
}

#[sqlx::test]
async fn both_calls_report_whether_a_password_can_be_changed(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (credentials, id, can_change) in [
        (app.plain(), 278, true),
        (app.plain(), 1, false),
        (app.plain(), 4711, false),
        (app.administrator(), 278, true),
        (app.administrator(), 4711, false),
    ] {
        let user = json!({"AssociateId": id});
        let answer = call(&app, "CanChangePassword", &credentials, user.clone()).await;
        assert_eq!(answer.json(), json!(can_change), "{id}");
        let kinds = call(&app, "GetSupportedChangePasswordTypes", &credentials, user).await.json();
        assert_eq!(kinds, if can_change { json!(["Password"]) } else { json!([]) }, "{id}");
    }
    let request = app
        .request(reqwest::Method::POST, &agent("GetSupportedChangePasswordTypes"), &app.plain())
        .header("Accept", "application/xml")
        .json(&json!({"AssociateId": 278}));
    let xml = Answer::read(request.send().await.unwrap()).await.body;
    let list =
        "xmlns=\"http://schemas.microsoft.com/2003/10/Serialization/Arrays\"><string>Password<";
    assert!(xml.starts_with("<ArrayOfstring") && xml.contains(list), "{xml}");
}

#[sqlx::test]
async fn changing_a_missing_password_answers_false(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let body = json!({"UserId": 278, "CredentialType": "CRM5/PASSWORD"});
    call(&app, "DeleteCredential", &app.administrator(), body).await.assert_saved();
    let body = json!({"AssociateId": 278, "OldPassword": "x", "NewPassword": "new"});
    let answer = call(&app, "ChangePassword", &app.administrator(), body).await;
    assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, "false"));
    let body = json!({"AssociateId": 278, "Password": "again"});
    call(&app, "SetPassword", &app.administrator(), body).await.assert_saved();
    assert!(logs_in(&app, "again").await);
}
