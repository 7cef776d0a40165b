//! Changes of the database server while the service runs: read-only mode, altered tables, ended
//! sessions, too few connections, a new password. The service answers 503 and then recovers.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use sqlx::{PgPool, Postgres, Transaction};

use crate::support::{
    Answer, Credentials, DatabaseProxy, PLAIN, PRINCIPAL, PrivateServer, SERVICE_ROLE, TestApp,
};

/// `http.answer_timeout_seconds` of the tests.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(180);

fn assert_unavailable(answer: &Answer) {
    answer.assert_refused(503, "SoServiceUnavailableException", "database_unavailable");
    assert_eq!(answer.header("retry-after"), "1");
}

async fn readiness(app: &TestApp) -> (u16, String) {
    let answer = app.client.get(format!("{}/health/ready", app.operations)).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn a_read_only_server_answers_503_until_it_is_writable_again() {
    let postgres = PrivateServer::start().await;
    let app = TestApp::spawn(postgres.pool.clone()).await;
    let administrator = app.administrator();
    let token = Credentials::Raw(format!("Bearer {}", app.token(&administrator).await));
    app.save(&administrator, PLAIN.0, "", "before").await.assert_saved();
    assert_eq!(readiness(&app).await.0, 200);

    postgres.set_read_only("on").await;
    // A demoted server may lack the last changes, so that nobody reads from it, either. A connection
    // that was used within the last second is not checked.
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert_unavailable(&app.get(PRINCIPAL, &token).await);
    for _ in 0..3 {
        assert_unavailable(&app.save(&administrator, PLAIN.0, "", "meanwhile").await);
        assert_unavailable(&app.save(&token, PLAIN.0, "", "meanwhile").await);
    }
    let (status, reason) = readiness(&app).await;
    assert_eq!(status, 503);
    assert!(reason.contains("the database server is read-only"), "{reason}");

    postgres.set_read_only("off").await;
    app.save(&token, PLAIN.0, "", "afterwards").await.assert_saved();
    app.save(&administrator, PLAIN.0, "", "afterwards").await.assert_saved();
    assert_eq!(readiness(&app).await, (200, "ready\n".to_owned()));
    drop(app);
    postgres.stop().await;
}

#[tokio::test]
async fn requests_succeed_after_altered_tables_and_terminated_sessions() {
    let postgres = PrivateServer::start().await;
    let app = TestApp::spawn(postgres.pool.clone()).await;
    let administrator = app.administrator();
    let token = Credentials::Raw(format!("Bearer {}", app.token(&administrator).await));
    let assert_all_succeed = async |step: &str| {
        app.get(PRINCIPAL, &administrator).await.assert_status(200);
        app.get(PRINCIPAL, &token).await.assert_status(200);
        app.save(&token, PLAIN.0, "", step).await.assert_saved();
        app.post("/api/v1/Agents/User/GetUser?userId=278", &token, &serde_json::Value::Null)
            .await
            .assert_status(200);
    };
    assert_all_succeed("before").await;
    // Every prepared statement that reads this column now has another result type.
    postgres.execute("ALTER TABLE users ALTER COLUMN login_name TYPE varchar(400)").await;
    assert_all_succeed("changed").await;
    postgres.end_sessions_of(SERVICE_ROLE).await;
    assert_all_succeed("ended").await;
    drop(app);
    postgres.stop().await;
}

#[tokio::test]
async fn requests_queue_for_few_connections_and_a_new_password_is_read_at_once() {
    let postgres = PrivateServer::start().await;
    postgres
        .execute(
            "CREATE ROLE service LOGIN PASSWORD 'first' CONNECTION LIMIT 2;
         GRANT ALL ON ALL TABLES IN SCHEMA public TO service;
         GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO service;",
        )
        .await;
    postgres.require_password_of("service").await;
    let password = postgres.folder.path().join("password");
    fs::write(&password, "first\n").unwrap();
    fs::set_permissions(&password, PermissionsExt::from_mode(0o400)).unwrap();
    let url = postgres.server.ready.replace("//keeper@", "//service@");
    let variables = [
        ("KEEPER__DATABASE__URL", url.as_str()),
        ("KEEPER__DATABASE__PASSWORD_FILE", password.to_str().unwrap()),
        ("KEEPER__DATABASE__MAXIMUM_CONNECTIONS", "16"),
    ];
    let app = TestApp::spawn_with(postgres.pool.clone(), &variables, "").await;
    let administrator = app.administrator();
    let saves = (0..24).map(|number| {
        let (app, administrator) = (&app, &administrator);
        async move { app.save(administrator, PLAIN.0, "", &format!("value {number}")).await }
    });
    for answer in join_all(saves).await {
        answer.assert_saved();
    }

    postgres.execute("ALTER ROLE service PASSWORD 'second'").await;
    postgres.end_sessions_of("service").await;
    assert_unavailable(&app.save(&administrator, PLAIN.0, "", "meanwhile").await);
    let (status, reason) = readiness(&app).await;
    assert_eq!(
        (status, reason.as_str()),
        (503, "not ready: the database server refused the role or its password\n")
    );
    fs::set_permissions(&password, PermissionsExt::from_mode(0o600)).unwrap();
    fs::write(&password, "second\n").unwrap();
    app.save(&administrator, PLAIN.0, "", "afterwards").await.assert_saved();
    assert_eq!(readiness(&app).await.0, 200);
    drop(app);
    postgres.stop().await;
}

/// The application behind a proxy, with a token of the administrator and eight open connections that
/// were just used.
async fn with_open_connections(pool: PgPool) -> (TestApp, DatabaseProxy, Credentials) {
    let proxy = DatabaseProxy::start(&pool).await;
    let variables = [
        ("KEEPER__DATABASE__URL", proxy.url.as_str()),
        ("KEEPER__DATABASE__ACQUIRE_TIMEOUT_SECONDS", "5"),
    ];
    let app = TestApp::spawn_with(pool, &variables, "").await;
    let token = Credentials::Raw(format!("Bearer {}", app.token(&app.administrator()).await));
    // Sessions that wait for a lock, so that each has a connection of its own.
    let held = hold_plain(&app).await;
    let saves = (0..8).map(|number| {
        let (app, token) = (&app, &token);
        async move { app.save(token, PLAIN.0, "", &format!("value {number}")).await }
    });
    let release = async {
        app.wait_for_blocked_sessions(8).await;
        held.rollback().await.unwrap();
    };
    let (answers, ()) = tokio::join!(join_all(saves), release);
    for answer in answers {
        answer.assert_saved();
    }
    (app, proxy, token)
}

/// Locks the row of the plain user.
async fn hold_plain(app: &TestApp) -> Transaction<'static, Postgres> {
    let mut held = app.pool.begin().await.unwrap();
    sqlx::raw_sql("SELECT 1 FROM users WHERE user_id = 278 FOR UPDATE")
        .execute(&mut *held)
        .await
        .unwrap();
    held
}

