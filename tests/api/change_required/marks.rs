//! Administrators mark credentials, and owners change them.

use serde_json::json;
use sqlx::PgPool;

use super::{
    CHANGE_OWN, MARK, PAUL, assert_change_required, delete, events, mark, put, stored_mark,
    verify_chains,
};
use crate::{
    pages::{
        admin_browser::{Browser, form},
        browser::Browser as PageBrowser,
    },
    support::{Credentials, PRINCIPAL, TestApp},
};

#[sqlx::test]
async fn a_marked_password_allows_its_own_change_and_nothing_else(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    mark(&app).await;
    assert_change_required(&app.get(PRINCIPAL, &app.plain()).await);
    // A wrong password is still only wrong.
    app.get(PRINCIPAL, &Credentials::basic("paul", "wrong")).await.assert_unauthenticated();
    let change = json!({"OldPassword": PAUL, "NewPassword": "new-password"});
    app.post(CHANGE_OWN, &app.plain(), &change).await.assert_saved();
    let changed = Credentials::basic("paul", "new-password");
    app.get(PRINCIPAL, &changed).await.assert_status(200);
    app.get(PRINCIPAL, &app.plain()).await.assert_unauthenticated();
    assert_eq!(stored_mark(&app).await, None);
    let events = events(&app).await;
    assert_eq!(events[events.len() - 2..], ["change_required", "credential_saved"]);
    verify_chains(&app).await;
}

#[sqlx::test]
async fn each_way_for_an_owner_to_change_the_password_works(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for (call, body) in [
        ("ChangeOwnPassword", json!({"OldPassword": PAUL, "NewPassword": "new"})),
        ("ChangePassword", json!({"AssociateId": 278, "OldPassword": PAUL, "NewPassword": "new"})),
        (
            "ChangePasswordFromName",
            json!({"AssociateName": "paul", "OldPassword": PAUL, "NewPassword": "new"}),
        ),
        ("SaveCredential", json!({"UserId": 278, "Credential": {"Value": "new"}})),
    ] {
        mark(&app).await;
        let path = format!("/api/v1/Agents/User/{call}");
        app.post(&path, &app.plain(), &body).await.assert_saved();
        assert_eq!(stored_mark(&app).await, None, "{call}");
        app.save(&app.administrator(), 278, "", PAUL).await.assert_saved();
    }
}

#[sqlx::test]
async fn the_new_password_must_differ(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    mark(&app).await;
    let same = json!({"OldPassword": PAUL, "NewPassword": PAUL});
    let answer = app.post(CHANGE_OWN, &app.plain(), &same).await;
    answer.assert_refused(400, "ArgumentException", "password_refused");
    assert!(answer.body.contains("must differ from the current one"), "{answer:?}");
    let answer = app.save(&app.plain(), 278, "", PAUL).await;
    answer.assert_refused(400, "ArgumentException", "password_refused");
    assert_eq!(stored_mark(&app).await.as_deref(), Some("compromised"));
    // Without a mark, the same password may be saved again, as before.
    delete(&app, MARK, &app.administrator()).await.assert_saved();
    app.post(CHANGE_OWN, &app.plain(), &same).await.assert_saved();
}

#[sqlx::test]
async fn everything_issued_before_ends_at_once(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let issued = [
        Credentials::Ticket(app.ticket(&app.plain()).await),
        Credentials::Bearer(app.token(&app.plain()).await),
        app.session("paul").await,
    ];
    for credentials in &issued {
        app.get(PRINCIPAL, credentials).await.assert_status(200);
    }
    mark(&app).await;
    for credentials in &issued {
        app.get(PRINCIPAL, credentials).await.assert_unauthenticated();
    }
    // They stay revoked when the mark is removed.
    delete(&app, MARK, &app.administrator()).await.assert_saved();
    for credentials in &issued {
        app.get(PRINCIPAL, credentials).await.assert_unauthenticated();
    }
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
}

#[sqlx::test]
async fn an_administrator_who_marks_their_own_password_loses_the_session(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let session = app.session("anna").await;
    put(&app, "/keeper/users/1/change-required", &session, &json!({})).await.assert_saved();
    app.get(PRINCIPAL, &session).await.assert_unauthenticated();
    assert_change_required(&app.get(PRINCIPAL, &app.administrator()).await);
}

#[sqlx::test]
async fn a_marked_administrator_has_no_rights_over_others(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let arguments = ["credential", "require-change", "--user", "anna"];
    app.command(&arguments, "").assert_success();
    let caller = app.administrator();
    for (call, body) in [
        ("ChangePassword", json!({"AssociateId": 278, "OldPassword": PAUL, "NewPassword": "new"})),
        ("ChangePasswordFromName", json!({"AssociateName": "paul", "NewPassword": "new"})),
        ("ChangePasswordFromName", json!({"AssociateName": "anna", "NewPassword": "new"})),
        ("SaveCredential", json!({"UserId": 278, "Credential": {"Value": "new"}})),
        (
            "SaveCredential",
            json!({"UserId": 1, "Credential": {"Type": {"Type": "ActiveDirectory"}, "Value": "S-1"}}),
        ),
        ("SaveCredential", json!({"UserId": 4711, "Credential": {"Value": "new"}})),
    ] {
        let answer = app.post(&format!("/api/v1/Agents/User/{call}"), &caller, &body).await;
        assert_change_required(&answer);
    }
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
}

