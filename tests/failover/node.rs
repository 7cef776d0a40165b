//! A PostgreSQL server on a machine of its own: start, ways to fail, and return as a standby.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use sqlx::{Connection as _, PgConnection};

use crate::{
    document,
    network::{Machine, run},
    process::descendants,
};

/// How long a server may take to start or stop, crash recovery included.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server. Its processes run as the user `postgres`.
pub(crate) struct Node {
    pub(crate) machine: Machine,
    folder: PathBuf,
    programs: PathBuf,
    server: Option<Child>,
}

impl Node {
    /// A machine without database files, which lie in `folder` later.
    pub(crate) fn new(machine: Machine, folder: &Path) -> Self {
        let folder = folder.join(machine.name);
        fs::create_dir(&folder).unwrap();
        run(Command::new("chown").arg("postgres:").arg(&folder));
        Self { machine, folder, programs: programs(), server: None }
    }

    /// Creates an empty cluster with the settings that the documentation shows.
    pub(crate) fn create_cluster(&self) {
        run(self
            .as_postgres("initdb")
            .args([
                "--username=keeper",
                "--encoding=UTF8",
                "--no-locale",
                "--auth=trust",
                "--pgdata",
            ])
            .arg(self.files()));
        let settings = self.files().join("postgresql.conf");
        let own = fs::read_to_string(&settings).unwrap() + &document::block("postgresql.conf");
        fs::write(settings, own).unwrap();
        let access = "local all all trust\nhost all all 10.0.0.0/24 trust\n\
                      host replication all 10.0.0.0/24 trust\n";
        fs::write(self.files().join("pg_hba.conf"), access).unwrap();
    }

    /// Copies the files of a running primary, and makes this server its standby.
    pub(crate) fn copy(&self, primary: &Self) {
        if self.files().exists() {
            fs::remove_dir_all(self.files()).unwrap();
        }
        run(self
            .as_postgres("pg_basebackup")
            .args(["--checkpoint=fast", "--username=keeper", "--host"])
            .arg(primary.machine.address)
            .arg("--pgdata")
            .arg(self.files()));
        self.mark_as_standby();
    }

    /// Returns a failed primary as a standby of `primary`, with the tool for it.
    pub(crate) fn rewind(&self, primary: &Self) {
        let source = format!("host={} user=keeper dbname=postgres", primary.machine.address);
        run(self
            .as_postgres("pg_rewind")
            .arg(format!("--source-server={source}"))
            .arg("--target-pgdata")
            .arg(self.files()));
        self.mark_as_standby();
    }

    fn mark_as_standby(&self) {
        run(self.as_postgres_program(Path::new("touch")).arg(self.files().join("standby.signal")));
    }

    /// Starts the server and waits until it accepts connections. `other` is the server that it
    /// follows while it is a standby.
    pub(crate) async fn start(&mut self, other: &str) {
        let log = File::options().create(true).append(true).open(self.log()).unwrap();
        let conninfo = format!("host={other} user=keeper connect_timeout=2");
        let server = self
            .as_postgres("postgres")
            .arg("-D")
            .arg(self.files())
            .arg("-k")
            .arg(&self.folder)
            .args(["-c", &format!("cluster_name={}", self.machine.name)])
            .args(["-c", &format!("primary_conninfo={conninfo}")])
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.server = Some(server);
        let until = Instant::now() + PATIENCE;
        while self.try_connect().await.is_none() {
            assert!(Instant::now() < until, "{}", fs::read_to_string(self.log()).unwrap());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A connection through the network, within half a second.
    pub(crate) async fn try_connect(&self) -> Option<PgConnection> {
        let url = self.url();
        let connecting = PgConnection::connect(&url);
        tokio::time::timeout(Duration::from_millis(500), connecting).await.ok()?.ok()
    }

    pub(crate) async fn connect(&self) -> PgConnection {
        PgConnection::connect(&self.url()).await.expect("a server")
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://keeper@{}:5432/postgres?sslmode=disable", self.machine.address)
    }

    /// The folder of the socket.
    pub(crate) fn socket_folder(&self) -> &Path {
        &self.folder
    }

    /// Kills every process of the server.
    pub(crate) fn kill(&mut self) {
        self.signal(Signal::KILL);
        if let Some(mut server) = self.server.take() {
            server.wait().unwrap();
        }
    }

    /// Stops every process of the server, so that it keeps its connections and answers nothing.
    pub(crate) fn freeze(&self) {
        self.signal(Signal::STOP);
    }

    /// Shuts the server down: sessions end, and the standby receives everything.
    pub(crate) fn shut_down(&mut self) {
        let server = self.server.as_mut().expect("a running server");
        kill_process(Pid::from_child(server), Signal::INT).unwrap();
        assert!(server.wait().unwrap().success());
        self.server = None;
    }

    /// Signals every process of the server. The main process is the first, because it would start
    /// others.
    fn signal(&self, signal: Signal) {
        let Some(server) = &self.server else { return };
        let children = descendants(server.id()).into_iter().filter_map(Pid::from_raw);
        let processes: Vec<_> = [Pid::from_child(server)].into_iter().chain(children).collect();
        for process in processes {
            // A session may have ended meanwhile.
            let _ = kill_process(process, signal);
        }
    }

    fn files(&self) -> PathBuf {
        self.folder.join("files")
    }

    fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    fn as_postgres(&self, program: &str) -> Command {
        self.as_postgres_program(&self.programs.join(program))
    }

    fn as_postgres_program(&self, program: &Path) -> Command {
        let mut command = self.machine.command("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]);
        command.arg(program).current_dir(&self.folder);
        command
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The folder with the programs of PostgreSQL.
fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect("PostgreSQL of Debian");
    let version = |entry: &fs::DirEntry| entry.file_name().to_str()?.parse::<u32>().ok();
    let newest = versions.flatten().max_by_key(version).expect("a version");
    newest.path().join("bin")
}
