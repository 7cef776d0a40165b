//! Replacing the password and the certificates of the database connection while the service runs.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use rustix::process::Signal;
use sqlx::Row;
use tokio::task::JoinHandle;

use crate::support::{
    Credentials, DatabaseContainer, DatabaseProxy, Instance, PLAIN, PRINCIPAL, PrivateServer,
    TestApp, assert_becomes, compose::Compose, end_pipe, free_address, keeper, make_pipe,
    run_successfully, run_with_input,
};

const PASSWORD_FAILED: &str = r#"keeper_reload_failed{setting="database.password_file"}"#;
/// The time between two rounds of a client.
const PAUSE: Duration = Duration::from_millis(20);
const URL_FAILED: &str = r#"keeper_reload_failed{setting="database.url"}"#;

/// A part of the message with the proof of a password (SCRAM's `client-final-message`, RFC 5802).
const CLIENT_PROOF: &str = "c=biws";

/// Replaces a file as an operator does: a new file with the name of the former one.
fn replace(target: &Path, text: &str, mode: u32) {
    let temporary = target.with_extension("new");
    fs::write(&temporary, text).unwrap();
    fs::set_permissions(&temporary, PermissionsExt::from_mode(mode)).unwrap();
    fs::rename(&temporary, target).unwrap();
}

/// A client that saves and reads until it is stopped. Each request must succeed.
struct Client {
    is_over: Arc<AtomicBool>,
    rounds: Arc<AtomicUsize>,
    running: JoinHandle<()>,
}

impl Client {
    fn start(instance: &Arc<Instance>, token: &Credentials) -> Self {
        let (is_over, rounds) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let (instance, token) = (Arc::clone(instance), token.clone());
        let (is_over_too, rounds_too) = (Arc::clone(&is_over), Arc::clone(&rounds));
        let running = tokio::spawn(async move {
            while !is_over_too.load(Ordering::Relaxed) {
                instance.save(&token, PLAIN.0, "saved").await.assert_saved();
                instance.get(PRINCIPAL, &token).await.assert_status(200);
                rounds_too.fetch_add(1, Ordering::Relaxed);
                // A request at every moment, without taking the processors of other tests.
                tokio::time::sleep(PAUSE).await;
            }
        });
        Self { is_over, rounds, running }
    }

    async fn stop(self) {
        self.is_over.store(true, Ordering::Relaxed);
        self.running.await.unwrap();
        assert!(self.rounds.load(Ordering::Relaxed) > 10);
    }
}

/// The number of sessions of a role that began before a point in time of the server.
async fn sessions_before(postgres: &PrivateServer, role: &str, time: &str) -> i64 {
    let statement = "SELECT count(*) FROM pg_stat_activity
        WHERE usename = $1 AND backend_start < $2::timestamptz";
    let row = sqlx::query(statement).bind(role).bind(time).fetch_one(&postgres.pool);
    row.await.unwrap().get(0)
}

