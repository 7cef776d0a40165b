//! Refusals of `SaveCredential`: each names the field, never repeats the value, and stores nothing.

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{Answer, PRINCIPAL, SAVE, TestApp};

/// A value that must not appear in any answer.
const MARKER: &str = "marker-5d2f";

/// Saves a JSON body, and checks that the answer does not repeat the marker.
async fn save(app: &TestApp, body: &Value) -> Answer {
    let answer = app.post(SAVE, &app.administrator(), body).await;
    assert!(!answer.body.contains(MARKER), "{answer:?}");
    answer
}

/// As [`save`], with a verbatim body.
async fn save_raw(app: &TestApp, body: impl Into<Vec<u8>>) -> Answer {
    let request = app
        .request(Method::POST, SAVE, &app.administrator())
        .header("Content-Type", "application/json")
        .body(body.into());
    let answer = Answer::read(request.send().await.unwrap()).await;
    assert!(!answer.body.contains(MARKER), "{answer:?}");
    answer
}

/// The user and the version of every stored credential.
async fn stored_versions(app: &TestApp) -> Vec<(i32, i64)> {
    let rows = sqlx::query!("SELECT user_id, version FROM credentials ORDER BY user_id");
    let rows = rows.fetch_all(&app.pool).await.unwrap();
    rows.into_iter().map(|row| (row.user_id, row.version)).collect()
}

#[sqlx::test]
async fn each_invalid_member_is_named_and_nothing_is_stored(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let before = stored_versions(&app).await;
    let with_member = |name: &str, value: Value| {
        let mut credential = json!({"Type": {"Type": "CRM5/PASSWORD"}, "Value": MARKER});
        credential[name] = value;
        json!({"UserId": 278, "Credential": credential})
    };
    let with_user = |id: Value| json!({"UserId": id, "Credential": {"Value": MARKER}});
    for (field, body) in [
        ("UserId", json!({"Credential": {"Value": MARKER}})),
        ("UserId", with_user(json!(null))),
        ("UserId", with_user(json!(0))),
        ("UserId", with_user(json!(-1))),
        ("UserId", with_user(json!(2_147_483_648_i64))),
        ("UserId", with_user(json!(1.5))),
        ("UserId", with_user(json!(MARKER))),
        ("UserId", with_user(json!([278]))),
        ("Credential", json!({"UserId": 278})),
        ("Credential", json!({"UserId": 278, "Credential": null})),
        ("Credential", json!({"UserId": 278, "Credential": MARKER})),
        ("Credential", json!({"UserId": 278, "Credential": []})),
        ("Credential.Value", with_member("Value", json!(null))),
        ("Credential.Value", with_member("Value", json!(""))),
        ("Credential.Value", with_member("Value", json!(7.5))),
        ("Credential.Value", with_member("Value", json!({"a": MARKER}))),
        ("Credential.Value", with_member("Value", json!(format!("{MARKER}\0")))),
        ("Credential.Value", with_member("Value", json!(MARKER.repeat(100)))),
        ("Credential.Type", with_member("Type", json!(MARKER))),
        ("Credential.Type.Type", with_member("Type", json!({"Type": 5}))),
        ("Credential.Type.Type", with_member("Type", json!({"Type": MARKER}))),
        ("Credential.Type.Type", with_member("Type", json!({"Type": "ticket"}))),
        ("Credential.DisplayValue", with_member("DisplayValue", json!(["x"]))),
        ("Credential.DisplayValue", with_member("DisplayValue", json!("x".repeat(255)))),
        ("Credential.DisplayValue", with_member("DisplayValue", json!("x\0"))),
    ] {
        save(&app, &body).await.assert_field_refused(field);
    }
    assert_eq!(stored_versions(&app).await, before);
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
}

#[sqlx::test]
async fn an_unparsable_body_is_malformed(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let before = stored_versions(&app).await;
    let deeply_nested = format!("{}{}", "[".repeat(1000), "]".repeat(1000));
    let lone_surrogate =
        format!(r#"{{"UserId": 278, "Credential": {{"Value": "{MARKER}\ud800"}}}}"#);
    for body in [
        b"{".to_vec(),
        b"[]".to_vec(),
        b"7".to_vec(),
        format!("{{\"UserId\": {MARKER}}}").into_bytes(),
        b"{\"UserId\": 278, \"Credential\": {\"Value\": \"\xff\"}}".to_vec(),
        lone_surrogate.into_bytes(),
        deeply_nested.into_bytes(),
    ] {
        save_raw(&app, body).await.assert_refused(400, "ArgumentException", "malformed_body");
    }
    save_raw(&app, "").await.assert_field_refused("Credential");
    save_raw(&app, "null").await.assert_field_refused("Credential");
    assert_eq!(stored_versions(&app).await, before);
}

#[sqlx::test]
async fn a_duplicate_member_is_refused_in_any_order_and_case(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (field, body) in [
        ("UserId", r#"{"UserId": 1, "UserId": 278, "Credential": {"Value": "x"}}"#),
        ("UserId", r#"{"UserId": 278, "userid": 278, "Credential": {"Value": "x"}}"#),
        ("Credential.Value", r#"{"UserId": 278, "Credential": {"Value": "x", "value": "y"}}"#),
    ] {
        let answer = save_raw(&app, body).await;
        answer.assert_refused(400, "ArgumentException", "duplicate_member");
        assert_eq!(answer.json()["Field"], field);
    }
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
}

#[sqlx::test]
async fn saving_for_an_unknown_user_is_404(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let answer = app.save(&app.administrator(), 4711, "", "x").await;
    answer.assert_refused(404, "SoNotFoundException", "unknown_user");
}
