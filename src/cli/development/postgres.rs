//! The private PostgreSQL while it runs: a unix socket in a folder of its own, and no TCP.

use std::{
    convert::Infallible,
    fs::{self, DirBuilder, File},
    os::unix::{fs::DirBuilderExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Child,
    thread,
    time::{Duration, Instant},
};

use data_encoding::HEXLOWER;
use rustix::process::{Pid, Signal, kill_process};

use super::{
    cluster::{Cluster, SOCKET_PREFIX, remove_socket_folder},
    data_folder::DataFolder,
};
use crate::{
    cli::output::{Failure, print_status},
    configuration,
    security::random::random_bytes,
};

/// The longest path of a unix socket, and what PostgreSQL adds to its folder.
const LONGEST_SOCKET_PATH: usize = 107;
const SOCKET_NAME: &str = "/.s.PGSQL.5432";

/// How long a start may take; recovery after a crash is part of it.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// How long a fast shutdown may take before it becomes an immediate one.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

const POLL: Duration = Duration::from_millis(20);

/// How long a dead server's traces may keep a new one from starting.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(20);

/// How often it is looked whether the server still runs.
const WATCH: Duration = Duration::from_millis(200);

/// What PostgreSQL says when the data folder, or memory that belongs to it, is still held: by a server
/// that runs, or by processes of a dead one that have not noticed yet.
const HELD: [&str; 3] = ["lock file \"postmaster.pid\"", "shared memory block", "is still in use"];

/// A running server; dropping it stops it.
pub(super) struct PrivatePostgres {
    server: Child,
    /// Where in its log the server began to write.
    log_start: u64,
    cluster: Cluster,
    socket_folder: PathBuf,
}

impl PrivatePostgres {
    /// Starts a server on the files of a data folder and waits until it accepts connections.
    pub(super) async fn start(data: &DataFolder) -> Result<Self, Failure> {
        let cluster = Cluster::open(data)?;
        let socket_folder = make_socket_folder(&cluster)?;
        let (server, log_start) = spawn(&cluster, &socket_folder)?;
        let mut started = Self { server, log_start, cluster, socket_folder };
        started.wait_until_released().await?;
        Ok(started)
    }

    /// Starts the server again, in the same place, each time that it ends without having been told to.
    /// Fails when it no longer starts.
    pub(super) async fn supervise(&mut self) -> Result<Infallible, Failure> {
        loop {
            tokio::time::sleep(WATCH).await;
            if let Some(status) = self.server.try_wait()? {
                print_status(format_args!("PostgreSQL ended ({status}); starting it again"));
                self.spawn_again()?;
                self.wait_until_released().await?;
            }
        }
    }

    /// Waits until the server is ready. Where a dead one's traces keep it from starting, tries again
    /// until they are gone.
    async fn wait_until_released(&mut self) -> Result<(), Failure> {
        let until = Instant::now() + RELEASE_TIMEOUT;
        loop {
            if self.wait_until_ready().await? {
                return Ok(());
            }
            let said = said_since(&self.cluster, self.log_start);
            let (complaint, log) = (last_complaint(&said), self.cluster.log());
            if !HELD.iter().any(|held| said.contains(held)) {
                return Err(Failure::because(format!(
                    "PostgreSQL did not start; the data may be damaged, see {}: {complaint}",
                    log.display(),
                )));
            }
            if Instant::now() > until {
                return Err(Failure::because(format!(
                    "PostgreSQL did not start, because another one holds its files; stop that one \
                     and try again, see {}: {complaint}",
                    log.display(),
                )));
            }
            tokio::time::sleep(WATCH).await;
            self.spawn_again()?;
        }
    }

    fn spawn_again(&mut self) -> Result<(), Failure> {
        (self.server, self.log_start) = spawn(&self.cluster, &self.socket_folder)?;
        Ok(())
    }

    /// The URL of its database.
    pub(super) fn url(&self) -> String {
        let folder = self.socket_folder.to_string_lossy();
        let escaped = folder.bytes().map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        });
        let folder = escaped.collect::<Vec<_>>().concat();
        // Said in the URL, so that no PGSSLMODE of the environment counts.
        format!("postgres://keeper@localhost/postgres?host={folder}&sslmode=disable")
    }

    /// Stops it, and removes its socket folder.
    pub(super) fn stop(mut self) -> Result<(), Failure> {
        self.end()
    }

    /// Waits until the server accepts connections; false when it ended instead.
    async fn wait_until_ready(&mut self) -> Result<bool, Failure> {
        let pid_file = self.cluster.files().join("postmaster.pid");
        let until = Instant::now() + START_TIMEOUT;
        while Instant::now() < until {
            if self.server.try_wait()?.is_some() {
                return Ok(false);
            }
            // The last line says the state, as pg_ctl reads it.
            let state = fs::read_to_string(&pid_file).unwrap_or_default();
            let is_ours = state.lines().next() == Some(self.server.id().to_string().as_str());
            if is_ours && state.lines().last().is_some_and(|line| line.trim() == "ready") {
                return Ok(true);
            }
            tokio::time::sleep(POLL).await;
        }
        Err(Failure::because("PostgreSQL did not become ready in time"))
    }

    fn end(&mut self) -> Result<(), Failure> {
        self.signal(Signal::INT);
        let until = Instant::now() + STOP_TIMEOUT;
        while self.server.try_wait()?.is_none() {
            if Instant::now() > until {
                self.signal(Signal::QUIT);
                self.server.wait()?;
            }
            thread::sleep(POLL);
        }
        remove_socket_folder(&self.socket_folder);
        Ok(())
    }

    fn signal(&mut self, signal: Signal) {
        let is_running = matches!(self.server.try_wait(), Ok(None));
        let pid = i32::try_from(self.server.id()).ok().and_then(Pid::from_raw);
        if let (true, Some(pid)) = (is_running, pid) {
            // A server that has gone meanwhile is what was wanted.
            let _ = kill_process(pid, signal);
        }
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        // Only on the way out of a failure, which is what gets reported.
        let _ = self.end();
    }
}

