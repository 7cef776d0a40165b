//! Names that are unreadable or contain hidden characters are refused.

use serde_json::json;
use sqlx::PgPool;

use super::agent;
use crate::support::{Credentials, PRINCIPAL, TestApp};

const UNREADABLE: [&str; 8] = [
    " ",
    "\u{a0}\u{3000}",
    "\u{2800}",
    "anna\u{200b}",
    "\u{202e}anna",
    "an\u{2066}na",
    "an\u{ad}na",
    "an\u{ffff}na",
];

#[sqlx::test]
async fn an_unreadable_login_name_is_refused_everywhere(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let save = |body| {
        let (app, path) = (&app, agent("SaveUser"));
        async move { app.post(&path, &app.administrator(), &body).await }
    };
    for name in UNREADABLE {
        save(json!({"Name": name})).await.assert_field_refused("Name");
        save(json!({"AssociateId": 278, "UserName": name})).await.assert_field_refused("UserName");
        let body = json!({"AssociateId": 0, "UserName": name});
        let valid = app.post(&agent("IsUserNameValid"), &app.administrator(), &body).await;
        assert_eq!(valid.json(), json!(false), "{name:?}");
        let proposed = app.post(&agent("GetValidUserName"), &app.administrator(), &body).await;
        save(json!({"Name": proposed.json()})).await.assert_status(200);
        app.command(&["user", "add", name], "x").assert_error("UserName: must");
        app.get(PRINCIPAL, &Credentials::basic(name, "anna-password"))
            .await
            .assert_unauthenticated();
    }
    let lines = UNREADABLE.map(|name| json!({ "login_name": name }).to_string());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users.jsonl");
    std::fs::write(&file, lines.join("\n")).unwrap();
    for options in [&["--dry-run"][..], &[]] {
        let imported = app.command(&[&["import", file.to_str().unwrap()], options].concat(), "");
        assert_eq!(imported.code, 1, "{imported:?}");
        let reported = imported.stdout.matches("\"field\":\"login_name\"").count();
        assert_eq!(reported, UNREADABLE.len(), "{imported:?}");
    }
    // The three initial users, and one for each proposed name.
    let users = sqlx::query_scalar!("SELECT count(*) FROM users").fetch_one(&app.pool).await;
    assert_eq!(users.unwrap(), Some(3 + 8));
}

#[sqlx::test]
async fn a_display_name_with_hidden_characters_is_refused(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for name in ["Pa\u{202e}luap", "Paul\u{200b}", "\u{3000}"] {
        let body = json!({"AssociateId": 278, "Tooltip": name});
        let refused = app.post(&agent("SaveUser"), &app.administrator(), &body).await;
        refused.assert_field_refused("Tooltip");
    }
    let body = json!({"AssociateId": 278, "Tooltip": "Paul \u{2764}\u{fe0f}"});
    app.post(&agent("SaveUser"), &app.administrator(), &body).await.assert_status(200);
}

#[sqlx::test]
async fn an_existing_unreadable_name_works_until_it_is_changed(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    sqlx::raw_sql(
        "UPDATE users SET login_name = U&'paul\\200B', canonical_name = U&'paul\\200B' WHERE user_id = 278;
         UPDATE login_names SET canonical_name = U&'paul\\200B' WHERE user_id = 278",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    app.get(PRINCIPAL, &Credentials::basic("paul\u{200b}", "paul-password"))
        .await
        .assert_status(200);
    let read = app.post(&agent("GetUser?userId=278"), &app.administrator(), &json!(null)).await;
    let mut user = read.json();
    user["Tooltip"] = json!("Paul");
    app.post(&agent("SaveUser"), &app.administrator(), &user).await.assert_status(200);
    // The list replaces the hidden character with a visible one.
    let listed = app.command(&["user", "list"], "").assert_success();
    assert!(listed.contains("paul\u{fffd}") && !listed.contains('\u{200b}'), "{listed}");
    let body = json!({"AssociateId": 278, "UserName": "paul"});
    app.post(&agent("SaveUser"), &app.administrator(), &body).await.assert_status(200);
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
}
