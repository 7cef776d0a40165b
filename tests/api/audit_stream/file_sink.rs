//! A file as a sink.

use std::{fs, os::unix::fs::PermissionsExt};

use futures_util::future::join_all;
use serde_json::json;
use sqlx::PgPool;

use super::{Archive, assert_verified, parse_lines, place, wait_for_all};
use crate::support::{ADMINISTRATOR, PLAIN, TestApp};

/// The members of an event.
const MEMBERS: [&str; 14] = [
    "position",
    "user_id",
    "sequence",
    "occurred_at",
    "kind",
    "actor_user_id",
    "scheme",
    "address",
    "request_id",
    "credential_type",
    "session_epoch",
    "reason",
    "key_id",
    "mac",
];

#[sqlx::test]
async fn a_sink_gets_earlier_and_new_events_with_their_macs(pool: PgPool) {
    let mut app = TestApp::spawn(pool).await;
    app.save(&app.administrator(), PLAIN.0, "", "one").await.assert_saved();
    let archive = Archive::new();
    app.rewrite_settings(&archive.settings());
    app.restart().await;
    let before = wait_for_all(&app, || archive.events()).await;
    app.save(&app.administrator(), PLAIN.0, "", "two").await.assert_saved();
    let events = wait_for_all(&app, || archive.events()).await;
    assert_eq!(events.len(), before.len() + 1, "an event was written twice");
    let last = events.last().unwrap();
    let members: Vec<_> = last.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(members, MEMBERS);
    assert_eq!(place(last), (PLAIN.0.into(), 4));
    assert_eq!((&last["kind"], &last["scheme"]), (&json!("credential_saved"), &json!("basic")));
    assert_eq!(last["actor_user_id"], ADMINISTRATOR.0);
    let positions: Vec<_> = events.iter().map(|event| event["position"].as_i64()).collect();
    assert!(positions.is_sorted(), "{positions:?}");
    assert_verified(&app, &archive.path).await;
}

#[sqlx::test]
async fn concurrent_changes_arrive_in_order_and_no_secret_does(pool: PgPool) {
    let archive = Archive::new();
    let app = TestApp::spawn_with(pool, &[], &archive.settings()).await;
    let administrator = app.administrator();
    for id in 500..508 {
        app.add_user((id, &format!("user-{id}")), &[]);
    }
    for round in 0..6 {
        let value = format!("canary-value-{round}");
        let saves = (500..508).map(|id| app.save(&administrator, id, "", &value));
        for answer in join_all(saves).await {
            answer.assert_saved();
        }
    }
    app.ticket(&app.plain()).await;
    wait_for_all(&app, || archive.events()).await;
    app.wait_for_metric("keeper_audit_sink_backlog{sink=\"archive\"}", 0.0).await;
    let text = fs::read_to_string(&archive.path).unwrap();
    assert!(!text.contains("canary") && !text.contains("-password"), "{text}");
    assert_eq!(archive.path.metadata().unwrap().permissions().mode() & 0o007, 0);
    let delivered = app.metric("keeper_audit_sink_events_delivered_total{sink=\"archive\"}").await;
    assert!(delivered >= 48.0, "{delivered}");
}

#[sqlx::test]
async fn the_file_is_rotated(pool: PgPool) {
    let archive = Archive::new();
    let settings = archive.settings_with(", rotate_bytes = 4096, keep_files = 50", "");
    let app = TestApp::spawn_with(pool, &[], &settings).await;
    let read = || {
        let mut names: Vec<_> = fs::read_dir(archive.folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .map(|path| (path.extension().unwrap().to_str().unwrap().parse().unwrap_or(0), path))
            .collect();
        // The highest number is the oldest file.
        names.sort();
        let texts =
            names.iter().rev().map(|(_, path)| fs::read_to_string(path).unwrap_or_default());
        texts.flat_map(|text| parse_lines(&text)).collect()
    };
    // Several batches: one is never divided.
    for round in 0..4 {
        for value in 0..5 {
            let value = format!("{round}-{value}");
            app.save(&app.administrator(), PLAIN.0, "", &value).await.assert_saved();
        }
        wait_for_all(&app, read).await;
    }
    assert!(archive.folder.path().join("audit.jsonl.1").exists());
}

#[sqlx::test]
async fn a_sink_that_is_away_stops_no_save_and_gets_everything_later(pool: PgPool) {
    let archive = Archive::new();
    let app = TestApp::spawn_with(pool, &[], &archive.settings()).await;
    wait_for_all(&app, || archive.events()).await;
    let away = archive.folder.path().with_extension("away");
    fs::rename(archive.folder.path(), &away).unwrap();
    for value in 0..3 {
        app.save(&app.administrator(), PLAIN.0, "", &value.to_string()).await.assert_saved();
    }
    let failures = "keeper_audit_sink_failures_total{sink=\"archive\",reason=\"unwritable\"}";
    app.wait_for_metric(failures, 1.0).await;
    app.wait_for_metric("keeper_audit_sink_backlog{sink=\"archive\"}", 3.0).await;
    fs::rename(&away, archive.folder.path()).unwrap();
    wait_for_all(&app, || archive.events()).await;
    app.wait_for_metric("keeper_audit_sink_backlog{sink=\"archive\"}", 0.0).await;
}
