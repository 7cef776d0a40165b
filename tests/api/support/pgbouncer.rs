//! A PgBouncer with the configuration of its guide, in front of the test's database.

use std::{
    fs,
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use sqlx::PgPool;

use super::{SERVICE_ROLE, free_port, wait_until_listening};

const GUIDE: &str = include_str!("../../../docs/how-to/use-pgbouncer.md");

/// The password that PgBouncer asks the role of the service for.
const PASSWORD: &str = "of-pgbouncer";

/// The PgBouncer of the system.
pub(crate) fn installed_pgbouncer() -> PathBuf {
    "/usr/sbin/pgbouncer".into()
}

/// The PgBouncer that `script/newer-pgbouncer` installs.
pub(crate) fn newer_pgbouncer() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into());
    root.join(target).join("pgbouncer/run")
}

/// A running PgBouncer; it stops with the test.
pub(crate) struct PgBouncer {
    process: Child,
    _folder: tempfile::TempDir,
    /// The URL of the database for the service.
    pub(crate) url: String,
}

impl PgBouncer {
    /// Starts a PgBouncer with the guide's configuration of a mode.
    pub(crate) fn start(program: &Path, mode: &str, pool: &PgPool) -> Self {
        let options = pool.connect_options();
        let (database, port) = (options.get_database().unwrap(), options.get_port());
        let socket = options.get_socket().map(PathBuf::as_path);
        let host = socket.map_or_else(|| options.get_host(), |folder| folder.to_str().unwrap());
        let folder = tempfile::tempdir().unwrap();
        let users = folder.path().join("userlist.txt");
        fs::write(&users, format!("\"{SERVICE_ROLE}\" \"{PASSWORD}\"\n")).unwrap();
        let own_port = free_port();
        let configuration = configuration(mode)
            .replace(
                "host=db.example port=5432 dbname=keeper",
                &format!("host={host} port={port} dbname={database}"),
            )
            .replace("listen_port = 6432", &format!("listen_port = {own_port}"))
            .replace("/etc/pgbouncer/userlist.txt", users.to_str().unwrap());
        let supports_prepared = !version(program).starts_with("PgBouncer 1.18.");
        let is_refused = program == installed_pgbouncer() && mode == "transaction";
        let configuration = match (is_refused, supports_prepared) {
            // As PgBouncer before 1.21, which does not know the setting.
            (true, false) => configuration.replace("max_prepared_statements = 500\n", ""),
            (true, true) => configuration.replace("statements = 500", "statements = 0"),
            (false, _) => configuration,
        };
        let file = folder.path().join("pgbouncer.ini");
        fs::write(&file, format!("{configuration}unix_socket_dir =\n")).unwrap();
        fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o755)).unwrap();
        let mut command = Command::new(program);
        command.arg("--quiet").arg(&file).stdin(Stdio::null()).current_dir("/");
        // It refuses to run as root, and the owner of the server may use its socket.
        if rustix::process::geteuid().is_root() {
            let owner = socket.map(|folder| fs::metadata(folder).unwrap());
            let (uid, gid) = owner.map_or((65534, 65534), |owner| (owner.uid(), owner.gid()));
            for path in [folder.path(), &users, &file] {
                chown(path, Some(uid), Some(gid)).unwrap();
            }
            command.uid(uid).gid(gid);
        }
        let mut process = command.spawn().unwrap();
        wait_until_listening("PgBouncer", &mut process, &[own_port]);
        let url = format!("postgres://{SERVICE_ROLE}:{PASSWORD}@127.0.0.1:{own_port}/keeper");
        Self { process, _folder: folder, url }
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn version(program: &Path) -> String {
    let output = Command::new(program).arg("--version").output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// The configuration of the guide with this mode.
fn configuration(mode: &str) -> String {
    let blocks = GUIDE.split("```ini\n").skip(1).filter_map(|rest| rest.split_once("```"));
    let has_mode = |block: &&str| block.contains(&format!("pool_mode = {mode}\n"));
    blocks.map(|(block, _)| block).find(has_mode).unwrap().to_owned()
}

/// The statements of the guide that set the timeouts, for the role of the service.
pub(crate) fn role_timeouts() -> Vec<String> {
    let statements = GUIDE.lines().map(str::trim).filter(|line| line.starts_with("ALTER ROLE"));
    statements.map(|line| line.replace("ROLE keeper", &format!("ROLE {SERVICE_ROLE}"))).collect()
}
