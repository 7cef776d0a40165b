//! `dev`: the local demo with its private PostgreSQL.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use reqwest::blocking;
use rustix::process::{Pid, Signal};

use crate::support::{self, PRINCIPAL, SAVE, Server, keeper};

/// A data folder that all accounts can access, and a private temporary folder that must be empty at
/// the end.
struct Demo {
    folder: tempfile::TempDir,
}

impl Demo {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let open = |path: &Path, mode| {
            fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        };
        open(folder.path(), 0o755);
        fs::create_dir(folder.path().join("tmp")).unwrap();
        open(&folder.path().join("tmp"), 0o1777);
        Self { folder }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn command(&self, more: &[&str]) -> Command {
        let mut command = keeper(&["dev", "--data"]);
        command.arg(self.data()).args(more);
        command.env("TMPDIR", self.folder.path().join("tmp")).env_remove("XDG_RUNTIME_DIR");
        command
    }

    fn start(&self) -> Server {
        Server::start(self.command(&["--listen", "127.0.0.1:0"])).unwrap()
    }

    fn message(&self, more: &[&str]) -> String {
        let message = Server::start(self.command(more)).err().unwrap();
        assert!(!message.contains("panicked"), "{message}");
        message
    }

    /// Kills PostgreSQL, as the out-of-memory killer does.
    fn kill_postgres(&self) {
        let pid_file = self.data().join("postgres/files/postmaster.pid");
        let pid = fs::read_to_string(pid_file).unwrap().lines().next().unwrap().parse().unwrap();
        rustix::process::kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL).unwrap();
    }

    /// The number of remaining socket folders.
    fn sockets(&self) -> usize {
        fs::read_dir(self.folder.path().join("tmp")).unwrap().count()
    }

    /// The number of PostgreSQL servers that use the files of this demo. A process that a server has
    /// just forked has the command line of the server, and does not count.
    fn servers(&self) -> usize {
        let data = self.data().to_str().unwrap().to_owned();
        let is_server = |process: &Path| {
            let line = fs::read(process.join("cmdline")).unwrap_or_default();
            let line = String::from_utf8_lossy(&line);
            line.contains("postgres") && line.contains(&data) && !line.contains("keeper\0dev")
        };
        let processes = fs::read_dir("/proc").unwrap().flatten().map(|entry| entry.path());
        let servers: Vec<_> = processes.filter(|process| is_server(process)).collect();
        let has_other_parent = |process: &&PathBuf| {
            let status = fs::read_to_string(process.join("status")).unwrap_or_default();
            let parent = status.lines().find_map(|line| line.strip_prefix("PPid:"));
            parent.is_some_and(|id| !servers.contains(&Path::new("/proc").join(id.trim())))
        };
        servers.iter().filter(has_other_parent).count()
    }
}

