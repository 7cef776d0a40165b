//! The service under load, of benches and of the overload tests: `serve` on a private PostgreSQL
//! with default durability.

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

const PASSWORD: &str = "the password of each caller";

/// The first user; an administrator, as all callers are.
const FIRST: u64 = 1000;

/// The first of the users whose credentials are saved.
pub(crate) const FIRST_TARGET: u64 = 100_000;

/// A database with users, and the instances over it. Fields are dropped from the top.
pub(crate) struct Installation {
    instances: Vec<Server>,
    database: Server,
    folder: tempfile::TempDir,
}

impl Installation {
    /// Starts the database, with `callers` administrators and `targets` plain users.
    pub(crate) async fn prepare(callers: u64, targets: u64) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        // PostgreSQL's account has to get in.
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("a mode");
        let data = folder.path().join("data");
        let mut command = keeper(&["dev", "--database-only", "--data"], folder.path());
        command.arg(data);
        let database = started(command);
        let installation = Self { instances: Vec::new(), database, folder };
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

    /// A connection to the database, past the service.
    pub(crate) async fn database(&self) -> PgConnection {
        PgConnection::connect(&self.database.ready).await.expect("a database")
    }

    /// Starts another instance.
    pub(crate) fn start_instance(&mut self) {
        let command = self.keeper(&["serve"]);
        self.instances.push(started(command));
    }

    /// Starts another instance with settings of its own.
    pub(crate) fn start_instance_with(&mut self, variables: &[(&str, &str)]) {
        let mut command = self.keeper(&["serve"]);
        command.envs(variables.iter().copied());
        self.instances.push(started(command));
    }

    /// Starts an instance that reaches the database through the socket in that folder.
    pub(crate) fn start_instance_behind(&mut self, folder: &Path) {
        let own = self.database_folder();
        let encoded = |path: &Path| path.to_str().expect("a path").replace('/', "%2F");
        let url = self.database.ready.replace(&encoded(&own), &encoded(folder));
        assert_ne!(url, self.database.ready, "the URL names the folder of its socket");
        let mut command = self.keeper(&["serve"]);
        command.env("KEEPER__DATABASE__URL", url);
        self.instances.push(started(command));
    }

    /// Where the socket of the database is.
    pub(crate) fn database_folder(&self) -> PathBuf {
        let host = self.database.ready.split("host=").nth(1).expect("a host");
        PathBuf::from(host.split('&').next().expect("a host").replace("%2F", "/"))
    }

    /// Stops every instance as an operator would; each has to end well, without a panic.
    pub(crate) fn stop_instances(&mut self) {
        for instance in self.instances.drain(..) {
            instance.signal(Signal::TERM);
            let (ended_well, log) = instance.wait();
            assert!(ended_well && !log.contains("panicked"), "{log}");
        }
    }

    pub(crate) fn addresses(&self) -> Vec<SocketAddr> {
        let address = |url: &str| url.trim_start_matches("http://").parse().expect("an address");
        self.instances.iter().map(|instance| address(&instance.ready)).collect()
    }

    /// Process ids of the instances.
    pub(crate) fn services(&self) -> Vec<u32> {
        self.instances.iter().map(Server::id).collect()
    }

    /// Process id of the parent of PostgreSQL's processes.
    pub(crate) fn database_id(&self) -> u32 {
        self.database.id()
    }

    /// Gives each caller their password, through the service.
    pub(crate) async fn save_passwords(&self, callers: u64) {
        let mut connection = Connection::open(self.addresses()[0]).await;
        for caller in 1..callers {
            let save = crate::load::save(&basic_of(0), FIRST + caller, PASSWORD);
            assert_eq!(connection.ask(&save).await.status, 200);
        }
    }

    async fn add_users(&self, name: &str, is_administrator: bool, ids: std::ops::Range<u64>) {
        let (start, end) = (i64::try_from(ids.start), i64::try_from(ids.end));
        let (start, end) = (start.expect("an id"), end.expect("an id"));
        sqlx::query(
            "WITH added AS (
                 INSERT INTO users (user_id, login_name, display_name, user_type,
                                    is_administrator, audit_sequence, audit_mac, created_at)
                 SELECT id, $1 || (id - $4), 'x', 'internal', $2, 1,
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

    /// Runs a command with that text on stdin, and those settings.
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
        let mut command = keeper(arguments, self.folder.path());
        command.env("KEEPER__DATABASE__URL", &self.database.ready);
        command
    }
}

fn started(command: Command) -> Server {
    Server::start(command).expect("a process that is ready")
}

fn keeper(arguments: &[&str], folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_credential-keeper"));
    command
        .args(arguments)
        .env("KEEPER__KEYRING__FILE", folder.join("keyring.json"))
        .env("KEEPER__HTTP__LISTEN", "127.0.0.1:0")
        .env("KEEPER__OPERATIONS__LISTEN", "127.0.0.1:0")
        .env("KEEPER__SHUTDOWN__GRACE_SECONDS", "0")
        // The values that are saved here are short, and known.
        .env("KEEPER__PASSWORDS__POLICY", "none")
        .env("KEEPER__LOG__LEVEL", "warn");
    command
}

/// How a caller proves who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scheme {
    Bearer,
    SoTicket,
    Basic,
    Cookie,
}

impl Scheme {
    pub(crate) const ALL: [Self; 4] = [Self::Bearer, Self::SoTicket, Self::Basic, Self::Cookie];

    /// The headers of that caller's requests.
    pub(crate) async fn log_in(self, connection: &mut Connection, caller: u64) -> String {
        match self {
            Self::Basic => basic_of(caller),
            Self::Bearer => {
                let ask = request("GET", "/api/v1/User/currentToken", &basic_of(caller), "");
                let answer = connection.ask(&ask).await;
                format!("Authorization: Bearer {}\r\n", answer.body.trim().trim_matches('"'))
            }
            Self::SoTicket => {
                let ask = request("POST", "/keeper/tickets", &basic_of(caller), "");
                let answer: serde_json::Value =
                    serde_json::from_str(&connection.ask(&ask).await.body).expect("a ticket");
                let ticket = answer["Ticket"].as_str().expect("a ticket");
                format!("Authorization: SOTicket {ticket}\r\n")
            }
            Self::Cookie => {
                let body = format!(r#"{{"UserName":"caller{caller}","Password":"{PASSWORD}"}}"#);
                let answer = connection.ask(&request("POST", "/login", "", &body)).await;
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

fn basic_of(caller: u64) -> String {
    basic(&format!("caller{caller}"), PASSWORD)
}

/// The header of a name and a password.
pub(crate) fn basic(name: &str, password: &str) -> String {
    let text = BASE64_STANDARD.encode(format!("{name}:{password}"));
    format!("Authorization: Basic {text}\r\n")
}
