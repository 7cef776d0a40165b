//! A synchronous standby that is gone: logins go on, no change is acknowledged, and the anchors of
//! changes wait.

use std::{collections::BTreeMap, time::Duration};

use reqwest::Method;
use rustix::process::Signal;
use serde_json::Value;

use crate::support::{
    Answer, Credentials, Instance, PLAIN, PRINCIPAL, PrivateServer, SERVICE_ROLE, Standby, TestApp,
    keeper, password_of, run_with_input, wait_until,
};

/// A request gets its answer within nine seconds.
const TIME_LIMITS: [(&str, &str); 4] = [
    ("KEEPER__HTTP__ANSWER_TIMEOUT_SECONDS", "9"),
    ("KEEPER__HASHING__DEADLINE_SECONDS", "3"),
    ("KEEPER__DATABASE__ACQUIRE_TIMEOUT_SECONDS", "2"),
    ("KEEPER__DATABASE__LOCK_TIMEOUT_SECONDS", "1"),
];

const STANDBYS: &str = "synchronous_standby_names";
const WAITING_CHAINS: &str = "keeper_audit_chains_waiting";

/// The users whose credentials are changed while the standby is gone.
const CHANGED: [(i32, &str); 5] =
    [(401, "first"), (402, "second"), (403, "third"), (404, "fourth"), (405, "fifth")];

/// Another administrator.
const OTHER: (i32, &str) = (406, "other");

const FINDING: &str = "committed changes survive the loss of the PostgreSQL server";

fn replication_by_doctor(app: &TestApp) -> String {
    let mut command = keeper(&["--json", "doctor"]);
    command.envs(app.variables());
    let finished = run_with_input(command, "");
    let findings: Value = serde_json::from_str(&finished.stdout).unwrap();
    let of = |finding: &Value| (finding["what"].to_string(), finding["verdict"].to_string());
    let verdicts: BTreeMap<_, _> = findings.as_array().unwrap().iter().map(of).collect();
    verdicts[&format!("\"{FINDING}\"")].clone()
}

async fn readiness(app: &TestApp) -> (u16, String) {
    let answer = app.client.get(format!("{}/health/ready", app.operations)).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn logins_go_on_without_the_synchronous_standby_and_no_change_is_acknowledged() {
    let postgres = PrivateServer::start().await;
    let maximum = [("KEEPER__DATABASE__MAXIMUM_CONNECTIONS", "3")];
    let variables = [TIME_LIMITS.as_slice(), &maximum].concat();
    let app = TestApp::spawn_with(postgres.pool.clone(), &variables, "").await;
    let administrator = app.administrator();
    let user = app.plain();
    for (id, name) in CHANGED {
        app.add_user((id, name), &[]);
    }
    app.add_user(OTHER, &["--administrator"]);
    let other = Credentials::basic(OTHER.1, &password_of(OTHER.1));
    assert_eq!(replication_by_doctor(&app), "\"note\"");

    // The name of a standby without a name of its own.
    postgres.set(STANDBYS, "walreceiver").await;
    assert_eq!(replication_by_doctor(&app), "\"pass\"");

    // More changes than there are connections for them.
    let changes = CHANGED.iter().map(|(id, name)| app.save(&administrator, *id, "", name));
    for answer in futures_util::future::join_all(changes).await {
        assert_eq!(answer.status.as_u16(), 503, "{answer:?}");
    }
    for _ in 0..2 {
        app.get(PRINCIPAL, &user).await.assert_status(200);
        app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, "wrong")).await.assert_status(401);
        let ticket = Credentials::Ticket(app.ticket(&user).await);
        app.get(PRINCIPAL, &ticket).await.assert_status(200);
        let session = app.session(PLAIN.1).await;
        app.get(PRINCIPAL, &session).await.assert_status(200);
        let token = Credentials::Bearer(app.token(&user).await);
        app.get(PRINCIPAL, &token).await.assert_status(200);
    }
    let expected = (200, "ready; changes wait for a synchronous standby\n".to_owned());
    assert_eq!(readiness(&app).await, expected);
    // Another caller, whose own requests use no connection.
    app.save(&other, CHANGED[4].0, "", "refused").await.assert_status(503);
    // Ending sessions is a change, and takes none of the connections that logins need either.
    let path = format!("/keeper/users/{}/tickets", PLAIN.0);
    let end = app.request(Method::DELETE, &path, &other).send().await.unwrap();
    let ended = Answer::read(end).await;
    ended.assert_refused(503, "SoServiceUnavailableException", "database_unavailable");

    // The standby arrives: the changes that waited are complete, and new ones are acknowledged.
    let standby = Standby::follow(&postgres).await;
    wait_until("a save is acknowledged", async || {
        app.save(&administrator, PLAIN.0, "", "again").await.status.is_success()
    })
    .await;
    app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, "again")).await.assert_status(200);
    app.assert_intact_chains().await;
    assert_eq!(readiness(&app).await, (200, "ready\n".to_owned()));
    drop((app, standby));
    postgres.stop().await;
}

