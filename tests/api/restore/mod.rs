//! Restored databases: what a restore revives, what `restore check` finds, and backups of the key.

mod check;
mod key_backup;
mod printed;
mod revival;

use std::process::Command;

use sqlx::{
    AssertSqlSafe, ConnectOptions, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::support::{SERVICE_ROLE, TestApp, run_successfully};

/// A program of PostgreSQL that connects to a database.
fn client(program: &str, options: &PgConnectOptions) -> Command {
    let host = options.get_socket().map_or(options.get_host(), |socket| socket.to_str().unwrap());
    let mut command = Command::new(program);
    command.args(["--host", host, "--port", &options.get_port().to_string()]);
    command.args(["--username", options.get_username()]);
    command.args(["--dbname", options.get_database().unwrap()]);
    if let Some(password) = options.to_url_lossy().password() {
        command.env("PGPASSWORD", password);
    }
    command
}

/// A dump of the database of a test.
pub(crate) struct Dump {
    file: tempfile::NamedTempFile,
}

impl Dump {
    /// Dumps with `pg_dump`, as the owner.
    pub(crate) fn of(app: &TestApp) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut command = client("pg_dump", &app.pool.connect_options());
        run_successfully(command.arg("--format=custom").arg("--file").arg(file.path()));
        Self { file }
    }

    /// Restores with `pg_restore` over the database of the test.
    pub(crate) fn restore_over(&self, app: &TestApp) {
        let mut command = client("pg_restore", &app.pool.connect_options());
        run_successfully(command.args(["--clean", "--if-exists"]).arg(self.file.path()));
    }
}

/// A second database on the server of a test, which is dropped at its end.
struct OtherDatabase {
    owner: PgPool,
    name: String,
    pool: PgPool,
}

impl OtherDatabase {
    async fn restored_from(dump: &Dump, app: &TestApp) -> Self {
        // Each test is a process.
        let name = format!("keeper_restored_{}", std::process::id());
        for statement in
            [format!("DROP DATABASE IF EXISTS {name}"), format!("CREATE DATABASE {name}")]
        {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&app.pool).await.unwrap();
        }
        let options = app.pool.connect_options().as_ref().clone().database(&name);
        run_successfully(client("pg_restore", &options).arg(dump.file.path()));
        let pool = PgPoolOptions::new().max_connections(2).connect_with(options).await.unwrap();
        Self { owner: app.pool.clone(), name, pool }
    }

    /// The URL for the service's role.
    fn service_url(&self) -> String {
        let mut url = self.pool.connect_options().to_url_lossy();
        url.set_username(SERVICE_ROLE).unwrap();
        url.into()
    }

    async fn drop(self) {
        self.pool.close().await;
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        sqlx::raw_sql(AssertSqlSafe(drop)).execute(&self.owner).await.unwrap();
    }
}

/// The causes in the history of a database.
async fn history(pool: &PgPool) -> Vec<String> {
    let statement = "SELECT cause FROM database_history ORDER BY entry";
    sqlx::query_scalar(statement).fetch_all(pool).await.unwrap()
}
