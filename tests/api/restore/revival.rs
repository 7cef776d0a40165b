//! A restored database ends the sessions, tickets, tokens and links that it would revive.

use serde_json::Value;
use sqlx::PgPool;

use super::{Dump, OtherDatabase, history};
use crate::support::{ADMINISTRATOR, Credentials, PLAIN, PRINCIPAL, TestApp, password_of};

/// What a user holds: a ticket, an access token and a session.
async fn issue(app: &TestApp, user: &str) -> [Credentials; 3] {
    let password = Credentials::basic(user, &password_of(user));
    [
        Credentials::Ticket(app.ticket(&password).await),
        Credentials::Bearer(app.token(&password).await),
        app.session(user).await,
    ]
}

async fn assert_valid(app: &TestApp, issued: &[Credentials]) {
    for credentials in issued {
        app.get(PRINCIPAL, credentials).await.assert_status(200);
    }
}

async fn assert_ended(app: &TestApp, issued: &[Credentials]) {
    for credentials in issued {
        app.get(PRINCIPAL, credentials).await.assert_unauthenticated();
    }
}

/// The sequence of the last event of the plain user.
async fn last_event(pool: &PgPool) -> i64 {
    let statement = "SELECT audit_sequence FROM users WHERE user_id = 278";
    sqlx::query_scalar(statement).fetch_one(pool).await.unwrap()
}

/// Waits until the next second of the clock begins.
async fn wait_for_next_second() {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    tokio::time::sleep(std::time::Duration::from_nanos(
        1_000_000_000 - u64::from(now.subsec_nanos()),
    ))
    .await;
}

/// The problems that `restore check` names: check, user and finding.
fn findings(app: &TestApp, anchors: &str) -> (i32, Vec<(String, Value, String)>) {
    let output = app.command(&["--json", "restore", "check", "--anchors", anchors], "");
    let rows: Vec<Value> = serde_json::from_str(&output.stdout).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let row = |row: &Value| (text(&row["check"]), row["user"].clone(), text(&row["finding"]));
    (output.code, rows.iter().map(row).collect())
}

#[sqlx::test]
async fn a_dump_restored_elsewhere_ends_what_was_issued_before_and_names_what_is_missing(
    pool: PgPool,
) {
    let mut app = TestApp::spawn(pool).await;
    app.command(&["migrate"], "").assert_success();
    sqlx::query("UPDATE users SET is_retired = false").execute(&app.pool).await.unwrap();
    let of_administrator = issue(&app, ADMINISTRATOR.1).await;
    let revoked = issue(&app, PLAIN.1).await;
    // Restarts keep what is valid.
    app.restart().await;
    assert_valid(&app, &of_administrator).await;
    assert_eq!(history(&app.pool).await, ["created", "identified"]);

    let dump = Dump::of(&app);
    let last = last_event(&app.pool).await;
    // These end what was issued, in the time that the dump does not know.
    app.save(&app.administrator(), PLAIN.0, "", "another password").await.assert_saved();
    assert_ended(&app, &revoked).await;
    let later =
        Credentials::Bearer(app.token(&Credentials::basic(PLAIN.1, "another password")).await);
    let anchored = last_event(&app.pool).await;
    assert!(anchored > last);
    let anchors = tempfile::NamedTempFile::new().unwrap();
    let printed = app.command(&["audit", "anchor"], "").assert_success();
    std::fs::write(anchors.path(), printed).unwrap();

    let restored = OtherDatabase::restored_from(&dump, &app).await;
    app.stop().await;
    app.extend_variables(&[("KEEPER__DATABASE__URL", &restored.service_url())]);
    let (code, found) = findings(&app, anchors.path().to_str().unwrap());
    let missing = format!(
        "events after the backup are missing: {} (the anchor has event {}, the database ends with {last})",
        anchored - last,
        anchored,
    );
    let user = Value::from(PLAIN.0);
    assert_eq!((code, found), (1, vec![("anchors".to_owned(), user, missing)]));

    app.start().await;
    assert_ended(&app, &of_administrator).await;
    assert_ended(&app, &revoked).await;
    // The token of the lost time does not become valid when its epoch is reached again.
    app.save(&app.administrator(), PLAIN.0, "", &password_of(PLAIN.1)).await.assert_saved();
    assert_ended(&app, &[later]).await;
    assert_eq!(history(&restored.pool).await, ["created", "identified", "copied"]);
    // The database is in use now: nothing ends again.
    let issued = issue(&app, PLAIN.1).await;
    app.restart().await;
    assert_valid(&app, &issued).await;
    assert_eq!(history(&restored.pool).await, ["created", "identified", "copied"]);
    app.stop().await;
    restored.drop().await;
}

