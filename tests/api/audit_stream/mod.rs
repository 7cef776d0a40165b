//! The audit stream (`audit.sinks`): sinks get every audit event at least once, in order for each
//! user, without gaps.

mod ages;
mod commands;
mod copies;
mod file_sink;
mod gaps;
mod instances;
mod invalid_events;
mod kills;
mod pressure;
mod restores;
mod settings;
mod syslog;
mod upgrades;
mod webhooks;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use serde_json::Value;
use tempfile::TempDir;

use crate::support::{RETIRED, TestApp};

/// The place of an event: user and sequence.
type Place = (i64, i64);

/// A folder with the file of a sink named `archive`.
struct Archive {
    folder: TempDir,
    path: PathBuf,
}

impl Archive {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.jsonl");
        Self { folder, path }
    }

    /// The settings of the sink, with more members, and more settings of `audit`.
    fn settings_with(&self, members: &str, more: &str) -> String {
        let path = self.path.display();
        format!(
            "[audit]\nsinks = [{{ name = 'archive', type = 'file', file = '{path}'{members} }}]\n\
             {more}\n"
        )
    }

    fn settings(&self) -> String {
        self.settings_with("", "")
    }

    /// The events that were written, in their order; none while the file does not exist.
    fn events(&self) -> Vec<Value> {
        parse_lines(&fs::read_to_string(&self.path).unwrap_or_default())
    }
}

/// The events of complete lines.
fn parse_lines(text: &str) -> Vec<Value> {
    let complete = text.rsplit_once('\n').map_or("", |(complete, _)| complete);
    complete.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn place(event: &Value) -> Place {
    (event["user_id"].as_i64().unwrap(), event["sequence"].as_i64().unwrap())
}

/// Every event in the database with its MAC in hexadecimal digits.
async fn stored(app: &TestApp) -> BTreeMap<Place, String> {
    let rows: Vec<(i32, i64, String)> =
        sqlx::query_as("SELECT user_id, sequence, encode(mac, 'hex') FROM audit_events")
            .fetch_all(&app.pool)
            .await
            .unwrap();
    rows.into_iter().map(|(user, sequence, mac)| ((user.into(), sequence), mac)).collect()
}

/// Waits until the events that `read` returns are all those of the database, asserts that they came in
/// order for each user, without gaps and unchanged, and returns them.
async fn wait_for_all(app: &TestApp, read: impl Fn() -> Vec<Value>) -> Vec<Value> {
    for _ in 0..600 {
        let (events, stored) = (read(), stored(app).await);
        if events.iter().map(place).collect::<BTreeSet<_>>() == stored.keys().copied().collect() {
            assert_in_order(&events, &stored);
            return events;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let (events, stored) = (read(), stored(app).await);
    let got: BTreeSet<_> = events.iter().map(place).collect();
    let missing: Vec<_> = stored.keys().filter(|place| !got.contains(place)).collect();
    panic!("{} of {} events are missing: {missing:?}", missing.len(), stored.len());
}

/// Asserts that the first occurrences of each user's events are in order without gaps, and that each
/// event is that of the database.
fn assert_in_order(events: &[Value], stored: &BTreeMap<Place, String>) {
    let mut last: BTreeMap<i64, i64> = BTreeMap::new();
    for event in events {
        let (user, sequence) = place(event);
        assert_eq!(event["mac"], stored[&(user, sequence)], "{event}");
        let last = last.entry(user).or_default();
        assert!(sequence <= *last + 1, "event {sequence} of user {user} came after {last}");
        *last = sequence.max(*last);
    }
}

/// Undoes what `spawn` does to the retired user without an event.
async fn reactivate(app: &TestApp) {
    sqlx::query("UPDATE users SET is_retired = false WHERE user_id = $1")
        .bind(RETIRED.0)
        .execute(&app.pool)
        .await
        .unwrap();
}

/// Asserts that `audit verify` finds nothing in the database and in a copy.
async fn assert_verified(app: &TestApp, copy: &Path) {
    reactivate(app).await;
    app.command(&["audit", "verify", "--events", copy.to_str().unwrap()], "").assert_success();
}
