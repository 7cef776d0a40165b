//! Marks by operators, and marks in exports and imports.

use std::fs;

use serde_json::json;
use sqlx::PgPool;

use super::{PAUL, assert_change_required, stored_mark, verify_chains};
use crate::support::{Credentials, PRINCIPAL, TestApp};

fn basic(name: &str) -> Credentials {
    Credentials::basic(name, &format!("{name}-password"))
}

#[sqlx::test]
async fn an_operator_marks_and_unmarks_a_credential(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let require = ["credential", "require-change", "--user", "paul", "--cause", "compromised"];
    app.command(&require, "").assert_success();
    assert_eq!(stored_mark(&app).await.as_deref(), Some("compromised"));
    let listed = app.command(&["credential", "list", "--user", "paul"], "").assert_success();
    assert!(listed.contains("compromised"), "{listed}");
    let clear = ["credential", "clear-change", "--user", "paul"];
    app.command(&clear, "").assert_success();
    app.command(&clear, "").assert_negative_answer();
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    let identifier =
        ["credential", "require-change", "--user", "paul", "--type", "ActiveDirectory"];
    app.command(&identifier, "").assert_error("is an identifier type");
    for arguments in [
        &["credential", "require-change"][..],
        &["credential", "require-change", "--all", "--user", "paul"],
        &["credential", "require-change", "--user", "paul", "--cause", "common-password"],
    ] {
        app.command(arguments, "").assert_usage_error();
    }
}

#[sqlx::test]
async fn an_operator_marks_all_credentials_of_a_type(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (id, name) in [(401, "first"), (402, "second")] {
        app.add_user((id, name), &[]);
    }
    let marked = "SELECT count(*) FROM credentials WHERE change_required = 'compromised'";
    let all = ["credential", "require-change", "--all", "--cause", "compromised"];
    app.command(&all, "").assert_success();
    let count: i64 = sqlx::query_scalar(marked).fetch_one(&app.pool).await.unwrap();
    assert_eq!(count, 5);
    for name in ["anna", "paul", "first", "second"] {
        assert_change_required(&app.get(PRINCIPAL, &basic(name)).await);
    }
    // The same command again has nothing left to do.
    let events = "SELECT count(*) FROM audit_events WHERE kind = 'change_required'";
    app.command(&all, "").assert_success();
    let count: i64 = sqlx::query_scalar(events).fetch_one(&app.pool).await.unwrap();
    assert_eq!(count, 5);
    verify_chains(&app).await;
}

#[sqlx::test]
async fn a_user_with_an_invalid_value_does_not_keep_the_others_from_being_marked(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let statements = "ALTER TABLE users DROP CONSTRAINT users_user_type_check;
                      UPDATE users SET user_type = 'robot' WHERE user_id = 1";
    sqlx::raw_sql(statements).execute(&app.pool).await.unwrap();
    let output = app.command(&["credential", "require-change", "--all"], "");
    assert_eq!(output.code, 1, "{output:?}");
    for text in
        ["user 1: the table users contains an invalid row", "required 2 changes", "1 failed"]
    {
        assert!(output.stderr.contains(text), "{text}: {output:?}");
    }
    let marked =
        "SELECT user_id FROM credentials WHERE change_required IS NOT NULL ORDER BY user_id";
    let marked: Vec<i32> = sqlx::query_scalar(marked).fetch_all(&app.pool).await.unwrap();
    assert_eq!(marked, [278, 300]);
}

#[sqlx::test]
async fn users_who_cannot_change_their_password_are_skipped(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (id, name, user_type) in
        [(401, "ext", "external"), (402, "shared", "anonymous"), (403, "program", "system")]
    {
        app.add_user((id, name), &["--type", user_type]);
    }
    let all = ["credential", "require-change", "--all"];
    let output = app.command(&all, "");
    assert_eq!(output.code, 0, "{output:?}");
    assert!(output.stderr.contains("required 4 changes"), "{output:?}");
    assert!(output.stderr.contains("skipped 2 users who cannot change theirs"), "{output:?}");
    let marked =
        "SELECT user_id FROM credentials WHERE change_required IS NOT NULL ORDER BY user_id";
    let marked: Vec<i32> = sqlx::query_scalar(marked).fetch_all(&app.pool).await.unwrap();
    assert_eq!(marked, [1, 278, 300, 403]);
    for name in ["ext", "shared"] {
        app.get(PRINCIPAL, &basic(name)).await.assert_status(200);
    }
    // Named on its own, such a user is marked, and the command says what follows.
    let named = app.command(&["credential", "require-change", "--user", "ext"], "");
    assert_eq!(named.code, 0, "{named:?}");
    assert!(named.stderr.contains("user 401 cannot change it themselves"), "{named:?}");
    assert_change_required(&app.get(PRINCIPAL, &basic("ext")).await);
    let own = app.command(&["credential", "require-change", "--user", "program"], "");
    assert!(!own.stderr.contains("cannot change"), "{own:?}");
    // Nothing is left to mark but the one that is skipped again.
    let again = app.command(&all, "");
    assert!(again.stderr.contains("required 0 changes"), "{again:?}");
    assert!(again.stderr.contains("skipped 1 users"), "{again:?}");
    verify_chains(&app).await;
}

#[sqlx::test]
async fn an_export_keeps_the_mark_and_an_import_sets_it(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users.jsonl");
    let line = |name: &str, reason: &str| {
        let credential = json!({"value": format!("{name}-password"), "change_required": reason});
        json!({"login_name": name, "credentials": [credential]}).to_string()
    };
    let lines = [
        line("new", "compromised"),
        line("newer", "common_password"),
        line("paul", "administrator"),
    ];
    fs::write(&file, lines.join("\n")).unwrap();
    app.command(&["import", file.to_str().unwrap()], "").assert_success();
    for name in ["new", "newer", "paul"] {
        assert_change_required(&app.get(PRINCIPAL, &basic(name)).await);
    }
    fs::write(&file, line("other", "because")).unwrap();
    let failed = app.command(&["import", file.to_str().unwrap()], "");
    let output = format!("{failed:?}");
    assert!(output.contains("credentials[0].change_required"), "{output}");
    assert!(!output.contains("because"), "{output}");
    verify_chains(&app).await;
}

#[sqlx::test]
async fn initial_passwords_can_be_for_one_login_only(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.add_user((401, "first"), &["--must-change"]);
    assert_change_required(&app.get(PRINCIPAL, &basic("first")).await);
    let save = ["credential", "save", "--user", "paul", "--must-change"];
    app.command(&save, PAUL).assert_success();
    assert_eq!(stored_mark(&app).await.as_deref(), Some("administrator"));
    app.command(&save[..4], PAUL).assert_success();
    assert_eq!(stored_mark(&app).await, None);
}
