//! Quoted scalars, and numbers as text, are accepted like the vendor's JSON reader does
//! (docs/adr/0033-json-scalar-coercion.md). Each case changes a value and reads it back.

use serde_json::json;
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
