//! Runs the real application on a free port, with the database of one test.

use std::{
    collections::HashMap,
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use credential_keeper::{
    Application, InitialUser, Settings, generate_keyring, grant_roles, start_log,
};
use reqwest::{Client, ClientBuilder, Method, RequestBuilder};
use serde_json::{Value, json};
use sqlx::{ConnectOptions, PgPool};
use tempfile::TempDir;
use tokio::{runtime::Runtime, sync::oneshot, task::JoinHandle};

use super::{
    Answer, CommandOutput, Credentials, SAVE, TICKETS, TOKEN, assert_becomes, keeper,
    run_with_input, wait_until,
};

/// A running application.
pub(crate) struct TestApp {
    pub(crate) url: String,
    /// The URL of the operations listener.
    pub(crate) operations: String,
    pub(crate) pool: PgPool,
    pub(crate) client: Client,
    /// Keeps the keyring and the settings file until the test ends.
    folder: Arc<TempDir>,
    variables: HashMap<String, String>,
    /// A separate runtime, so that a test that blocks its thread does not block the application.
    runtime: Option<Runtime>,
    stop: Option<oneshot::Sender<()>>,
    running: Option<JoinHandle<()>>,
}

/// The database role of every application in a test, with the privileges that `migrate` grants. If
/// the owner has a password, the role has the same.
pub(crate) const SERVICE_ROLE: &str = "keeper_test_service";

/// The administrator that every test has: id and name. The password is `<name>-password`.
pub(crate) const ADMINISTRATOR: (i32, &str) = (1, "anna");
/// A user without rights over others.
pub(crate) const PLAIN: (i32, &str) = (278, "paul");
/// A retired user.
pub(crate) const RETIRED: (i32, &str) = (300, "rita");

/// True if the tests run with the statements for a distributed database.
pub(crate) fn is_distributed() -> bool {
    std::env::var_os("TEST_DISTRIBUTED").is_some()
}

impl TestApp {
    /// Starts the application with the three users above.
    pub(crate) async fn spawn(pool: PgPool) -> Self {
        Self::spawn_with(pool, &[], "").await
    }

    /// As [`Self::spawn`], with settings from environment variables and from a file.
    pub(crate) async fn spawn_with(pool: PgPool, variables: &[(&str, &str)], file: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut app = Self::prepare(pool, folder, variables, file);
        app.grant_service_role().await;
        generate_keyring(Path::new(app.keyring())).unwrap();
        app.start_with_users(&[(ADMINISTRATOR, true), (PLAIN, false), (RETIRED, true)]).await;
        sqlx::query!("UPDATE users SET is_retired = true WHERE user_id = $1", RETIRED.0)
            .execute(&app.pool)
            .await
            .unwrap();
        app
    }

    /// The application on a database of an earlier release with its keyring, after `migrate`.
    pub(crate) async fn upgrade(pool: PgPool, keyring: &str) -> Self {
        let mut app = Self::prepare(pool, tempfile::tempdir().unwrap(), &[], "");
        app.create_service_role().await;
        fs::write(app.keyring(), keyring).unwrap();
        fs::set_permissions(app.keyring(), PermissionsExt::from_mode(0o400)).unwrap();
        app.command(&["migrate"], "").assert_success();
        app.start().await;
        app
    }

    fn prepare(pool: PgPool, folder: TempDir, variables: &[(&str, &str)], file: &str) -> Self {
        let keyring = folder.path().join("keyring.json");
        let settings_file = folder.path().join("settings.toml");
        fs::write(&settings_file, file).unwrap();
        let mut defaults: HashMap<String, String> = [
            ("KEEPER_CONFIG", settings_file.to_str().unwrap()),
            ("KEEPER__DATABASE__URL", service_url(&pool).as_str()),
            ("KEEPER__KEYRING__FILE", keyring.to_str().unwrap()),
            ("KEEPER__HTTP__LISTEN", "127.0.0.1:0"),
            ("KEEPER__OPERATIONS__LISTEN", "127.0.0.1:0"),
            ("KEEPER__SHUTDOWN__GRACE_SECONDS", "0"),
            // Most tests save short passwords that the policy would refuse.
            ("KEEPER__PASSWORDS__POLICY", "none"),
            // Generous, because test machines are shared; tests of a time limit set their own.
            ("KEEPER__HASHING__DEADLINE_SECONDS", "60"),
            ("KEEPER__HTTP__ANSWER_TIMEOUT_SECONDS", "180"),
            ("KEEPER__DATABASE__ACQUIRE_TIMEOUT_SECONDS", "30"),
            ("KEEPER__DATABASE__LOCK_TIMEOUT_SECONDS", "30"),
            ("KEEPER__DATABASE__STATEMENT_TIMEOUT_SECONDS", "60"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        if is_distributed() {
            defaults.insert("KEEPER__DATABASE__DISTRIBUTED".to_owned(), "on".to_owned());
        }
        let mut app = Self {
            url: String::new(),
            operations: String::new(),
            pool,
            client: client_builder().build().unwrap(),
            folder: Arc::new(folder),
            variables: defaults,
            runtime: Some(Runtime::new().unwrap()),
            stop: None,
            running: None,
        };
        app.extend_variables(variables);
        app
    }

    /// Creates the service's role, which belongs to the whole server.
    async fn create_service_role(&self) {
        let url = self.pool.connect_options().to_url_lossy();
        let password = url.password().map(|text| format!("PASSWORD '{text}'")).unwrap_or_default();
        let statement = format!(
            "DO $$ BEGIN CREATE ROLE {SERVICE_ROLE} LOGIN {password};
             EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        );
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&self.pool).await.unwrap();
    }

    /// Grants the service's role its privileges, as `migrate` does.
    async fn grant_service_role(&self) {
        self.create_service_role().await;
        let variables = [
            ("KEEPER__DATABASE__URL", self.owner_url().as_str()),
            ("KEEPER__DATABASE__ROLE", SERVICE_ROLE),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        let settings = Settings::read(None, variables.into()).unwrap();
        let database = credential_keeper::connect(&settings).await.unwrap();
        grant_roles(&settings, &database).await.unwrap();
    }

    /// The URL of the database for the owner of the tables, which is a superuser.
    pub(crate) fn owner_url(&self) -> String {
        self.pool.connect_options().to_url_lossy().into()
    }

    /// Starts the application, which was stopped.
    pub(crate) async fn start(&mut self) {
        self.start_with_users(&[]).await;
    }

    /// Starts the application. Users are added before it serves, with or without the administrator's
    /// right, and with the password `<name>-password`.
    async fn start_with_users(&mut self, users: &'static [((i32, &'static str), bool)]) {
        let file = self.variables.get("KEEPER_CONFIG").map(PathBuf::from);
        let settings = Settings::read(file.as_deref(), self.variables.clone()).unwrap();
        if std::env::var_os("TEST_LOG").is_some() {
            start_log(&settings).unwrap();
        }
        let (stop, stopped) = oneshot::channel::<()>();
        let (report, started) = oneshot::channel();
        let run = async move {
            let database = credential_keeper::connect(&settings).await.unwrap();
            let application = Application::build(&settings, database).await.unwrap();
            for &((id, login_name), is_administrator) in users {
                let password = &password_of(login_name);
                let user = InitialUser { id, login_name, password, is_administrator };
                application.add_user(&user).await.unwrap();
            }
            let operations = application.operations_address().unwrap().unwrap();
            let url = application.url().unwrap();
            let running = application.start().unwrap();
            report.send((url, operations)).unwrap();
            running.run_until(async { drop(stopped.await) }).await.unwrap();
        };
        self.running = Some(self.runtime.as_ref().unwrap().spawn(run));
        self.stop = Some(stop);
        let (url, operations) = started.await.unwrap();
        self.url = url;
        self.operations = format!("http://{operations}");
    }

    /// Starts another instance with the same database and keys, and different settings.
    pub(crate) async fn spawn_instance(&self, variables: &[(&str, &str)]) -> Self {
        let mut app = Self {
            url: String::new(),
            operations: String::new(),
            pool: self.pool.clone(),
            client: self.client.clone(),
            folder: Arc::clone(&self.folder),
            variables: self.variables.clone(),
            runtime: Some(Runtime::new().unwrap()),
            stop: None,
            running: None,
        };
        app.extend_variables(variables);
        app.start().await;
        app
    }

    /// Changes settings of commands and of the next start.
    pub(crate) fn extend_variables(&mut self, variables: &[(&str, &str)]) {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        self.variables.extend(variables.iter().map(owned));
    }

    /// GET `/metrics`.
    pub(crate) async fn metrics(&self) -> Answer {
        let request = self.client.get(format!("{}/metrics", self.operations));
        Answer::read(request.send().await.unwrap()).await
    }

    /// The value of one metric.
    pub(crate) async fn metric(&self, name: &str) -> f64 {
        let text = self.metrics().await.body;
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
        line.unwrap_or_else(|| panic!("the metric {name} is missing: {text}")).parse().unwrap()
    }

    /// Waits until a metric has a value.
    pub(crate) async fn wait_for_metric(&self, name: &str, value: f64) {
        assert_becomes((name, value), async || (name, self.metric(name).await)).await;
    }

    /// Stops the application gracefully, and waits until it has stopped.
    pub(crate) async fn stop(&mut self) {
        drop(self.stop.take());
        self.running.take().unwrap().await.unwrap();
    }

    /// Stops the application and starts it again on the same database.
    pub(crate) async fn restart(&mut self) {
        self.stop().await;
        self.start().await;
    }

    /// Restarts the application with different settings.
    pub(crate) async fn reconfigure(&mut self, variables: &[(&str, &str)]) {
        self.extend_variables(variables);
        self.restart().await;
    }

    /// Replaces the settings file; the application reads it at its next start.
    pub(crate) fn rewrite_settings(&self, file: &str) {
        fs::write(&self.variables["KEEPER_CONFIG"], file).unwrap();
    }

    /// Waits until this many sessions on the test's database wait for a lock.
    pub(crate) async fn wait_for_blocked_sessions(&self, sessions: i64) {
        wait_until(&format!("{sessions} sessions wait for a lock"), async || {
            let blocked = sqlx::query_scalar!(
                r#"SELECT count(*) AS "count!" FROM pg_stat_activity
                   WHERE datname = current_database() AND wait_event_type = 'Lock'"#
            );
            blocked.fetch_one(&self.pool).await.unwrap() >= sessions
        })
        .await;
    }

    /// Makes every audit event two minutes older; no chain verifies afterwards.
    pub(crate) async fn age_events(&self) {
        sqlx::query("UPDATE audit_events SET occurred_at = occurred_at - interval '2 minutes'")
            .execute(&self.pool)
            .await
            .unwrap();
    }

    /// Restores the type, the right and the state that the administrator has after [`Self::spawn`].
    pub(crate) async fn restore_administrator(&self) {
        sqlx::raw_sql(
            "UPDATE users SET is_retired = false, is_administrator = true, user_type = 'internal'
             WHERE user_id = 1",
        )
        .execute(&self.pool)
        .await
        .unwrap();
    }

    /// Asserts that `audit verify` finds nothing, besides the user whom [`Self::spawn`] retired without
    /// an event.
    pub(crate) async fn assert_intact_chains(&self) {
        let statement = "UPDATE users SET is_retired = $1 WHERE user_id = 300";
        sqlx::query(statement).bind(false).execute(&self.pool).await.unwrap();
        self.command(&["audit", "verify"], "").assert_success();
        sqlx::query(statement).bind(true).execute(&self.pool).await.unwrap();
    }

    /// The settings of this test, as environment variables.
    pub(crate) fn variables(&self) -> &HashMap<String, String> {
        &self.variables
    }

    /// Runs the binary with this test's settings and `input` on stdin: `migrate` as the owner of the
    /// tables, every other command as the service.
    pub(crate) fn command(&self, arguments: &[&str], input: &str) -> CommandOutput {
        let mut command = keeper(arguments);
        command.envs(&self.variables);
        if arguments == ["migrate"] {
            command.env("KEEPER__DATABASE__URL", self.owner_url());
            command.env("KEEPER__DATABASE__ROLE", SERVICE_ROLE);
        }
        run_with_input(command, input)
    }

    /// The path of the keyring.
    pub(crate) fn keyring(&self) -> &str {
        &self.variables["KEEPER__KEYRING__FILE"]
    }

    /// Adds a key to the keyring for unsealing only, and returns its id.
    pub(crate) fn add_key(&self) -> String {
        self.command(&["rotate-key", "add"], "").added_key()
    }

    /// Adds a user with the password `<name>-password`.
    pub(crate) fn add_user(&self, user: (i32, &str), options: &[&str]) {
        let (id, name) = (user.0.to_string(), user.1);
        let arguments = [&["user", "add", name, "--id", &id], options].concat();
        self.command(&arguments, &password_of(name)).assert_success();
    }

    /// A request with credentials and without a body.
    pub(crate) fn request(
        &self,
        method: Method,
        path: &str,
        credentials: &Credentials,
    ) -> RequestBuilder {
        credentials.apply_to(self.client.request(method, format!("{}{path}", self.url)))
    }

    /// Sends a GET request.
    pub(crate) async fn get(&self, path: &str, credentials: &Credentials) -> Answer {
        Answer::read(self.request(Method::GET, path, credentials).send().await.unwrap()).await
    }

    /// Sends a POST request with a JSON body.
    pub(crate) async fn post(&self, path: &str, credentials: &Credentials, body: &Value) -> Answer {
        let request = self.request(Method::POST, path, credentials).json(body);
        Answer::read(request.send().await.unwrap()).await
    }

    /// Saves a credential of a type; `""` means the default type.
    pub(crate) async fn save(
        &self,
        credentials: &Credentials,
        user_id: i32,
        type_name: &str,
        value: &str,
    ) -> Answer {
        let body = json!({
            "UserId": user_id,
            "Credential": { "Type": { "Type": type_name }, "Value": value, "DisplayValue": "" },
        });
        self.post(SAVE, credentials, &body).await
    }

    /// The name and the password of the administrator.
    #[expect(clippy::unused_self, reason = "reads as credentials of this application")]
    pub(crate) fn administrator(&self) -> Credentials {
        basic(ADMINISTRATOR.1)
    }

    /// The name and the password of the plain user.
    #[expect(clippy::unused_self, reason = "reads as credentials of this application")]
    pub(crate) fn plain(&self) -> Credentials {
        basic(PLAIN.1)
    }

    /// Issues a ticket to the user of these credentials.
    pub(crate) async fn ticket(&self, credentials: &Credentials) -> String {
        let answer = self.post(TICKETS, credentials, &Value::Null).await;
        answer.assert_status(201);
        answer.json()["Ticket"].as_str().unwrap().to_owned()
    }

    /// Signs a user in, and returns the session.
    pub(crate) async fn session(&self, name: &str) -> Credentials {
        let body = json!({ "UserName": name, "Password": password_of(name) });
        let answer = self.post("/login", &Credentials::Anonymous, &body).await;
        answer.assert_status(200);
        Credentials::Session {
            cookie: answer.cookie("ASP.NET_SessionId").unwrap(),
            xsrf: answer.cookie("XSRF-TOKEN").unwrap(),
        }
    }

    /// Issues a Bearer token to the user of these credentials.
    pub(crate) async fn token(&self, credentials: &Credentials) -> String {
        let answer = self.get(TOKEN, credentials).await;
        answer.assert_status(200);
        answer.json().as_str().unwrap().to_owned()
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The URL of the test's database for the service's role.
fn service_url(pool: &PgPool) -> String {
    let mut url = pool.connect_options().to_url_lossy();
    url.set_username(SERVICE_ROLE).unwrap();
    url.into()
}

/// The builder of a client. Three seconds after its last answer it closes a connection, before the
/// service does: a request that crosses the end of its connection fails.
pub(crate) fn client_builder() -> ClientBuilder {
    Client::builder().timeout(Duration::from_secs(60)).pool_idle_timeout(Duration::from_secs(3))
}

/// The initial password of a user.
pub(crate) fn password_of(name: &str) -> String {
    format!("{name}-password")
}

fn basic(name: &str) -> Credentials {
    Credentials::basic(name, &password_of(name))
}