/// A server that asks the role `service` for its password, `first`.
async fn server_with_password() -> PrivateServer {
    let postgres = PrivateServer::start().await;
    postgres
        .execute(
            "CREATE ROLE service LOGIN PASSWORD 'first';
             GRANT ALL ON ALL TABLES IN SCHEMA public TO service;
             GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO service;",
        )
        .await;
    postgres.require_password_of("service").await;
    postgres
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_database_password_needs_no_restart_and_fails_no_request() {
    let postgres = server_with_password().await;
    let password = postgres.folder.path().join("password");
    replace(&password, "first\n", 0o400);
    let app = TestApp::spawn(postgres.pool.clone()).await;
    let url = postgres.server.ready.replace("//keeper@", "//service@");
    let variables = [
        ("KEEPER__DATABASE__URL", url.as_str()),
        ("KEEPER__DATABASE__PASSWORD_FILE", password.to_str().unwrap()),
    ];
    let instance = Arc::new(Instance::start(&app, &variables));
    let token = instance.token(&app.administrator()).await;
    let clients: Vec<_> = (0..4).map(|_| Client::start(&instance, &token)).collect();

    // First the file, then the role: meanwhile, new connections use the former password.
    replace(&password, "second\n", 0o400);
    instance.wait_for_metric(PASSWORD_FAILED, 1.0).await;
    let now: String =
        sqlx::query_scalar("SELECT now()::text").fetch_one(&postgres.pool).await.unwrap();
    postgres.execute("ALTER ROLE service PASSWORD 'second'").await;
    instance.wait_for_metric(PASSWORD_FAILED, 0.0).await;
    // Every session is renewed.
    assert_becomes(0, async || sessions_before(&postgres, "service", &now).await).await;
    for client in clients {
        client.stop().await;
    }

    // An unusable file is an alarm, not an outage, even for new connections.
    for (text, mode) in [("wrong\n", 0o400), ("second\n", 0o404), ("\n", 0o400)] {
        replace(&password, text, mode);
        instance.server.signal(Signal::HUP);
        instance.wait_for_metric(PASSWORD_FAILED, 1.0).await;
        postgres.end_sessions_of("service").await;
        instance.get(PRINCIPAL, &token).await.assert_status(200);
        replace(&password, "second\n", 0o400);
        instance.wait_for_metric(PASSWORD_FAILED, 0.0).await;
    }
    let log = Arc::into_inner(instance).unwrap().stop();
    assert!(log.contains("password authentication failed"), "{log}");
    assert!(log.contains("chmod g-w,o=") && log.contains("is empty"), "{log}");
    // SIGHUP also reads the settings, which name the file, and the keyring, which may need one of the
    // sessions that are ended here.
    let failures = log.lines().filter(|line| {
        line.contains("the former content stays in use")
            && line.contains(r#""keeper.setting":"database.password_file""#)
    });
    assert_eq!(failures.count(), 4, "{log}");
    drop(app);
    postgres.stop().await;
}

/// A new connection is refused with the new password, because the role has the former one. Before
/// it tries that one, the role gets the new one.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_changes_between_two_attempts_fails_no_request() {
    let postgres = server_with_password().await;
    let proxy = DatabaseProxy::start(&postgres.pool).await;
    let url = proxy.url.replace("//keeper@", "//service@");
    let password = postgres.folder.path().join("password");
    replace(&password, "first", 0o400);
    let app = TestApp::spawn(postgres.pool.clone()).await;
    let variables = [
        ("KEEPER__DATABASE__URL", url.as_str()),
        ("KEEPER__DATABASE__PASSWORD_FILE", password.to_str().unwrap()),
    ];
    let instance = Arc::new(Instance::start(&app, &variables));
    let token = instance.token(&app.administrator()).await;
    replace(&password, "second", 0o400);
    instance.wait_for_metric(PASSWORD_FAILED, 1.0).await;

    proxy.hold_reply_to(CLIENT_PROOF);
    postgres.end_sessions_of("service").await;
    let request = {
        let (instance, token) = (Arc::clone(&instance), token.clone());
        tokio::spawn(async move { instance.get(PRINCIPAL, &token).await.assert_status(200) })
    };
    proxy.wait_until_held().await;
    postgres.execute("ALTER ROLE service PASSWORD 'second'").await;
    proxy.release();
    request.await.unwrap();
    Arc::into_inner(instance).unwrap().stop();
    drop(app);
    postgres.stop().await;
}

/// A pipe that nobody writes stands for a volume that does not answer. The settings name the file, so
/// they are read again only after it has answered.
#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_cannot_be_read_fails_no_request_and_ends_no_later_reload() {
    let postgres = server_with_password().await;
    let password = postgres.folder.path().join("password");
    replace(&password, "first\n", 0o400);
    let app = TestApp::spawn(postgres.pool.clone()).await;
    let url = postgres.server.ready.replace("//keeper@", "//service@");
    let variables = [
        ("KEEPER__DATABASE__URL", url.as_str()),
        ("KEEPER__DATABASE__PASSWORD_FILE", password.to_str().unwrap()),
    ];
    let instance = Instance::start(&app, &variables);
    let token = instance.token(&app.administrator()).await;
    fs::remove_file(&password).unwrap();
    make_pipe(&password);
    instance.wait_for_metric(PASSWORD_FAILED, 1.0).await;
    app.rewrite_settings("[http]\nallowed_hosts = ['keeper.example']\n");
    for _ in 0..3 {
        instance.server.signal(Signal::HUP);
        postgres.end_sessions_of("service").await;
        instance.get(PRINCIPAL, &token).await.assert_status(200);
    }
    end_pipe(&password, || replace(&password, "first\n", 0o400));
    instance.wait_for_metric(PASSWORD_FAILED, 0.0).await;
    assert_becomes(421, async || instance.get(PRINCIPAL, &token).await.status.as_u16()).await;
    let log = instance.stop();
    assert!(log.contains("timed out waiting for files"), "{log}");
    drop(app);
    postgres.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_of_the_database_url_are_read_again() {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let secrets = folder.path().join("secrets");
    run_successfully(Command::new("script/compose-secrets").arg(&secrets));
    let secret = |name: &str| secrets.join(name).to_str().unwrap().to_owned();
    let compose = Compose::read();
    let database = DatabaseContainer::start(&compose, &secrets, &folder.path().join("database"));
    let root = folder.path().join("root");
    let good = fs::read_to_string(secret("database_certificate")).unwrap();
    replace(&root, &good, 0o444);
    let keyring = folder.path().join("keyring.json");
    run_with_input(keeper(&["keys", "generate", "--file", keyring.to_str().unwrap()]), "")
        .assert_success();
    let operations = free_address();
    let command = |arguments: &[&str], role: &str, password: &str| {
        let (port, root) = (database.port, root.display());
        let query = format!("sslmode=verify-full&sslrootcert={root}");
        let mut command = keeper(arguments);
        command
            .env(
                "KEEPER__DATABASE__URL",
                format!("postgres://{role}@localhost:{port}/keeper?{query}"),
            )
            .env("KEEPER__DATABASE__PASSWORD_FILE", secret(password))
            .env("KEEPER__KEYRING__FILE", &keyring)
            .env("KEEPER__HTTP__LISTEN", "127.0.0.1:0")
            .env("KEEPER__OPERATIONS__LISTEN", &operations)
            .env("KEEPER__SHUTDOWN__GRACE_SECONDS", "0");
        command
    };
    let mut migrate = command(&["migrate"], "keeper_owner", "owner_password");
    migrate.env("KEEPER__DATABASE__ROLE", "keeper");
    run_with_input(migrate, "").assert_success();
    let instance = Instance::attach(command(&["serve"], "keeper", "keeper_password"), &operations);
    assert_eq!(instance.metric(URL_FAILED).await, Some(0.0));
    let add = |name: &str| {
        let arguments = ["user", "add", name, "--generate"];
        run_with_input(command(&arguments, "keeper", "keeper_password"), "")
    };
    replace(&root, "no certificate", 0o444);
    instance.wait_for_metric(URL_FAILED, 1.0).await;
    add("ada").assert_error("database");
    assert_eq!(instance.readiness().await, 200);
    replace(&root, &good, 0o444);
    instance.wait_for_metric(URL_FAILED, 0.0).await;
    add("ada").assert_success();
    assert_eq!(instance.readiness().await, 200);
    instance.stop();
}
