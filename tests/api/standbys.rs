//! A synchronous standby that is gone: logins go on, and no change is acknowledged.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::Value;

use crate::support::{
    Answer, Credentials, PLAIN, PRINCIPAL, PrivateServer, Standby, TestApp, keeper, password_of,
    run_with_input, wait_until,
};

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
    let variables = [
        ("KEEPER__HTTP__ANSWER_TIMEOUT_SECONDS", "9"),
        ("KEEPER__HASHING__DEADLINE_SECONDS", "3"),
        ("KEEPER__DATABASE__ACQUIRE_TIMEOUT_SECONDS", "2"),
        ("KEEPER__DATABASE__LOCK_TIMEOUT_SECONDS", "1"),
        ("KEEPER__DATABASE__MAXIMUM_CONNECTIONS", "3"),
    ];
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
    postgres.set("synchronous_standby_names", "walreceiver").await;
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
