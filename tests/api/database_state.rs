//! A server that changes under its connections: made read-only, its tables changed, its sessions
//! ended, full, or with another password. None of that is an error of this service, and none of it
//! outlasts its cause.

use std::{fs, os::unix::fs::PermissionsExt, str::FromStr};

use futures_util::future::join_all;
use rustix::process::Signal;
use sqlx::{
    Connection, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::support::{Answer, PLAIN, Server, TestApp, WHO, keeper};

/// A PostgreSQL of this test's own, which may be changed as a whole.
struct OwnServer {
    server: Server,
    pool: PgPool,
    options: PgConnectOptions,
    folder: tempfile::TempDir,
}

impl OwnServer {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let mut command = keeper(&["dev", "--database-only", "--data"]);
        command.arg(folder.path().join("data"));
        let server = Server::start(command).unwrap();
        let options = PgConnectOptions::from_str(&server.ready).unwrap();
        let pool = PgPoolOptions::new().max_connections(3).connect_with(options.clone());
        let pool = pool.await.unwrap();
        sqlx::migrate!().run(&pool).await.unwrap();
        Self { server, pool, options, folder }
    }

    /// Runs a statement on a connection of its own, which no setting of this server has reached yet.
    async fn execute(&self, statement: &str) {
        let mut connection = PgConnection::connect_with(&self.options).await.unwrap();
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement.to_owned()))
            .execute(&mut connection)
            .await
            .unwrap();
    }

    async fn is_read_only(&self) -> bool {
        let mut connection = PgConnection::connect_with(&self.options).await.unwrap();
        let setting: String = sqlx::query_scalar("SHOW default_transaction_read_only")
            .fetch_one(&mut connection)
            .await
            .unwrap();
        setting == "on"
    }

    /// Makes the server read-only or not, for every session that there is, and waits until it is.
    async fn set_read_only(&self, value: &str) {
        self.execute(&format!("ALTER SYSTEM SET default_transaction_read_only = {value}")).await;
        self.execute("SELECT pg_reload_conf()").await;
        while self.is_read_only().await != (value == "on") {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    async fn end_sessions_of(&self, role: &str) {
        self.execute(&format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE usename = '{role}' AND application_name = 'credential-keeper'"
        ))
        .await;
    }

    async fn stop(self) {
        self.pool.close().await;
        self.server.signal(Signal::INT);
        let (ended_well, log) = self.server.wait();
        assert!(ended_well, "{log}");
    }
}

fn assert_unavailable(answer: &Answer) {
    answer.assert_refused(503, "SoServiceUnavailableException", "database_unavailable");
    assert_eq!(answer.header("retry-after"), "1");
}

async fn readiness(app: &TestApp) -> (u16, String) {
    let answer = app.client.get(format!("{}/health/ready", app.operations)).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn a_server_that_turns_read_only_is_unavailable_and_no_longer_than_it_is() {
    let own = OwnServer::start().await;
    let app = TestApp::spawn(own.pool.clone()).await;
    let administrator = app.administrator();
    let token =
        crate::support::Credentials::Raw(format!("Bearer {}", app.token(&administrator).await));
    app.save(&administrator, PLAIN.0, "", "before").await.assert_saved();
    assert_eq!(readiness(&app).await.0, 200);

    own.set_read_only("on").await;
    for _ in 0..3 {
        assert_unavailable(&app.save(&administrator, PLAIN.0, "", "meanwhile").await);
        assert_unavailable(&app.save(&token, PLAIN.0, "", "meanwhile").await);
    }
    let (status, reason) = readiness(&app).await;
    assert_eq!(status, 503);
    assert!(reason.contains("the database server is read-only"), "{reason}");

    own.set_read_only("off").await;
    app.save(&token, PLAIN.0, "", "afterwards").await.assert_saved();
    app.save(&administrator, PLAIN.0, "", "afterwards").await.assert_saved();
    assert_eq!(readiness(&app).await, (200, "ready\n".to_owned()));
    drop(app);
    own.stop().await;
}

#[tokio::test]
async fn changed_tables_and_ended_sessions_are_not_noticed() {
    let own = OwnServer::start().await;
    let app = TestApp::spawn(own.pool.clone()).await;
    let administrator = app.administrator();
    let token =
        crate::support::Credentials::Raw(format!("Bearer {}", app.token(&administrator).await));
    let everything = async |step: &str| {
        app.get(WHO, &administrator).await.assert_status(200);
        app.get(WHO, &token).await.assert_status(200);
        app.save(&token, PLAIN.0, "", step).await.assert_saved();
        app.post("/api/v1/Agents/User/GetUser?userId=278", &token, &serde_json::Value::Null)
            .await
            .assert_status(200);
    };
    everything("before").await;
    // Another type of the result for every statement that reads it.
    own.execute("ALTER TABLE users ALTER COLUMN login_name TYPE varchar(400)").await;
    everything("changed").await;
    own.end_sessions_of("keeper").await;
    everything("ended").await;
    drop(app);
    own.stop().await;
}

#[tokio::test]
async fn a_role_with_few_connections_waits_in_turn_and_a_new_password_counts_at_once() {
    let own = OwnServer::start().await;
    own.execute(
        "CREATE ROLE service LOGIN PASSWORD 'first' CONNECTION LIMIT 2;
         GRANT ALL ON ALL TABLES IN SCHEMA public TO service;
         GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO service;",
    )
    .await;
    let mut connection = PgConnection::connect_with(&own.options).await.unwrap();
    let rules: String =
        sqlx::query_scalar("SHOW hba_file").fetch_one(&mut connection).await.unwrap();
    let trusting = fs::read_to_string(&rules).unwrap();
    fs::write(&rules, format!("local all service scram-sha-256\n{trusting}")).unwrap();
    own.execute("SELECT pg_reload_conf()").await;

    let password = own.folder.path().join("password");
    fs::write(&password, "first\n").unwrap();
    fs::set_permissions(&password, PermissionsExt::from_mode(0o400)).unwrap();
    let url = own.server.ready.replace("//keeper@", "//service@");
    let variables = [
        ("KEEPER__DATABASE__URL", url.as_str()),
        ("KEEPER__DATABASE__PASSWORD_FILE", password.to_str().unwrap()),
        ("KEEPER__DATABASE__MAXIMUM_CONNECTIONS", "16"),
    ];
    let app = TestApp::spawn_with(own.pool.clone(), &variables, "").await;
    let administrator = app.administrator();
    let saves = (0..24).map(|number| {
        let (app, administrator) = (&app, &administrator);
        async move { app.save(administrator, PLAIN.0, "", &format!("value {number}")).await }
    });
    for answer in join_all(saves).await {
        answer.assert_saved();
    }

    own.execute("ALTER ROLE service PASSWORD 'second'").await;
    own.end_sessions_of("service").await;
    assert_unavailable(&app.save(&administrator, PLAIN.0, "", "meanwhile").await);
    let (status, reason) = readiness(&app).await;
    assert_eq!((status, reason.as_str()), (503, "not ready: the database cannot be reached\n"));
    fs::set_permissions(&password, PermissionsExt::from_mode(0o600)).unwrap();
    fs::write(&password, "second\n").unwrap();
    app.save(&administrator, PLAIN.0, "", "afterwards").await.assert_saved();
    assert_eq!(readiness(&app).await.0, 200);
    drop(app);
    own.stop().await;
}
