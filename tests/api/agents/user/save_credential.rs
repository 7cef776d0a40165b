//! Saving, and logging in with what was saved.

use reqwest::Method;
use serde_json::json;
use sqlx::PgPool;

use crate::support::{Answer, Credentials, PLAIN, SAVE, TestApp, WHO};

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

async fn app_of_the_sample(pool: PgPool) -> TestApp {
    let app = TestApp::spawn(pool).await;
    app.command(&["user", "add", "tje0", "--administrator"], "Tje0").succeeded();
    app
}

#[sqlx::test]
async fn the_published_sample_works_as_printed(pool: PgPool) {
    let app = app_of_the_sample(pool).await;
    send_sample(&app, "").await.assert_saved();
    send_sample(&app, "?$select=name,department,category/id").await.assert_saved();
    app.get(WHO, &Credentials::basic(PLAIN.1, "fuga")).await.assert_status(200);
    app.get(WHO, &app.plain()).await.assert_unauthenticated();
    let shown = sqlx::query_scalar!(
        "SELECT display_value FROM credentials WHERE user_id = 278 AND credential_type = 'CRM5/PASSWORD'"
    );
    assert_eq!(shown.fetch_one(&app.pool).await.unwrap(), "aut");
}

#[sqlx::test]
async fn saving_again_replaces_and_leaves_other_types_alone(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let administrator = app.administrator();
    app.save(&administrator, PLAIN.0, "ActiveDirectory", "S-1-5-21-7").await.assert_saved();
    let untouched = || {
        sqlx::query!(
            "SELECT sealed_hash, version FROM credentials
             WHERE user_id = 278 AND credential_type = 'ActiveDirectory'"
        )
    };
    let before = untouched().fetch_one(&app.pool).await.unwrap();
    for value in ["first", "second", "third"] {
        app.save(&administrator, PLAIN.0, "", value).await.assert_saved();
    }
    let after = untouched().fetch_one(&app.pool).await.unwrap();
    assert_eq!((before.sealed_hash, before.version), (after.sealed_hash, after.version));
    let rows = sqlx::query_scalar!("SELECT count(*) FROM credentials WHERE user_id = 278");
    assert_eq!(rows.fetch_one(&app.pool).await.unwrap(), Some(2));
    app.get(WHO, &Credentials::basic(PLAIN.1, "third")).await.assert_status(200);
    app.get(WHO, &Credentials::basic(PLAIN.1, "second")).await.assert_unauthenticated();
}

#[sqlx::test]
async fn no_type_in_any_spelling_means_the_password(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (number, no_type) in
        [json!(null), json!({}), json!({"Type": null}), json!({"Type": ""})].iter().enumerate()
    {
        let value = format!("value-{number}");
        let body = json!({"UserId": 278, "Credential": {"Type": no_type, "Value": value}});
        app.post(SAVE, &app.administrator(), &body).await.assert_saved();
        app.get(WHO, &Credentials::basic(PLAIN.1, &value)).await.assert_status(200);
    }
    let body = json!({"UserId": 278, "Credential": {"Value": "no type at all"}});
    app.post(SAVE, &app.administrator(), &body).await.assert_saved();
    let shown = sqlx::query_scalar!("SELECT display_value FROM credentials WHERE user_id = 278");
    assert_eq!(shown.fetch_one(&app.pool).await.unwrap(), PLAIN.1, "the login name by default");
}

#[sqlx::test]
async fn names_match_in_any_case_and_unknown_members_are_ignored(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    // As the vendor's TypeScript client sends it, to a path in another case.
    let body = json!({
        "userId": 278,
        "credential": {
            "type": {"type": "crm5/password", "displayType": "x", "canCreatePerson": false},
            "value": "s3cret", "displayValue": "x", "tableRight": null, "more": [1, {"a": 2}],
        },
    });
    let path = "/API/v1/agents/USER/savecredential";
    app.post(path, &app.administrator(), &body).await.assert_saved();
    app.get(WHO, &Credentials::basic("PAUL", "s3cret")).await.assert_status(200);
    let stored = sqlx::query_scalar!("SELECT credential_type FROM credentials WHERE user_id = 278");
    assert_eq!(stored.fetch_one(&app.pool).await.unwrap(), "CRM5/PASSWORD");
}

#[sqlx::test]
async fn every_json_label_is_read_as_json(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for label in [
        "application/json",
        "text/json; charset=utf-8",
        "application/json-patch+json",
        "Application/Merge-Patch+JSON",
    ] {
        let request = app
            .request(Method::POST, SAVE, &app.administrator())
            .header("Content-Type", label)
            .body(SAMPLE_BODY);
        Answer::read(request.send().await.unwrap()).await.assert_saved();
    }
}

#[sqlx::test]
async fn passwords_are_unicode_whole_and_untrimmed(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let administrator = app.administrator();
    let longest = "x".repeat(1024);
    let almost = format!("{}y", &longest[..1023]);
    for (saved, also, other) in [
        ("caf\u{e9}", "cafe\u{301}", "cafe"),
        (" spaces ", " spaces ", "spaces"),
        ("a:b:c", "a:b:c", "a"),
        ("пароль 🗝", "пароль 🗝", "пароль"),
        (longest.as_str(), longest.as_str(), almost.as_str()),
    ] {
        app.save(&administrator, PLAIN.0, "", saved).await.assert_saved();
        app.get(WHO, &Credentials::basic(PLAIN.1, also)).await.assert_status(200);
        app.get(WHO, &Credentials::basic(PLAIN.1, other)).await.assert_unauthenticated();
    }
}

#[sqlx::test]
async fn with_single_per_user_the_other_types_go(pool: PgPool) {
    let app =
        TestApp::spawn_with(pool, &[("KEEPER__CREDENTIALS__SINGLE_PER_USER", "true")], "").await;
    app.save(&app.administrator(), PLAIN.0, "ActiveDirectory", "S-1-5-21-7").await.assert_saved();
    app.get(WHO, &app.plain()).await.assert_unauthenticated();
    let types = sqlx::query_scalar!("SELECT credential_type FROM credentials WHERE user_id = 278");
    assert_eq!(types.fetch_all(&app.pool).await.unwrap(), ["ActiveDirectory"]);
    // The identifier goes with its credential, and another user may have it then.
    app.save(&app.administrator(), PLAIN.0, "", "again").await.assert_saved();
    app.save(&app.administrator(), 300, "ActiveDirectory", "S-1-5-21-7").await.assert_saved();
}

#[sqlx::test]
async fn a_configured_secret_type_logs_in_only_when_it_is_marked_for_it(pool: PgPool) {
    let file = r#"
        [credentials]
        additional_types = [
            { name = "Pin", kind = "secret", usable_for_basic = true },
            { name = "Answer", kind = "secret" },
        ]"#;
    let app = TestApp::spawn_with(pool, &[], file).await;
    app.save(&app.administrator(), PLAIN.0, "pin", "4711").await.assert_saved();
    app.save(&app.administrator(), PLAIN.0, "answer", "blue").await.assert_saved();
    app.get(WHO, &Credentials::basic(PLAIN.1, "4711")).await.assert_status(200);
    app.get(WHO, &app.plain()).await.assert_status(200);
    app.get(WHO, &Credentials::basic(PLAIN.1, "blue")).await.assert_unauthenticated();
}
