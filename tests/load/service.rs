//! The service under load for benches, overload tests and timing tests: `serve` on a private
//! PostgreSQL with its default durability.

use std::{
    fs::Permissions,
    io::Write,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use base64::{Engine, prelude::BASE64_STANDARD};
use rustix::process::Signal;
use sqlx::{Connection as _, PgConnection};

use crate::{
    load::{Connection, request},
    server::Server,
};

pub(crate) const PASSWORD: &str = "the password of each caller";

/// The id of the first caller. All callers are administrators.
const FIRST: u64 = 1000;

/// The program of this tree.
pub(crate) const CURRENT: &str = env!("CARGO_BIN_EXE_credential-keeper");

/// The id of the first user whose credentials are saved.
pub(crate) const FIRST_TARGET: u64 = 100_000;

/// A database with users and the instances that use it. Fields are dropped in this order.
pub(crate) struct Installation {
    instances: Vec<Server>,
    /// The private server; `None` when the test runs the servers itself.
    private: Option<Server>,
    /// The URL of the database for commands.
    url: String,
    folder: tempfile::TempDir,
    /// The program that all commands run.
    binary: PathBuf,
}

impl Installation {
    /// Starts the database, with `callers` administrators and `targets` plain users.
    pub(crate) async fn prepare(callers: u64, targets: u64) -> Self {
        Self::prepare_with(Path::new(CURRENT), callers, targets).await
    }

    /// As [`Self::prepare`], with the program of another release.
    pub(crate) async fn prepare_with(binary: &Path, callers: u64, targets: u64) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        // PostgreSQL runs under another account, which needs access to this folder.
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("a mode");
        let data = folder.path().join("data");
        let mut command =
            keeper(Path::new(CURRENT), &["dev", "--database-only", "--data"], folder.path());
        command.arg(data);
        let private = start_server(command);
        let url = private.ready.clone();
        let binary = binary.to_owned();
        Self { instances: Vec::new(), private: Some(private), url, folder, binary }
            .fill(callers, targets)
            .await
    }

    /// The same on an empty database of a server that the test runs.
    pub(crate) async fn prepare_on(url: &str, callers: u64, targets: u64) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (url, binary) = (url.to_owned(), PathBuf::from(CURRENT));
        let installation = Self { instances: Vec::new(), private: None, url, folder, binary };
        installation.fill(callers, targets).await
    }

    async fn fill(self, callers: u64, targets: u64) -> Self {
        let installation = self;
        installation.run(&["keys", "generate"], "", &[]);
        installation.run(&["migrate"], "", &[]);
        installation.run(
            &["user", "add", "caller0", "--administrator", "--id", &FIRST.to_string()],
            PASSWORD,
            &[],
        );
        installation.add_users("caller", true, FIRST + 1..FIRST + callers).await;
        installation.add_users("target", false, FIRST_TARGET..FIRST_TARGET + targets).await;
        installation
    }

    /// Runs the commands from now on with the program of another release.
    pub(crate) fn set_binary(&mut self, binary: &Path) {
        binary.clone_into(&mut self.binary);
    }

    /// A direct connection to the database.
    pub(crate) async fn database(&self) -> PgConnection {
        PgConnection::connect(&self.url).await.expect("a database")
    }

    /// Starts another instance.
    pub(crate) fn start_instance(&mut self) {
        let command = self.keeper(&["serve"]);
        self.instances.push(start_server(command));
    }

    /// Starts another instance with additional settings.
    pub(crate) fn start_instance_with(&mut self, variables: &[(&str, &str)]) {
        let mut command = self.keeper(&["serve"]);
        command.envs(variables.iter().copied());
        self.instances.push(start_server(command));
    }

    /// Starts an instance that connects to the database through a socket in this folder.
    pub(crate) fn start_instance_behind(&mut self, folder: &Path) {
        let own = self.database_folder();
        let encoded = |path: &Path| path.to_str().expect("a path").replace('/', "%2F");
        let url = self.url.replace(&encoded(&own), &encoded(folder));
        assert_ne!(url, self.url, "the URL does not contain the folder of the socket");
        let mut command = self.keeper(&["serve"]);
        command.env("KEEPER__DATABASE__URL", url);
        self.instances.push(start_server(command));
    }

    /// The folder with the socket of the database.
    pub(crate) fn database_folder(&self) -> PathBuf {
        let host = self.url.split("host=").nth(1).expect("a host");
        PathBuf::from(host.split('&').next().expect("a host").replace("%2F", "/"))
    }

    /// Stops every instance with SIGTERM, and asserts that it exits successfully without a panic.
    pub(crate) fn stop_instances(&mut self) {
        for instance in self.instances.drain(..) {
            instance.signal(Signal::TERM);
            let (ended_well, log) = instance.wait();
            assert!(ended_well && !log.contains("panicked"), "{log}");
        }
    }

    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        let address = |url: &str| {
            let (_, address) = url.split_once("://").expect("a URL");
            address.parse().expect("an address")
        };
        self.instances.iter().map(|instance| address(&instance.ready)).collect()
    }

    /// Process ids of the instances.
    pub(crate) fn services(&self) -> Vec<u32> {
        self.instances.iter().map(Server::id).collect()
    }

    /// Process id of the main process of PostgreSQL.
    pub(crate) fn database_id(&self) -> u32 {
        self.private.as_ref().expect("a private server").id()
    }

    /// Saves the password of each caller through the service.
    pub(crate) async fn save_passwords(&self, callers: u64) {
        let mut connection = Connection::open(self.addresses()[0]).await;
        for caller in 1..callers {
            let save = crate::load::save(&caller_basic(0), FIRST + caller, PASSWORD);
            assert_eq!(connection.send(&save).await.status, 200);
        }
    }

    async fn add_users(&self, name: &str, is_administrator: bool, ids: std::ops::Range<u64>) {
        let (start, end) = (i64::try_from(ids.start), i64::try_from(ids.end));
        let (start, end) = (start.expect("an id"), end.expect("an id"));
        sqlx::query(
            "WITH added AS (
                 INSERT INTO users (user_id, login_name, canonical_name, display_name, user_type,
                                    is_administrator, audit_sequence, audit_mac, created_at)
                 SELECT id, $1 || (id - $4), $1 || (id - $4), 'x', 'internal', $2, 1,
                        sha256(id::text::bytea), now()
                 FROM generate_series($3::int, $5::int - 1) AS id
                 RETURNING user_id, login_name
             )
             INSERT INTO login_names SELECT login_name, user_id FROM added",
        )
        .bind(name)
        .bind(is_administrator)
        .bind(start)
        .bind(if is_administrator { 1000 } else { 0_i64 })
        .bind(end)
        .execute(&mut self.database().await)
        .await
        .expect("users");
    }

    /// Runs a command with this input and additional settings, and asserts that it succeeds.
    pub(crate) fn run(&self, arguments: &[&str], input: &str, variables: &[(&str, &str)]) {
        let mut command = self.keeper(arguments);
        let mut child = command
            .envs(variables.iter().copied())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("a command");
        child.stdin.take().expect("its input").write_all(input.as_bytes()).expect("written");
        assert!(child.wait().expect("its end").success(), "{arguments:?}");
    }

    /// A command of this installation.
    pub(crate) fn keeper(&self, arguments: &[&str]) -> Command {
        self.keeper_of(&self.binary, arguments)
    }

    /// A command of this installation with the program of another release.
    pub(crate) fn keeper_of(&self, binary: &Path, arguments: &[&str]) -> Command {
        let mut command = keeper(binary, arguments, self.folder.path());
        command.env("KEEPER__DATABASE__URL", &self.url);
        command.envs([allow_unverified(&self.url)]);
        command
    }
}

