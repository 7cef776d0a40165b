//! Logins that the old system accepts.

use std::process::Command;

use futures_util::future::join_all;
use serde_json::{Value, json};
use sqlx::PgPool;

use super::{assert_unavailable, counted_failures, events, login, logins, spawn, user_id};
use crate::{
    guessing::fingerprint,
    pages::browser::Browser,
    soap,
    support::{
        ADMINISTRATOR, Answer, Credentials, OldSystem, PLAIN, Reply, TICKETS, TestApp, http_reply,
        old_password, password_of,
    },
};

/// The events of a user who was added at the first login.
const ADDED: [&str; 3] = ["user_added basic -", "user_moved basic -", "credential_saved basic -"];

/// Imports users without credentials.
fn import(app: &TestApp, lines: &[Value]) {
    let lines: Vec<_> = lines.iter().map(Value::to_string).collect();
    app.command(&["import", "-"], &lines.join("\n")).assert_success();
}

/// Asserts that no chain is damaged. The retired user of every test has no event.
fn assert_chains_verify(app: &TestApp) {
    let found = app.command(&["audit", "verify"], "").stdout;
    assert!(found.lines().skip(1).all(|line| line.starts_with("300 ")), "{found}");
}

#[sqlx::test]
async fn an_unknown_user_is_added_once_and_keeps_the_password_without_the_old_system(pool: PgPool) {
    let old = OldSystem::start();
    old.set_reply(Reply::Verify(|_, _| {
        r#"{"result":"accepted","display_name":"Ada L.","type":"external"}"#.to_owned()
    }));
    let mut app = spawn(pool, &old, &[]).await;
    let answer = login(&app, "Ada", "any").await;
    answer.assert_status(200);
    let id = user_id(&app, "ada").await.unwrap();
    assert_eq!(events(&app, id).await, ADDED);
    let user = "SELECT login_name || '/' || display_name || '/' || user_type || '/'
                || is_administrator FROM users WHERE user_id = $1";
    let user: String = sqlx::query_scalar(user).bind(id).fetch_one(&app.pool).await.unwrap();
    assert_eq!(user, "Ada/Ada L./external/false");
    let requests = old.requests();
    assert_eq!(requests.len(), 1, "{requests:?}");
    assert!(requests[0].is_signed && requests[0].head.starts_with("POST /verify HTTP/1.1\r\n"));
    assert_eq!(requests[0].body["type"], "login");
    assert_eq!(requests[0].body["data"], json!({ "login_name": "Ada", "password": "any" }));
    assert_eq!(counted_failures(&app).await, 0);
    assert!((logins(&app, "accepted").await - 1.0).abs() < f64::EPSILON);
    assert!((app.metric("keeper_migration_users_moved_total").await - 1.0).abs() < f64::EPSILON);

    // From now on, this service decides, and nobody asks.
    login(&app, "ADA", "any").await.assert_status(200);
    login(&app, "ada", "other").await.assert_unauthenticated();
    app.restart().await;
    login(&app, "ada", "any").await.assert_status(200);
    assert_eq!(old.requests().len(), 1);
    assert_chains_verify(&app);
    let off = ["HOOK_URL", "HOOK_KEY_FILE", "HOOK_CA_FILE"];
    let off = off.map(|name| format!("KEEPER__MIGRATION__{name}"));
    app.reconfigure(&off.each_ref().map(|name| (name.as_str(), ""))).await;
    login(&app, "ada", "any").await.assert_status(200);
    login(&app, "bob", "any").await.assert_unauthenticated();
    assert_eq!(old.requests().len(), 1);
}

