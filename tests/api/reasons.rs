//! The reason of a change in its audit events: given by callers and operators, covered by the MAC, and
//! required by a setting (docs/reference/sensitive-changes.md).

use reqwest::Method;
use serde_json::{Value, json};
use sqlx::PgPool;

use crate::support::{Answer, PLAIN, SAVE, TestApp};

async fn save_with(app: &TestApp, reasons: &[&[u8]]) -> Answer {
    let body = json!({"UserId": PLAIN.0, "Credential": {"Value": "new"}});
    let mut request = app.request(Method::POST, SAVE, &app.administrator()).json(&body);
    for reason in reasons {
        let value = reqwest::header::HeaderValue::from_bytes(reason).unwrap();
        request = request.header("Keeper-Reason", value);
    }
    Answer::read(request.send().await.unwrap()).await
}

/// The kinds and reasons of the last events of a user.
async fn last_events(app: &TestApp, user_id: i32, count: i64) -> Vec<(String, Option<String>)> {
    let statement = "SELECT kind, reason FROM (
                         SELECT * FROM audit_events WHERE user_id = $1
                         ORDER BY sequence DESC LIMIT $2
                     ) last ORDER BY sequence";
    sqlx::query_as(statement).bind(user_id).bind(count).fetch_all(&app.pool).await.unwrap()
}

fn event(kind: &str, reason: &str) -> (String, Option<String>) {
    (kind.to_owned(), Some(reason.to_owned()))
}

#[sqlx::test]
async fn the_event_of_a_change_has_its_reason(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    save_with(&app, &[b"Ticket%204711:%20m%C3%BCde"]).await.assert_saved();
    let reason = "Ticket 4711: müde";
    assert_eq!(last_events(&app, PLAIN.0, 1).await, [event("credential_saved", reason)]);
    save_with(&app, &[]).await.assert_saved();
    assert_eq!(last_events(&app, PLAIN.0, 1).await, [("credential_saved".to_owned(), None)]);
    let body = json!({"AssociateId": 278, "Tooltip": "P", "Role": {"Value": "Administrator"}, "Deleted": true});
    let request = app.request(Method::POST, "/api/v1/Agents/User/SaveUser", &app.administrator());
    let request = request.header("keeper-reason", "left").json(&body);
    Answer::read(request.send().await.unwrap()).await.assert_status(200);
    let expected = ["user_changed", "administrator_granted", "user_retired"];
    assert_eq!(last_events(&app, PLAIN.0, 3).await, expected.map(|kind| event(kind, "left")));
    let listed = app.command(&["audit", "list", "--user", "278", "--json"], "").assert_success();
    let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed.last().unwrap()["reason"], "left");
    assert_eq!(listed[3]["reason"], Value::Null);
    assert!(app.command(&["audit", "list", "--user", "278"], "").stdout.contains(reason));
    app.assert_intact_chains().await;
}

#[sqlx::test]
async fn an_invalid_reason_changes_nothing(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let long = "x".repeat(201);
    for reasons in [
        &[b"".as_slice()][..],
        &[b"%20"],
        &[b"one", b"two"],
        &[b"50%"],
        &[b"%ff"],
        &["müde".as_bytes()],
        &[b"a%0Ab"],
        &[b"a%E2%80%AEb"],
        &[long.as_bytes()],
    ] {
        let refused = save_with(&app, reasons).await;
        refused.assert_refused(400, "ArgumentException", "invalid_field");
        assert_eq!(refused.json()["Field"], "Keeper-Reason", "{reasons:?}");
    }
    assert_eq!(last_events(&app, PLAIN.0, 9).await.len(), 2, "the user and their password");
    save_with(&app, &["å".repeat(200).as_bytes()]).await.assert_status(400);
    save_with(&app, &["%C3%A5".repeat(200).as_bytes()]).await.assert_saved();
}

#[sqlx::test]
async fn a_reason_that_is_changed_added_or_removed_breaks_the_chain(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    save_with(&app, &[b"first"]).await.assert_saved();
    save_with(&app, &[]).await.assert_saved();
    app.assert_intact_chains().await;
    for (sequence, reason, tampered) in
        [(3, Some("first"), None), (3, Some("first"), Some("other")), (4, None, Some("added"))]
    {
        let set = async |reason: Option<&str>| {
            let update =
                "UPDATE audit_events SET reason = $1 WHERE user_id = 278 AND sequence = $2";
            sqlx::query(update).bind(reason).bind(sequence).execute(&app.pool).await.unwrap();
        };
        set(tampered).await;
        let found = app.command(&["audit", "verify"], "");
        let finding = format!("278   event {sequence} or its predecessor was changed");
        assert!(found.code == 1 && found.stdout.contains(&finding), "{tampered:?}: {found:?}");
        set(reason).await;
        app.assert_intact_chains().await;
    }
}