/// Saves a credential of the first of the users above on an instance with anchors, while no standby
/// confirms the commit.
async fn save_without_standby(postgres: &PrivateServer, period: &str) -> (TestApp, Instance) {
    let app = TestApp::spawn_with(postgres.pool.clone(), &TIME_LIMITS, "").await;
    app.add_user(CHANGED[0], &[]);
    let instance = Instance::start(&app, &[("KEEPER__AUDIT__ANCHOR_SECONDS", period)]);
    postgres.set(STANDBYS, "walreceiver").await;
    instance.save(&app.administrator(), CHANGED[0].0, "another").await.assert_status(503);
    (app, instance)
}

/// The number of the last event of the first of the users above.
async fn last_event(app: &TestApp) -> i64 {
    let query = "SELECT audit_sequence FROM users WHERE user_id = $1";
    sqlx::query_scalar(query).bind(CHANGED[0].0).fetch_one(&app.pool).await.unwrap()
}

/// True if a log has an anchor of this event of the first of the users above.
fn has_anchor(log: &str, sequence: i64) -> bool {
    let user_id = CHANGED[0].0.to_string();
    let mut lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines.any(|line| {
        line["message"] == "anchor"
            && line["user.target.id"] == user_id
            && line["keeper.audit.sequence"] == sequence
    })
}

#[tokio::test]
async fn a_change_that_waits_for_the_standby_gets_its_anchor_after_its_commit() {
    let postgres = PrivateServer::start().await;
    let (app, instance) = save_without_standby(&postgres, "1").await;
    let before = last_event(&app).await;
    // One lost connection invalidates all others, also that of the commit.
    postgres
        .execute(&format!(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
             WHERE usename = '{SERVICE_ROLE}' AND state = 'idle'"
        ))
        .await;
    // A login does not wait, and the anchor of its event shows that a period has passed.
    instance.ticket(&app.plain()).await;
    instance.wait_for_metric(WAITING_CHAINS, 1.0).await;
    let oldest = instance.metric("keeper_audit_oldest_waiting_seconds").await;
    // The save got its answer after more than that.
    assert!(oldest > Some(5.0), "{oldest:?}");
    assert_eq!(last_event(&app).await, before);
    instance.wait_for_metric("keeper_changes_in_progress", 1.0).await;

    postgres.set(STANDBYS, "").await;
    instance.wait_for_metric(WAITING_CHAINS, 0.0).await;
    assert_eq!(last_event(&app).await, before + 1);
    let log = instance.stop();
    assert!(has_anchor(&log, before + 1), "{log}");
    drop(app);
    postgres.stop().await;
}

#[tokio::test]
async fn an_instance_that_stops_waits_for_commits_to_log_their_anchors() {
    let postgres = PrivateServer::start().await;
    let (app, instance) = save_without_standby(&postgres, "3600").await;
    let before = last_event(&app).await;
    instance.server.signal(Signal::TERM);
    let is_closed = async || instance.client.get(&instance.server.ready).send().await.is_err();
    wait_until("it accepts no connections", is_closed).await;
    // Less than an instance waits for commits.
    tokio::time::sleep(Duration::from_millis(500)).await;
    postgres.set(STANDBYS, "").await;
    let (ended_well, log) = instance.server.wait();
    assert!(ended_well && has_anchor(&log, before + 1), "{log}");
    drop(app);
    postgres.stop().await;
}
