//! Restored databases: events that take the places of others, and positions that are given out again.

use std::{
    collections::BTreeSet,
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
};

use sqlx::PgPool;
use tempfile::TempDir;

use super::{Archive, parse_lines, place, reactivate, stored, wait_for_all};
use crate::{
    restore::Dump,
    support::{Instance, PLAIN, TestApp, free_port, replace, wait_until, wait_until_listening},
};

/// The receiver of the how-to guide. It ends with this value.
struct GuideReceiver {
    folder: TempDir,
    port: u16,
    process: Child,
}

impl GuideReceiver {
    fn start() -> Self {
        let guide = include_str!("../../../docs/how-to/send-audit-events-to-a-siem.md");
        let (_, rest) = guide.split_once("```python\n").unwrap();
        let (program, _) = rest.split_once("```").unwrap();
        let (folder, port) = (tempfile::tempdir().unwrap(), free_port());
        let program = program.replace("9191", &port.to_string());
        fs::write(folder.path().join("receiver.py"), program).unwrap();
        let key = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=\n";
        replace(&folder.path().join("webhook-key"), key, 0o400);
        let mut process = Command::new("python3")
            .arg("receiver.py")
            .current_dir(folder.path())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        wait_until_listening("receiver.py", &mut process, &[port]);
        Self { folder, port, process }
    }

    fn settings(&self) -> String {
        format!(
            "[audit]\nsinks = [{{ name = 'siem', type = 'webhook', \
             url = 'http://127.0.0.1:{}/', key_file = '{}' }}]\n",
            self.port,
            self.folder.path().join("webhook-key").display(),
        )
    }

    /// The file of the events that it has stored.
    fn received(&self) -> PathBuf {
        self.folder.path().join("received.jsonl")
    }

    /// The places and MACs of the events that it has stored.
    fn stored(&self) -> BTreeSet<((i64, i64), String)> {
        let events = parse_lines(&fs::read_to_string(self.received()).unwrap_or_default());
        let mac = |event: &serde_json::Value| event["mac"].as_str().unwrap().to_owned();
        events.iter().map(|event| (place(event), mac(event))).collect()
    }

    /// Waits until it has every event of the database.
    async fn wait_for_all(&self, app: &TestApp) {
        wait_until("the receiver has every event", async || {
            let stored: BTreeSet<_> = stored(app).await.into_iter().collect();
            stored.is_subset(&self.stored())
        })
        .await;
    }
}

impl Drop for GuideReceiver {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A receiver that has event 3 of the plain user, and an application restored to before it.
async fn restored(pool: PgPool) -> (GuideReceiver, TestApp) {
    let receiver = GuideReceiver::start();
    let mut app = TestApp::spawn_with(pool, &[], &receiver.settings()).await;
    receiver.wait_for_all(&app).await;
    let dump = Dump::of(&app);
    app.save(&app.administrator(), PLAIN.0, "", "before the restore").await.assert_saved();
    receiver.wait_for_all(&app).await;
    app.stop().await;
    dump.restore_over(&app);
    app.start().await;
    (receiver, app)
}

#[sqlx::test]
async fn the_receiver_of_the_guide_keeps_events_that_are_new_after_a_restore(pool: PgPool) {
    let (receiver, app) = restored(pool).await;
    // This event has the user and the sequence of the one that is gone.
    app.save(&app.administrator(), PLAIN.0, "", "after the restore").await.assert_saved();
    receiver.wait_for_all(&app).await;
    let place = (i64::from(PLAIN.0), 3);
    let both = receiver.stored().into_iter().filter(|(found, _)| *found == place).count();
    assert_eq!(both, 2, "{:?}", receiver.stored());
}

#[sqlx::test]
async fn a_copy_over_a_restore_verifies_except_for_the_lost_event(pool: PgPool) {
    let (receiver, app) = restored(pool).await;
    // The first of these events takes the place of the lost one, and the second one follows it.
    for value in ["first after the restore", "second after the restore"] {
        app.save(&app.administrator(), PLAIN.0, "", value).await.assert_saved();
    }
    receiver.wait_for_all(&app).await;
    reactivate(&app).await;
    let received = receiver.received();
    let arguments = ["audit", "verify", "--events", received.to_str().unwrap()];
    let output = app.command(&arguments, "");
    assert_eq!(output.code, 1, "{output:?}");
    let gone = "event 3 of the copy is not in the database";
    assert!(output.stdout.contains(gone), "{output:?}");
    // None about the intact events 3 and 4.
    assert!(output.stderr.contains("verified, 1 findings"), "{output:?}");
}

#[sqlx::test]
async fn positions_that_are_given_out_again_raise_an_alarm(pool: PgPool) {
    let archive = Archive::new();
    let mut app = TestApp::spawn_with(pool, &[], &archive.settings()).await;
    wait_for_all(&app, || archive.events()).await;
    app.stop().await;
    // As after a logical replication, which has the values of no sequence.
    let set = "SELECT setval('audit_events_position_seq', 1, false)";
    sqlx::raw_sql(set).execute(&app.pool).await.unwrap();
    let instance = Instance::start(&app, &[]);
    instance.wait_for_metric("keeper_alarms_total", 1.0).await;
    // More than one look later, it is still one alarm.
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    assert_eq!(instance.metric("keeper_alarms_total").await, Some(1.0));
    let log = instance.stop();
    assert!(
        log.contains("new audit events get positions that the audit stream has passed"),
        "{log}"
    );
}

#[sqlx::test]
async fn events_with_one_position_are_all_delivered(pool: PgPool) {
    let archive = Archive::new();
    let mut app = TestApp::spawn(pool).await;
    // More than a batch.
    sqlx::raw_sql(
        "INSERT INTO audit_events (user_id, sequence, occurred_at, kind, scheme, request_id,
                                   session_epoch, key_id, mac)
         SELECT user_id, n, occurred_at, 'user_retired', scheme, request_id, session_epoch, key_id,
                mac
         FROM audit_events, generate_series(4, 1000) AS n WHERE user_id = 300 AND sequence = 1;
         UPDATE audit_events SET position = 7 WHERE user_id = 300",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    app.rewrite_settings(&archive.settings());
    app.restart().await;
    wait_until("the archive has every event", async || {
        let events: BTreeSet<_> = archive.events().iter().map(place).collect();
        events == stored(&app).await.into_keys().collect()
    })
    .await;
}
