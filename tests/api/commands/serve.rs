//! `serve` and `migrate` as processes.

use std::{
    fs::{self, File},
    process::Stdio,
};

use rustix::{
    process::{Pid, Resource, Rlimit, Signal, kill_process, setrlimit},
    thread::{CapabilitySet, clear_ambient_capability_set, remove_capability_from_bounding_set},
};
use serde_json::json;
use sqlx::{ConnectOptions, PgPool};

use crate::support::{
    Credentials, Instance, PLAIN, PRINCIPAL, SAVE, SETTINGS_RELOADED, Server, TestApp,
    assert_becomes, free_address, keeper, started, wait_until,
};

fn serve_with(app: &TestApp, variables: &[(&str, &str)]) -> Result<Server, String> {
    let mut command = keeper(&["serve"]);
    command.envs(app.variables()).envs(variables.iter().copied());
    Server::start(command)
}

#[sqlx::test]
async fn serve_rejects_unsafe_settings_with_a_reason(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.command(&["migrate"], "").assert_success();
    for (variable, value, reason) in [
        ("KEEPER__HTTP__LISTEN", "0.0.0.0:0", "http.listen"),
        ("KEEPER__HASHING__ITERATIONS", "1", "hashing"),
        ("KEEPER__KEYRING__FILE", "/no/such/file", "keyring"),
        ("KEEPER__DATABASE__URL", "nonsense", "database.url"),
        ("KEEPER__DATABASE__URL", "postgres://nobody@127.0.0.1:1/x", "cannot be reached"),
        ("KEEPER__HTTP__LISTEN", app.url.trim_start_matches("http://"), "address already in use"),
        ("KEEPER__HTPP__LISTEN", "x", "unknown setting"),
        ("KEEPER__LOG__LEVEL", "=,=", "log.level"),
    ] {
        let quickly = ("KEEPER__DATABASE__STARTUP_WAIT_SECONDS", "1");
        let message = serve_with(&app, &[quickly, (variable, value)]).err().unwrap();
        assert!(message.contains(reason), "{variable}={value}: {message}");
        assert!(!message.contains("panicked"), "{message}");
    }
}

#[sqlx::test]
async fn serve_goes_on_when_its_url_cannot_be_printed(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.command(&["migrate"], "").assert_success();
    let (listen, operations) = (free_address(), free_address());
    let mut command = keeper(&["serve"]);
    command
        .envs(app.variables())
        .env("KEEPER__HTTP__LISTEN", &listen)
        .env("KEEPER__OPERATIONS__LISTEN", &operations)
        .stdout(File::options().write(true).open("/dev/full").unwrap())
        .stderr(Stdio::null());
    let mut serve = command.spawn().unwrap();
    let url = format!("http://{listen}{PRINCIPAL}");
    wait_until("the service answers", async || {
        assert_eq!(serve.try_wait().unwrap(), None, "it has ended");
        app.client.get(&url).send().await.is_ok()
    })
    .await;
    kill_process(Pid::from_child(&serve), Signal::TERM).unwrap();
    assert!(serve.wait().unwrap().success());
}

#[sqlx::test]
async fn serve_rejects_the_database_of_a_demo(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    sqlx::raw_sql("INSERT INTO installation VALUES (true, 'development', now())")
        .execute(&app.pool)
        .await
        .unwrap();
    let message = serve_with(&app, &[]).err().unwrap();
    assert!(message.contains("development database"), "{message}");
    app.command(&["migrate"], "").assert_error("development database");
}

#[sqlx::test(migrations = false)]
async fn serve_requires_the_migrations_that_migrate_applies(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let keyring = folder.path().join("keyring.json");
    let url = pool.connect_options().to_url_lossy();
    let command = |arguments: &[&str]| {
        let mut command = keeper(arguments);
        command
            .env("KEEPER__DATABASE__URL", url.as_str())
            .env("KEEPER__KEYRING__FILE", &keyring)
            .env("KEEPER__HTTP__LISTEN", "127.0.0.1:0")
            .env("KEEPER__OPERATIONS__LISTEN", "127.0.0.1:0")
            .env("KEEPER__SHUTDOWN__GRACE_SECONDS", "0");
        command
    };
    let run = |arguments: &[&str]| crate::support::run_with_input(command(arguments), "");
    run(&["keys", "generate"]).assert_success();
    let message = Server::start(command(&["serve"])).err().unwrap();
    assert!(message.contains("credential-keeper migrate"), "{message}");
    run(&["user", "list"]).assert_error("credential-keeper migrate");
    for _ in 0..2 {
        run(&["migrate"]).assert_success();
    }
    let kind = sqlx::query_scalar!("SELECT kind FROM installation");
    assert_eq!(kind.fetch_one(&pool).await.unwrap(), "production");
    let server = Server::start(command(&["serve"])).unwrap();
    server.signal(Signal::INT);
    let (ended_well, log) = server.wait();
    assert!(ended_well, "{log}");
}

