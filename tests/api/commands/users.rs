//! Commands for users, credentials and tickets: the same use cases and audit events as the API.

use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{Credentials, PLAIN, PRINCIPAL, TestApp, keeper, run_with_input};

fn json_of(app: &TestApp, arguments: &[&str]) -> Value {
    let printed = app.command(&[arguments, &["--json"]].concat(), "").assert_success();
    serde_json::from_str(&printed).unwrap_or_else(|_| panic!("{printed}"))
}

#[sqlx::test]
async fn a_user_is_shown_retired_reactivated_and_deleted(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let ticket = Credentials::Ticket(app.ticket(&app.plain()).await);
    let shown = app.command(&["user", "show", "PAUL"], "").assert_success();
    assert!(shown.contains("278") && shown.contains("CRM5/PASSWORD"), "{shown}");
    app.command(&["user", "retire", "278"], "").assert_success();
    let retired = json_of(&app, &["user", "show", "paul"]);
    assert_eq!(retired["state"], "retired");
    assert_eq!(retired["credentials"][0]["type"], "CRM5/PASSWORD");
    app.get(PRINCIPAL, &app.plain()).await.assert_unauthenticated();
    app.get(PRINCIPAL, &ticket).await.assert_unauthenticated();
    app.command(&["user", "reactivate", "paul"], "").assert_success();
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    app.command(&["user", "grant-admin", "paul"], "").assert_success();
    app.save(&app.plain(), 1, "ActiveDirectory", "S-1-5").await.assert_saved();
    app.command(&["user", "revoke-admin", "paul"], "").assert_success();
    app.save(&app.plain(), 1, "ActiveDirectory", "S-1-5").await.assert_forbidden();
    app.command(&["user", "delete", "paul"], "").assert_success();
    app.get(PRINCIPAL, &app.plain()).await.assert_unauthenticated();
    app.command(&["user", "show", "paul"], "").assert_error("user not found");
    app.command(&["user", "delete", "278"], "").assert_error("user not found");
    let events = json_of(&app, &["audit", "list", "--user", "278"]);
    let kinds: Vec<_> =
        events.as_array().unwrap().iter().map(|entry| entry["event"].clone()).collect();
    let expected = [
        "user_added",
        "credential_saved",
        "ticket_issued",
        "user_retired",
        "user_reactivated",
        "administrator_granted",
        "administrator_revoked",
        "user_deleted",
    ];
    assert_eq!(kinds, expected);
    let last = &events[7];
    assert_eq!((&last["scheme"], &last["actor"]), (&json!("command"), &Value::Null));
    app.command(&["audit", "list", "--user", "4711"], "").assert_error("user not found");
}

#[sqlx::test]
async fn a_credential_is_deleted_only_once(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let delete = ["credential", "delete", "--user", "paul", "--type", "crm5/password"];
    app.command(&delete, "").assert_success();
    app.get(PRINCIPAL, &app.plain()).await.assert_unauthenticated();
    app.command(&delete, "").assert_negative_answer();
    app.command(&["credential", "delete", "--user", "paul"], "").assert_usage_error();
    let unknown = ["credential", "delete", "--user", "paul", "--type", "None"];
    app.command(&unknown, "").assert_error("--type");
    assert_eq!(json_of(&app, &["credential", "list", "--user", "278"]), json!([]));
}

#[sqlx::test]
async fn tickets_are_listed_without_their_texts(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let issued = app.command(&["ticket", "issue", "--user", "paul"], "").assert_success();
    app.session(PLAIN.1).await;
    let listed = json_of(&app, &["ticket", "list", "--user", "paul"]);
    let kinds: Vec<_> =
        listed.as_array().unwrap().iter().map(|entry| entry["kind"].clone()).collect();
    assert_eq!(kinds, ["session", "ticket"]);
    assert!(!listed.to_string().contains(&issued));
    app.command(&["ticket", "revoke", "--user", "paul"], "").assert_success();
    assert_eq!(json_of(&app, &["ticket", "list", "--user", "paul"]), json!([]));
}

