//! Validation of passwords and login names before they are saved.

use serde_json::{Value, json};
use sqlx::PgPool;

use super::agent;
use crate::support::{Answer, TestApp};

async fn call(app: &TestApp, name: &str, body: &Value) -> Answer {
    let request = app
        .request(reqwest::Method::POST, &agent(name), &app.administrator())
        .header("Accept-Language", "en")
        .json(body);
    Answer::read(request.send().await.unwrap()).await
}

#[sqlx::test]
async fn a_password_is_valid_when_it_can_be_saved(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (password, reason) in [
        ("x".to_owned(), ""),
        ("x".repeat(1024), ""),
        (String::new(), "Password: must not be empty"),
        ("x".repeat(1025), "Password: must have at most 1024 bytes"),
        ("a\0b".to_owned(), "Password: must not contain NUL"),
    ] {
        let body = json!({"AssociateId": 278, "Type": "InternalAssociate", "PersonId": 3, "Password": password});
        let valid = call(&app, "IsPasswordValid", &body).await.json();
        assert_eq!(valid, json!(reason.is_empty()));
        let with_reason = call(&app, "IsPasswordValidWithReason", &body).await.json();
        assert_eq!(
            with_reason,
            json!({
                "Reason": reason, "Result": valid, "TableRight": {"Mask": "Select", "Reason": ""},
                "FieldProperties": null,
            })
        );
    }
}

#[sqlx::test]
async fn a_login_name_is_valid_when_it_is_available(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (id, name, reason) in [
        (0, "new", ""),
        (278, "paul", ""),
        (278, "PAUL", ""),
        (0, "Paul", "UserName: belongs to another user"),
        (1, "paul", "UserName: belongs to another user"),
        (0, "", "UserName: must not be empty"),
        (0, "a:b", "UserName: must not contain a control character or a colon"),
    ] {
        let body = json!({"AssociateId": id, "UserName": name});
        let valid = call(&app, "IsUserNameValid", &body).await.json();
        assert_eq!(valid, json!(reason.is_empty()), "{name}");
        let with_reason = call(&app, "IsUserNameValidWithReason", &body).await.json();
        assert_eq!(with_reason["Reason"], reason, "{name}");
    }
}

#[sqlx::test]
async fn the_proposed_login_name_is_available(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.add_user((500, "paul2"), &[]);
    let long = "å".repeat(239);
    app.add_user((501, &long), &[]);
    for (id, name, expected) in [
        (0, "new", "new".to_owned()),
        (278, "paul", "paul".to_owned()),
        (0, "Paul", "Paul3".to_owned()),
        (0, " a:b\n", "ab".to_owned()),
        (0, "", "user".to_owned()),
        (0, ":", "user".to_owned()),
        (0, &long, format!("{}2", "å".repeat(238))),
    ] {
        let body = json!({"AssociateId": id, "UserName": name});
        let proposed = call(&app, "GetValidUserName", &body).await.json();
        assert_eq!(proposed, json!(expected), "{name}");
        let body = json!({"AssociateId": id, "UserName": proposed});
        assert_eq!(call(&app, "IsUserNameValid", &body).await.json(), json!(true));
    }
}
