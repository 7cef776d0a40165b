//! The shell lines of the guide, with the roles of `deploy/roles.sh`.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::{
    support::{PrivateServer, keeper, run_successfully, run_with_input},
    upgrades,
};

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

/// The only shell block of the guide that runs the program.
fn printed(program: &str) -> String {
    let guide = format!("{REPOSITORY}/docs/how-to/back-up-and-restore.md");
    let text = fs::read_to_string(guide).unwrap();
    let blocks = text.split("```sh\n").skip(1).map(|rest| rest.split("```").next().unwrap());
    let mut found = blocks.filter(|block| block.lines().any(|line| line.contains(program)));
    let block = found.next().unwrap().to_owned();
    assert_eq!(found.next(), None, "{program}");
    block
}

/// A server with the database `keeper` and its three roles.
struct Installation {
    server: PrivateServer,
    folder: tempfile::TempDir,
}

impl Installation {
    async fn create() -> Self {
        let server = PrivateServer::start().await;
        // The superuser of the server has the name of the service's role.
        server.execute("CREATE ROLE admin SUPERUSER LOGIN").await;
        let this = Self { server, folder: tempfile::tempdir().unwrap() };
        this.psql("admin", "postgres", &["--command", "ALTER ROLE keeper RENAME TO first"]);
        let password = this.folder.path().join("password");
        fs::write(&password, "a password\n").unwrap();
        let mut roles = Command::new("bash");
        roles.arg(format!("{REPOSITORY}/deploy/roles.sh"));
        roles.envs([("PGHOST", this.socket()), ("POSTGRES_USER", "admin")]);
        for role in ["OWNER", "SERVICE", "AUDITOR"] {
            roles.env(format!("KEEPER_{role}_PASSWORD_FILE"), &password);
        }
        run_successfully(&mut roles);
        this
    }

    fn socket(&self) -> &str {
        self.server.options.get_socket().unwrap().to_str().unwrap()
    }

    fn url(&self, role: &str, database: &str) -> String {
        format!("postgres://{role}@localhost/{database}?host={}&sslmode=disable", self.socket())
    }

    fn psql(&self, role: &str, database: &str, arguments: &[&str]) {
        let mut psql = Command::new("psql");
        psql.args(["--quiet", "--set=ON_ERROR_STOP=1", &self.url(role, database)]);
        run_successfully(psql.args(arguments).stdout(Stdio::null()));
    }

    /// Runs the shell lines as the guide prints them, with the usual umask.
    fn run(&self, lines: &str) {
        let mut bash = Command::new("bash");
        bash.args(["-euo", "pipefail", "-c", &format!("umask 022\n{lines}")]);
        bash.current_dir(self.folder.path());
        bash.env("ADMIN_URL", self.url("admin", "postgres"));
        bash.env("OWNER_URL", self.url("keeper_owner", "keeper"));
        bash.env("RESTORED_URL", self.url("keeper_owner", "keeper_restored"));
        run_successfully(bash.stdout(Stdio::null()));
    }

    /// Runs the line with `pg_dump`. The line before it prints anchors, which needs the schema of this
    /// version. Only the owner can read the dump.
    fn dump(&self) {
        let block = printed("pg_dump ");
        self.run(block.lines().find(|line| line.contains("pg_dump ")).unwrap());
        let dump = fs::metadata(self.folder.path().join("keeper.dump")).unwrap();
        assert_eq!(dump.permissions().mode() & 0o777, 0o600);
    }

    /// Runs the binary with the URL of a role.
    fn command(&self, arguments: &[&str], role: &str, database: &str) -> String {
        let mut command = keeper(arguments);
        command.env("KEEPER__DATABASE__URL", self.url(role, database));
        command.env("KEEPER__DATABASE__ROLE", "keeper");
        command.env("KEEPER__DATABASE__AUDITOR_ROLE", "keeper_auditor");
        command.env("KEEPER__KEYRING__FILE", self.keyring());
        run_with_input(command, "").assert_success()
    }

    fn keyring(&self) -> PathBuf {
        self.folder.path().join("keyring.json")
    }

    fn install_keyring(&self, file: &Path) {
        fs::copy(file, self.keyring()).unwrap();
        fs::set_permissions(self.keyring(), PermissionsExt::from_mode(0o400)).unwrap();
    }
}

/// A restore over the tables of the newer schema would leave its newer tables.
#[tokio::test]
async fn the_printed_restore_replaces_a_database_with_a_newer_schema() {
    let installation = Installation::create().await;
    let dump = upgrades::file("0.1.0", "sql");
    installation.psql("keeper_owner", "keeper", &["--file", dump.to_str().unwrap()]);
    installation.install_keyring(&upgrades::file("0.1.0", "keyring.json"));
    installation.dump();
    installation.command(&["migrate"], "keeper_owner", "keeper");

    installation.run(&printed("pg_restore "));
    installation.command(&["migrate"], "keeper_owner", "keeper_restored");
    installation.command(&["restore", "check"], "keeper", "keeper_restored");
    installation.server.stop().await;
}

/// With the role of the service, `pg_dump` would lack privileges.
#[tokio::test]
async fn the_printed_backup_works_with_three_roles() {
    let installation = Installation::create().await;
    credential_keeper::generate_keyring(&installation.keyring()).unwrap();
    installation.command(&["migrate"], "keeper_owner", "keeper");
    installation.command(&["user", "add", "ada", "--generate"], "keeper", "keeper");
    let anchors = installation.command(&["audit", "anchor"], "keeper", "keeper");
    installation.dump();

    installation.run(&printed("pg_restore "));
    installation.command(&["restore", "check"], "keeper", "keeper_restored");
    installation.command(&["audit", "verify"], "keeper_auditor", "keeper_restored");
    assert_eq!(installation.command(&["audit", "anchor"], "keeper", "keeper_restored"), anchors);
    installation.server.stop().await;
}
