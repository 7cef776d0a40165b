//! Quoted scalars, and numbers as text, are accepted like the vendor's JSON reader does
//! (docs/adr/0033-json-scalar-coercion.md). Each case changes a value and reads it back.

use serde_json::{Value, json};
use sqlx::PgPool;

use super::{RequestBody, save};
use crate::support::{Credentials, PLAIN, PRINCIPAL, TestApp};

const JSON: &str = "application/json";
const CALLS: &str = "/api/v1/Agents/User";

#[sqlx::test]
async fn a_quoted_number_is_accepted_as_an_id(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let administrator = Credentials::Bearer(app.token(&app.administrator()).await);
    for (number, id) in
        ["\"278\"", "\" 278 \"", "\"+278\"", "\"\\t0278\\n\""].into_iter().enumerate()
    {
        let value = format!("password {number}");
        let body = format!("{{\"UserId\":{id},\"Credential\":{{\"Value\":\"{value}\"}}}}");
        save(&app, &administrator, &RequestBody::new(JSON, body), &[]).await.assert_saved();
        app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, &value)).await.assert_status(200);
    }
    let ids = json!(["278", 1, " 300 "]);
    let path = format!("{CALLS}/GetUserInfoList");
    let answer = app.post(&path, &administrator, &ids).await;
    answer.assert_status(200);
    let found: Vec<_> =
        answer.json().as_array().unwrap().iter().map(|user| user["UserInfoId"].clone()).collect();
    assert_eq!(found.len(), 3, "{answer:?}");
    assert!(found.contains(&json!(278)) && found.contains(&json!(300)), "{found:?}");
}

#[sqlx::test]
async fn a_number_or_boolean_is_accepted_as_text(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let administrator = Credentials::Bearer(app.token(&app.administrator()).await);
    for value in ["12345", "-5", "0", "18446744073709551615", "true", "false"] {
        let body = format!(
            "{{\"UserId\":278,\"Credential\":{{\"Value\":{value},\"DisplayValue\":{value}}}}}"
        );
        save(&app, &administrator, &RequestBody::new(JSON, body), &[]).await.assert_saved();
        app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, value)).await.assert_status(200);
        let displayed =
            sqlx::query_scalar!("SELECT display_value FROM credentials WHERE user_id = 278");
        assert_eq!(displayed.fetch_one(&app.pool).await.unwrap(), value);
    }
}

#[sqlx::test]
async fn a_boolean_may_be_quoted_or_an_integer(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let administrator = Credentials::Bearer(app.token(&app.administrator()).await);
    let stored_state = async || {
        let row = sqlx::query_scalar!("SELECT is_retired FROM users WHERE user_id = 278");
        row.fetch_one(&app.pool).await.unwrap()
    };
    let retire = async |content_type: &str, body: String| {
        let path = format!("{CALLS}/MakeRetired");
        let request = app.request(reqwest::Method::POST, &path, &administrator);
        request.header("Content-Type", content_type).body(body).send().await.unwrap().status()
    };
    for (value, is_retired) in [
        ("\"true\"", true),
        ("\" False \"", false),
        ("1", true),
        ("0", false),
        ("\"TRUE\"", true),
        ("\"false\"", false),
        ("2", true),
        ("false", false),
    ] {
        let body = format!("{{\"AssociateId\":\"278\",\"Retired\":{value}}}");
        assert_eq!(retire(JSON, body).await, 204, "{value}");
        assert_eq!(stored_state().await, is_retired, "{value}");
    }
    for (value, is_retired) in [("1", true), ("0", false), ("True", true), ("false", false)] {
        let body = format!("<R><AssociateId>278</AssociateId><Retired>{value}</Retired></R>");
        assert_eq!(retire("application/xml", body).await, 204, "{value}");
        assert_eq!(stored_state().await, is_retired, "{value}");
    }
    for value in ["\"1\"", "\"yes\"", "\"\"", "1.5", "[]", "null"] {
        let body = format!("{{\"AssociateId\":278,\"Retired\":{value}}}");
        assert_eq!(retire(JSON, body).await, 400, "{value}");
        assert!(!stored_state().await, "{value}");
    }
}

#[sqlx::test]
async fn a_user_type_may_be_a_number(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let administrator = app.administrator();
    for (value, user_type) in [
        (json!(2), "ResourceAssociate"),
        (json!("3"), "ExternalAssociate"),
        (json!(" 4 "), "AnonymousAssociate"),
        (json!("5"), "SystemAssociate"),
        (json!(1), "InternalAssociate"),
    ] {
        for (name, body) in [
            ("SaveUser", json!({"AssociateId": 278, "Type": value})),
            ("ChangeUserType", json!({"User": {"AssociateId": 278}, "UserType": value})),
            ("CreateDefaultUserFromUserType", json!({"UserType": value})),
            ("CreateDefaultUserFromUserTypeAndPersonId", json!({"UserType": value, "PersonId": 5})),
            (
                "CreateDefaultUserFromUserTypeAndCredential",
                json!({
                    "UserType": value, "CredentialType": "ActiveDirectory",
                    "CredentialValue": "S-1-5-9", "CredentialDisplayValue": "DOM\\ola",
                }),
            ),
        ] {
            let answer = app.post(&format!("{CALLS}/{name}"), &administrator, &body).await;
            answer.assert_status(200);
            assert_eq!(answer.json()["Type"], user_type, "{name}: {value}");
        }
        assert_eq!(stored_type(&app).await, user_type, "{value}");
    }
    let credential =
        json!({"Type": {"Type": "ActiveDirectory"}, "Value": "S-1-5-9", "DisplayValue": "ola"});
    let body = json!({
        "ContactId": 2, "PersonName": "Ola Nord", "UserType": "2", "Credential": credential,
    });
    let resolved = app.post(&format!("{CALLS}/ResolveUserFromInfo"), &administrator, &body).await;
    resolved.assert_status(200);
    assert_eq!(resolved.json()["User"]["Type"], "ResourceAssociate");
}

#[sqlx::test]
async fn a_user_type_is_read_alike_in_every_format(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let administrator = app.administrator();
    let path = format!("{CALLS}/SaveUser");
    for (content_type, body, user_type) in [
        (
            "application/xml",
            "<R><AssociateId>278</AssociateId><Type> 2 </Type></R>",
            "ResourceAssociate",
        ),
        ("application/x-www-form-urlencoded", "AssociateId=278&Type=3", "ExternalAssociate"),
        (JSON, "{\"AssociateId\":278,\"Type\":5}", "SystemAssociate"),
    ] {
        let request = app.request(reqwest::Method::POST, &path, &administrator);
        let request = request.header("Content-Type", content_type).body(body);
        assert_eq!(request.send().await.unwrap().status(), 200, "{body}");
        assert_eq!(stored_type(&app).await, user_type, "{body}");
    }
    for value in [json!(0), json!("6"), json!(1.5)] {
        let body = json!({"AssociateId": 278, "Type": value});
        app.post(&path, &administrator, &body).await.assert_field_refused("Type");
        assert_eq!(stored_type(&app).await, "SystemAssociate", "{value}");
    }
}

/// The type of the plain user.
async fn stored_type(app: &TestApp) -> Value {
    app.get("/api/v1/User/278", &app.administrator()).await.json()["Type"].clone()
}