#[sqlx::test]
async fn json_output_has_the_members_of_the_table(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let users = json_of(&app, &["user", "list"]);
    assert_eq!(users.as_array().unwrap().len(), 3);
    let anna = json!({
        "id": 1,
        "login_name": "anna",
        "display_name": "anna",
        "type": "internal",
        "state": "active",
        "right": "administrator",
        "role": "",
    });
    assert_eq!(users[0], anna);
    assert_eq!(json_of(&app, &["keys", "list"])[0]["state"], "writing");
}

#[sqlx::test]
async fn every_command_rejects_an_ambiguous_user_number(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    // The login name of one user is the id of another; that of a third is an unused id.
    app.add_user((1003, "by-id"), &[]);
    app.add_user((1004, "1003"), &[]);
    app.add_user((1005, "2000"), &[]);
    let names_two = "write id:1003 or name:1003";
    for command in [
        &["user", "show"][..],
        &["user", "retire"],
        &["user", "reactivate"],
        &["user", "grant-admin"],
        &["user", "revoke-admin"],
        &["user", "delete"],
        &["credential", "save", "--user"],
        &["credential", "verify", "--user"],
        &["credential", "list", "--user"],
        &["credential", "attempts", "--user"],
        &["credential", "unlock", "--user"],
        &["credential", "delete", "--type", "CRM5/PASSWORD", "--user"],
        &["ticket", "issue", "--user"],
        &["ticket", "list", "--user"],
        &["ticket", "revoke", "--user"],
        &["audit", "list", "--user"],
    ] {
        app.command(&[command, &["1003"]].concat(), "x").assert_error(names_two);
    }
    for (named, id) in [("id:1003", 1003), ("name:1003", 1004), ("2000", 1005), ("1005", 1005)] {
        assert_eq!(json_of(&app, &["user", "show", named])["id"], id, "{named}");
    }
    let save = ["credential", "save", "--user", "name:1003"];
    app.command(&save, "of the name").assert_success();
    app.get(PRINCIPAL, &Credentials::basic("1003", "of the name")).await.assert_status(200);
    let kinds = |named: &str| json_of(&app, &["audit", "list", "--user", named]).to_string();
    app.command(&["user", "delete", "id:1003"], "").assert_success();
    // The id stays reserved, but no command on existing users can mean it.
    assert_eq!(json_of(&app, &["user", "show", "1003"])["id"], 1004);
    app.command(&["audit", "list", "--user", "1003"], "").assert_error(names_two);
    assert!(kinds("id:1003").contains("user_deleted") && !kinds("name:1003").contains("deleted"));
    assert!(kinds("2000").contains("user_added"));
    app.command(&["user", "show", "id:x"], "").assert_error("positive number");
}

#[sqlx::test]
async fn a_result_that_cannot_be_printed_is_a_failure_with_the_next_step(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (arguments, next) in [
        (&["user", "add", "lost", "--generate"][..], "`credential-keeper credential save`"),
        (&["ticket", "issue", "--user", "paul"], "and was revoked: Broken pipe"),
        (&["keys", "generate", "--stdout"], "Broken pipe"),
        (&["export"], "Broken pipe"),
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = keeper(arguments);
        let finished = command.envs(app.variables()).stdout(writer).output().unwrap();
        let message = String::from_utf8(finished.stderr).unwrap();
        assert_eq!(finished.status.code(), Some(1), "{arguments:?}: {message}");
        assert!(message.contains(next), "{arguments:?}: {message}");
    }
    let tickets: i64 =
        sqlx::query_scalar("SELECT count(*) FROM tickets").fetch_one(&app.pool).await.unwrap();
    assert_eq!(tickets, 0);
}

#[test]
fn completions_are_generated_for_each_shell() {
    for shell in ["bash", "zsh", "fish"] {
        let script = run_with_input(keeper(&["completions", shell]), "").assert_success();
        assert!(script.contains("grant-admin"), "{shell}");
    }
    run_with_input(keeper(&["completions", "none"]), "").assert_usage_error();
    let full = std::fs::File::options().write(true).open("/dev/full").unwrap();
    let finished = keeper(&["completions", "bash"]).stdout(full).output().unwrap();
    let message = String::from_utf8(finished.stderr).unwrap();
    assert_eq!(finished.status.code(), Some(1), "{message}");
    assert!(message.contains("No space left on device"), "{message}");
}
