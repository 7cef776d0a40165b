//! An installation keeps an active administrator, whichever way a change takes.

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::{
    pages::admin_browser::{Browser, form},
    support::{ADMINISTRATOR, Answer, Credentials, PRINCIPAL, TestApp, password_of},
};

const AGENT: &str = "/api/v1/Agents/User";
const RESOURCE: &str = "/api/v1/User/1";
const CODE: &str = "last_administrator";
const ADVICE: &str = "another user an administrator";

/// The administrator's state and events.
async fn state(app: &TestApp) -> (bool, bool, String, bool, i64) {
    let statement = "SELECT is_administrator, is_retired, user_type, deleted_at IS NULL,
                            (SELECT count(*) FROM audit_events e WHERE e.user_id = u.user_id
                             AND kind NOT IN ('session_started', 'ticket_issued', 'session_proven'))
                     FROM users u WHERE user_id = 1";
    sqlx::query_as(statement).fetch_one(&app.pool).await.unwrap()
}

/// Users who look like administrators and are none that people can sign in as.
fn add_others(app: &TestApp) {
    app.add_user((401, "outside"), &["--type", "external", "--administrator"]);
    app.add_user((402, "program"), &["--type", "system"]);
}

#[sqlx::test]
async fn no_call_takes_the_last_administrator(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    add_others(&app);
    let before = state(&app).await;
    let program = Credentials::basic("program", &password_of("program"));
    for caller in [app.administrator(), program] {
        for (call, body) in [
            ("SaveUser", json!({"AssociateId": 1, "Role": {"Value": "User"}})),
            ("SaveUser", json!({"AssociateId": 1, "Type": "ExternalAssociate"})),
            ("SaveUser", json!({"AssociateId": 1, "Deleted": true})),
            ("MakeRetired", json!({"AssociateId": 1, "Retired": true})),
            ("DeleteUser?userId=1", Value::Null),
            ("DeleteUserFromName", json!({"UserName": "anna"})),
        ] {
            let answer = app.post(&format!("{AGENT}/{call}"), &caller, &body).await;
            answer.assert_refused(409, "ArgumentException", CODE);
            assert!(answer.body.contains(ADVICE), "{answer:?}");
        }
        let request = app.request(reqwest::Method::DELETE, RESOURCE, &caller);
        let answer = Answer::read(request.send().await.unwrap()).await;
        answer.assert_refused(409, "ArgumentException", CODE);
        let body = json!({"Role": {"Value": "User"}});
        let request = app.request(reqwest::Method::PUT, RESOURCE, &caller).json(&body);
        let answer = Answer::read(request.send().await.unwrap()).await;
        answer.assert_refused(409, "ArgumentException", CODE);
    }
    assert_eq!(state(&app).await, before);
    // Other changes of the last administrator, and of the users who are none, are allowed.
    let rename = json!({"AssociateId": 1, "FullName": "Anna A."});
    app.post(&format!("{AGENT}/SaveUser"), &app.administrator(), &rename).await.assert_status(200);
    app.command(&["user", "revoke-admin", "outside"], "").assert_success();
    app.command(&["user", "delete", "program"], "").assert_success();
}

