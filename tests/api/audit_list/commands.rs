//! `audit list`: over all users, with filters, and as lines.

use serde_json::Value;
use sqlx::PgPool;

use super::{add_rows, stored};
use crate::support::{PLAIN, TestApp};

fn listed(app: &TestApp, arguments: &[&str]) -> Vec<(i64, i64)> {
    let output = app.command(&[&["--json", "audit", "list"], arguments].concat(), "");
    let list: Value = serde_json::from_str(&output.assert_success()).unwrap();
    let id = |event: &Value, name: &str| event[name].as_i64().unwrap();
    let events = list.as_array().unwrap().iter();
    events.map(|event| (id(event, "user"), id(event, "sequence"))).collect()
}

#[sqlx::test]
async fn the_newest_events_of_all_users_are_listed_oldest_first(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.save(&app.administrator(), PLAIN.0, "", "new password").await.assert_saved();
    let mut expected = stored(&app.pool, "true").await;
    expected.reverse();
    assert_eq!(listed(&app, &[]), expected);
    assert_eq!(listed(&app, &["--limit", "2"]), expected[expected.len() - 2..]);
    let limited = app.command(&["audit", "list", "--limit", "2"], "");
    assert!(limited.stderr.contains("the newest 2 events"), "{}", limited.stderr);
    for (arguments, condition) in [
        (&["--user", "paul"][..], "user_id = 278"),
        (&["--actor", "anna"], "actor_user_id = 1"),
        (&["--actor", "id:1", "--kind", "credential_saved"], "actor_user_id = 1"),
        (
            &["--kind", "user_added,credential_saved", "--user", "id:1"],
            "user_id = 1 AND kind <> 'administrator_granted'",
        ),
        (&["--since", "2020-01-01", "--until", "2999-01-01T00:00:00+01:00"], "true"),
        (&["--until", "2020-01-01"], "false"),
        (&["--user", "278", "--kind", "user_deleted"], "false"),
    ] {
        let mut expected = stored(&app.pool, condition).await;
        expected.reverse();
        assert_eq!(listed(&app, arguments), expected, "{arguments:?}");
    }
}

#[sqlx::test]
async fn an_invalid_argument_is_named_with_what_is_known(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let list = |arguments: &[&str]| app.command(&[&["audit", "list"], arguments].concat(), "");
    for (arguments, known) in [
        (&["--kind", "none"][..], "audit-events.md"),
        (&["--since", "yesterday"], "2027-01-01T08:00:00+01:00"),
        (&["--limit", "0"], "0 is not in"),
        (&["--format", "xml"], "csv, jsonl"),
        (&["--json", "--format", "csv"], "cannot be used with"),
    ] {
        let refused = list(arguments);
        assert!(refused.stderr.contains(known), "{refused:?}");
        refused.assert_usage_error();
    }
    list(&["--since", "2027-01-02", "--until", "2027-01-01"]).assert_error("exchange");
    list(&["--user", "4711"]).assert_error("user not found");
}

#[sqlx::test]
async fn lines_are_the_same_as_those_of_the_export(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    add_rows(&app.pool, 2_500).await;
    for format in ["csv", "jsonl"] {
        let path = format!("/keeper/audit/export?$format={format}");
        let exported = app.get(&path, &app.administrator()).await.body;
        let output = app.command(&["audit", "list", "--format", format], "").assert_success();
        // The helper trims the output.
        assert_eq!(output.trim_end(), exported.trim_end(), "{format}");
    }
    let some = app.command(&["audit", "list", "--format", "jsonl", "--limit", "3"], "");
    assert_eq!(some.assert_success().lines().count(), 3);
}
