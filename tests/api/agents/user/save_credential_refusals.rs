//! What is not saved: each refusal names the field and never the value, and changes nothing.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{Answer, SAVE, TestApp, WHO};

/// A text that must come back nowhere.
const MARKER: &str = "marker-5d2f";

async fn refused(app: &TestApp, body: &Value) -> Answer {
    let answer = app.post(SAVE, &app.administrator(), body).await;
    assert!(!answer.body.contains(MARKER), "{answer:?}");
    answer
}

async fn refused_text(app: &TestApp, body: impl Into<Vec<u8>>) -> Answer {
    let request = app
        .request(Method::POST, SAVE, &app.administrator())
        .header("Content-Type", "application/json")
        .body(body.into());
    let answer = Answer::read(request.send().await.unwrap()).await;
    assert!(!answer.body.contains(MARKER), "{answer:?}");
    answer
}

async fn state(app: &TestApp) -> Vec<(i32, i64)> {
    let rows = sqlx::query!("SELECT user_id, version FROM credentials ORDER BY user_id");
    let rows = rows.fetch_all(&app.pool).await.unwrap();
    rows.into_iter().map(|row| (row.user_id, row.version)).collect()
}

#[sqlx::test]
async fn each_bad_member_is_named_and_nothing_is_stored(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let before = state(&app).await;
    let credential = |name: &str, value: Value| {
        let mut credential = json!({"Type": {"Type": "CRM5/PASSWORD"}, "Value": MARKER});
        credential[name] = value;
        json!({"UserId": 278, "Credential": credential})
    };
    let user = |id: Value| json!({"UserId": id, "Credential": {"Value": MARKER}});
    for (field, body) in [
        ("UserId", json!({"Credential": {"Value": MARKER}})),
        ("UserId", user(json!(null))),
        ("UserId", user(json!(0))),
        ("UserId", user(json!(-1))),
        ("UserId", user(json!(2_147_483_648_i64))),
        ("UserId", user(json!(1.5))),
        ("UserId", user(json!(MARKER))),
        ("UserId", user(json!([278]))),
        ("Credential", json!({"UserId": 278})),
        ("Credential", json!({"UserId": 278, "Credential": null})),
        ("Credential", json!({"UserId": 278, "Credential": MARKER})),
        ("Credential", json!({"UserId": 278, "Credential": []})),
        ("Credential.Value", credential("Value", json!(null))),
        ("Credential.Value", credential("Value", json!(""))),
        ("Credential.Value", credential("Value", json!(7.5))),
        ("Credential.Value", credential("Value", json!({"a": MARKER}))),
        ("Credential.Value", credential("Value", json!(format!("{MARKER}\0")))),
        ("Credential.Value", credential("Value", json!(MARKER.repeat(100)))),
        ("Credential.Type", credential("Type", json!(MARKER))),
        ("Credential.Type.Type", credential("Type", json!({"Type": 5}))),
        ("Credential.Type.Type", credential("Type", json!({"Type": MARKER}))),
        ("Credential.Type.Type", credential("Type", json!({"Type": "ticket"}))),
        ("Credential.DisplayValue", credential("DisplayValue", json!(["x"]))),
        ("Credential.DisplayValue", credential("DisplayValue", json!("x".repeat(255)))),
        ("Credential.DisplayValue", credential("DisplayValue", json!("x\0"))),
    ] {
        refused(&app, &body).await.assert_field_refused(field);
    }
    assert_eq!(state(&app).await, before);
    app.get(WHO, &app.plain()).await.assert_status(200);
}

#[sqlx::test]
async fn a_body_that_cannot_be_read_is_malformed(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let before = state(&app).await;
    let deep = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    let surrogate = format!(r#"{{"UserId": 278, "Credential": {{"Value": "{MARKER}\ud800"}}}}"#);
    for body in [
        b"{".to_vec(),
        b"[]".to_vec(),
        b"7".to_vec(),
        format!("{{\"UserId\": {MARKER}}}").into_bytes(),
        b"{\"UserId\": 278, \"Credential\": {\"Value\": \"\xff\"}}".to_vec(),
        surrogate.into_bytes(),
        deep.into_bytes(),
    ] {
        refused_text(&app, body).await.assert_refused(400, "ArgumentException", "malformed_body");
    }
    refused_text(&app, "").await.assert_field_refused("Credential");
    refused_text(&app, "null").await.assert_field_refused("Credential");
    assert_eq!(state(&app).await, before);
}

#[sqlx::test]
async fn a_member_given_twice_is_refused_whichever_would_count(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (field, body) in [
        ("UserId", r#"{"UserId": 1, "UserId": 278, "Credential": {"Value": "x"}}"#),
        ("UserId", r#"{"UserId": 278, "userid": 278, "Credential": {"Value": "x"}}"#),
        ("Credential.Value", r#"{"UserId": 278, "Credential": {"Value": "x", "value": "y"}}"#),
    ] {
        let answer = refused_text(&app, body).await;
        answer.assert_refused(400, "ArgumentException", "duplicate_member");
        assert_eq!(answer.json()["Field"], field);
    }
    app.get(WHO, &app.plain()).await.assert_status(200);
}

#[sqlx::test]
async fn an_unknown_user_is_404_and_costs_no_hash(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let answer = app.save(&app.administrator(), 4711, "", "x").await;
    answer.assert_refused(404, "SoNotFoundException", "unknown_user");
}
