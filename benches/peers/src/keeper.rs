//! The private PostgreSQL server of a run, and the service on it.

use std::{
    fmt::Write as _,
    fs::Permissions,
    io::Write as _,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    server::Server,
    servers::{FIRST_CALLER, FIRST_TARGET, TARGETS},
};

/// A private server of PostgreSQL with its default durability. Fields are dropped in this order.
pub(crate) struct Database {
    server: Server,
    /// The folder of its socket.
    socket: String,
    folder: tempfile::TempDir,
    binary: PathBuf,
}

impl Database {
    /// Starts a server with the program of the service.
    pub(crate) fn start(binary: &Path) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        // PostgreSQL runs under another account, which needs access to this folder.
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).expect("a mode");
        let mut command = Command::new(binary);
        command.args(["dev", "--database-only", "--data"]).arg(folder.path().join("data"));
        let server = started(command);
        let host = server.ready.split("host=").nth(1).expect("a host");
        let socket = host.split('&').next().expect("a host").replace("%2F", "/");
        Self { server, socket, folder, binary: binary.to_owned() }
    }

    /// The process id of the program that runs the server.
    pub(crate) fn id(&self) -> u32 {
        self.server.id()
    }

    /// A folder for files of the run.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Lets a command connect with the variables of PostgreSQL's own client.
    pub(crate) fn set_environment(&self, command: &mut Command, database: &str) {
        command
            .env("PGHOST", &self.socket)
            .env("PGUSER", "keeper")
            .env("PGDATABASE", database)
            .env("PGSSLMODE", "disable");
    }

    /// Creates a database.
    pub(crate) fn create(&self, name: &str) {
        let mut command = Command::new("psql");
        self.set_environment(&mut command, "postgres");
        command.args(["--quiet", "--no-psqlrc", "--command", &format!("CREATE DATABASE {name}")]);
        let status = command.status().expect("psql, which Debian's package postgresql-client has");
        assert!(status.success(), "the database {name} was not created");
    }

    /// Creates the users of a measurement, and starts the service.
    pub(crate) fn start_service(&self, callers: usize, password: &str) -> Server {
        self.run(&["keys", "generate"], "");
        self.run(&["migrate"], "");
        let first = FIRST_CALLER.to_string();
        self.run(&["user", "add", "caller0", "--administrator", "--id", &first], password);
        let mut lines = String::new();
        for number in 1..callers {
            let id = usize::try_from(FIRST_CALLER).expect("an id") + number;
            let user = serde_json::json!({
                "login_name": format!("caller{number}"), "id": id, "administrator": true,
                "credentials": [{ "value": password }],
            });
            let _ = writeln!(lines, "{user}");
        }
        for number in 0..TARGETS {
            let user = serde_json::json!({
                "login_name": format!("target{number}"), "id": FIRST_TARGET + number,
            });
            let _ = writeln!(lines, "{user}");
        }
        self.run(&["import", "-"], &lines);
        started(self.service(&["serve"]))
    }

    fn run(&self, arguments: &[&str], input: &str) {
        let mut command = self.service(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut child = command.spawn().expect("a command");
        child.stdin.take().expect("its input").write_all(input.as_bytes()).expect("written");
        assert!(child.wait().expect("its end").success(), "{arguments:?}");
    }

    fn service(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command
            .args(arguments)
            .env("KEEPER__DATABASE__URL", &self.server.ready)
            .env("KEEPER__KEYRING__FILE", self.folder().join("keyring.json"))
            .env("KEEPER__HTTP__LISTEN", "127.0.0.1:0")
            .env("KEEPER__OPERATIONS__LISTEN", "127.0.0.1:0")
            .env("KEEPER__SHUTDOWN__GRACE_SECONDS", "0")
            // The values that the load generator saves do not satisfy a policy.
            .env("KEEPER__PASSWORDS__POLICY", "none")
            .env("KEEPER__LOG__LEVEL", "warn");
        command
    }
}

/// Starts a process that ends only by our signal, not by the terminal's.
fn started(mut command: Command) -> Server {
    command.process_group(0);
    Server::start(command).unwrap_or_else(|log| panic!("the service did not start: {log}"))
}