fn save(server: &Server, value: &str) -> u16 {
    let body = format!(r#"{{"UserId": 278, "Credential": {{"Type": {{}}, "Value": "{value}"}}}}"#);
    let request = blocking::Client::new()
        .post(format!("{}{SAVE}", server.ready))
        .header("Authorization", "Basic dGplMDpUamUw")
        .header("Content-Type", "application/json; charset=utf-8")
        .body(body);
    request.send().unwrap().status().as_u16()
}

fn log_in(server: &Server, password: &str) -> u16 {
    let request = blocking::Client::new().get(format!("{}{PRINCIPAL}", server.ready));
    request.basic_auth("demo", Some(password)).send().unwrap().status().as_u16()
}

fn stop(server: Server, signal: Signal) {
    server.signal(signal);
    let (ended_well, log) = server.wait();
    assert!(ended_well, "{log}");
}

#[test]
fn the_first_start_creates_the_demo_users_and_the_second_keeps_the_data() {
    let demo = Demo::new();
    let server = demo.start();
    assert_eq!(log_in(&server, "demo"), 200);
    assert_eq!(save(&server, "fuga"), 200);
    stop(server, Signal::INT);
    assert_eq!((demo.servers(), demo.sockets()), (0, 0), "something was left behind");
    let server = demo.start();
    assert_eq!((log_in(&server, "fuga"), log_in(&server, "demo")), (200, 401));
    stop(server, Signal::TERM);
    assert_eq!((demo.servers(), demo.sockets()), (0, 0), "something was left behind");
}

#[test]
fn a_start_after_a_kill_cleans_up_and_loses_no_acknowledged_change() {
    let demo = Demo::new();
    let server = demo.start();
    assert_eq!(save(&server, "kept"), 200);
    server.signal(Signal::KILL);
    server.wait();
    let server = demo.start();
    assert_eq!(log_in(&server, "kept"), 200);
    assert_eq!(demo.servers(), 1, "the server of the killed one has been stopped");
    stop(server, Signal::INT);
    assert_eq!((demo.servers(), demo.sockets()), (0, 0), "something was left behind");
}

#[test]
fn a_crashed_postgresql_is_restarted() {
    let demo = Demo::new();
    let server = demo.start();
    assert_eq!(save(&server, "kept"), 200);
    for _ in 0..2 {
        demo.kill_postgres();
        let until = Instant::now() + Duration::from_secs(60);
        while log_in(&server, "kept") != 200 {
            assert!(Instant::now() < until, "dev runs without its database");
            std::thread::sleep(Duration::from_millis(100));
        }
    }
    server.signal(Signal::INT);
    let (ended_well, log) = server.wait();
    assert!(ended_well && log.contains("restarting it"), "{log}");
    assert_eq!((demo.servers(), demo.sockets()), (0, 0), "something was left behind");
}

#[test]
fn dev_starts_right_after_everything_was_killed() {
    let demo = Demo::new();
    for _ in 0..3 {
        let server = demo.start();
        assert_eq!(save(&server, "kept"), 200);
        server.signal(Signal::KILL);
        demo.kill_postgres();
        server.wait();
    }
    stop(demo.start(), Signal::INT);
}

#[test]
fn files_in_use_by_another_postgresql_are_not_reported_as_damaged() {
    let demo = Demo::new();
    stop(demo.start(), Signal::INT);
    // As left by another program that uses the same files.
    let files = demo.data().join("postgres/files");
    let mut other = Command::new("sleep");
    // PostgreSQL takes a process of another account for a number that was used again.
    other.arg("600").uid(files.metadata().unwrap().uid());
    let mut other = other.spawn().unwrap();
    let pid_file = files.join("postmaster.pid");
    let lines = format!("{}\n{}\n1\n5432\n\n\n\n", other.id(), demo.data().display());
    fs::write(&pid_file, lines).unwrap();
    let message = demo.message(&["--listen", "127.0.0.1:0"]);
    other.kill().unwrap();
    other.wait().unwrap();
    assert!(message.contains("another server uses its files"), "{message}");
    assert!(!message.contains("damaged"), "{message}");
    fs::remove_file(&pid_file).unwrap();
}

#[test]
fn a_locked_data_folder_and_a_used_port_are_reported_in_one_line() {
    let demo = Demo::new();
    let server = demo.start();
    let message = demo.message(&["--listen", "127.0.0.1:0"]);
    assert!(message.contains("is locked by another dev"), "{message}");
    let other = Demo::new();
    let address = server.ready.trim_start_matches("http://");
    let message = other.message(&["--listen", address]);
    assert!(message.contains("address already in use"), "{message}");
    assert_eq!(message.lines().count(), 1, "{message}");
    stop(server, Signal::INT);
}

#[test]
fn dev_listens_on_loopback_only_and_accepts_loopback_names_only() {
    let demo = Demo::new();
    let message = demo.message(&["--listen", "0.0.0.0:0"]);
    assert!(message.contains("loopback only"), "{message}");
    let server = demo.start();
    let status = |host: &str| {
        let request = blocking::Client::new().get(format!("{}{PRINCIPAL}", server.ready));
        request.header("Host", host).basic_auth("demo", Some("demo")).send().unwrap().status()
    };
    for host in ["localhost:8080", "127.0.0.1", "[::1]:8080"] {
        assert_eq!(status(host), 200, "{host}");
    }
    assert_eq!(status("rebound.example"), 421);
    let health = |path: &str| blocking::get(format!("{}/health/{path}", server.ready)).unwrap();
    assert_eq!(
        (health("live").status(), health("ready").status()),
        (reqwest::StatusCode::OK, reqwest::StatusCode::OK)
    );
    stop(server, Signal::INT);
}

#[test]
fn dev_serves_https_with_a_certificate_that_survives_a_restart() {
    let demo = Demo::new();
    let file = demo.data().join("tls-certificate.pem");
    let mut certificates = Vec::new();
    for _ in 0..2 {
        let command = demo.command(&["--listen", "127.0.0.1:0", "--tls"]);
        let server = Server::start(command).unwrap();
        let (scheme, address) = server.ready.split_once("://").unwrap();
        assert_eq!(scheme, "https");
        let certificate = fs::read(&file).unwrap();
        let root = reqwest::Certificate::from_pem(&certificate).unwrap();
        let client = blocking::Client::builder().tls_certs_only([root]).build().unwrap();
        let port = address.rsplit(':').next().unwrap();
        for host in ["localhost", "127.0.0.1"] {
            let request = client.get(format!("https://{host}:{port}{PRINCIPAL}"));
            let response = request.basic_auth("demo", Some("demo")).send().unwrap();
            assert_eq!(response.status(), 200, "{host}");
            // It would hold for every service on localhost, and outlast the demo.
            let hsts = response.headers().get("strict-transport-security");
            assert_eq!(hsts, None, "{host}");
        }
        certificates.push(certificate);
        server.signal(Signal::INT);
        let (ended_well, log) = server.wait();
        assert!(ended_well && log.contains(&format!("--cacert {}", file.display())), "{log}");
    }
    assert_eq!(certificates[0], certificates[1]);
    let key = fs::metadata(demo.data().join("tls-key.pem")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o400);
    // A damaged certificate is replaced.
    fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    fs::write(&file, "damaged").unwrap();
    let command = demo.command(&["--listen", "127.0.0.1:0", "--tls"]);
    stop(Server::start(command).unwrap(), Signal::INT);
    assert_ne!(fs::read(&file).unwrap(), certificates[0]);
}

#[test]
fn damaged_data_and_a_missing_keyring_are_reported_in_one_line() {
    let demo = Demo::new();
    stop(demo.start(), Signal::INT);
    let keyring = demo.data().join("keyring.json");
    let aside = demo.data().join("aside.json");
    fs::rename(&keyring, &aside).unwrap();
    let message = demo.message(&["--listen", "127.0.0.1:0"]);
    assert!(message.contains("keyring"), "{message}");
    assert!(!keyring.exists(), "a new keyring would make every credential unreadable");
    fs::rename(&aside, &keyring).unwrap();
    let files = demo.data().join("postgres/files");
    let control = files.join("global/pg_control");
    let whole = fs::read(&control).unwrap();
    fs::write(&control, b"damaged").unwrap();
    let message = demo.message(&["--listen", "127.0.0.1:0"]);
    assert!(message.contains("damaged"), "{message}");
    assert_eq!((demo.servers(), demo.sockets()), (0, 0), "something was left behind");
    fs::write(&control, whole).unwrap();
    fs::write(files.join("PG_VERSION"), "").unwrap();
    let message = demo.message(&["--listen", "127.0.0.1:0"]);
    assert!(message.contains("cannot read PG_VERSION"), "{message}");
}

/// The user id of `nobody`.
const NOBODY: u32 = 65_534;

/// True when this test can lend the process to other users.
fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

#[test]
fn a_data_folder_without_access_for_postgresql_has_its_files_elsewhere() {
    // Only root's PostgreSQL runs as somebody else; for others there is nothing to show.
    if !is_root() {
        return;
    }
    let demo = Demo::new();
    let private = demo.folder.path().join("private");
    fs::create_dir(&private).unwrap();
    fs::set_permissions(&private, PermissionsExt::from_mode(0o700)).unwrap();
    let data = private.join("data");
    let command = || {
        let mut command = keeper(&["dev", "--listen", "127.0.0.1:0", "--data"]);
        command.arg(&data).env("TMPDIR", demo.folder.path().join("tmp"));
        command.env_remove("XDG_RUNTIME_DIR");
        command
    };
    let server = Server::start(command()).unwrap();
    assert_eq!(save(&server, "fuga"), 200);
    server.signal(Signal::INT);
    let (ended_well, log) = server.wait();
    assert!(ended_well && log.contains("storing the database files in"), "{log}");
    let server = Server::start(command()).unwrap();
    assert_eq!(log_in(&server, "fuga"), 200, "the second start finds them again");
    stop(server, Signal::INT);
    let identity = fs::read_to_string(data.join("identity")).unwrap();
    let elsewhere = Path::new("/var/lib/credential-keeper").join(identity.trim());
    assert!(elsewhere.join("files").is_dir());
    fs::remove_dir_all(elsewhere).unwrap();
}

#[test]
fn dev_runs_without_root() {
    use std::os::unix::fs::chown;
    // Without root, every other test of `dev` already covers this.
    if !is_root() {
        return;
    }
    let demo = Demo::new();
    chown(demo.folder.path(), Some(NOBODY), Some(NOBODY)).unwrap();
    // The build folder may lie under root's home, where nobody gets in.
    let binary = demo.folder.path().join("credential-keeper");
    fs::copy(support::binary(), &binary).unwrap();
    let mut command = Command::new(&binary);
    command.args(["dev", "--listen", "127.0.0.1:0", "--data"]).arg(demo.data());
    command.current_dir("/").uid(NOBODY).gid(NOBODY);
    command.env("TMPDIR", demo.folder.path().join("tmp")).env_remove("XDG_RUNTIME_DIR");
    let server = Server::start(command).unwrap();
    assert_eq!(save(&server, "fuga"), 200);
    stop(server, Signal::INT);
    assert_eq!((demo.servers(), demo.sockets()), (0, 0), "something was left behind");
}

#[test]
fn database_only_prints_its_url_and_listens_on_no_port() {
    let demo = Demo::new();
    let server = Server::start(demo.command(&["--database-only"])).unwrap();
    assert!(server.ready.starts_with("postgres://"), "{}", server.ready);
    let url = server.ready.clone();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let addresses = runtime.block_on(async {
        let pool = sqlx::PgPool::connect(&url).await.unwrap();
        sqlx::query_scalar!(r#"SELECT current_setting('listen_addresses') AS "addresses!""#)
            .fetch_one(&pool)
            .await
            .unwrap()
    });
    assert_eq!(addresses, "");
    stop(server, Signal::INT);
    assert_eq!((demo.servers(), demo.sockets()), (0, 0), "something was left behind");
}
