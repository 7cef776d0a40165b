//! Metrics of the state of an instance: version, events, anchors, keys, hashes and the database.

use std::{
    collections::BTreeMap,
    process::Command,
    time::{Duration, SystemTime},
};

use serde_json::{Value, json};
use sqlx::PgPool;

use super::{damage_row, labels_of, number};
use crate::support::{
    ADMINISTRATOR, Instance, PLAIN, PRINCIPAL, PrivateServer, TestApp, free_address, keeper,
};

fn seconds_since_1970() -> f64 {
    SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64()
}

/// The samples of a family with one label, by the value of the label.
async fn by_label(app: &TestApp, name: &str, label: &str) -> BTreeMap<String, u64> {
    let samples = labels_of(&app.metrics().await.body, name);
    samples.into_iter().map(|(mut labels, value)| (labels.remove(label).unwrap(), value)).collect()
}

#[sqlx::test]
async fn the_version_is_a_label(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let name = format!(r#"keeper_build_info{{version="{}"}}"#, env!("CARGO_PKG_VERSION"));
    assert_eq!(number(&app.metrics().await.body, &name), Some(1));
}

async fn stored_events(app: &TestApp) -> BTreeMap<String, i64> {
    let counts = "SELECT kind, count(*) FROM audit_events GROUP BY kind";
    sqlx::query_as(counts).fetch_all(&app.pool).await.unwrap().into_iter().collect()
}

#[sqlx::test]
async fn audit_events_count_by_their_kind(pool: PgPool) {
    let mut app = TestApp::spawn(pool).await;
    app.restart().await;
    let before = stored_events(&app).await;
    let administrator = app.administrator();
    app.save(&administrator, PLAIN.0, "", "another password").await.assert_saved();
    app.save(&administrator, PLAIN.0, "ActiveDirectory", "S-1-5-21-1").await.assert_saved();
    app.ticket(&administrator).await;
    let session = app.session(ADMINISTRATOR.1).await;
    app.post("/logout", &session, &Value::Null).await.assert_status(204);
    let agent = |call: &str| format!("/api/v1/Agents/User/{call}");
    for (call, body) in [
        ("MakeRetired", json!({"AssociateId": 278, "Retired": true})),
        ("MakeRetired", json!({"AssociateId": 278, "Retired": false})),
        ("DeleteCredential", json!({"UserId": 278, "CredentialType": "ActiveDirectory"})),
        (
            "SaveUser",
            json!({"AssociateId": 0, "Name": "newcomer", "UserType": "InternalAssociate"}),
        ),
    ] {
        let answer = app.post(&agent(call), &administrator, &body).await;
        assert!(answer.status.is_success(), "{call}: {answer:?}");
    }
    let mut expected = stored_events(&app).await;
    for (kind, count) in before {
        *expected.get_mut(&kind).unwrap() -= count;
    }
    let counted = by_label(&app, "keeper_audit_events_total", "kind").await;
    let appended = counted.iter().filter(|(_, count)| **count > 0);
    let appended: BTreeMap<_, _> =
        appended.map(|(kind, count)| (kind.clone(), i64::try_from(*count).unwrap())).collect();
    expected.retain(|_, count| *count > 0);
    assert_eq!(appended, expected);
    assert!(expected.len() >= 8, "{expected:?}");
    // Every kind has a sample from the start on.
    let kinds: String = sqlx::query_scalar(
        "SELECT string_agg(pg_get_constraintdef(oid), '') FROM pg_constraint
         WHERE conrelid = 'audit_events'::regclass",
    )
    .fetch_one(&app.pool)
    .await
    .unwrap();
    for kind in counted.keys() {
        assert!(kinds.contains(&format!("'{kind}'")), "{kind}");
    }
}

#[sqlx::test]
async fn a_change_waits_for_its_anchor(pool: PgPool) {
    let mut app = TestApp::spawn_with(pool, &[("KEEPER__AUDIT__ANCHOR_SECONDS", "3600")], "").await;
    app.restart().await;
    for (name, expected) in [
        ("keeper_audit_chains_waiting", 0.0),
        ("keeper_audit_oldest_waiting_seconds", 0.0),
        ("keeper_audit_last_anchor_timestamp_seconds", 0.0),
    ] {
        assert!((app.metric(name).await - expected).abs() < f64::EPSILON, "{name}");
    }
    app.save(&app.administrator(), PLAIN.0, "", "another password").await.assert_saved();
    let waiting = app.metric("keeper_audit_oldest_waiting_seconds").await;
    assert!(waiting > 0.0 && waiting < 60.0, "{waiting}");
    app.wait_for_metric("keeper_audit_chains_waiting", 1.0).await;
    // A user without credentials has a chain, too.
    let body = json!({"AssociateId": 0, "Name": "newcomer", "UserType": "InternalAssociate"});
    let path = "/api/v1/Agents/User/SaveUser";
    app.post(path, &app.administrator(), &body).await.assert_status(200);
    app.wait_for_metric("keeper_audit_chains_waiting", 2.0).await;
    app.reconfigure(&[("KEEPER__AUDIT__ANCHOR_SECONDS", "1")]).await;
    app.save(&app.administrator(), PLAIN.0, "", "yet another password").await.assert_saved();
    app.wait_for_metric("keeper_audit_chains_waiting", 0.0).await;
    app.wait_for_metric("keeper_audit_oldest_waiting_seconds", 0.0).await;
    let logged = app.metric("keeper_audit_last_anchor_timestamp_seconds").await;
    assert!((seconds_since_1970() - logged).abs() < 60.0, "{logged}");
}

/// As after a change of the table, or below a release that has further roles.
#[sqlx::test]
async fn a_user_with_an_invalid_value_keeps_back_no_anchor(pool: PgPool) {
    let app = TestApp::spawn_with(pool, &[("KEEPER__AUDIT__ANCHOR_SECONDS", "3")], "").await;
    // A change is due after at least three seconds.
    for user in [ADMINISTRATOR.0, PLAIN.0] {
        app.save(&app.administrator(), user, "ActiveDirectory", &format!("S-1-5-{user}"))
            .await
            .assert_saved();
    }
    sqlx::raw_sql(
        "ALTER TABLE users DROP CONSTRAINT users_role_check;
         UPDATE users SET role = 'owner' WHERE user_id = 1",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    app.wait_for_metric("keeper_audit_chains_waiting", 0.0).await;
}

#[sqlx::test]
async fn a_change_waits_for_its_anchor_while_the_log_cannot_be_written(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.command(&["migrate"], "").assert_success();
    let operations = free_address();
    let mut command = Command::new("sh");
    command
        .args(["-c", r#"exec "$0" serve 2>/dev/full"#])
        .arg(keeper(&[]).get_program())
        .envs(app.variables())
        .env("KEEPER__OPERATIONS__LISTEN", &operations)
        .env("KEEPER__AUDIT__ANCHOR_SECONDS", "1");
    let instance = Instance::attach(command, &operations);
    instance.save(&app.administrator(), PLAIN.0, "another password").await.assert_saved();
    // The anchor, and the warning that it is missing.
    let lost = instance.metric("keeper_log_lines_lost_total").await.unwrap();
    instance.wait_for_more("keeper_log_lines_lost_total", lost + 1.0).await;
    for (name, expected) in
        [("keeper_audit_chains_waiting", 1.0), ("keeper_audit_last_anchor_timestamp_seconds", 0.0)]
    {
        assert_eq!(instance.metric(name).await, Some(expected), "{name}");
    }
    let at = instance.metric("keeper_last_lost_log_line_timestamp_seconds").await.unwrap();
    assert!((seconds_since_1970() - at).abs() < 60.0, "{at}");
}

#[sqlx::test]
async fn keys_have_an_age_and_hashes_a_scheme(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let stronger = app.spawn_instance(&[("KEEPER__HASHING__ITERATIONS", "3")]).await;
    stronger.wait_for_metric(r#"keeper_hashing_below_target{scheme="argon2id"}"#, 3.0).await;
    let surveyed = by_label(&stronger, "keeper_hashing_surveyed", "scheme").await;
    assert_eq!((surveyed["argon2id"], surveyed.values().sum::<u64>()), (3, 3));
    app.wait_for_metric(r#"keeper_hashing_surveyed{scheme="argon2id"}"#, 3.0).await;
    assert_eq!(by_label(&app, "keeper_hashing_below_target", "scheme").await["argon2id"], 0);
    let name = "keeper_keyring_key_first_used_timestamp_seconds";
    let ages = by_label(&app, name, "key").await;
    assert_eq!(ages.len(), 1);
    let states = labels_of(&app.metrics().await.body, "keeper_keyring_key");
    let (key, first_used_at) = ages.first_key_value().unwrap();
    assert_eq!(states[0].0["key"], *key);
    let stored: i64 =
        sqlx::query_scalar("SELECT extract(epoch FROM first_used_at)::bigint FROM keys")
            .fetch_one(&app.pool)
            .await
            .unwrap();
    assert!(stored.abs_diff(i64::try_from(*first_used_at).unwrap()) <= 1);
}

#[sqlx::test]
async fn a_damaged_row_counts_as_such_and_as_an_alarm(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let failures = async || by_label(&app, "keeper_unseal_failures_total", "reason").await;
    let zero = ["damaged", "unknown_key", "invalid_hash"].map(|reason| (reason.to_owned(), 0));
    assert_eq!(failures().await, BTreeMap::from(zero.clone()));
    let last =
        async || by_label(&app, "keeper_last_unseal_failure_timestamp_seconds", "reason").await;
    assert_eq!(last().await, failures().await);
    let alarms = app.metric("keeper_alarms_total").await;
    damage_row(&app).await;
    app.get(PRINCIPAL, &app.plain()).await.assert_unauthenticated();
    let mut expected = BTreeMap::from(zero);
    expected.insert("damaged".to_owned(), 1);
    assert_eq!(failures().await, expected);
    assert!((app.metric("keeper_alarms_total").await - alarms - 1.0).abs() < f64::EPSILON);
    let text = app.metrics().await.body;
    let alarm = number(&text, "keeper_last_alarm_timestamp_seconds").unwrap();
    assert!(SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs().abs_diff(alarm) < 60, "{alarm}");
    let last = last().await;
    assert!(last["damaged"].abs_diff(alarm) <= 1, "{last:?}");
    assert_eq!((last["unknown_key"], last["invalid_hash"]), (0, 0));
}

#[tokio::test]
async fn errors_of_the_database_count_by_class_and_requests_wait_for_connections() {
    let postgres = PrivateServer::start().await;
    let app = TestApp::spawn(postgres.pool.clone()).await;
    let errors = async || by_label(&app, "keeper_database_errors_total", "class").await;
    let before = errors().await;
    assert_eq!(before.len(), 9, "{before:?}");
    let waits = app.metric("keeper_database_wait_seconds_count").await;
    app.get(PRINCIPAL, &app.plain()).await.assert_status(200);
    assert!(app.metric("keeper_database_wait_seconds_count").await > waits);
    postgres.set_read_only("on").await;
    // A connection that was used within the last second is not checked.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    app.save(&app.administrator(), PLAIN.0, "", "refused").await.assert_status(503);
    let read_only = errors().await;
    assert!(read_only["read_only"] > before["read_only"], "{read_only:?}");
    postgres.set_read_only("off").await;
    postgres.stop().await;
    app.get(PRINCIPAL, &app.plain()).await.assert_status(503);
    let away = errors().await;
    assert!(away["no_connection"] > read_only["no_connection"], "{away:?}");
}

#[sqlx::test]
async fn an_invalid_row_that_fails_a_request_counts_as_inconsistent(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    sqlx::raw_sql(
        "ALTER TABLE users DROP CONSTRAINT users_user_type_check;
         UPDATE users SET user_type = 'robot' WHERE user_id = 278",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    let count = r#"keeper_database_errors_total{class="inconsistent"}"#;
    let before = app.metric(count).await;
    app.get("/api/v1/User/278", &app.administrator()).await.assert_status(500);
    app.wait_for_metric(count, before + 1.0).await;
}
