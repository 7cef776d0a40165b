//! Start and stop with a late, missing or manipulated database, and under systemd.

use std::{
    fs,
    os::unix::{fs::symlink, net::UnixDatagram},
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use rustix::process::Signal;
use sqlx::PgPool;

use crate::support::{Server, TestApp, keeper};

/// A URL of the test's database with a socket folder that does not exist yet, and the target of that
/// folder.
fn late_url(app: &TestApp, folder: &Path) -> (String, PathBuf) {
    let options = app.pool.connect_options();
    let behind = match options.get_socket() {
        Some(socket) => socket.clone(),
        None => PathBuf::from(options.get_host()),
    };
    let late = folder.join("late").to_str().unwrap().replace('/', "%2F");
    let (user, database) = (options.get_username(), options.get_database().unwrap());
    (format!("postgres://{user}@localhost/{database}?host={late}"), behind)
}

#[sqlx::test]
async fn serve_and_migrate_wait_for_the_database(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let folder = tempfile::tempdir().unwrap();
    let (url, behind) = late_url(&app, folder.path());
    let start = |arguments: &'static [&'static str]| {
        let mut command = keeper(arguments);
        command.envs(app.variables()).env("KEEPER__DATABASE__URL", &url);
        command.env("KEEPER__DATABASE__ACQUIRE_TIMEOUT_SECONDS", "1");
        std::thread::spawn(move || Server::start(command))
    };
    let serving = start(&["serve"]);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(!serving.is_finished(), "it gave up");
    symlink(behind, folder.path().join("late")).unwrap();
    let server = serving.join().unwrap().unwrap();
    server.signal(Signal::TERM);
    let (ended_well, log) = server.wait();
    assert!(ended_well, "{log}");
    let told = log.matches("waiting up to 30 s for the database").count();
    assert_eq!(told, 1, "{log}");
}

#[sqlx::test]
async fn a_database_that_is_never_ready_is_reported_with_the_next_step(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let folder = tempfile::tempdir().unwrap();
    let (url, _) = late_url(&app, folder.path());
    for command in ["serve", "migrate"] {
        let started = Instant::now();
        let mut process = keeper(&[command]);
        process.envs(app.variables()).env("KEEPER__DATABASE__URL", &url);
        process.env("KEEPER__DATABASE__STARTUP_WAIT_SECONDS", "1");
        let finished = crate::support::run_with_input(process, "");
        assert!(started.elapsed() >= Duration::from_secs(1), "{command} did not wait");
        for part in ["waiting up to 1 s", "database.startup_wait_seconds", "database.url"] {
            assert!(finished.stderr.contains(part), "{command}: {finished:?}");
        }
        finished.assert_error("check that PostgreSQL is running");
    }
    // Other commands fail at once.
    let started = Instant::now();
    let mut process = keeper(&["user", "list"]);
    process.envs(app.variables()).env("KEEPER__DATABASE__URL", &url);
    crate::support::run_with_input(process, "").assert_error("the database cannot be reached");
    assert!(started.elapsed() < Duration::from_secs(20));
}

#[sqlx::test]
async fn an_impossible_hashing_cost_blocks_neither_the_cpu_nor_the_shutdown(pool: PgPool) {
    let mut app = TestApp::spawn(pool).await;
    app.stop().await;
    let tamper = "UPDATE credentials SET hash_iterations = 2000000000 WHERE user_id = 278";
    let refused = sqlx::query(tamper).execute(&app.pool).await.unwrap_err();
    let constraint = refused.as_database_error().and_then(|error| error.constraint());
    assert_eq!(constraint, Some("credentials_hash_iterations_check"));
    // The owner of the table can drop the constraint.
    sqlx::raw_sql("ALTER TABLE credentials DROP CONSTRAINT credentials_hash_iterations_check")
        .execute(&app.pool)
        .await
        .unwrap();
    sqlx::query(tamper).execute(&app.pool).await.unwrap();
    let mut command = keeper(&["serve"]);
    command.envs(app.variables());
    let server = Server::start(command).unwrap();
    // Long enough for the first scan of hash parameters.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let busy = |id: u32| {
        let status = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
        let fields: Vec<_> = status.rsplit(')').next().unwrap().split_whitespace().collect();
        fields[11].parse::<u64>().unwrap()
    };
    let before = busy(server.id());
    tokio::time::sleep(Duration::from_secs(2)).await;
    let ticks = busy(server.id()) - before;
    assert!(ticks < 100, "{ticks} of 200 ticks of a core");
    let started = Instant::now();
    server.signal(Signal::TERM);
    let (ended_well, log) = server.wait();
    assert!(ended_well, "{log}");
    assert!(started.elapsed() < Duration::from_secs(60));
}

#[sqlx::test]
async fn ready_means_that_the_web_servers_have_started(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let mut command = keeper(&["serve"]);
    command.envs(app.variables());
    let server = Server::start(command).unwrap();
    // The listeners take connections earlier, so this looks for the threads that answer them. Those
    // of the API and of operations have the same name.
    let threads = fs::read_dir(format!("/proc/{}/task", server.id())).unwrap();
    let names = threads.map(|thread| fs::read_to_string(thread.unwrap().path().join("comm")));
    let names: Vec<_> = names.map(Result::unwrap).collect();
    let answering = names.iter().filter(|name| name.starts_with("actix-server wo")).count();
    assert!(answering >= 2, "{names:?}");
    server.signal(Signal::TERM);
    assert!(server.wait().0);
}

#[sqlx::test]
async fn systemd_is_notified_of_start_liveness_reload_and_stop(pool: PgPool) {
    let app = TestApp::spawn(pool).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let receive = || {
        let mut message = [0; 256];
        let length = socket.recv(&mut message).unwrap();
        String::from_utf8_lossy(&message[..length]).trim().to_owned()
    };
    let mut command = keeper(&["serve"]);
    command.envs(app.variables()).env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "1000000");
    let server = Server::start(command).unwrap();
    assert_eq!(receive(), "READY=1");
    assert_eq!(receive(), "WATCHDOG=1");
    assert_eq!(receive(), "WATCHDOG=1");
    server.signal(Signal::HUP);
    let mut message = receive();
    while message == "WATCHDOG=1" {
        message = receive();
    }
    assert!(message.starts_with("RELOADING=1\nMONOTONIC_USEC="), "{message}");
    while receive() != "READY=1" {}
    server.signal(Signal::TERM);
    while receive() != "STOPPING=1" {}
    assert!(server.wait().0);
}