#[sqlx::test]
async fn an_imported_user_without_credentials_moves_and_keeps_their_members(pool: PgPool) {
    let old = OldSystem::start();
    old.set_reply(Reply::Verify(|_, _| {
        r#"{"result":"accepted","display_name":"Other","type":"external"}"#.to_owned()
    }));
    let app = spawn(pool, &old, &[]).await;
    import(&app, &[json!({ "login_name": "ben", "id": 700, "display_name": "Ben" })]);
    login(&app, "Ben", "any").await.assert_status(200);
    let events = events(&app, 700).await;
    assert_eq!(events, ["user_added command -", "user_moved basic -", "credential_saved basic -"]);
    let user = "SELECT login_name || '/' || display_name || '/' || user_type FROM users
                WHERE user_id = 700";
    let user: String = sqlx::query_scalar(user).fetch_one(&app.pool).await.unwrap();
    assert_eq!(user, "ben/Ben/internal");
    login(&app, "ben", "any").await.assert_status(200);
    assert_eq!(old.requests().len(), 1);
}

#[sqlx::test]
async fn no_page_claims_that_the_operator_saved_the_password_of_a_moved_user(pool: PgPool) {
    let old = OldSystem::start();
    let app = spawn(pool, &old, &[]).await;
    let name = "mona";
    let mut browser = Browser::new(&app);
    browser.sign_in("/login", name, &old_password(name)).await.assert_status(303);
    let account = browser.open("/account").await;
    assert!(account.body.contains("by the operator or the service<"), "{account:?}");
    let path = format!("/admin/users/{}", user_id(&app, name).await.unwrap());
    let user = Browser::signed_in(&app, ADMINISTRATOR.1).await.open(&path).await;
    assert!(user.body.contains("<bdi>Operator or service</bdi>"), "{user:?}");
}

/// Imports a user of each sort that never moves and has no password here; returns the names.
fn import_others(app: &TestApp) -> [&'static str; 6] {
    import(
        app,
        &[
            json!({ "login_name": "chief", "administrator": true }),
            json!({ "login_name": "system", "type": "system" }),
            json!({ "login_name": "guest", "type": "anonymous" }),
            json!({ "login_name": "left", "retired": true }),
            json!({ "login_name": "oidc", "id": 701 }),
            json!({ "login_name": "deleted", "id": 702,
                    "credentials": [{ "value": "a long enough first password" }] }),
        ],
    );
    app.command(&["credential", "delete", "--user", "deleted", "--type", "CRM5/PASSWORD"], "")
        .assert_success();
    ["chief", "system", "guest", "left", "oidc", "deleted"]
}