#[sqlx::test]
async fn half_open_connections_cost_one_check_and_no_request(pool: PgPool) {
    let (app, proxy, token) = with_open_connections(pool).await;
    // A connection that was idle for a second is checked before use.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let open = proxy.swallow_open_connections();
    assert!(open >= 8, "{open}");
    for number in 0..8 {
        app.save(&token, PLAIN.0, "", &format!("afterwards {number}")).await.assert_saved();
        assert_eq!(readiness(&app).await.0, 200);
    }
    // One by a request, and at most one by work in the background at the same moment.
    let checked = proxy.swallowed();
    assert!((1..=2).contains(&checked), "{checked} of {open} connections were checked");
}

#[sqlx::test]
async fn half_open_connections_that_were_just_used_cost_no_request(pool: PgPool) {
    let (app, proxy, token) = with_open_connections(pool).await;
    proxy.swallow_open_connections();
    let requests = (0..8).map(|number| {
        let (app, token) = (&app, &token);
        async move { app.save(token, PLAIN.0, "", &format!("afterwards {number}")).await }
    });
    for answer in join_all(requests).await {
        answer.assert_saved();
    }
    assert!(proxy.swallowed() >= 1);
}

#[sqlx::test]
async fn a_save_whose_lock_is_granted_unheard_ends_before_its_time_limit(pool: PgPool) {
    let (app, proxy, token) = with_open_connections(pool).await;
    let held = hold_plain(&app).await;
    let lose = async {
        app.wait_for_blocked_sessions(1).await;
        proxy.swallow_open_connections();
        held.rollback().await.unwrap();
        Instant::now()
    };
    let (answer, lost) = tokio::join!(app.save(&token, PLAIN.0, "", "lost"), lose);
    assert!(lost.elapsed() < ANSWER_TIMEOUT, "{:?}", lost.elapsed());
    assert_unavailable(&answer);
    // Nothing was done, and the lock is free.
    app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, "lost")).await.assert_status(401);
    app.save(&token, PLAIN.0, "", "afterwards").await.assert_saved();
}

