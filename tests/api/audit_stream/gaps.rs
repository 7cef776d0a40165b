//! Transactions that commit in another order than that of their positions.

use std::time::Duration;

use sqlx::{PgConnection, PgPool, Postgres, Transaction};
use tokio::task::{JoinHandle, spawn_blocking};

use super::{Archive, place, wait_for_all};
use crate::support::{
    CommandOutput, Instance, PLAIN, RETIRED, TestApp, keeper, run_with_input, wait_until,
};

/// Appends an event of the retired user, which takes the next position.
async fn append(connection: &mut PgConnection, sequence: i64) {
    sqlx::query(
        "INSERT INTO audit_events (user_id, sequence, occurred_at, kind, scheme, request_id,
                                   session_epoch, key_id, mac)
         SELECT user_id, $1, clock_timestamp(), 'user_retired', scheme, request_id, session_epoch, key_id,
                mac
         FROM audit_events WHERE user_id = $2 AND sequence = 1",
    )
    .bind(sequence)
    .bind(RETIRED.0)
    .execute(connection)
    .await
    .unwrap();
}

#[sqlx::test]
async fn an_event_waits_for_earlier_ones_that_are_not_committed(pool: PgPool) {
    let archive = Archive::new();
    let app = TestApp::spawn_with(pool, &[], &archive.settings()).await;
    wait_for_all(&app, || archive.events()).await;
    let before = archive.events().len();
    let mut transaction = app.pool.begin().await.unwrap();
    append(&mut transaction, 4).await;
    app.save(&app.administrator(), PLAIN.0, "", "later").await.assert_saved();
    app.wait_for_metric("keeper_audit_sink_backlog{sink=\"archive\"}", 2.0).await;
    // Long enough for several looks.
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(archive.events().len(), before, "an event overtook an earlier one");
    transaction.commit().await.unwrap();
    let events = wait_for_all(&app, || archive.events()).await;
    let last: Vec<_> = events.iter().skip(before).map(place).collect();
    assert_eq!(last, [(RETIRED.0.into(), 4), (PLAIN.0.into(), 3)]);
}

#[sqlx::test]
async fn a_long_wait_for_earlier_events_is_in_the_log(pool: PgPool) {
    let archive = Archive::new();
    let mut app = TestApp::spawn_with(pool, &[], &archive.settings()).await;
    wait_for_all(&app, || archive.events()).await;
    app.stop().await;
    let instance = Instance::start(&app, &[]);
    let mut transaction = app.pool.begin().await.unwrap();
    append(&mut transaction, 4).await;
    instance.save(&app.administrator(), PLAIN.0, "later").await.assert_saved();
    // Several looks after the warning.
    tokio::time::sleep(Duration::from_secs(8)).await;
    transaction.commit().await.unwrap();
    wait_for_all(&app, || archive.events()).await;
    let log = instance.stop();
    let warnings = log.matches("audit events wait for transactions").count();
    assert_eq!(warnings, 1, "{log}");
}

#[sqlx::test]
async fn an_event_does_not_wait_for_positions_that_were_rolled_back(pool: PgPool) {
    let archive = Archive::new();
    let app = TestApp::spawn_with(pool, &[], &archive.settings()).await;
    // This transaction lasts, and has written no event.
    let mut other = app.pool.begin().await.unwrap();
    sqlx::query("UPDATE users SET display_name = 'x' WHERE user_id = $1")
        .bind(RETIRED.0)
        .execute(&mut *other)
        .await
        .unwrap();
    for sequence in 4..7 {
        let mut transaction = app.pool.begin().await.unwrap();
        append(&mut transaction, sequence).await;
        transaction.rollback().await.unwrap();
        app.save(&app.administrator(), PLAIN.0, "", &sequence.to_string()).await.assert_saved();
    }
    wait_for_all(&app, || archive.events()).await;
    app.wait_for_metric("keeper_audit_sink_backlog{sink=\"archive\"}", 0.0).await;
}

/// Moves the sink in another process.
fn move_to(app: &TestApp, point: &str) -> JoinHandle<CommandOutput> {
    let mut command = keeper(&["audit", "stream", "--sink", "archive", "--from", point]);
    command.envs(app.variables());
    spawn_blocking(move || run_with_input(command, ""))
}

#[sqlx::test]
async fn no_point_skips_events_that_are_not_committed(pool: PgPool) {
    let archive = Archive::new();
    let app = TestApp::spawn_with(pool, &[], &archive.settings()).await;
    wait_for_all(&app, || archive.events()).await;
    let before = archive.events().len();
    let now: String = sqlx::query_scalar(
        "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')",
    )
    .fetch_one(&app.pool)
    .await
    .unwrap();
    let mut transaction = app.pool.begin().await.unwrap();
    append(&mut transaction, 4).await;
    app.save(&app.administrator(), PLAIN.0, "", "later").await.assert_saved();
    // Each command waits for the transaction, and then changes nothing.
    for moved in [move_to(&app, "end"), move_to(&app, &now)] {
        moved.await.unwrap().assert_error("timed out waiting for transactions");
    }
    let moved = move_to(&app, &now);
    tokio::time::sleep(Duration::from_secs(2)).await;
    transaction.commit().await.unwrap();
    moved.await.unwrap().assert_success();
    let events = wait_for_all(&app, || archive.events()).await;
    let last: Vec<_> = events.iter().skip(before).take(2).map(place).collect();
    assert_eq!(last, [(RETIRED.0.into(), 4), (PLAIN.0.into(), 3)]);
}

/// A transaction with an event whose position is before all that are visible.
async fn hold_first(app: &TestApp) -> Transaction<'static, Postgres> {
    sqlx::raw_sql(
        "UPDATE audit_events SET position = position + 100;
         SELECT setval('audit_events_position_seq', 1, false)",
    )
    .execute(&app.pool)
    .await
    .unwrap();
    let mut transaction = app.pool.begin().await.unwrap();
    append(&mut transaction, 4).await;
    sqlx::raw_sql("SELECT setval('audit_events_position_seq', 1000)")
        .execute(&app.pool)
        .await
        .unwrap();
    transaction
}

/// Waits until the event of [`hold_first`] is in the archive.
async fn wait_for_first(archive: &Archive) {
    let has_event = || archive.events().iter().any(|event| place(event) == (RETIRED.0.into(), 4));
    wait_until("the archive has the event", async || has_event()).await;
}

#[sqlx::test]
async fn a_new_sink_gets_events_before_the_visible_ones(pool: PgPool) {
    let archive = Archive::new();
    let mut app = TestApp::spawn(pool).await;
    let transaction = hold_first(&app).await;
    app.rewrite_settings(&archive.settings());
    app.restart().await;
    let count = || sqlx::query_scalar("SELECT count(*) FROM audit_sinks").fetch_one(&app.pool);
    wait_until("the sink exists", async || count().await.unwrap_or(0) == 1_i64).await;
    transaction.commit().await.unwrap();
    wait_for_first(&archive).await;
}

#[sqlx::test]
async fn the_first_point_is_before_events_that_are_not_committed(pool: PgPool) {
    let archive = Archive::new();
    let app = TestApp::spawn_with(pool, &[], &archive.settings()).await;
    wait_for_all(&app, || archive.events()).await;
    let transaction = hold_first(&app).await;
    move_to(&app, "first").await.unwrap().assert_success();
    transaction.commit().await.unwrap();
    wait_for_first(&archive).await;
}