#[sqlx::test]
async fn commands_take_a_reason(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let user = ["--reason", "Ticket 4711"];
    for (arguments, input, kind) in [
        (&["user", "set-role", "278", "auditor"][..], "", "auditor_granted"),
        (&["user", "grant-admin", "278"], "", "administrator_granted"),
        (&["user", "revoke-admin", "278"], "", "administrator_revoked"),
        (&["credential", "save", "--user", "278"], "a password", "credential_saved"),
        (&["credential", "require-change", "--user", "278"], "", "change_required"),
        (&["credential", "clear-change", "--user", "278"], "", "change_no_longer_required"),
        (&["ticket", "issue", "--user", "278"], "", "ticket_issued"),
        (&["ticket", "revoke", "--user", "278"], "", "sessions_ended"),
        (&["user", "retire", "278"], "", "user_retired"),
        (&["user", "reactivate", "278"], "", "user_reactivated"),
        (
            &["credential", "delete", "--user", "278", "--type", "CRM5/PASSWORD"],
            "",
            "credential_deleted",
        ),
        (&["user", "delete", "278"], "", "user_deleted"),
    ] {
        app.command(&[arguments, &user].concat(), input).assert_success();
        assert_eq!(last_events(&app, 278, 1).await, [event(kind, "Ticket 4711")]);
    }
    let invalid = app.command(&["user", "retire", "1", "--reason", ""], "");
    assert!(invalid.code != 0 && invalid.stderr.contains("--reason"), "{invalid:?}");
    // Every event of an import, also of one by COPY.
    let lines: Vec<_> = (0..70)
        .map(|number| json!({"login_name": format!("u{number}"), "id": 2000 + number}).to_string())
        .collect();
    app.command(&["import", "-", "--reason", "moved"], &lines.join("\n")).assert_success();
    assert_eq!(last_events(&app, 2069, 1).await, [event("user_added", "moved")]);
    app.assert_intact_chains().await;
}

#[sqlx::test]
async fn sensitive_changes_need_a_reason_if_the_setting_says_so(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[], "").await;
    let mut app = app;
    app.reconfigure(&[("KEEPER__AUDIT__REQUIRE_REASON", "true")]).await;
    let refused = save_with(&app, &[]).await;
    refused.assert_refused(400, "ArgumentException", "invalid_field");
    assert_eq!(refused.json()["Field"], "Keeper-Reason");
    assert_eq!(last_events(&app, PLAIN.0, 9).await.len(), 2);
    // The header is no member of a carrier.
    let body = json!({"UserName": "paul", "User": {"Credentials": [{"Value": "a new password"}]}});
    let path = "/api/v1/Agents/User/SaveUserFromName";
    let refused = app.post(path, &app.administrator(), &body).await;
    refused.assert_refused(400, "ArgumentException", "invalid_field");
    assert_eq!(refused.json()["Field"], "Keeper-Reason");
    save_with(&app, &[b"because"]).await.assert_saved();
    // A missing right comes first, and other changes need none.
    let role = json!({"Role": "auditor"});
    let path = "/keeper/users/1/role";
    let forbidden = app.request(Method::PUT, path, &app.administrator()).json(&role);
    Answer::read(forbidden.send().await.unwrap()).await.assert_forbidden();
    let rename = json!({"AssociateId": 278, "Tooltip": "Paul"});
    app.post("/api/v1/Agents/User/SaveUser", &app.administrator(), &rename)
        .await
        .assert_status(200);
    let own = json!({"OldPassword": "anna-password", "NewPassword": "next"});
    app.post("/api/v1/Agents/User/ChangeOwnPassword", &app.administrator(), &own)
        .await
        .assert_status(200);
    for (arguments, input) in [
        (&["user", "add", "new"][..], "a password"),
        (&["user", "set-role", "278", "auditor"], ""),
        (&["user", "retire", "278"], ""),
        (&["user", "delete", "278"], ""),
        (&["credential", "save", "--user", "278"], "a password"),
        (&["credential", "delete", "--user", "278", "--type", "CRM5/PASSWORD"], ""),
        (&["credential", "require-change", "--user", "278"], ""),
        (&["credential", "require-change", "--all"], ""),
        (&["export"], ""),
        (&["import", "-"], "{\"login_name\":\"imported\"}"),
    ] {
        let refused = app.command(arguments, input);
        assert!(refused.code != 0, "{arguments:?} {refused:?}");
        assert!(refused.stderr.contains("--reason"), "{arguments:?} {refused:?}");
    }
    app.command(&["export", "--reason", "backup"], "").assert_success();
    app.command(&["import", "-", "--reason", "moved"], "{\"login_name\":\"imported\"}")
        .assert_success();
    app.command(&["user", "retire", "278", "--reason", "left"], "").assert_success();
}
