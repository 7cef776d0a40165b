//! Imports and exports during which their administrator changes: the password, the role, or the key
//! that the session is stored under.

use serde_json::json;
use sqlx::{PgPool, Postgres, Transaction};

use super::{
    browser::Browser,
    transfers::{lines_with_passwords, results, send, users_named, wait_for_end},
};
use crate::support::{Answer, Credentials, Instance, PLAIN, PRINCIPAL, TestApp, password_of};

/// An administrator with a higher id than the plain user.
const OTHER: (i32, &str) = (900, "zoe");
const PASSWORD: &str = "/account/change-password";
/// A line that waits while the row of the plain user is locked.
const LINE: &str = "{\"login_name\":\"paul\",\"display_name\":\"Paul the First\"}\n";
const COMPLETE: &str = "The import is complete.";

/// Locks the row of the plain user.
async fn hold_plain_user(app: &TestApp) -> Transaction<'static, Postgres> {
    let mut transaction = app.pool.begin().await.unwrap();
    let lock = "SELECT FROM users WHERE user_id = $1 FOR UPDATE";
    sqlx::query(lock).bind(PLAIN.0).execute(&mut *transaction).await.unwrap();
    transaction
}

/// An import by the other administrator that waits for the plain user. Users are locked by ascending
/// id, so it has not locked its administrator yet.
async fn held_import(app: &TestApp) -> (Browser, Answer, Transaction<'static, Postgres>) {
    app.add_user(OTHER, &["--administrator"]);
    let mut browser = Browser::signed_in(app, OTHER.1).await;
    let held = hold_plain_user(app).await;
    let sent = send(&mut browser, "import", LINE).await;
    app.wait_for_blocked_sessions(1).await;
    (browser, sent, held)
}

#[sqlx::test]
async fn an_import_goes_on_after_a_line_with_the_own_password(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut browser = Browser::signed_in(&app, "anna").await;
    let mut elsewhere = Browser::signed_in(&app, "anna").await;
    let new = "another password of anna";
    let own = json!({"login_name": "anna", "credentials": [{"value": new}]});
    let file = format!("{own}\n{}", lines_with_passwords(50));
    let sent = send(&mut browser, "import", file).await;
    let page = wait_for_end(&mut browser, &sent).await;
    assert!(page.body.contains(COMPLETE), "{page:?}");
    let found = results(&mut browser, &sent).await;
    assert_eq!(found.len(), 51, "{found:?}");
    assert!(found.iter().all(|line| line["result"] != "failed"), "{found:?}");
    assert_eq!(users_named(&app, "many-%").await, 50);
    app.get(PRINCIPAL, &Credentials::basic("anna", new)).await.assert_status(200);
    // The other session was revoked.
    elsewhere.open("/account").await.assert_status(303);
    app.assert_intact_chains().await;
}

#[sqlx::test]
async fn an_import_goes_on_after_its_administrator_changes_the_password(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (mut browser, sent, held) = held_import(&app).await;
    let page = browser.open(PASSWORD).await;
    let (old, new) = (password_of(OTHER.1), "another password of zoe");
    let typed = [("OldPassword", &*old), ("NewPassword", new), ("RepeatedPassword", new)];
    browser.submit(&page, PASSWORD, &typed).await.assert_status(303);
    app.get(PRINCIPAL, &Credentials::basic(OTHER.1, new)).await.assert_status(200);
    held.rollback().await.unwrap();
    let page = wait_for_end(&mut browser, &sent).await;
    assert!(page.body.contains(COMPLETE), "{page:?}");
    let found = results(&mut browser, &sent).await;
    assert_eq!(found, [json!({"line": 1, "result": "changed", "user_id": PLAIN.0})]);
    app.assert_intact_chains().await;
}

#[sqlx::test]
async fn an_import_ends_when_somebody_else_sets_the_password_of_its_administrator(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let (_, sent, held) = held_import(&app).await;
    app.save(&app.administrator(), OTHER.0, "", "set by anna").await.assert_saved();
    held.rollback().await.unwrap();
    let mut browser = Browser::signed_in(&app, "anna").await;
    let page = wait_for_end(&mut browser, &sent).await;
    assert!(page.body.contains("The import ended early, because the administrator"), "{page:?}");
    assert!(results(&mut browser, &sent).await.is_empty());
    let name = "SELECT display_name FROM users WHERE user_id = $1";
    let name: String = sqlx::query_scalar(name).bind(PLAIN.0).fetch_one(&app.pool).await.unwrap();
    assert_ne!(name, "Paul the First");
}

#[sqlx::test]
async fn a_line_may_repeat_the_own_role_and_not_change_it(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.command(&["user", "set-role", "anna", "help-desk"], "").assert_success();
    let mut browser = Browser::signed_in(&app, "anna").await;
    let failed = json!({
        "line": 1,
        "result": "failed",
        "field": "role",
        "reason": "is your own, and nobody can change their own role; ask another administrator",
    });
    for (role, may_be_written) in [("help_desk", true), ("auditor", false), ("none", false)] {
        let own = json!({"login_name": "anna", "display_name": role, "role": role});
        let new = json!({"login_name": format!("beside-{role}")});
        let file = format!("{own}\n{new}\n");
        for (mode, end, changed, added) in [
            ("check", "The check is complete", "would_be_changed", "would_be_added"),
            ("import", COMPLETE, "changed", "added"),
        ] {
            let sent = send(&mut browser, mode, &file).await;
            let page = wait_for_end(&mut browser, &sent).await;
            assert!(page.body.contains(end), "{role} {mode}: {page:?}");
            let found = results(&mut browser, &sent).await;
            let expected = if may_be_written {
                json!({"line": 1, "result": changed, "user_id": 1})
            } else {
                failed.clone()
            };
            assert_eq!(found[0], expected, "{role} {mode}");
            assert_eq!(found[1]["result"], added, "{role} {mode}: {found:?}");
        }
    }
    assert_eq!(users_named(&app, "beside-%").await, 3);
    let own = "SELECT display_name || ' ' || role FROM users WHERE user_id = 1";
    let own: String = sqlx::query_scalar(own).fetch_one(&app.pool).await.unwrap();
    assert_eq!(own, "help_desk help_desk");
    app.assert_intact_chains().await;
}

#[sqlx::test]
async fn an_import_goes_on_while_a_key_is_added_and_used(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let instance = Instance::start(&app, &[]);
    let mut browser = Browser::at(&instance.server.ready);
    browser.sign_in("/login", "anna", &password_of("anna")).await.assert_status(303);
    let held = hold_plain_user(&app).await;
    let sent = send(&mut browser, "import", LINE).await;
    app.wait_for_blocked_sessions(1).await;
    let digest = async || {
        let digest = "SELECT digest FROM tickets WHERE user_id = 1";
        sqlx::query_scalar::<_, Vec<u8>>(digest).fetch_one(&app.pool).await.unwrap()
    };
    let former = digest().await;
    let new = app.add_key();
    instance.wait_for_key(&new, "readable").await;
    app.command(&["rotate-key", "use", &new], "").assert_success();
    instance.wait_for_key(&new, "writing").await;
    // Opening the page of the import stores the session under the new key.
    browser.follow(&sent).await.assert_status(200);
    assert_ne!(digest().await, former);
    held.rollback().await.unwrap();
    let page = wait_for_end(&mut browser, &sent).await;
    assert!(page.body.contains(COMPLETE), "{page:?}");
    let found = results(&mut browser, &sent).await;
    assert_eq!(found, [json!({"line": 1, "result": "changed", "user_id": PLAIN.0})]);
}