#[sqlx::test]
async fn nobody_moves_who_has_or_had_a_credential_or_rights(pool: PgPool) {
    let old = OldSystem::start();
    old.set_reply(Reply::Verify(|_, _| r#"{"result":"accepted"}"#.to_owned()));
    let app = spawn(pool, &old, &[]).await;
    // Nobody is asked about who has a password here.
    for name in [PLAIN.1, ADMINISTRATOR.1, "rita"] {
        login(&app, name, "any").await.assert_unauthenticated();
    }
    assert!(old.requests().is_empty(), "{:?}", old.requests());
    let others = import_others(&app);
    app.save(&app.administrator(), 701, "ActiveDirectory", "S-1-5-21-7").await.assert_saved();
    let refused = fingerprint(&login(&app, PLAIN.1, "other").await);
    // A new user could not have the last name.
    for (number, name) in (1..).zip(others.into_iter().chain(["in\u{200b}visible"])) {
        let before = counted_failures(&app).await;
        let answer = login(&app, name, "any").await;
        assert_eq!(fingerprint(&answer), refused, "{name}");
        assert_eq!(old.requests().len(), number, "{name}");
        assert_eq!(counted_failures(&app).await, before + 4, "{name}");
    }
    assert!(app.metric("keeper_migration_users_moved_total").await.abs() < f64::EPSILON);
    old.set_reply(http_reply("500 Internal Server Error", "application/json", ""));
    for name in others.into_iter().take(4).chain(["unknown"]) {
        assert_unavailable(&login(&app, name, "another").await);
    }
}

#[sqlx::test]
async fn a_right_password_that_was_refused_moves_its_owner_as_soon_as_they_may_move(pool: PgPool) {
    let old = OldSystem::start();
    let app = spawn(pool, &old, &[]).await;
    import(
        &app,
        &[
            json!({ "login_name": "left", "retired": true }),
            json!({ "login_name": "chief", "administrator": true }),
            json!({ "login_name": "lena", "id": 705 }),
        ],
    );
    for (name, change) in [("left", "reactivate"), ("chief", "revoke-admin")] {
        let password = old_password(name);
        let asked = old.requests().len();
        for _ in 0..2 {
            login(&app, name, &password).await.assert_unauthenticated();
        }
        assert_eq!(old.requests().len(), asked + 1, "{name}");
        app.command(&["user", change, name], "").assert_success();
        login(&app, name, &password).await.assert_status(200);
    }
    login(&app, "lena", "wrong").await.assert_unauthenticated();
    let lock = "UPDATE authentication_attempts SET failures = 100, counted_secrets = '{}'
                WHERE user_id = 705";
    assert_eq!(sqlx::query(lock).execute(&app.pool).await.unwrap().rows_affected(), 1);
    let asked = old.requests().len();
    login(&app, "lena", &old_password("lena")).await.assert_unauthenticated();
    assert_eq!(old.requests().len(), asked, "the credential is locked");
    app.command(&["credential", "unlock", "--user", "lena"], "").assert_success();
    login(&app, "lena", &old_password("lena")).await.assert_status(200);
}

#[sqlx::test]
async fn a_known_user_is_asked_about_under_the_name_that_they_have_here(pool: PgPool) {
    let old = OldSystem::start();
    // Two users of the old system, who have one name here.
    old.set_reply(Reply::Verify(|name, password| {
        let is_right =
            (name, password) == ("ADA", "of ADA") || (name, password) == ("ada", "of ada");
        let result = if is_right { "accepted" } else { "rejected" };
        format!(r#"{{"result":"{result}"}}"#)
    }));
    let app = spawn(pool, &old, &[]).await;
    import(&app, &[json!({ "login_name": "ada", "id": 704 })]);
    login(&app, "ADA", "of ADA").await.assert_unauthenticated();
    login(&app, "\u{ff21}DA", "of ADA").await.assert_unauthenticated();
    assert_eq!(old.requests()[0].body["data"]["login_name"], "ada");
    assert_eq!(events(&app, 704).await, ["user_added command -"]);
    login(&app, "Ada", "of ada").await.assert_status(200);
    assert_eq!(events(&app, 704).await.len(), 3);
}

/// The old system tells apart what is equal here.
#[sqlx::test]
async fn a_refusal_of_one_spelling_does_not_refuse_another_one(pool: PgPool) {
    let old = OldSystem::start();
    old.set_reply(Reply::Verify(|name, password| {
        let result = match (name, password) {
            ("ada", "of ada") | ("gerd", "\u{e4}") => "accepted",
            ("ada" | "gerd", _) => "rejected",
            _ => "unknown",
        };
        format!(r#"{{"result":"{result}"}}"#)
    }));
    let app = spawn(pool, &old, &[]).await;
    for (wrong, right, password) in
        [("Ada", "ada", ["of ada", "of ada"]), ("gerd", "gerd", ["a\u{308}", "\u{e4}"])]
    {
        let asked = old.requests().len();
        login(&app, wrong, password[0]).await.assert_unauthenticated();
        login(&app, right, password[1]).await.assert_status(200);
        assert_eq!(old.requests().len(), asked + 2, "{right}");
        assert_eq!(events(&app, user_id(&app, right).await.unwrap()).await, ADDED);
    }
}

#[sqlx::test]
async fn every_way_to_log_in_with_a_password_moves_users(pool: PgPool) {
    let old = OldSystem::start();
    let app = spawn(pool, &old, &[]).await;
    let name = "dora";
    let body = json!({ "UserName": name, "Password": old_password(name) });
    app.post("/login", &Credentials::Anonymous, &body).await.assert_status(200);
    let credentials = Credentials::basic("emil", &old_password("emil"));
    app.post(TICKETS, &credentials, &Value::Null).await.assert_status(201);
    let request = app.client.post(format!("{}{}", app.url, soap::SERVICE));
    let request = request.header("Content-Type", "text/xml");
    let request = request.body(soap::login("fred", &old_password("fred")));
    let answer = Answer::read(request.send().await.unwrap()).await;
    answer.assert_status(200);
    assert!(answer.body.contains("7T:"), "{answer:?}");
    for name in [name, "emil", "fred"] {
        let id = user_id(&app, name).await.unwrap();
        assert_eq!(events(&app, id).await[..3], ADDED, "{name}");
    }
    assert_eq!(old.requests().len(), 3);
}

#[sqlx::test]
async fn concurrent_first_logins_make_one_user_with_one_credential(pool: PgPool) {
    let old = OldSystem::start();
    let app = spawn(pool, &old, &[]).await;
    import(&app, &[json!({ "login_name": "known", "id": 703 })]);
    for name in ["fresh", "known"] {
        let password = old_password(name);
        let answers = join_all((0..8).map(|_| login(&app, name, &password))).await;
        for answer in answers {
            answer.assert_status(200);
        }
        let id = user_id(&app, name).await.unwrap();
        let kinds = events(&app, id).await;
        assert_eq!(kinds.len(), 3, "{kinds:?}");
        login(&app, name, &password).await.assert_status(200);
    }
    let users = "SELECT count(*) FROM users WHERE user_id NOT IN (1, 278, 300)";
    let users: i64 = sqlx::query_scalar(users).fetch_one(&app.pool).await.unwrap();
    assert_eq!(users, 2);
    assert!((app.metric("keeper_migration_users_moved_total").await - 2.0).abs() < f64::EPSILON);
    assert_chains_verify(&app);
}

#[sqlx::test]
async fn an_old_password_is_sent_as_typed_and_kept_whatever_the_policy_says(pool: PgPool) {
    let old = OldSystem::start();
    old.set_reply(Reply::Verify(|_, password| {
        let result = if password == "a\u{308}" { "accepted" } else { "rejected" };
        format!(r#"{{"result":"{result}"}}"#)
    }));
    let app = spawn(pool, &old, &[]).await;
    login(&app, "gerd", "a\u{308}").await.assert_status(200);
    assert_eq!(old.requests()[0].body["data"]["password"], "a\u{308}");
    // Both are the same text.
    login(&app, "gerd", "\u{e4}").await.assert_status(200);
    assert_eq!(old.requests().len(), 1);
}

#[sqlx::test]
async fn both_signatures_are_sent_while_the_key_changes(pool: PgPool) {
    let old = OldSystem::start();
    let app = spawn(pool, &old, &[]).await;
    old.write_keys(&[&[7; 32], &[8; 32]]);
    login(&app, "hans", &old_password("hans")).await.assert_status(200);
    old.set_key(&[8; 32]);
    login(&app, "ida", &old_password("ida")).await.assert_status(200);
    let ids = old.requests().into_iter().map(|request| {
        let id = request.head.lines().find(|line| line.starts_with("webhook-id: msg_"));
        id.unwrap().to_owned()
    });
    assert_eq!(ids.collect::<std::collections::BTreeSet<_>>().len(), 2);
}

#[sqlx::test]
async fn the_vendor_client_logs_in_and_moves(pool: PgPool) {
    let old = OldSystem::start();
    let app = spawn(pool, &old, &[]).await;
    let output = Command::new("node")
        .args(["--test", "--test-reporter=tap", "vendor_moves.test.mjs"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients"))
        .env("KEEPER_URL", &app.url)
        .env("KEEPER_ADMINISTRATOR", format!("anna:{}", password_of("anna")))
        .env("KEEPER_ADMINISTRATOR_ID", "1")
        .env("KEEPER_PLAIN", format!("jona:{}", old_password("jona")))
        .env("KEEPER_PLAIN_ID", "0")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("# pass 1"), "{text}");
    assert_eq!(old.requests().len(), 1);
    assert!(user_id(&app, "jona").await.is_some());
}
