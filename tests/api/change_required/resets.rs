//! Passwords that an administrator sets or generates must be changed, if the installation says so.

use serde_json::{Value, json};
use sqlx::PgPool;

use super::{CHANGE_OWN, PAUL, assert_change_required, stored_mark};
use crate::support::{Answer, Credentials, PRINCIPAL, TestApp};

const REQUIRED: (&str, &str) = ("KEEPER__PASSWORDS__CHANGE_REQUIRED_AFTER_RESET", "true");

async fn call(app: &TestApp, name: &str, body: &Value) -> Answer {
    let path = format!("/api/v1/Agents/User/{name}");
    let answer = app.post(&path, &app.administrator(), body).await;
    answer.assert_status(200);
    answer
}

#[sqlx::test]
async fn a_password_that_an_administrator_sets_must_be_changed(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[REQUIRED], "").await;
    for (name, body) in [
        ("SetPassword", json!({"AssociateId": 278, "Password": "reset"})),
        ("SetPasswordFromName", json!({"AssociateName": "paul", "Password": "reset"})),
        ("ChangePasswordFromName", json!({"AssociateName": "paul", "NewPassword": "reset"})),
        ("SaveCredential", json!({"UserId": 278, "Credential": {"Value": "reset"}})),
        (
            "SaveUser",
            json!({"AssociateId": 278, "Name": "paul", "Credentials": [{"Value": "reset"}]}),
        ),
    ] {
        call(&app, name, &body).await;
        assert_eq!(stored_mark(&app).await.as_deref(), Some("administrator"), "{name}");
        let reset = Credentials::basic("paul", "reset");
        assert_change_required(&app.get(PRINCIPAL, &reset).await);
        let change = json!({"OldPassword": "reset", "NewPassword": PAUL});
        app.post(CHANGE_OWN, &reset, &change).await.assert_saved();
        app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    }
    let generated = call(&app, "SetGeneratedPassword", &json!({"AssociateId": 278})).await.json();
    let generated = Credentials::basic("paul", generated.as_str().unwrap());
    assert_change_required(&app.get(PRINCIPAL, &generated).await);
}

#[sqlx::test]
async fn ones_own_password_and_those_of_users_who_cannot_change_them_stay(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[REQUIRED], "").await;
    app.add_user((401, "ext"), &["--type", "external"]);
    call(&app, "SetPassword", &json!({"AssociateId": 401, "Password": "reset"})).await;
    app.get(PRINCIPAL, &Credentials::basic("ext", "reset")).await.assert_status(200);
    let identifier = json!({"Type": {"Type": "ActiveDirectory"}, "Value": "S-1-5"});
    call(&app, "SaveCredential", &json!({"UserId": 278, "Credential": identifier})).await;
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    call(&app, "SetPassword", &json!({"AssociateId": 1, "Password": "own"})).await;
    app.get(PRINCIPAL, &Credentials::basic("anna", "own")).await.assert_status(200);
}

#[sqlx::test]
async fn a_rename_in_the_same_request_does_not_change_whose_password_it_is(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[REQUIRED], "").await;
    let other = json!({"AssociateId": 278, "Name": "pavel", "Credentials": [{"Value": "reset"}]});
    call(&app, "SaveUser", &other).await;
    let reset = Credentials::basic("pavel", "reset");
    assert_change_required(&app.get(PRINCIPAL, &reset).await);
    let own = json!({"AssociateId": 1, "Name": "hannah", "Credentials": [{"Value": "own"}]});
    call(&app, "SaveUser", &own).await;
    app.get(PRINCIPAL, &Credentials::basic("hannah", "own")).await.assert_status(200);
}

#[sqlx::test]
async fn by_default_a_reset_password_is_kept(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    call(&app, "SetPassword", &json!({"AssociateId": 278, "Password": "reset"})).await;
    app.get(PRINCIPAL, &Credentials::basic("paul", "reset")).await.assert_status(200);
}
