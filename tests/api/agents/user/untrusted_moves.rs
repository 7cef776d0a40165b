//! Untrusted credentials in exports and imports, and the limits of their number.

use std::{fs, process::Command};

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};

use super::agent;
use crate::support::{Answer, PLAIN, TestApp, keeper, run_with_input};

/// Saves a credential of the plain user.
async fn save(app: &TestApp, kind: &str, public_value: &str, secret: &str) {
    let body = json!({"Type": kind, "Credentials": {
        "PublicValue": public_value, "SecretValue": secret,
    }});
    let saved = app.post(&agent("SaveUntrustedCredentials"), &app.plain(), &body).await;
    saved.assert_status(204);
}

/// Writes rows of the type `imap` for the plain user, which no key unseals.
async fn insert_rows(app: &TestApp, count: i32) {
    let statement = format!(
        "INSERT INTO untrusted_credentials (user_id, credential_type, public_value, sealed_secret,
             key_id, comment, is_active, version)
         SELECT 278, 'imap', 'value-' || number, decode(repeat('00', 325), 'hex'), 'key', '', true, 1
         FROM generate_series(1, {count}) number"
    );
    execute(app, &statement).await;
}

async fn execute(app: &TestApp, statement: &str) {
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(&app.pool).await.unwrap();
}

async fn texts(app: &TestApp, statement: &'static str) -> Vec<String> {
    sqlx::query_scalar(statement).fetch_all(&app.pool).await.unwrap()
}

/// The results of an import of these lines, in their order.
fn import(app: &TestApp, lines: &[Value], options: &[&str]) -> Vec<Value> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users.jsonl");
    let lines: Vec<_> = lines.iter().map(Value::to_string).collect();
    fs::write(&file, lines.join("\n")).unwrap();
    let said = app.command(&[&["import", file.to_str().unwrap()], options].concat(), "");
    let results = said.stdout.lines().map(|line| serde_json::from_str(line).unwrap());
    let mut results: Vec<Value> = results.collect();
    results.sort_by_key(|result| result["line"].as_u64());
    assert_eq!(results.len(), lines.len(), "{said:?}");
    results
}

#[track_caller]
fn assert_not_added(result: &Value) {
    assert_eq!((&result["result"], &result["field"]), (&json!("failed"), &json!("login_name")));
    let reason = result["reason"].as_str().unwrap();
    assert!(reason.contains("correct the line that adds the user"), "{reason}");
}

fn untrusted(numbers: std::ops::Range<usize>) -> Vec<Value> {
    let credential =
        |number| json!({"type": "t", "public_value": format!("v{number}"), "secret": "s"});
    numbers.map(credential).collect()
}