#[sqlx::test]
async fn a_dump_restored_over_its_database_ends_what_was_issued_before(pool: PgPool) {
    let mut app = TestApp::spawn(pool).await;
    let issued = issue(&app, PLAIN.1).await;
    let link = "INSERT INTO password_links VALUES
        (278, decode(repeat('00', 32), 'hex'), decode(repeat('00', 32), 'hex'), 1, now(), now() + interval '1 day')";
    sqlx::raw_sql(link).execute(&app.pool).await.unwrap();
    let dump = Dump::of(&app);
    app.stop().await;
    dump.restore_over(&app);
    wait_for_next_second().await;
    app.start().await;
    // What is issued in the second of the restore is invalid, so no user is let in before the next one.
    let is_over =
        "SELECT floor(extract(epoch FROM clock_timestamp())) > extract(epoch FROM noted_at)
                   FROM database_history ORDER BY entry DESC LIMIT 1";
    let is_over: bool = sqlx::query_scalar(is_over).fetch_one(&app.pool).await.unwrap();
    assert!(is_over, "the service accepts requests in the second of the restore");
    assert_ended(&app, &issued).await;
    let left = "SELECT (SELECT count(*) FROM tickets) + (SELECT count(*) FROM password_links)";
    let left: i64 = sqlx::query_scalar(left).fetch_one(&app.pool).await.unwrap();
    assert_eq!(left, 0);
    assert_eq!(history(&app.pool).await.last().unwrap(), "copied");
    assert_valid(&app, &issue(&app, PLAIN.1).await).await;
}

#[sqlx::test]
async fn an_operator_ends_everything_after_a_restore_that_cannot_be_noticed(pool: PgPool) {
    let mut app = TestApp::spawn(pool).await;
    let issued = issue(&app, PLAIN.1).await;
    let counted = app.command(&["restore", "finish"], "");
    assert_eq!(counted.code, 1);
    assert!(counted.stderr.contains("2 sessions and tickets are valid"), "{counted:?}");
    assert_valid(&app, &issued).await;
    app.command(&["restore", "finish", "--yes"], "").assert_success();
    let [ticket, token, session] = issued;
    // Tickets and sessions end at once, access tokens within a minute or at the next start.
    assert_ended(&app, &[ticket, session]).await;
    app.restart().await;
    assert_ended(&app, &[token]).await;
    assert_eq!(history(&app.pool).await, ["created", "identified", "declared"]);
}

#[sqlx::test]
async fn a_failover_keeps_sessions_and_a_restore_to_an_earlier_moment_ends_them(pool: PgPool) {
    let mut app = TestApp::spawn(pool).await;
    let issued = issue(&app, PLAIN.1).await;
    for (alive, cause) in [("4 minutes", "promoted"), ("6 minutes", "rewound")] {
        app.stop().await;
        // As if this server had come out of a recovery: its newest entry has another timeline.
        let statement = format!(
            "WITH last AS (DELETE FROM database_history WHERE entry =
                               (SELECT max(entry) FROM database_history) RETURNING *)
             INSERT INTO database_history
             SELECT entry, cause, now() - interval '{alive}', ends_sessions, pg_current_xact_id(),
                    database_oid, table_oid, system_identifier, timeline + 1 FROM last;
             DELETE FROM activity_minutes"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&app.pool).await.unwrap();
        app.start().await;
        assert_eq!(history(&app.pool).await.last().unwrap(), cause);
        if cause == "promoted" {
            assert_valid(&app, &issued).await;
        }
    }
    assert_ended(&app, &issued).await;
}