#[sqlx::test]
async fn no_page_takes_the_last_administrator(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    add_others(&app);
    let before = state(&app).await;
    let browser = Browser::signed_in(&app, "anna").await;
    let unchanged = [("UserName", "anna"), ("DisplayName", "anna")];
    for (page, typed) in [
        ("retire", vec![("Confirm", "true")]),
        ("delete", vec![("UserName", "anna"), ("Confirm", "true")]),
        ("change", [&unchanged[..], &[("Type", "internal")]].concat()),
        ("change", [&unchanged[..], &[("Type", "external"), ("Administrator", "true")]].concat()),
    ] {
        let path = format!("/admin/users/1/{page}");
        let opened = browser.open(&path).await;
        let answer = browser.send(&form(&opened, &path), &typed).await;
        answer.assert_status(409);
        assert!(answer.body.contains(ADVICE), "{page}: {answer:?}");
        assert!(answer.body.contains(r#"role="alert" tabindex="-1" autofocus"#), "{answer:?}");
    }
    assert_eq!(state(&app).await, before);
}

#[sqlx::test]
async fn no_command_takes_the_last_administrator(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    add_others(&app);
    let before = state(&app).await;
    for command in ["revoke-admin", "retire", "delete"] {
        app.command(&["user", command, "anna"], "")
            .assert_error("no active administrator would be left");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users.jsonl");
    for (member, value) in
        [("administrator", json!(false)), ("retired", json!(true)), ("type", json!("external"))]
    {
        let line = json!({"login_name": "anna", member: value, "credentials": []});
        // The other line is imported: this one is only a problem of its own.
        let other = json!({"login_name": "paul", "display_name": member, "credentials": []});
        std::fs::write(&file, format!("{line}\n{other}\n")).unwrap();
        let output = app.command(&["import", file.to_str().unwrap()], "");
        assert_eq!(output.code, 1, "{output:?}");
        assert!(output.stdout.contains("is the last active administrator"), "{output:?}");
        assert!(output.stdout.contains("\"changed\""), "{output:?}");
    }
    assert_eq!(state(&app).await, before);
}

#[sqlx::test]
async fn another_active_administrator_allows_every_change(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (id, command) in [(410, "revoke-admin"), (411, "retire"), (412, "delete")] {
        let name = format!("other-{command}");
        app.add_user((id, &name), &["--administrator"]);
        app.command(&["user", command, &name], "").assert_success();
    }
    app.add_user((400, "bert"), &["--administrator"]);
    let own = json!({"AssociateId": 1, "Role": {"Value": "User"}});
    let save_user = format!("{AGENT}/SaveUser");
    app.post(&save_user, &app.administrator(), &own).await.assert_status(200);
    app.command(&["user", "retire", "bert"], "").assert_error("no active administrator");
    app.command(&["user", "grant-admin", "anna"], "").assert_success();
    app.command(&["user", "retire", "bert"], "").assert_success();
    app.get(PRINCIPAL, &app.administrator()).await.assert_status(200);
}

/// Each change alone leaves an administrator; both together would leave none.
#[sqlx::test]
async fn of_two_changes_at_the_same_time_one_is_refused(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.add_user((400, "bert"), &["--administrator"]);
    let bert = Credentials::basic("bert", &password_of("bert"));
    for (call, of_anna, of_bert) in [
        (
            "MakeRetired",
            json!({"AssociateId": 1, "Retired": true}),
            json!({"AssociateId": 400, "Retired": true}),
        ),
        (
            "SaveUser",
            json!({"AssociateId": 1, "Role": {"Value": "User"}}),
            json!({"AssociateId": 400, "Role": {"Value": "User"}}),
        ),
        // Last, because a deleted user cannot be restored.
        ("DeleteUserFromName", json!({"UserName": "anna"}), json!({"UserName": "bert"})),
    ] {
        let path = format!("{AGENT}/{call}");
        let administrator = app.administrator();
        // Both have their own row when they come to the lock of all administrators.
        let mut held = app.pool.begin().await.unwrap();
        sqlx::query("SELECT pg_advisory_xact_lock(7738703068118802788)")
            .execute(&mut *held)
            .await
            .unwrap();
        let release = async {
            app.wait_for_blocked_sessions(2).await;
            held.rollback().await.unwrap();
        };
        let (first, second, ()) = tokio::join!(
            app.post(&path, &administrator, &of_anna),
            app.post(&path, &bert, &of_bert),
            release
        );
        let (done, refused) =
            if first.status.is_success() { (&first, &second) } else { (&second, &first) };
        assert!(done.status.is_success(), "{call}: {done:?}");
        refused.assert_refused(409, "ArgumentException", CODE);
        let restore = "UPDATE users SET is_administrator = true, is_retired = false
                       WHERE user_id IN (1, 400) AND deleted_at IS NULL";
        sqlx::query(restore).execute(&app.pool).await.unwrap();
    }
    let statement = "SELECT count(*) FROM users WHERE is_administrator AND NOT is_retired";
    let left = sqlx::query_scalar::<_, i64>(statement).fetch_one(&app.pool).await.unwrap();
    assert_eq!(left, 1, "{ADMINISTRATOR:?} or bert");
}

/// 10 million users have few administrators; a change must not read all users to find one.
#[sqlx::test]
async fn administrators_are_found_with_an_index(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut connection = app.pool.acquire().await.unwrap();
    let many = "INSERT INTO users (user_id, login_name, canonical_name, display_name, user_type,
                                   is_administrator, audit_sequence, audit_mac, created_at)
                SELECT 10000 + n, 'user' || n, 'user' || n, 'User', 'internal', false, 1, audit_mac,
                       created_at
                FROM users, generate_series(1, 5000) n WHERE user_id = 278";
    sqlx::query(many).execute(&mut *connection).await.unwrap();
    sqlx::query("ANALYZE users").execute(&mut *connection).await.unwrap();
    let statement = "EXPLAIN SELECT EXISTS (
        SELECT 1 FROM users WHERE is_administrator AND NOT is_retired AND deleted_at IS NULL
        AND user_type NOT IN ('external', 'anonymous') AND user_id <> 1)";
    let plan: Vec<String> =
        sqlx::query_scalar(statement).fetch_all(&mut *connection).await.unwrap();
    assert!(plan.join("\n").contains("users_administrators"), "{plan:?}");
}
