//! Validation of users against the stored state: what a save would refuse, and nothing else.

use serde_json::{Value, json};
use sqlx::PgPool;

use super::agent;
use crate::support::{ADMINISTRATOR, Answer, PLAIN, TestApp};

async fn call(app: &TestApp, name: &str, body: &Value) -> Answer {
    app.post(&agent(name), &app.administrator(), body).await
}

/// The problems of a user, by member.
async fn problems(app: &TestApp, user: &Value) -> Value {
    let answer = call(app, "ValidateUser", &json!({"User": user})).await;
    answer.assert_status(200);
    answer.json()
}

/// Asserts that saving the user is a conflict.
async fn assert_conflict(app: &TestApp, user: &Value, code: &str) {
    call(app, "SaveUser", user).await.assert_refused(409, "ArgumentException", code);
}

#[sqlx::test]
async fn an_identifier_of_another_user_is_named(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (owner, sid) = (ADMINISTRATOR.0, "S-1-5-1");
    app.save(&app.administrator(), owner, "ActiveDirectory", sid).await.assert_saved();
    let credentials = json!([
        {"Type": {"Type": "CRM5/PASSWORD"}, "Value": "a password"},
        {"Type": {"Type": "ActiveDirectory"}, "Value": sid},
    ]);
    let expected = json!({"Credentials[1].Value": "Credentials[1].Value: belongs to another user"});
    for user in [
        json!({"AssociateId": PLAIN.0, "Credentials": credentials}),
        json!({"Name": "new", "Credentials": credentials}),
    ] {
        assert_eq!(problems(&app, &user).await, expected);
        assert_conflict(&app, &user, "identifier_taken").await;
        // Only callers who may save the user learn it.
        let body = json!({"User": user});
        app.post(&agent("ValidateUser"), &app.plain(), &body).await.assert_forbidden();
    }
    let own = json!({"AssociateId": owner, "Credentials": [credentials[1]]});
    assert_eq!(problems(&app, &own).await, json!({}));
    call(&app, "SaveUser", &own).await.assert_status(200);
}

/// The vendor's client writes `name`. A program that sends a user back as it was read has the current
/// name in the other member.
#[sqlx::test]
async fn a_login_name_of_another_user_is_named_as_the_member_that_has_it(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (user, member) in [
        (json!({"name": "anna"}), "Name"),
        (json!({"UserName": "anna"}), "UserName"),
        (json!({"AssociateId": PLAIN.0, "Name": "anna", "UserName": PLAIN.1}), "Name"),
        (json!({"AssociateId": PLAIN.0, "Name": PLAIN.1, "UserName": "anna"}), "UserName"),
        (json!({"AssociateId": PLAIN.0, "Name": "anna", "UserName": "anna"}), "Name"),
    ] {
        let message = format!("{member}: belongs to another user");
        assert_eq!(problems(&app, &user).await, json!({member: message}), "{user}");
    }
    for (member, other) in [("Name", "UserName"), ("UserName", "Name")] {
        let user = json!({"AssociateId": PLAIN.0, member: "\u{3000}", other: PLAIN.1});
        let message = format!("{member}: must contain a visible character");
        assert_eq!(problems(&app, &user).await, json!({member: message}), "{user}");
        call(&app, "SaveUser", &user).await.assert_field_refused(member);
        let body = json!({"UserName": PLAIN.1, "User": {member: "\u{3000}"}});
        let refused = call(&app, "SaveUserFromName", &body).await;
        refused.assert_field_refused(&format!("User.{member}"));
    }
}

#[sqlx::test]
async fn a_change_of_the_last_administrator_is_named(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let id = ADMINISTRATOR.0;
    let changes = [
        ("Deleted", json!({"AssociateId": id, "Deleted": true})),
        ("Role.Value", json!({"AssociateId": id, "Role": {"Value": "User"}})),
        ("Type", json!({"AssociateId": id, "Type": "ExternalAssociate"})),
    ];
    for (member, user) in changes.clone() {
        let reason = "is the last active administrator; make another user an administrator first";
        let message = format!("{member}: {reason}");
        assert_eq!(problems(&app, &user).await, json!({member: message}));
        assert_conflict(&app, &user, "last_administrator").await;
    }
    app.add_user((410, "other"), &["--administrator"]);
    for (member, user) in changes {
        assert_eq!(problems(&app, &user).await, json!({}), "{member}");
    }
}

#[sqlx::test]
async fn a_signature_of_an_earlier_state_is_named(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let path = format!("GetUser?userId={}", PLAIN.0);
    let stale = call(&app, &path, &Value::Null).await.json();
    assert_eq!(problems(&app, &stale).await, json!({}));
    let change = json!({"AssociateId": PLAIN.0, "Tooltip": "Paul P"});
    call(&app, "SaveUser", &change).await.assert_status(200);
    let reason = "belongs to an earlier state of the user; read the user again, then retry";
    let message = format!("RequestSignature: {reason}");
    assert_eq!(problems(&app, &stale).await, json!({"RequestSignature": message}));
    assert_conflict(&app, &stale, "outdated").await;
}