#[sqlx::test(migrations = false)]
async fn serve_applies_migrations_if_configured(pool: PgPool) {
    let folder = tempfile::tempdir().unwrap();
    let keyring = folder.path().join("keyring.json");
    let mut generate = keeper(&["keys", "generate", "--file"]);
    generate.arg(&keyring);
    crate::support::run_with_input(generate, "").assert_success();
    let mut command = keeper(&["serve"]);
    command
        .env("KEEPER__DATABASE__URL", pool.connect_options().to_url_lossy().as_str())
        .env("KEEPER__DATABASE__MIGRATE_ON_START", "true")
        .env("KEEPER__KEYRING__FILE", &keyring)
        .env("KEEPER__HTTP__LISTEN", "127.0.0.1:0")
        .env("KEEPER__OPERATIONS__LISTEN", "127.0.0.1:0")
        .env("KEEPER__SHUTDOWN__GRACE_SECONDS", "0");
    let server = Server::start(command).unwrap();
    server.signal(Signal::TERM);
    assert!(server.wait().0);
}

#[sqlx::test]
async fn accepted_requests_finish_before_the_exit(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    // One caller uses half of the connections.
    let instance = Instance::start(&app, &[("KEEPER__DATABASE__MAXIMUM_CONNECTIONS", "20")]);
    let url = format!("{}{SAVE}", instance.server.ready);
    // All saves wait for the locked row, so all have been accepted.
    let mut held = app.pool.begin().await.unwrap();
    sqlx::query!("SELECT 1 AS one FROM users WHERE user_id = 278 FOR UPDATE")
        .fetch_one(&mut *held)
        .await
        .unwrap();
    let saves: Vec<_> = (0..10)
        .map(|number| {
            let body = json!({"UserId": PLAIN.0, "Credential": {"Value": format!("v{number}")}});
            let request = app.administrator().apply_to(app.client.post(&url)).json(&body);
            tokio::spawn(request.send())
        })
        .collect();
    app.wait_for_blocked_sessions(10).await;
    assert_eq!(instance.readiness().await, 200);
    instance.server.signal(Signal::TERM);
    // The shutdown has begun.
    assert_becomes(503, async || instance.readiness().await).await;
    held.rollback().await.unwrap();
    for save in saves {
        assert_eq!(save.await.unwrap().unwrap().status(), 200);
    }
    let (ended_well, log) = instance.server.wait();
    assert!(ended_well, "{log}");
    let version = sqlx::query_scalar!("SELECT version FROM credentials WHERE user_id = 278");
    assert_eq!(version.fetch_one(&app.pool).await.unwrap(), 12);
}

#[sqlx::test]
async fn an_acknowledged_save_survives_a_kill(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.command(&["migrate"], "").assert_success();
    let server = serve_with(&app, &[]).unwrap();
    let body = json!({"UserId": PLAIN.0, "Credential": {"Value": "acknowledged"}});
    let url = format!("{}{SAVE}", server.ready);
    let request = app.administrator().apply_to(app.client.post(url)).json(&body);
    assert_eq!(request.send().await.unwrap().status(), 200);
    server.signal(Signal::KILL);
    server.wait();
    app.get(PRINCIPAL, &Credentials::basic(PLAIN.1, "acknowledged")).await.assert_status(200);
}

/// The rest of the line of `/proc/<process>/<file>` that starts with `start`.
fn proc_value(process: u32, file: &str, start: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{process}/{file}")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(start));
    line.unwrap_or_else(|| panic!("{text}")).trim().to_owned()
}

/// True if the process may lock memory without a limit. The capability has no effect inside a user
/// namespace.
fn may_lock(process: u32) -> bool {
    let limit = proc_value(process, "limits", "Max locked memory");
    let rights = u64::from_str_radix(&proc_value(process, "status", "CapEff:"), 16).unwrap();
    let namespace = proc_value(process, "uid_map", "");
    let is_outermost = namespace.split_whitespace().eq(["0", "0", "4294967295"]);
    let is_capable = rights & CapabilitySet::IPC_LOCK.bits() != 0;
    limit.starts_with("unlimited") || is_outermost && is_capable
}

fn keep_rights() {}

/// Child processes of this thread can lock memory only with the capability.
fn forbid_memory_locking() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Memlock, none).unwrap();
}

/// Removes the capability. Without root, the bounding set cannot be changed.
fn drop_the_capability() {
    clear_ambient_capability_set().unwrap();
    let _ = remove_capability_from_bounding_set(CapabilitySet::IPC_LOCK);
}

#[sqlx::test]
async fn core_dumps_are_disabled_and_memory_is_locked_if_allowed(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    app.command(&["migrate"], "").assert_success();
    let mut rights = Vec::new();
    for change in [keep_rights, forbid_memory_locking, drop_the_capability] {
        change();
        let server = serve_with(&app, &[]).unwrap();
        let may_lock = may_lock(server.id());
        let is_locked = proc_value(server.id(), "status", "VmLck:") != "0 kB";
        let core_dumps = proc_value(server.id(), "limits", "Max core file size");
        server.signal(Signal::TERM);
        let (_, log) = server.wait();
        let started = started(&log);
        assert_eq!(is_locked, may_lock);
        assert_eq!(started["keeper.memory.locked"], may_lock);
        assert_eq!(core_dumps.split_whitespace().take(2).collect::<Vec<_>>(), ["0", "0"]);
        assert_eq!(started["keeper.core_dumps.off"], true);
        rights.push(may_lock);
    }
    assert_eq!(rights.last(), Some(&false));
}

#[sqlx::test]
async fn serve_keeps_serving_at_sighup(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let instance = Instance::start(&app, &[]);
    let reloads = instance.metric(SETTINGS_RELOADED).await.unwrap();
    instance.server.signal(Signal::HUP);
    instance.wait_for_more(SETTINGS_RELOADED, reloads).await;
    instance.get(PRINCIPAL, &app.administrator()).await.assert_status(200);
    instance.stop();
}
