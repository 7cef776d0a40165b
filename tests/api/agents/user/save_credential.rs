//! `SaveCredential`: saving a credential, and logging in with it.

use reqwest::Method;
use serde_json::json;
use sqlx::PgPool;

use crate::support::{Answer, Credentials, PLAIN, PRINCIPAL, SAVE, TestApp};

/// The published sample's `Authorization`: tje0 with password Tje0.
const SAMPLE_AUTHORIZATION: &str = "Basic dGplMDpUamUw";

/// The published sample's body.
const SAMPLE_BODY: &str =
    r#"{"UserId": 278, "Credential": {"Type": {}, "Value": "fuga", "DisplayValue": "aut"}}"#;

async fn send_sample(app: &TestApp, query: &str) -> Answer {
    let credentials = Credentials::Raw(SAMPLE_AUTHORIZATION.to_owned());
    let request = app
        .request(Method::POST, &format!("{SAVE}{query}"), &credentials)
        .header("Accept", "application/json; charset=utf-8")
        .header("Accept-Language", "en")
        .header("Content-Type", "application/json; charset=utf-8")
        .body(SAMPLE_BODY);
    Answer::read(request.send().await.unwrap()).await
}

async fn spawn_with_sample_user(pool: PgPool) -> TestApp {
    let app = TestApp::spawn(pool).await;
    app.command(&["user", "add", "tje0", "--administrator"], "Tje0").assert_success();
    app
}

#[sqlx::test]
async fn the_published_sample_request_works_verbatim(pool: PgPool) {
    let app = spawn_with_sample_user(pool).await;
    send_sample(&app, "").await.assert_saved();
    send_sample(&app, "?$select=name,department,category/id").await.assert_saved();
    app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, "fuga")).await.assert_status(200);
    app.get(PRINCIPAL, &app.plain()).await.assert_unauthenticated();
    let display_value = sqlx::query_scalar!(
        "SELECT display_value FROM credentials WHERE user_id = 278 AND credential_type = 'CRM5/PASSWORD'"
    );
    assert_eq!(display_value.fetch_one(&app.pool).await.unwrap(), "aut");
}

#[sqlx::test]
async fn saving_again_replaces_the_value_and_keeps_other_types(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let administrator = app.administrator();
    app.save(&administrator, PLAIN.0, "ActiveDirectory", "S-1-5-21-7").await.assert_saved();
    let identifier_row = || {
        sqlx::query!(
            "SELECT sealed_hash, version FROM credentials
             WHERE user_id = 278 AND credential_type = 'ActiveDirectory'"
        )
    };
    let before = identifier_row().fetch_one(&app.pool).await.unwrap();
    for value in ["first", "second", "third"] {
        app.save(&administrator, PLAIN.0, "", value).await.assert_saved();
    }
    let after = identifier_row().fetch_one(&app.pool).await.unwrap();
    assert_eq!((before.sealed_hash, before.version), (after.sealed_hash, after.version));
    let rows = sqlx::query_scalar!("SELECT count(*) FROM credentials WHERE user_id = 278");
    assert_eq!(rows.fetch_one(&app.pool).await.unwrap(), Some(2));
    app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, "third")).await.assert_status(200);
    app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, "second")).await.assert_unauthenticated();
}

#[sqlx::test]
async fn an_omitted_or_empty_type_means_the_password(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (number, empty_type) in
        [json!(null), json!({}), json!({"Type": null}), json!({"Type": ""})].iter().enumerate()
    {
        let value = format!("value-{number}");
        let body = json!({"UserId": 278, "Credential": {"Type": empty_type, "Value": value}});
        app.post(SAVE, &app.administrator(), &body).await.assert_saved();
        app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, &value)).await.assert_status(200);
    }
    let body = json!({"UserId": 278, "Credential": {"Value": "no type at all"}});
    app.post(SAVE, &app.administrator(), &body).await.assert_saved();
    let display_value =
        sqlx::query_scalar!("SELECT display_value FROM credentials WHERE user_id = 278");
    assert_eq!(
        display_value.fetch_one(&app.pool).await.unwrap(),
        PLAIN.1,
        "the login name by default"
    );
}