/// The setting for a server on another machine whose certificate is not verified. It is refused for
/// one on this machine.
pub(crate) fn allow_unverified(url: &str) -> (&'static str, &'static str) {
    let is_elsewhere = url.contains("@10.");
    ("KEEPER__DATABASE__ALLOW_UNVERIFIED_SERVER", if is_elsewhere { "true" } else { "" })
}

fn start_server(command: Command) -> Server {
    Server::start(command).expect("a process that is ready")
}

fn keeper(binary: &Path, arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(binary);
    command
        .args(arguments)
        .env("KEEPER__KEYRING__FILE", folder.join("keyring.json"))
        .env("KEEPER__HTTP__LISTEN", "127.0.0.1:0")
        .env("KEEPER__OPERATIONS__LISTEN", "127.0.0.1:0")
        .env("KEEPER__SHUTDOWN__GRACE_SECONDS", "0")
        // The values that the load generator saves do not satisfy a policy.
        .env("KEEPER__PASSWORDS__POLICY", "none")
        .env("KEEPER__LOG__LEVEL", "warn");
    command
}

/// The authentication scheme of a caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Bearer,
    SoTicket,
    Basic,
    Cookie,
}

impl Scheme {
    pub(crate) const ALL: [Self; 4] = [Self::Bearer, Self::SoTicket, Self::Basic, Self::Cookie];

    /// Logs a caller in; returns the headers of their requests.
    pub(crate) async fn log_in(self, connection: &mut Connection, caller: u64) -> String {
        match self {
            Self::Basic => caller_basic(caller),
            Self::Bearer => {
                let login = request("GET", "/api/v1/User/currentToken", &caller_basic(caller), "");
                let answer = connection.send(&login).await;
                format!("Authorization: Bearer {}\r\n", answer.body.trim().trim_matches('"'))
            }
            Self::SoTicket => {
                let login = request("POST", "/keeper/tickets", &caller_basic(caller), "");
                let answer: serde_json::Value =
                    serde_json::from_str(&connection.send(&login).await.body).expect("a ticket");
                let ticket = answer["Ticket"].as_str().expect("a ticket");
                format!("Authorization: SOTicket {ticket}\r\n")
            }
            Self::Cookie => {
                let body = format!(r#"{{"UserName":"caller{caller}","Password":"{PASSWORD}"}}"#);
                let answer = connection.send(&request("POST", "/login", "", &body)).await;
                let cookie = |name: &str| {
                    let start = answer.head.split(&format!("{name}=")).nth(1).expect("a cookie");
                    start.split(';').next().expect("its value").to_owned()
                };
                let (session, xsrf) = (cookie("ASP.NET_SessionId"), cookie("XSRF-TOKEN"));
                format!("Cookie: ASP.NET_SessionId={session}\r\nX-XSRF-TOKEN: {xsrf}\r\n")
            }
        }
    }
}

fn caller_basic(caller: u64) -> String {
    basic(&format!("caller{caller}"), PASSWORD)
}

/// The `Authorization` header for a name and a password.
pub(crate) fn basic(name: &str, password: &str) -> String {
    let text = BASE64_STANDARD.encode(format!("{name}:{password}"));
    format!("Authorization: Basic {text}\r\n")
}
