//! The database files of the private PostgreSQL: where they lie, how they are made, and what a
//! killed server left behind.

use std::{
    fs::{self, DirBuilder},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

use super::{account::Account, binaries::Binaries, data_folder::DataFolder};
use crate::cli::output::{Failure, print_status};

/// Where the files lie when the data folder cannot be reached by PostgreSQL's account.
const ELSEWHERE: &str = "/var/lib/credential-keeper";

/// How the socket folders of `dev` are called.
pub(super) const SOCKET_PREFIX: &str = "credential-keeper-";

/// Which line of `postmaster.pid` names the socket folder, from 0.
const SOCKET_LINE: usize = 4;

/// The database files, and the programs that understand them.
pub(super) struct Cluster {
    pub(super) binaries: Binaries,
    pub(super) account: Account,
    parent: PathBuf,
}

impl Cluster {
    /// Finds the files of a data folder, or makes them.
    pub(super) fn open(data: &DataFolder) -> Result<Self, Failure> {
        let account = Account::choose()?;
        let parent = place(data, account)?;
        let files = parent.join("files");
        let major = if files.try_exists()? { Some(major_version(&files)?) } else { None };
        let cluster = Self { binaries: Binaries::find(major)?, account, parent };
        if major.is_none() {
            cluster.create()?;
        }
        cluster.end_leftover()?;
        Ok(cluster)
    }

    /// The folder that PostgreSQL calls its data directory.
    pub(super) fn files(&self) -> PathBuf {
        self.parent.join("files")
    }

    /// Where the server's own log goes.
    pub(super) fn log(&self) -> PathBuf {
        self.parent.join("postgres.log")
    }

    /// `initdb` beside the final place and then a rename, so that a killed one is never mistaken
    /// for the whole.
    fn create(&self) -> Result<(), Failure> {
        let unfinished = self.parent.join("unfinished");
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)?;
        }
        print_status("making the database files");
        let output = self
            .account
            .command(&self.binaries.program("initdb"))
            .args(["--username=keeper", "--encoding=UTF8", "--no-locale", "--no-instructions"])
            // The socket lies in a folder that only this account and root can enter.
            .args(["--auth-local=trust", "--auth-host=reject"])
            .arg("--pgdata")
            .arg(&unfinished)
            .output()?;
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ");
            return Err(Failure::because(format!("initdb failed: {complaint}")));
        }
        Ok(fs::rename(&unfinished, self.files())?)
    }

    /// Stops a server that a killed `dev` left running, and removes its socket folder. We hold
    /// the data folder's lock, so nobody else can be using it.
    fn end_leftover(&self) -> Result<(), Failure> {
        let Ok(pid_file) = fs::read_to_string(self.files().join("postmaster.pid")) else {
            return Ok(());
        };
        // After a power cut the number can be any other program's by now. PostgreSQL works in its
        // own files, and recognises a stale file by itself.
        let process = pid_file.lines().next().unwrap_or_default();
        let works_in = fs::read_link(Path::new("/proc").join(process).join("cwd")).ok();
        let is_running = works_in.is_some_and(|folder| folder == self.files());
        let control = |arguments: &[&str]| {
            let mut command = self.account.command(&self.binaries.program("pg_ctl"));
            command.arg("--pgdata").arg(self.files()).args(arguments).output()
        };
        if is_running {
            print_status("stopping the PostgreSQL that a killed dev left running");
            let stopped = control(&["stop", "--mode=fast", "--wait", "--timeout=60"])?;
            if !stopped.status.success() {
                return Err(Failure::because(
                    "the PostgreSQL that a killed dev left running does not stop",
                ));
            }
        }
        if let Some(folder) = pid_file.lines().nth(SOCKET_LINE) {
            remove_socket_folder(Path::new(folder));
        }
        Ok(())
    }
}

/// Removes a socket folder that a `dev` made; any other path is left alone. The path may come from
/// a file that PostgreSQL's account can write, so it is held to what `dev` calls such folders, and
/// nothing but a socket and its lock is removed from it.
pub(super) fn remove_socket_folder(folder: &Path) {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let suffix = name.strip_prefix(SOCKET_PREFIX).unwrap_or_default();
    let is_ours = suffix.len() == 16 && suffix.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_ours || !folder.is_absolute() {
        return;
    }
    // They may be gone already; then that is what was wanted.
    for left in [".s.PGSQL.5432", ".s.PGSQL.5432.lock"] {
        let _ = fs::remove_file(folder.join(left));
    }
    let _ = fs::remove_dir(folder);
}

/// The folder for the files: in the data folder when PostgreSQL's account can get there.
fn place(data: &DataFolder, account: Account) -> Result<PathBuf, Failure> {
    let inside = data.path().join("postgres");
    make(&inside, account)?;
    if account.can_write(&inside)? {
        return Ok(inside);
    }
    fs::remove_dir(&inside)?;
    let elsewhere = Path::new(ELSEWHERE);
    DirBuilder::new().recursive(true).mode(0o755).create(elsewhere)?;
    let outside = elsewhere.join(data.identity()?);
    make(&outside, account)?;
    print_status(format_args!(
        "the database files lie in {}, because PostgreSQL's account cannot reach the data folder",
        outside.display()
    ));
    Ok(outside)
}

/// Makes a folder for the account. One that is there belongs to whom it belongs: taking it over
/// would lock its owner out of their data.
fn make(folder: &Path, account: Account) -> Result<(), Failure> {
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
            Failure::because(format!(
                "the database files in {} are damaged: PG_VERSION cannot be read",
                files.display()
            ))
        })
}
