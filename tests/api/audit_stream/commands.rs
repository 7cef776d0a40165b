//! `audit stream`: shows and moves sinks.

use serde_json::Value;
use sqlx::PgPool;

use super::{Archive, place, wait_for_all};
use crate::support::{PLAIN, TestApp};

#[sqlx::test]
async fn a_sink_goes_on_from_any_point(pool: PgPool) {
    let archive = Archive::new();
    let app = TestApp::spawn_with(pool, &[], &archive.settings()).await;
    app.save(&app.administrator(), PLAIN.0, "", "x").await.assert_saved();
    let events = wait_for_all(&app, || archive.events()).await;
    let count = events.len();
    let moved = |point: &str| {
        let arguments = ["audit", "stream", "--sink", "archive", "--from", point];
        app.command(&arguments, "").assert_success();
    };
    let listed = || {
        let text = app.command(&["--json", "audit", "stream"], "").assert_success();
        let rows: Vec<Value> = serde_json::from_str(&text).unwrap();
        assert_eq!(rows.len(), 1, "{text}");
        rows.into_iter().next().unwrap()
    };
    app.wait_for_metric("keeper_audit_sink_backlog{sink=\"archive\"}", 0.0).await;
    let row = listed();
    assert_eq!(row["sink"], "archive");
    assert_eq!(row["position"], events.last().unwrap()["position"]);
    assert_eq!(row["backlog"], 0);
    assert!(row["last_delivery"].is_string() && row["instance"].is_string(), "{row}");
    let position = events[2]["position"].to_string();
    let time = events.last().unwrap()["occurred_at"].as_str().unwrap().to_owned();
    let mut expected: Vec<_> = events.iter().map(place).collect();
    for (point, skipped) in [("first", 0), (position.as_str(), 2), (time.as_str(), count - 1)] {
        moved(point);
        expected.extend(events.iter().skip(skipped).map(place));
        wait_for_length(&archive, expected.len()).await;
        assert_eq!(archive.events().iter().map(place).collect::<Vec<_>>(), expected, "{point}");
    }
    let last = events.last().unwrap()["position"].as_i64().unwrap();
    let beyond = (last + 2).to_string();
    app.command(&["audit", "stream", "--sink", "archive", "--from", &beyond], "")
        .assert_error(&format!("beyond the end of the stream; the last event has position {last}"));
    assert_eq!(listed()["position"], last);
    // The position of the next event is the end.
    moved(&(last + 1).to_string());
    moved("end");
    app.save(&app.administrator(), PLAIN.0, "", "y").await.assert_saved();
    expected.push((PLAIN.0.into(), 4));
    wait_for_length(&archive, expected.len()).await;
    assert_eq!(archive.events().iter().map(place).collect::<Vec<_>>(), expected);
}

async fn wait_for_length(archive: &Archive, length: usize) {
    for _ in 0..600 {
        if archive.events().len() == length {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("timed out before there were {length} events: {}", archive.events().len());
}

#[sqlx::test]
async fn an_unknown_sink_and_an_invalid_point_are_refused(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let run = |arguments: &[&str]| app.command(&[&["audit", "stream"], arguments].concat(), "");
    run(&["--sink", "siem", "--from", "first"]).assert_error("sink not found");
    run(&["--sink", "siem", "--from", "yesterday"]).assert_usage_error();
    run(&["--sink", "siem"]).assert_usage_error();
    run(&["--from", "first"]).assert_usage_error();
}