#[sqlx::test]
async fn only_administrators_mark_and_unmark(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.add_user((402, "ext"), &["--type", "external", "--administrator"]);
    for name in ["paul", "ext"] {
        let caller = Credentials::basic(name, &format!("{name}-password"));
        for path in [MARK, "/keeper/users/4711/change-required"] {
            put(&app, path, &caller, &json!({})).await.assert_forbidden();
            delete(&app, path, &caller).await.assert_forbidden();
        }
    }
    assert_eq!(stored_mark(&app).await, None);
}

#[sqlx::test]
async fn bad_requests_change_nothing(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let administrator = app.administrator();
    let call = async |body| put(&app, MARK, &administrator, &body).await;
    for cause in ["common_password", "Compromised", "x"] {
        call(json!({"Cause": cause})).await.assert_field_refused("Cause");
    }
    call(json!({"Type": "Nope"})).await.assert_field_refused("Type");
    // Identifiers are not secrets.
    call(json!({"Type": "ActiveDirectory"})).await.assert_field_refused("Type");
    let unknown_type = delete(&app, &format!("{MARK}?type=Nope"), &administrator).await;
    unknown_type.assert_field_refused("type");
    let twice = delete(&app, &format!("{MARK}?type=a&TYPE=b"), &administrator).await;
    twice.assert_refused(400, "ArgumentException", "duplicate_member");
    for path in ["/keeper/users/4711/change-required", "/keeper/users/paul/change-required"] {
        put(&app, path, &administrator, &json!({})).await.assert_status(404);
        delete(&app, path, &administrator).await.assert_status(404);
    }
    assert_eq!(stored_mark(&app).await, None);
    assert!(!events(&app).await.contains(&"change_required".to_owned()));
}

#[sqlx::test]
async fn a_repeated_mark_is_one_event(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let administrator = app.administrator();
    assert_eq!(delete(&app, MARK, &administrator).await.json(), false);
    for body in [json!({}), json!({"Type": "CRM5/PASSWORD", "Cause": ""})] {
        put(&app, MARK, &administrator, &body).await.assert_saved();
    }
    assert_eq!(stored_mark(&app).await.as_deref(), Some("administrator"));
    let marked = events(&app).await;
    assert_eq!(marked.iter().filter(|kind| *kind == "change_required").count(), 1);
    let path = format!("{MARK}?type=crm5/password");
    delete(&app, &path, &administrator).await.assert_saved();
    assert_eq!(events(&app).await.last().unwrap(), "change_no_longer_required");
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    verify_chains(&app).await;
}

#[sqlx::test]
async fn who_can_write_the_database_cannot_remove_a_mark(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    mark(&app).await;
    sqlx::raw_sql("UPDATE credentials SET change_required = NULL WHERE user_id = 278")
        .execute(&app.pool)
        .await
        .unwrap();
    app.get(PRINCIPAL, &app.plain()).await.assert_unauthenticated();
    sqlx::raw_sql("UPDATE credentials SET change_required = 'administrator' WHERE user_id = 278")
        .execute(&app.pool)
        .await
        .unwrap();
    app.get(PRINCIPAL, &app.plain()).await.assert_unauthenticated();
}

/// An expiry changes neither the value nor the mark, and is recorded as what it is.
#[sqlx::test]
async fn a_marked_credential_that_expires_keeps_its_mark(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    mark(&app).await;
    let browser = Browser::signed_in(&app, "anna").await;
    let expire = "/admin/users/278/credential/expire";
    let page = browser.open(&format!("{expire}?type=CRM5%2FPASSWORD")).await;
    browser.send(&form(&page, expire), &[("Confirm", "true")]).await.assert_status(303);
    let events = events(&app).await;
    assert_eq!(events[events.len() - 2..], ["change_required", "credential_expired"]);
    assert_eq!(stored_mark(&app).await.as_deref(), Some("compromised"));
    app.get(PRINCIPAL, &app.plain()).await.assert_unauthenticated();
    verify_chains(&app).await;
    // A new value ends both.
    app.save(&app.administrator(), 278, "", "reset-password").await.assert_saved();
    app.get(PRINCIPAL, &Credentials::basic("paul", "reset-password")).await.assert_status(200);
    assert_eq!(stored_mark(&app).await, None);
}

