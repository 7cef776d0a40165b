//! The database files of the private PostgreSQL: location, creation, and cleanup after a killed
//! server.

use std::{
    fs::{self, DirBuilder},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use super::{account::Account, binaries::Binaries, data_folder::DataFolder};
use crate::cli::output::{Failure, print_status};

/// The location of the files if the account of PostgreSQL cannot access the data folder.
const FALLBACK_FOLDER: &str = "/var/lib/credential-keeper";

/// The name prefix of the socket folders of `dev`.
pub(super) const SOCKET_PREFIX: &str = "credential-keeper-";

/// The line of `postmaster.pid` with the socket folder, from 0.
const SOCKET_LINE: usize = 4;

/// The database files and the matching PostgreSQL programs.
pub(super) struct Cluster {
    pub(super) binaries: Binaries,
    pub(super) account: Account,
    parent: PathBuf,
}

impl Cluster {
    /// Opens the files of a data folder, or creates them.
    pub(super) fn open(data: &DataFolder) -> Result<Self, Failure> {
        let account = Account::choose()?;
        let parent = choose_folder(data, account)?;
        let files = parent.join("files");
        let major = if files.try_exists()? { Some(major_version(&files)?) } else { None };
        let cluster = Self { binaries: Binaries::find(major)?, account, parent };
        if major.is_none() {
            cluster.create()?;
        }
        cluster.stop_leftover()?;
        Ok(cluster)
    }

    /// The data directory of PostgreSQL.
    pub(super) fn files(&self) -> PathBuf {
        self.parent.join("files")
    }

    /// The log file of the server.
    pub(super) fn log(&self) -> PathBuf {
        self.parent.join("postgres.log")
    }

    /// Runs `initdb` in a temporary folder and renames it, so that an interrupted run leaves no
    /// incomplete files at the final location.
    fn create(&self) -> Result<(), Failure> {
        let unfinished = self.parent.join("unfinished");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)?;
        }
        print_status("creating the database files");
        let output = self
            .account
            .command(&self.binaries.program("initdb"))
            .args(["--username=keeper", "--encoding=UTF8", "--no-locale", "--no-instructions"])
            // The socket is in a folder that only this account and root can access.
            .args(["--auth-local=trust", "--auth-host=reject"])
            .arg("--pgdata")
            .arg(&unfinished)
            .output()?;
        if !output.status.success() {
            let message = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
            return Err(Failure::new(format!("initdb failed: {message}")));
        }
        Ok(fs::rename(&unfinished, self.files())?)
    }

    /// Stops a server that a killed `dev` left running, and removes its socket folder. The lock on
    /// the data folder guarantees that no other `dev` uses it.
    fn stop_leftover(&self) -> Result<(), Failure> {
        let Ok(pid_file) = fs::read_to_string(self.files().join("postmaster.pid")) else {
            return Ok(());
        };
        // The process id may have been reused since. The working directory of PostgreSQL is its
        // data directory, and PostgreSQL detects a stale pid file by itself.
        let process = pid_file.lines().next().unwrap_or_default();
        let working_directory = fs::read_link(Path::new("/proc").join(process).join("cwd")).ok();
        let is_running = working_directory.is_some_and(|folder| folder == self.files());
        let control = |arguments: &[&str]| {
            let mut command = self.account.command(&self.binaries.program("pg_ctl"));
            command.arg("--pgdata").arg(self.files()).args(arguments).output()
        };
        if is_running {
            print_status("stopping a PostgreSQL server that a killed dev left running");
            let stopped = control(&["stop", "--mode=fast", "--wait", "--timeout=60"])?;
            if !stopped.status.success() {
                return Err(Failure::new(format!(
                    "timed out stopping a PostgreSQL server that a killed dev left running; end \
                     process {process} and try again"
                )));
            }
        }
        if let Some(folder) = pid_file.lines().nth(SOCKET_LINE) {
            remove_socket_folder(Path::new(folder));
        }
        Ok(())
    }
}

/// Removes a socket folder of `dev`, and no other path. The path may come from a file that the
/// account of PostgreSQL can write, so its name is checked, and only the socket and its lock file
/// are removed.
pub(super) fn remove_socket_folder(folder: &Path) {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let suffix = name.strip_prefix(SOCKET_PREFIX).unwrap_or_default();
    let is_ours = suffix.len() == 16 && suffix.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_ours || !folder.is_absolute() {
        return;
    }
    // PostgreSQL usually removed the files already.
    for name in [".s.PGSQL.5432", ".s.PGSQL.5432.lock"] {
        let _ = fs::remove_file(folder.join(name));
    }
    let _ = fs::remove_dir(folder);
}

/// Chooses the folder for the files: in the data folder if the account of PostgreSQL can access it.
fn choose_folder(data: &DataFolder, account: Account) -> Result<PathBuf, Failure> {
    let inside = data.path().join("postgres");
    create_folder(&inside, account)?;
    if account.can_write(&inside)? {
        return Ok(inside);
    }
    fs::remove_dir(&inside)?;
    let fallback = Path::new(FALLBACK_FOLDER);
    DirBuilder::new().recursive(true).mode(0o755).create(fallback)?;
    let outside = fallback.join(data.identity()?);
    create_folder(&outside, account)?;
    print_status(format_args!(
        "storing the database files in {}: PostgreSQL's account cannot access the data folder",
        outside.display()
    ));
    Ok(outside)
}

/// Creates a folder for the account. Never changes the owner of an existing folder: its owner would
/// lose access to their data.
fn create_folder(folder: &Path, account: Account) -> Result<(), Failure> {
    if folder.try_exists()? {
        return account.check_owner(folder);
    }
    DirBuilder::new().mode(0o700).create(folder)?;
    account.own(folder)
}

fn major_version(files: &Path) -> Result<u32, Failure> {
    fs::read_to_string(files.join("PG_VERSION"))
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .ok_or_else(|| {
            Failure::new(format!(
                "the database files in {} are damaged: cannot read PG_VERSION; delete the data \
                 folder to create a new database",
                files.display()
            ))
        })
}