#[sqlx::test]
async fn a_save_that_waits_for_a_lock_keeps_its_connection(pool: PgPool) {
    let (app, _proxy, token) = with_open_connections(pool).await;
    let held = hold_plain(&app).await;
    let release = async {
        app.wait_for_blocked_sessions(1).await;
        // Longer than the time after which connections are examined.
        tokio::time::sleep(Duration::from_millis(2500)).await;
        held.rollback().await.unwrap();
    };
    let (answer, ()) = tokio::join!(app.save(&token, PLAIN.0, "", "after the lock"), release);
    answer.assert_saved();
}

#[sqlx::test]
async fn a_request_ends_before_its_time_limit_when_nothing_is_acknowledged(pool: PgPool) {
    let (app, proxy, token) = with_open_connections(pool).await;
    proxy.cut_off();
    let begin = Instant::now();
    assert_unavailable(&app.get(PRINCIPAL, &token).await);
    assert!(begin.elapsed() < ANSWER_TIMEOUT, "{:?}", begin.elapsed());
}

/// Ends the connections of the service, as a restart of the server does.
async fn end_connections(app: &TestApp) {
    let statement = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE datname = current_database() AND application_name = 'credential-keeper'";
    sqlx::raw_sql(statement).execute(&app.pool).await.unwrap();
}

#[sqlx::test]
async fn an_instance_stays_ready_when_its_connections_are_ended(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    for _ in 0..5 {
        assert_eq!(readiness(&app).await, (200, "ready\n".to_owned()));
        end_connections(&app).await;
    }
}

/// Otherwise, a service whose requests give up earlier would never get a connection.
async fn assert_attempt_outlasts_its_request(pool: PgPool, proxy: &DatabaseProxy, url: &str) {
    let variables =
        [("KEEPER__DATABASE__URL", url), ("KEEPER__DATABASE__ACQUIRE_TIMEOUT_SECONDS", "1")];
    let app = TestApp::spawn_with(pool, &variables, "").await;
    let token = Credentials::Raw(format!("Bearer {}", app.token(&app.administrator()).await));
    // A connection takes several round trips, longer than a request waits.
    proxy.delay_replies(Duration::from_millis(600));
    end_connections(&app).await;
    assert_unavailable(&app.get(PRINCIPAL, &token).await);
    let mut answers = Vec::new();
    while answers.last() != Some(&200) && answers.len() < 10 {
        answers.push(app.get(PRINCIPAL, &token).await.status.as_u16());
    }
    assert_eq!(answers.last(), Some(&200), "{answers:?}");
}

#[sqlx::test]
async fn an_attempt_to_connect_goes_on_when_its_request_gives_up(pool: PgPool) {
    let proxy = DatabaseProxy::start(&pool).await;
    assert_attempt_outlasts_its_request(pool, &proxy, &proxy.url).await;
}

#[sqlx::test]
async fn an_attempt_to_connect_to_one_of_several_hosts_goes_on_as_well(pool: PgPool) {
    let proxy = DatabaseProxy::start(&pool).await;
    let (hosts, database) = proxy.url.rsplit_once('/').unwrap();
    let url = format!("{hosts},127.0.0.1:1/{database}");
    assert_attempt_outlasts_its_request(pool, &proxy, &url).await;
}