#[sqlx::test]
async fn names_are_case_insensitive_and_unknown_members_are_ignored(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    // The body of the vendor's TypeScript client, sent to a path in a different case.
    let body = json!({
        "userId": 278,
        "credential": {
            "type": {"type": "crm5/password", "displayType": "x", "canCreatePerson": false},
            "value": "s3cret", "displayValue": "x", "tableRight": null, "more": [1, {"a": 2}],
        },
    });
    let path = "/API/v1/agents/USER/savecredential";
    app.post(path, &app.administrator(), &body).await.assert_saved();
    app.get(PRINCIPAL, &Credentials::basic("PAUL", "s3cret")).await.assert_status(200);
    let stored = sqlx::query_scalar!("SELECT credential_type FROM credentials WHERE user_id = 278");
    assert_eq!(stored.fetch_one(&app.pool).await.unwrap(), "CRM5/PASSWORD");
}

#[sqlx::test]
async fn every_json_media_type_is_read_as_json(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for media_type in [
        "application/json",
        "text/json; charset=utf-8",
        "application/json-patch+json",
        "Application/Merge-Patch+JSON",
    ] {
        let request = app
            .request(Method::POST, SAVE, &app.administrator())
            .header("Content-Type", media_type)
            .body(SAMPLE_BODY);
        Answer::read(request.send().await.unwrap()).await.assert_saved();
    }
}

#[sqlx::test]
async fn passwords_are_normalized_but_neither_trimmed_nor_truncated(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let administrator = app.administrator();
    let longest = "x".repeat(1024);
    let nearly_longest = format!("{}y", &longest[..1023]);
    for (saved, equivalent, different) in [
        ("caf\u{e9}", "cafe\u{301}", "cafe"),
        (" spaces ", " spaces ", "spaces"),
        ("a:b:c", "a:b:c", "a"),
        ("пароль 🗝", "пароль 🗝", "пароль"),
        (longest.as_str(), longest.as_str(), nearly_longest.as_str()),
    ] {
        app.save(&administrator, PLAIN.0, "", saved).await.assert_saved();
        app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, equivalent)).await.assert_status(200);
        app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, different)).await.assert_unauthenticated();
    }
}

#[sqlx::test]
async fn single_per_user_removes_the_other_types(pool: PgPool) {
    let app =
        TestApp::spawn_with(pool, &[("KEEPER__CREDENTIALS__SINGLE_PER_USER", "true")], "").await;
    app.save(&app.administrator(), PLAIN.0, "ActiveDirectory", "S-1-5-21-7").await.assert_saved();
    app.get(PRINCIPAL, &app.plain()).await.assert_unauthenticated();
    let types = sqlx::query_scalar!("SELECT credential_type FROM credentials WHERE user_id = 278");
    assert_eq!(types.fetch_all(&app.pool).await.unwrap(), ["ActiveDirectory"]);
    // Removing the credential frees its identifier for another user.
    app.save(&app.administrator(), PLAIN.0, "", "again").await.assert_saved();
    app.save(&app.administrator(), 300, "ActiveDirectory", "S-1-5-21-7").await.assert_saved();
}

#[sqlx::test]
async fn a_configured_secret_logs_in_only_when_usable_for_basic(pool: PgPool) {
    let file = r#"
        [credentials]
        additional_types = [
            { name = "Pin", kind = "secret", usable_for_basic = true },
            { name = "Answer", kind = "secret" },
        ]"#;
    let app = TestApp::spawn_with(pool, &[], file).await;
    app.save(&app.administrator(), PLAIN.0, "pin", "4711").await.assert_saved();
    app.save(&app.administrator(), PLAIN.0, "answer", "blue").await.assert_saved();
    app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, "4711")).await.assert_status(200);
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, "blue")).await.assert_unauthenticated();
}