#[sqlx::test]
async fn another_secret_that_basic_verifies_is_changed_by_its_owner(pool: PgPool) {
    let file = r#"
        [credentials]
        additional_types = [{ name = "Pin", kind = "secret", usable_for_basic = true }]"#;
    let app = TestApp::spawn_with(pool, &[], file).await;
    let administrator = app.administrator();
    app.save(&administrator, 278, "Pin", "2468").await.assert_saved();
    put(&app, MARK, &administrator, &json!({"Type": "Pin"})).await.assert_saved();
    let pin = Credentials::basic("paul", "2468");
    assert_change_required(&app.get(PRINCIPAL, &pin).await);
    // The password is another credential.
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    assert_change_required(&app.save(&pin, 278, "", "new-password").await);
    let change = json!({"OldPassword": PAUL, "NewPassword": "new-password"});
    assert_change_required(&app.post(CHANGE_OWN, &pin, &change).await);
    app.save(&pin, 278, "Pin", "1357").await.assert_saved();
    app.get(PRINCIPAL, &Credentials::basic("paul", "1357")).await.assert_status(200);
}

/// Administrators save their own password with any proof. A value that is not saved, because the
/// policy refuses it or the form is outdated, must not be compared: guesses would have no limit.
#[sqlx::test]
async fn a_refused_save_does_not_tell_whether_it_is_the_marked_password(pool: PgPool) {
    let file = r#"
        [credentials]
        additional_types = [{ name = "Pin", kind = "secret", usable_for_basic = true }]"#;
    let mut app = TestApp::spawn_with(pool, &[], file).await;
    let administrator = app.administrator();
    app.save(&administrator, 1, "Pin", "2468").await.assert_saved();
    app.save(&administrator, 1, "", "short").await.assert_saved();
    let arguments = ["credential", "require-change", "--user", "anna"];
    app.command(&arguments, "").assert_success();
    app.reconfigure(&[("KEEPER__PASSWORDS__POLICY", "nist")]).await;
    let answer = app.save(&Credentials::basic("anna", "2468"), 1, "", "short").await;
    answer.assert_refused(400, "ArgumentException", "password_refused");
    assert!(!answer.body.contains("must differ from the current one"), "{answer:?}");
    let mut browser = PageBrowser::new(&app);
    browser.sign_in("/login", "anna", "2468").await.assert_status(303);
    let path = "/admin/users/1/credential";
    let page = browser.open(&format!("{path}?type=CRM5%2FPASSWORD")).await;
    let outdated = [("Version", "1"), ("CredentialValue", "short")];
    let answer = browser.submit(&page, path, &outdated).await;
    answer.assert_status(409);
    assert!(!answer.body.contains("must differ from the current one"), "{answer:?}");
}

#[sqlx::test]
async fn a_new_password_from_an_administrator_removes_the_mark(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    mark(&app).await;
    app.save(&app.administrator(), 278, "", "reset-password").await.assert_saved();
    app.get(PRINCIPAL, &Credentials::basic("paul", "reset-password")).await.assert_status(200);
}

/// A rehash that commits between the read and the write of a mark changes what the seal is bound to.
#[sqlx::test]
async fn a_mark_and_a_rehash_at_the_same_time_keep_the_password(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let copy = |name: &str| {
        format!("CREATE TABLE {name} AS SELECT * FROM credentials WHERE user_id = 278")
    };
    sqlx::query(sqlx::AssertSqlSafe(copy("before"))).execute(&app.pool).await.unwrap();
    let stronger = app.spawn_instance(&[("KEEPER__HASHING__ITERATIONS", "3")]).await;
    stronger.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    let is_rehashed = "SELECT hash_iterations = 3 FROM credentials WHERE user_id = 278";
    wait_until(&app, is_rehashed).await;
    sqlx::query(sqlx::AssertSqlSafe(copy("after"))).execute(&app.pool).await.unwrap();
    let set = |source: &str| {
        let columns = "sealed_hash, key_id, hash_memory_kib, hash_iterations, hash_parallelism";
        sqlx::AssertSqlSafe(format!(
            "UPDATE credentials SET ({columns}) = (SELECT {columns} FROM {source}) WHERE user_id = 278"
        ))
    };
    sqlx::query(set("before")).execute(&app.pool).await.unwrap();
    let mut rehash = app.pool.begin().await.unwrap();
    sqlx::query(set("after")).execute(&mut *rehash).await.unwrap();
    let commit = async {
        let is_waiting = "SELECT EXISTS (SELECT 1 FROM pg_stat_activity
                          WHERE datname = current_database() AND wait_event_type = 'Lock')";
        wait_until(&app, is_waiting).await;
        rehash.commit().await.unwrap();
    };
    tokio::join!(mark(&app), commit);
    assert_change_required(&app.get(PRINCIPAL, &app.plain()).await);
    delete(&app, MARK, &app.administrator()).await.assert_saved();
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
}

async fn wait_until(app: &TestApp, condition: &'static str) {
    crate::support::wait_until(condition, async || {
        sqlx::query_scalar(condition).fetch_one(&app.pool).await.unwrap()
    })
    .await;
}