#[sqlx::test]
async fn a_user_whose_line_failed_is_not_added_by_the_lines_with_their_secrets(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    save(&app, "imap", "a/u", "mail-secret").await;
    let retired = json!({"AssociateId": PLAIN.0, "NickName": "Lin", "Tooltip": "Paul P."});
    let path = agent("SaveUser");
    app.post(&path, &app.administrator(), &retired).await.assert_status(200);
    app.command(&["user", "retire", PLAIN.1], "").assert_success();
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("whole.keeper");
    let archive = archive.to_str().unwrap();
    app.command(&["export", "--whole", archive], "a long passphrase").assert_success();
    // The other installation has another user with that nickname.
    let truncate = "TRUNCATE untrusted_credentials, credentials, tickets, login_names, nick_names,
                             audit_events, keys, users CASCADE";
    execute(&app, truncate).await;
    let keyring = folder.path().join("other.json");
    let run = |arguments: &[&str], input: &str| {
        let mut command: Command = keeper(arguments);
        command.envs(app.variables()).env("KEEPER__KEYRING__FILE", &keyring);
        run_with_input(command, input)
    };
    run(&["keys", "generate"], "").assert_success();
    run(&["import", "-"], r#"{"login_name":"other","nick_name":"Lin"}"#).assert_success();
    let said = run(&["import", archive], "a long passphrase");
    assert_eq!(said.code, 1);
    let results: Vec<Value> =
        said.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let of_plain: Vec<_> = results.iter().filter(|result| result["result"] == "failed").collect();
    assert_eq!(of_plain.len(), 2, "{said:?}");
    assert_eq!(of_plain[0]["field"], "nick_name");
    assert_not_added(of_plain[1]);
    assert!(texts(&app, "SELECT login_name FROM users WHERE user_id = 278").await.is_empty());
    // After the correction both lines take effect.
    run(&["import", "-"], r#"{"login_name":"other","nick_name":""}"#).assert_success();
    run(&["import", archive], "a long passphrase").assert_success();
    let statement = "SELECT concat_ws(' ', display_name, is_retired, public_value)
        FROM users JOIN untrusted_credentials USING (user_id)";
    assert_eq!(texts(&app, statement).await, ["Paul P. t a/u"]);
}

#[sqlx::test]
async fn a_line_that_must_exist_adds_no_user_in_any_way_of_import(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    // Lines without anything to hash are written in bulk, from 64 on with COPY.
    let mut lines: Vec<_> = (0..70).map(|n| json!({"login_name": format!("user-{n}")})).collect();
    lines.push(json!({"login_name": "absent", "must_exist": true, "display_name": "A"}));
    lines
        .push(json!({"login_name": "absent", "must_exist": true, "credentials": [{"value": "v"}]}));
    lines.push(json!({"login_name": "absent", "must_exist": true,
        "untrusted_credentials": untrusted(0..1)}));
    lines.push(json!({"login_name": "user-0", "must_exist": true, "display_name": "Changed"}));
    for (options, added, changed) in
        [(&["--dry-run"][..], "would_be_added", "would_be_changed"), (&[], "added", "changed")]
    {
        let results = import(&app, &lines, options);
        assert!(results[..70].iter().all(|result| result["result"] == added), "{results:?}");
        results[70..73].iter().for_each(assert_not_added);
        assert_eq!(results[73]["result"], changed);
    }
    let named =
        "SELECT login_name FROM users WHERE display_name = 'Changed' OR login_name = 'absent'";
    assert_eq!(texts(&app, named).await, ["user-0"]);
}

#[sqlx::test]
async fn a_dry_run_counts_untrusted_credentials(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    insert_rows(&app, 99).await;
    let of_paul = |public_values: &[&str]| {
        let credential =
            |value: &&str| json!({"type": "IMAP", "public_value": value, "secret": "s"});
        let all: Vec<_> = public_values.iter().map(credential).collect();
        json!({"login_name": PLAIN.1, "untrusted_credentials": all})
    };
    let lines = [
        json!({"login_name": "one", "untrusted_credentials": untrusted(0..101)}),
        json!({"login_name": "two", "untrusted_credentials": untrusted(0..100)}),
        of_paul(&["new", "newer"]),
        // The same one twice, and one that is stored.
        of_paul(&["new", "new", "value-1"]),
    ];
    let results = import(&app, &lines, &["--dry-run"]);
    let seen: Vec<_> = results.iter().map(|result| result["result"].as_str().unwrap()).collect();
    assert_eq!(seen, ["failed", "would_be_added", "failed", "would_be_changed"]);
    for index in [0, 2] {
        assert_eq!(results[index]["field"], "untrusted_credentials");
        assert!(results[index]["reason"].as_str().unwrap().contains("more than 100"));
    }
    // The import itself agrees.
    let results = import(&app, &lines, &[]);
    let seen: Vec<_> = results.iter().map(|result| result["result"].as_str().unwrap()).collect();
    assert_eq!(seen, ["failed", "added", "failed", "changed"]);
}

#[sqlx::test]
async fn a_whole_export_leaves_an_event_for_each_user_and_type(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (kind, public_value) in [("smtp", "a/u"), ("imap", "a/u"), ("imap", "b/u"), ("ftp", "a/u")]
    {
        save(&app, kind, public_value, "mail-secret").await;
    }
    let of_administrator = json!({"Type": "imap", "Credentials": {
        "PublicValue": "c/u", "SecretValue": "mail-secret",
    }});
    let path = agent("SaveUntrustedCredentials");
    app.post(&path, &app.administrator(), &of_administrator).await.assert_status(204);
    // The secret of a damaged row does not leave.
    execute(&app, "UPDATE untrusted_credentials SET version = 1 WHERE credential_type = 'ftp'")
        .await;
    execute(&app, "UPDATE users SET is_retired = false").await;
    let folder = tempfile::tempdir().unwrap();
    let whole = |name: &str| {
        let file = folder.path().join(name);
        (app.command(&["export", "--whole", file.to_str().unwrap()], "a long passphrase"), file)
    };
    let refusing =
        "ALTER TABLE audit_events ADD CONSTRAINT refusing CHECK (sequence < 0) NOT VALID";
    execute(&app, refusing).await;
    let (said, file) = whole("refused");
    assert_ne!(said.code, 0);
    assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 0, "{said:?}");
    execute(&app, "ALTER TABLE audit_events DROP CONSTRAINT refusing").await;
    let read = "SELECT concat_ws(' ', user_id, credential_type, scheme, actor_user_id, address)
        FROM audit_events WHERE kind = 'untrusted_credentials_read' ORDER BY user_id, sequence";
    assert!(texts(&app, read).await.is_empty());
    app.command(&["export"], "").assert_success();
    assert!(texts(&app, read).await.is_empty());
    let (said, file) = whole("whole");
    // The damaged one is reported.
    assert!(said.code == 1 && file.exists(), "{said:?}");
    let events = ["1 imap command", "278 imap command", "278 smtp command"];
    assert_eq!(texts(&app, read).await, events);
    app.command(&["audit", "verify"], "").assert_success();
}

#[sqlx::test]
async fn a_whole_export_has_no_secret_of_a_user_who_was_deleted_meanwhile(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    save(&app, "imap", "a/u", "mail-secret").await;
    let mut held = app.pool.begin().await.unwrap();
    let lock = "SELECT 1 FROM users WHERE user_id = 278 FOR UPDATE";
    sqlx::raw_sql(lock).execute(&mut *held).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let archive = folder.path().join("whole.keeper").to_str().unwrap().to_owned();
    let mut export = keeper(&["export", "--whole", &archive]);
    export.envs(app.variables());
    let export = std::thread::spawn(move || run_with_input(export, "a long passphrase"));
    // The export has read the user, and waits to append the event.
    app.wait_for_blocked_sessions(1).await;
    let delete = "DELETE FROM untrusted_credentials;
        UPDATE users SET deleted_at = now(), is_retired = true, is_administrator = false,
            login_name = '', canonical_name = '', display_name = '' WHERE user_id = 278";
    sqlx::raw_sql(delete).execute(&mut *held).await.unwrap();
    held.commit().await.unwrap();
    export.join().unwrap().assert_success();
    let truncate = "TRUNCATE credentials, tickets, login_names, audit_events, users CASCADE";
    execute(&app, truncate).await;
    app.command(&["import", &archive], "a long passphrase").assert_success();
    assert_eq!(texts(&app, "SELECT login_name FROM users WHERE user_id = 278").await, [PLAIN.1]);
    assert!(texts(&app, "SELECT public_value FROM untrusted_credentials").await.is_empty());
}

#[sqlx::test]
async fn no_text_that_xml_cannot_return_is_saved(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for character in ['\u{fffe}', '\u{ffff}'] {
        let text = format!("a{character}b");
        let save = agent("SaveUntrustedCredentials");
        for (field, name) in [
            ("Credentials.PublicValue", "PublicValue"),
            ("Credentials.SecretValue", "SecretValue"),
            ("Credentials.Comment", "Comment"),
        ] {
            let mut body = json!({"Type": "imap", "Credentials": {
                "PublicValue": "p", "SecretValue": "s",
            }});
            body["Credentials"][name] = json!(text);
            let refused = app.post(&save, &app.plain(), &body).await;
            refused.assert_field_refused(field);
            assert!(refused.json()["Message"].as_str().unwrap().contains("XML"), "{refused:?}");
        }
        let body = json!({"Type": text, "Credentials": {"PublicValue": "p", "SecretValue": "s"}});
        app.post(&save, &app.plain(), &body).await.assert_field_refused("Type");
        for name in ["NickName", "UserName", "Tooltip"] {
            let body = json!({"AssociateId": PLAIN.0, name: text});
            let refused = app.post(&agent("SaveUser"), &app.administrator(), &body).await;
            refused.assert_field_refused(name);
        }
    }
    // Texts next to the limits of XML come back.
    let text = "\u{fffd}\u{1ffff}\u{10ffff}\u{e000}";
    let body = json!({"Type": "imap", "Credentials": {"PublicValue": "p", "SecretValue": text}});
    app.post(&agent("SaveUntrustedCredentials"), &app.plain(), &body).await.assert_status(204);
    let request = app.request(Method::POST, &agent("GetUntrustedCredentials"), &app.plain());
    let request = request.header("Accept", "application/xml").json(&json!({"Type": "imap"}));
    let xml = Answer::read(request.send().await.unwrap()).await;
    assert!(xml.body.contains(&format!("<SecretValue>{text}</SecretValue>")), "{xml:?}");
}

/// An instance of an earlier release deletes a user without the rows.
#[sqlx::test]
async fn nothing_returns_rows_that_a_deleted_user_left(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    save(&app, "imap", "a/u", "mail-secret").await;
    execute(&app, "CREATE TABLE kept AS SELECT * FROM untrusted_credentials").await;
    app.command(&["user", "delete", PLAIN.1], "").assert_success();
    execute(&app, "INSERT INTO untrusted_credentials SELECT * FROM kept").await;
    app.add_user((401, "sys"), &["--type", "system"]);
    let system = crate::support::Credentials::basic("sys", &crate::support::password_of("sys"));
    let body = json!({"AssociateId": PLAIN.0, "Type": "imap"});
    let path = agent("GetUntrustedCredentialsForAssociate");
    for caller in [app.administrator(), system] {
        assert_eq!(app.post(&path, &caller, &body).await.json(), json!([]));
    }
}

#[sqlx::test]
async fn of_two_saves_at_99_one_is_refused(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    insert_rows(&app, 99).await;
    let mut held = app.pool.begin().await.unwrap();
    sqlx::raw_sql("SELECT 1 FROM users WHERE user_id = 278 FOR UPDATE")
        .execute(&mut *held)
        .await
        .unwrap();
    let saves: Vec<_> = ["one", "two"]
        .map(|public_value| {
            let body = json!({"AssociateId": PLAIN.0, "Type": "imap", "Credentials": {
                "PublicValue": public_value, "SecretValue": "s",
            }});
            let path = agent("SaveUntrustedCredentialsForAssociate");
            let request = app.request(Method::POST, &path, &app.administrator()).json(&body);
            tokio::spawn(async move { request.send().await.unwrap().status().as_u16() })
        })
        .into();
    // Both wait before either has counted.
    app.wait_for_blocked_sessions(2).await;
    held.rollback().await.unwrap();
    let mut statuses = Vec::new();
    for save in saves {
        statuses.push(save.await.unwrap());
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [204, 400]);
    let count = texts(&app, "SELECT count(*)::text FROM untrusted_credentials").await;
    assert_eq!(count, ["100"]);
}