/// A server that has just been started, and how long its log was before.
fn spawn(cluster: &Cluster, socket_folder: &Path) -> Result<(Child, u64), Failure> {
    let log = File::options().create(true).append(true).open(cluster.log())?;
    let log_start = log.metadata()?.len();
    let server = cluster
        .account
        .command(&cluster.binaries.program("postgres"))
        .arg("-D")
        .arg(cluster.files())
        .arg("-k")
        .arg(socket_folder)
        .args(["-c", "listen_addresses=", "-c", "unix_socket_permissions=0700"])
        .args(["-c", "logging_collector=off"])
        .stdout(log.try_clone()?)
        .stderr(log)
        // Its own group: Ctrl-C reaches the whole group, and we have to drain first.
        .process_group(0)
        .spawn()?;
    Ok((server, log_start))
}

/// A new folder that only the server's account (and root) can enter.
fn make_socket_folder(cluster: &Cluster) -> Result<PathBuf, Failure> {
    let name = HEXLOWER.encode(&random_bytes::<8>()?);
    for parent in [configuration::runtime_folder(), std::path::PathBuf::from("/tmp")] {
        let folder = parent.join(format!("{SOCKET_PREFIX}{name}"));
        let is_short = folder.as_os_str().len() + SOCKET_NAME.len() <= LONGEST_SOCKET_PATH;
        if !is_short || DirBuilder::new().mode(0o700).create(&folder).is_err() {
            continue;
        }
        cluster.account.own(&folder)?;
        if cluster.account.can_write(&folder)? {
            return Ok(folder);
        }
        fs::remove_dir(&folder)?;
    }
    Err(Failure::because("no folder for PostgreSQL's socket can be made in the temporary folder"))
}

/// What was written into the server's log from there on.
fn said_since(cluster: &Cluster, start: u64) -> String {
    let log = fs::read(cluster.log()).unwrap_or_default();
    let new = usize::try_from(start).ok().and_then(|start| log.get(start..));
    String::from_utf8_lossy(new.unwrap_or(&log)).into_owned()
}

fn last_complaint(said: &str) -> &str {
    let is_complaint = |line: &&str| line.contains("FATAL") || line.contains("PANIC");
    let line = said.lines().rev().find(is_complaint).or_else(|| said.lines().last());
    line.unwrap_or("it said nothing")
}
