//! Runs the database of `docker-compose.yml` on this machine: same command, files and roles.

use std::{
    fs::{self, Permissions},
    os::unix::{
        fs::{PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use nix::unistd::{Uid, User};
use rustix::process::{Pid, Signal, kill_process};

use super::{
    compose::{Compose, with_local_paths},
    free_port,
};

/// A private PostgreSQL server that stops when it is dropped.
pub(crate) struct DatabaseContainer {
    server: Child,
    pub(crate) port: u16,
    account: Account,
    /// The folder of the server's files.
    folder: PathBuf,
    /// The environment of the container, with local paths.
    environment: Vec<(String, String)>,
    /// The script that creates the roles.
    roles: String,
}

impl DatabaseContainer {
    /// Starts the server in a new folder, and creates the roles as the container does.
    pub(crate) fn start(compose: &Compose, secrets: &Path, folder: &Path) -> Self {
        let service = compose.service("database");
        let account = Account::choose();
        fs::create_dir(folder).unwrap();
        // Copies, because the server's account must own the files.
        let originals = [service.secrets(secrets), service.mounts()].concat();
        let files: Vec<(String, String)> = originals
            .into_iter()
            .map(|(container, original)| {
                let copy = folder.join(Path::new(&container).file_name().unwrap());
                fs::copy(original, &copy).unwrap();
                fs::set_permissions(&copy, Permissions::from_mode(0o400)).unwrap();
                account.take_ownership(&copy);
                (container, copy.to_str().unwrap().to_owned())
            })
            .collect();
        account.take_ownership(folder);
        let environment = service.environment();
        let data = folder.join("files");
        let mut initdb = account.command("initdb");
        initdb.arg(format!("--username={}", environment["POSTGRES_USER"]));
        initdb.args(environment["POSTGRES_INITDB_ARGS"].split_whitespace());
        run_successfully(
            initdb.args(["--encoding=UTF8", "--no-locale", "--no-sync", "--pgdata"]).arg(&data),
        );
        let port = free_port();
        let arguments = service.texts("command");
        assert_eq!(arguments[0], "postgres");
        let log = fs::File::create(folder.join("log")).unwrap();
        let server = account
            .command("postgres")
            .args(arguments[1..].iter().map(|argument| with_local_paths(argument, &files)))
            .args(["-clisten_addresses=localhost", &format!("-cport={port}")])
            .args([Path::new("-k"), folder, Path::new("-D"), &data])
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let environment = environment.iter();
        let started = Self {
            server,
            port,
            account,
            folder: folder.to_owned(),
            environment: environment
                .map(|(name, value)| (name.clone(), with_local_paths(value, &files)))
                .collect(),
            roles: with_local_paths("/docker-entrypoint-initdb.d/roles.sh", &files),
        };
        started.wait_until_ready();
        started.create_roles();
        started
    }

    fn wait_until_ready(&self) {
        let end = Instant::now() + Duration::from_secs(60);
        let mut ready = self.account.command("pg_isready");
        ready.args(["--quiet", "--host=localhost", "--port", &self.port.to_string()]);
        while !ready.status().unwrap().success() {
            let log = fs::read_to_string(self.folder.join("log")).unwrap();
            assert!(Instant::now() < end, "timed out waiting for PostgreSQL; its log: {log}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Runs the script that creates the roles, as the container does at its first start.
    pub(crate) fn create_roles(&self) {
        let mut roles = self.account.command("bash");
        roles.arg(&self.roles).envs(self.environment.iter().map(|(name, value)| (name, value)));
        run_successfully(roles.env("PGHOST", &self.folder).env("PGPORT", self.port.to_string()));
    }

    /// Runs statements as the superuser in the database of the service.
    pub(crate) fn superuser(&self, statements: &str) {
        let mut psql = self.account.command("psql");
        psql.args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--username=postgres"]);
        psql.args(["--dbname=keeper", "--command", statements]);
        run_successfully(psql.env("PGHOST", &self.folder).env("PGPORT", self.port.to_string()));
    }
}

impl Drop for DatabaseContainer {
    fn drop(&mut self) {
        let pid = Pid::from_raw(i32::try_from(self.server.id()).unwrap()).unwrap();
        let _ = kill_process(pid, Signal::INT);
        let _ = self.server.wait();
    }
}

/// The account that runs PostgreSQL, and the folder of its programs.
struct Account {
    /// PostgreSQL refuses to run as root, so root runs it as this user.
    user: Option<User>,
    programs: PathBuf,
}

impl Account {
    fn choose() -> Self {
        let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let versioned = versions.map(|version| version.path().join("bin")).max();
        let on_path = || {
            let path = std::env::var_os("PATH").unwrap();
            std::env::split_paths(&path).find(|folder| folder.join("initdb").is_file())
        };
        let programs = versioned.or_else(on_path).unwrap();
        let user = Uid::effective().is_root().then(|| {
            let find = |name| User::from_name(name).unwrap();
            find("postgres").or_else(|| find("nobody")).unwrap()
        });
        Self { user, programs }
    }

    fn take_ownership(&self, path: &Path) {
        if let Some(user) = &self.user {
            chown(path, Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
        }
    }

    fn command(&self, program: &str) -> Command {
        let path = std::env::var("PATH").unwrap();
        let path_of_program = self.programs.join(program);
        let mut command =
            Command::new(if path_of_program.is_file() { path_of_program } else { program.into() });
        command.env("PATH", format!("{}:{path}", self.programs.display()));
        command.current_dir("/").stdin(Stdio::null());
        if let Some(user) = &self.user {
            command.uid(user.uid.as_raw()).gid(user.gid.as_raw());
        }
        command
    }
}

/// Runs a command, and asserts that it succeeds.
pub(crate) fn run_successfully(command: &mut Command) {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
