//! Runs the private PostgreSQL. It listens on a Unix socket in its own folder, and not on TCP.

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

/// The longest path of a Unix socket, and the name that PostgreSQL appends to the folder.
const LONGEST_SOCKET_PATH: usize = 107;
const SOCKET_NAME: &str = "/.s.PGSQL.5432";

/// How long a start may take, including crash recovery.
const START_TIMEOUT: Duration = Duration::from_secs(120);

/// How long a fast shutdown may take before an immediate shutdown.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);

/// The polling period while the server starts or stops.
const POLL: Duration = Duration::from_millis(20);

/// How long to retry a start while resources of a dead server are still in use.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(20);

/// How often the supervision checks that the server runs.
const SUPERVISION_PERIOD: Duration = Duration::from_millis(200);

/// PostgreSQL's messages if the data directory or its shared memory is still in use: by a running
/// server, or by remaining processes of a dead one.
const IN_USE_MESSAGES: [&str; 3] =
    ["lock file \"postmaster.pid\"", "shared memory block", "is still in use"];

/// A running server. Dropping it stops it.
pub(super) struct PrivatePostgres {
    server: Child,
    /// The length of the log file before the server started, in bytes.
    log_start: u64,
    cluster: Cluster,
    socket_folder: PathBuf,
}

impl PrivatePostgres {
    /// Starts a server on the files of a data folder and waits until it accepts connections.
    pub(super) async fn start(data: &DataFolder) -> Result<Self, Failure> {
        let cluster = Cluster::open(data)?;
        let socket_folder = create_socket_folder(&cluster)?;
        let (server, log_start) = spawn(&cluster, &socket_folder)?;
        let mut started = Self { server, log_start, cluster, socket_folder };
        started.wait_until_started().await?;
        Ok(started)
    }

    /// Restarts the server whenever it exits unexpectedly. Fails when it does not start again.
    pub(super) async fn supervise(&mut self) -> Result<Infallible, Failure> {
        loop {
            tokio::time::sleep(SUPERVISION_PERIOD).await;
            if let Some(status) = self.server.try_wait()? {
                print_status(format_args!(
                    "PostgreSQL exited unexpectedly ({status}); restarting it"
                ));
                self.respawn()?;
                self.wait_until_started().await?;
            }
        }
    }

    /// Waits until the server is ready. Retries while resources of a dead server are in use.
    async fn wait_until_started(&mut self) -> Result<(), Failure> {
        let until = Instant::now() + RELEASE_TIMEOUT;
        loop {
            if self.wait_until_ready().await? {
                return Ok(());
            }
            let output = log_since(&self.cluster, self.log_start);
            let (message, log) = (last_error(&output), self.cluster.log());
            if !IN_USE_MESSAGES.iter().any(|message| output.contains(message)) {
                return Err(Failure::new(format!(
                    "PostgreSQL did not start: {message}; the data may be damaged, see {}",
                    log.display(),
                )));
            }
            if Instant::now() > until {
                return Err(Failure::new(format!(
                    "PostgreSQL did not start, because another server uses its files: {message}; \
                     stop that server and try again, see {}",
                    log.display(),
                )));
            }
            tokio::time::sleep(SUPERVISION_PERIOD).await;
            self.respawn()?;
        }
    }

    fn respawn(&mut self) -> Result<(), Failure> {
        (self.server, self.log_start) = spawn(&self.cluster, &self.socket_folder)?;
        Ok(())
    }

    /// The URL of the database.
    pub(super) fn url(&self) -> String {
        let folder = self.socket_folder.to_string_lossy();
        let escaped = folder.bytes().map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                char::from(byte).to_string()
            }
            other => format!("%{other:02X}"),
        });
        let folder = escaped.collect::<Vec<_>>().concat();
        // The explicit sslmode overrides PGSSLMODE of the environment.
        format!("postgres://keeper@localhost/postgres?host={folder}&sslmode=disable")
    }

    /// Stops the server and removes its socket folder.
    pub(super) fn stop(mut self) -> Result<(), Failure> {
        self.shut_down()
    }

    /// Waits until the server accepts connections. Returns false if it exited instead.
    async fn wait_until_ready(&mut self) -> Result<bool, Failure> {
        let pid_file = self.cluster.files().join("postmaster.pid");
        let until = Instant::now() + START_TIMEOUT;
        while Instant::now() < until {
            if self.server.try_wait()?.is_some() {
                return Ok(false);
            }
            // The last line is the state of the server, which pg_ctl also reads.
            let state = fs::read_to_string(&pid_file).unwrap_or_default();
            let is_ours = state.lines().next() == Some(self.server.id().to_string().as_str());
            if is_ours && state.lines().last().is_some_and(|line| line.trim() == "ready") {
                return Ok(true);
            }
            tokio::time::sleep(POLL).await;
        }
        Err(Failure::new(format!(
            "timed out waiting for PostgreSQL to start; see {}",
            self.cluster.log().display()
        )))
    }

    fn shut_down(&mut self) -> Result<(), Failure> {
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
            // The server may have exited in the meantime.
            let _ = kill_process(pid, signal);
        }
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        // Runs only after another failure, which is reported instead.
        let _ = self.shut_down();
    }
}

/// Starts a server. Returns it with the previous length of its log.
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
        // Start a separate process group: Ctrl-C signals the whole group of the service, which
        // must finish its requests before PostgreSQL stops.
        .process_group(0)
        .spawn()?;
    Ok((server, log_start))
}

/// Creates a folder that only the account of the server, and root, can access.
fn create_socket_folder(cluster: &Cluster) -> Result<PathBuf, Failure> {
    let name = HEXLOWER.encode(&random_bytes::<8>()?);
    for parent in [configuration::runtime_folder(), PathBuf::from("/tmp")] {
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
    Err(Failure::new(
        "cannot create a folder for PostgreSQL's socket; set XDG_RUNTIME_DIR or TMPDIR to a \
         writable folder with a short path",
    ))
}

/// The text of the server's log after `start` bytes.
fn log_since(cluster: &Cluster, start: u64) -> String {
    let log = fs::read(cluster.log()).unwrap_or_default();
    let new = usize::try_from(start).ok().and_then(|start| log.get(start..));
    String::from_utf8_lossy(new.unwrap_or(&log)).into_owned()
}

/// The last error in the server's log.
fn last_error(output: &str) -> &str {
    let is_error = |line: &&str| line.contains("FATAL") || line.contains("PANIC");
    let line = output.lines().rev().find(is_error).or_else(|| output.lines().last());
    line.unwrap_or("no log output")
}
