//! The instances of the service, and its commands.

use std::{
    fs,
    fs::Permissions,
    io::Write,
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use crate::{
    ports::free_port,
    postgres::{Postgres, SERVICE_PASSWORD},
};

/// The number of instances.
pub(crate) const INSTANCES: usize = 3;

/// The password of every administrator, which does not change.
pub(crate) const PASSWORD: &str = "the password of each administrator";

/// The binary under test: `FAULTS_BINARY`, or the one of this build.
fn binary() -> PathBuf {
    let other = std::env::var_os("FAULTS_BINARY").map(PathBuf::from);
    other.unwrap_or_else(|| env!("CARGO_BIN_EXE_credential-keeper").into())
}

/// The files that every instance and command needs.
pub(crate) struct Installation {
    folder: PathBuf,
    owner_url: String,
    service_url: String,
}

impl Installation {
    /// Creates keyring, tables and the administrators.
    pub(crate) fn create(folder: &Path, postgres: &Postgres, proxy: SocketAddr) -> Self {
        let installation = Self {
            folder: folder.to_owned(),
            owner_url: postgres.owner_url(),
            service_url: Postgres::url("service", proxy),
        };
        let password = folder.join("password");
        fs::write(&password, SERVICE_PASSWORD).expect("a password file");
        fs::set_permissions(&password, Permissions::from_mode(0o400)).expect("a mode");
        for arguments in [&["keys", "generate"][..], &["migrate"]] {
            assert!(installation.run(arguments, ""), "{arguments:?}");
        }
        for number in 0..INSTANCES {
            let name = format!("administrator{number}");
            let id = (1000 + number).to_string();
            let arguments = ["user", "add", &name, "--administrator", "--id", &id];
            assert!(installation.run(&arguments, PASSWORD), "{arguments:?}");
        }
        installation
    }

    /// Runs a command as the owner of the tables, directly on the database. Returns whether it
    /// succeeded.
    pub(crate) fn run(&self, arguments: &[&str], input: &str) -> bool {
        self.output(arguments, input).is_some()
    }

    /// Runs a command; returns what it prints on both streams, if it succeeds.
    pub(crate) fn output(&self, arguments: &[&str], input: &str) -> Option<String> {
        let mut command = self.command(arguments);
        command.env("KEEPER__DATABASE__URL", &self.owner_url);
        command.env("KEEPER__DATABASE__ROLE", "service");
        command.env("KEEPER__DATABASE__STARTUP_WAIT_SECONDS", "60");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("a command");
        // A command that fails early does not read its input.
        let _ = child.stdin.take().expect("its input").write_all(input.as_bytes());
        let output = child.wait_with_output().expect("its output");
        let text = [output.stdout, output.stderr].concat();
        output.status.success().then(|| String::from_utf8_lossy(&text).into_owned())
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("KEEPER")) {
            command.env_remove(name);
        }
        command
            .args(arguments)
            .env("KEEPER__KEYRING__FILE", self.folder.join("keyring.json"))
            .env("KEEPER__PASSWORDS__POLICY", "none")
            .env("KEEPER__LOG__LEVEL", "warn");
        command
    }
}

/// An instance, which keeps its addresses when it is started again.
pub(crate) struct Instance {
    number: usize,
    pub(crate) address: SocketAddr,
    pub(crate) operations: SocketAddr,
    log: PathBuf,
    process: Child,
}

impl Instance {
    pub(crate) fn start(installation: &Installation, number: usize) -> Self {
        let log = installation.folder.join(format!("instance{number}.log"));
        let address = || SocketAddr::from(([127, 0, 0, 1], free_port()));
        let (address, operations) = (address(), address());
        let process = spawn(installation, number, [address, operations], &log);
        Self { number, address, operations, log, process }
    }

    /// Kills the process.
    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("a signal");
        self.process.wait().expect("its end");
    }

    /// Starts the process again.
    pub(crate) fn restart(&mut self, installation: &Installation) {
        let addresses = [self.address, self.operations];
        self.process = spawn(installation, self.number, addresses, &self.log);
    }

    /// Lines of the log that no fault explains: panics, and answers with 500.
    pub(crate) fn log_findings(&self) -> Vec<String> {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let is_finding =
            |line: &&str| line.contains("panicked") || line.contains(r#""error.code":"internal""#);
        log.lines().filter(is_finding).map(str::to_owned).collect()
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(
    installation: &Installation,
    number: usize,
    [address, operations]: [SocketAddr; 2],
    log: &Path,
) -> Child {
    let log = fs::OpenOptions::new().create(true).append(true).open(log).expect("a log");
    let mut command = installation.command(&["serve"]);
    command
        .env("KEEPER__DATABASE__URL", &installation.service_url)
        .env("KEEPER__DATABASE__PASSWORD_FILE", installation.folder.join("password"))
        .env("KEEPER__DATABASE__MAXIMUM_CONNECTIONS", "8")
        .env("KEEPER__HTTP__LISTEN", address.to_string())
        .env("KEEPER__OPERATIONS__LISTEN", operations.to_string())
        .env("KEEPER__ATTEMPTS__MAXIMUM_PER_ADDRESS", "0")
        .env("KEEPER__LOG__FORMAT", "json")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log);
    if number == INSTANCES - 1 {
        // Its logins hash again what the other instances have saved.
        command.env("KEEPER__HASHING__ITERATIONS", "3");
    }
    command.spawn().expect("an instance")
}
