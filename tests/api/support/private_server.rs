//! A PostgreSQL server of one test.

use std::{fs, os::unix::fs::PermissionsExt, str::FromStr};

use rustix::process::Signal;
use sqlx::{
    Connection, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{Server, assert_becomes, keeper};

/// A PostgreSQL of one test, which may change its settings.
pub(crate) struct PrivateServer {
    pub(crate) server: Server,
    pub(crate) pool: PgPool,
    pub(crate) options: PgConnectOptions,
    pub(crate) folder: tempfile::TempDir,
}

impl PrivateServer {
    /// Starts the server, and applies the migrations.
    pub(crate) async fn start() -> Self {
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

    /// Runs a statement on a new connection, which has the current settings of the server.
    pub(crate) async fn execute(&self, statement: &str) {
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

    /// Turns read-only mode `on` or `off` for all sessions, and waits until it is in force.
    pub(crate) async fn set_read_only(&self, value: &str) {
        self.execute(&format!("ALTER SYSTEM SET default_transaction_read_only = {value}")).await;
        self.execute("SELECT pg_reload_conf()").await;
        assert_becomes(value == "on", async || self.is_read_only().await).await;
    }

    /// Changes a setting of the server, and waits until it is in force.
    pub(crate) async fn set(&self, name: &str, value: &str) {
        self.execute(&format!("ALTER SYSTEM SET {name} = '{value}'")).await;
        self.execute("SELECT pg_reload_conf()").await;
        let mut connection = PgConnection::connect_with(&self.options).await.unwrap();
        let current = async || {
            let current = sqlx::query_scalar("SELECT current_setting($1)").bind(name);
            current.fetch_one(&mut connection).await.unwrap()
        };
        assert_becomes::<String, _>(value, current).await;
    }

    /// Terminates the sessions of a role, and waits until they have ended: a pooler could pass on one of
    /// them meanwhile.
    pub(crate) async fn end_sessions_of(&self, role: &str) {
        self.execute(&format!(
            "SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
             WHERE usename = '{role}' AND application_name = 'credential-keeper'"
        ))
        .await;
    }

    /// Makes the server ask a role for its password.
    pub(crate) async fn require_password_of(&self, role: &str) {
        let mut connection = PgConnection::connect_with(&self.options).await.unwrap();
        let rules: String =
            sqlx::query_scalar("SHOW hba_file").fetch_one(&mut connection).await.unwrap();
        let former_rules = fs::read_to_string(&rules).unwrap();
        fs::write(&rules, format!("local all {role} scram-sha-256\n{former_rules}")).unwrap();
        self.execute("SELECT pg_reload_conf()").await;
    }

    /// Stops the server.
    pub(crate) async fn stop(self) {
        self.pool.close().await;
        self.server.signal(Signal::INT);
        let (ended_well, log) = self.server.wait();
        assert!(ended_well, "{log}");
    }
}
