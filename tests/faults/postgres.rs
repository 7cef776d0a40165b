//! A PostgreSQL server that can be killed, stopped and started, with its data on a file system of its
//! own where this system permits it.

use std::{
    fs,
    net::SocketAddr,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use sqlx::{Connection, PgConnection};

use crate::{disk::Disk, ports::free_port};

/// The limit of connections, low enough to exhaust.
pub(crate) const MAXIMUM_CONNECTIONS: u32 = 60;

/// The password of the role of the service.
pub(crate) const SERVICE_PASSWORD: &str = "the password of the service";

/// How long the server may take to start, including crash recovery.
const START_LIMIT: Duration = Duration::from_mins(3);

/// The settings of the server. Durability is that of the default.
const SETTINGS: &str = "
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
logging_collector = off
max_wal_size = '64MB'
min_wal_size = '32MB'
shared_buffers = '32MB'
";

/// The account and the programs of the server.
struct Programs {
    folder: PathBuf,
    /// The account, if this process is root.
    account: Option<(u32, u32)>,
}

impl Programs {
    fn find() -> Self {
        let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let folders = versions.map(|version| version.path().join("bin"));
        let folder = folders.filter(|folder| folder.join("initdb").exists()).max();
        let folder = folder.expect("PostgreSQL in /usr/lib/postgresql; run `script/setup`");
        let id = |option: &str, name: &str| {
            let output = Command::new("id").args([option, name]).output().ok()?;
            String::from_utf8(output.stdout).ok()?.trim().parse::<u32>().ok()
        };
        let is_root = rustix::process::geteuid().is_root();
        let account = |name: &str| Some((id("-u", name)?, id("-g", name)?));
        let account = is_root.then(|| account("postgres").or_else(|| account("nobody")));
        Self { folder, account: account.flatten() }
    }

    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(self.folder.join(name));
        command.current_dir("/").env("LC_ALL", "C.UTF-8").stdin(Stdio::null());
        if let Some((user, group)) = self.account {
            command.uid(user).gid(group);
        }
        command
    }

    /// Makes the account the owner of a folder that exists.
    fn own(&self, folder: &Path) {
        if let Some((user, group)) = self.account {
            std::os::unix::fs::chown(folder, Some(user), Some(group)).expect("an owner");
        }
    }
}

/// The server.
pub(crate) struct Postgres {
    programs: Programs,
    pub(crate) disk: Disk,
    data: PathBuf,
    log: PathBuf,
    port: u16,
    process: Option<Child>,
}

impl Postgres {
    /// Creates the cluster in `folder`, and starts the server.
    pub(crate) async fn create(folder: &Path) -> Self {
        let programs = Programs::find();
        let disk = Disk::create(folder);
        let data = disk.folder.join("data");
        fs::create_dir(&data).expect("a folder");
        fs::set_permissions(&data, PermissionsExt::from_mode(0o700)).expect("a mode");
        programs.own(&data);
        let mut initdb = programs.command("initdb");
        initdb.args(["--no-instructions", "-U", "owner", "-A", "trust", "-E", "UTF8", "-D"]);
        let created = initdb.arg(&data).stdout(Stdio::null()).status().expect("initdb");
        assert!(created.success(), "initdb failed");
        let rules =
            "host all service 127.0.0.1/32 scram-sha-256\nhost all owner 127.0.0.1/32 trust\n";
        fs::write(data.join("pg_hba.conf"), rules).expect("the rules");
        let port = free_port();
        let own = format!("{SETTINGS}port = {port}\nmax_connections = {MAXIMUM_CONNECTIONS}\n");
        let conf = data.join("postgresql.conf");
        let text = fs::read_to_string(&conf).expect("the settings") + &own;
        fs::write(conf, text).expect("the settings");
        let log = folder.join("postgresql.log");
        let mut postgres = Self { programs, disk, data, log, port, process: None };
        postgres.start().await;
        let mut owner = postgres.owner().await.expect("a connection");
        for statement in [
            "CREATE DATABASE keeper".to_owned(),
            format!("CREATE ROLE service LOGIN PASSWORD '{SERVICE_PASSWORD}'"),
        ] {
            execute(&mut owner, &statement).await.expect("a statement");
        }
        postgres
    }

    pub(crate) fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], self.port).into()
    }

    /// The URL of a role at an address.
    pub(crate) fn url(role: &str, address: SocketAddr) -> String {
        let database = if role == "owner" { "postgres" } else { "keeper" };
        format!("postgres://{role}@{address}/{database}?sslmode=disable")
    }

    /// The URL of the owner of the tables.
    pub(crate) fn owner_url(&self) -> String {
        format!("postgres://owner@{}/keeper?sslmode=disable", self.address())
    }

    /// Connects as a superuser.
    pub(crate) async fn owner(&self) -> Result<PgConnection, sqlx::Error> {
        PgConnection::connect(&Self::url("owner", self.address())).await
    }

    /// Connects as a superuser to the tables.
    pub(crate) async fn tables(&self) -> Result<PgConnection, sqlx::Error> {
        PgConnection::connect(&self.owner_url()).await
    }

    /// Runs statements as a superuser.
    pub(crate) async fn execute(&self, statements: &str) {
        let mut owner = self.owner().await.expect("a connection");
        for statement in statements.split(';').filter(|statement| !statement.trim().is_empty()) {
            execute(&mut owner, statement).await.expect("a statement");
        }
    }

    /// Starts the server until it accepts writes, as a supervisor does: a server that ends while it
    /// starts is started again.
    pub(crate) async fn start(&mut self) {
        let begin = Instant::now();
        loop {
            self.start_if_ended();
            if self.is_writable().await {
                return;
            }
            let is_late = begin.elapsed() > START_LIMIT;
            assert!(!is_late, "PostgreSQL did not start: {}", self.log.display());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Starts the server process, if there is none.
    pub(crate) fn start_if_ended(&mut self) {
        let is_running = self
            .process
            .as_mut()
            .is_some_and(|child| child.try_wait().expect("a process").is_none());
        if is_running {
            return;
        }
        let log = fs::OpenOptions::new().create(true).append(true).open(&self.log);
        let log = log.expect("the log");
        let mut command = self.programs.command("postgres");
        command.arg("-D").arg(&self.data).stdout(Stdio::null()).stderr(log);
        self.process = Some(command.spawn().expect("a server"));
    }

    /// True when the server accepts writes.
    pub(crate) async fn is_writable(&self) -> bool {
        let Ok(mut owner) = self.owner().await else { return false };
        let read_only = sqlx::query_scalar::<_, String>("SHOW transaction_read_only");
        read_only.fetch_one(&mut owner).await.is_ok_and(|setting| setting == "off")
    }

    /// Kills the main process, and waits for the others, which end when they notice.
    pub(crate) async fn kill(&mut self) {
        let children = self.children();
        self.kill_main(children).await;
    }

    /// Kills every process at once.
    pub(crate) async fn kill_all(&mut self) {
        let children = self.children();
        for child in &children {
            // It may have ended.
            let _ = kill_process(*child, Signal::KILL);
        }
        self.kill_main(children).await;
    }

    async fn kill_main(&mut self, children: Vec<Pid>) {
        let mut process = self.process.take().expect("a server");
        process.kill().expect("a signal");
        process.wait().expect("its end");
        for child in children {
            while is_running(child) {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    }

    /// Stops the server with this signal: SIGQUIT is an immediate shutdown, SIGINT a fast one.
    pub(crate) fn stop(&mut self, signal: Signal) {
        if let Some(mut process) = self.process.take() {
            let id = i32::try_from(process.id()).ok().and_then(Pid::from_raw).expect("an id");
            // It may have ended by itself.
            let _ = kill_process(id, signal);
            process.wait().expect("its end");
        }
    }

    fn children(&self) -> Vec<Pid> {
        let Some(process) = &self.process else { return Vec::new() };
        let id = process.id();
        let children = fs::read_to_string(format!("/proc/{id}/task/{id}/children"));
        let children = children.unwrap_or_default();
        children.split_whitespace().filter_map(|id| Pid::from_raw(id.parse().ok()?)).collect()
    }

    /// Uses up the segments of the write-ahead log that the server keeps, so that it needs new ones.
    pub(crate) async fn use_up_wal(&self) {
        let Ok(mut owner) = self.owner().await else { return };
        for _ in 0..12 {
            for statement in
                ["SELECT pg_logical_emit_message(false, 'fault', 'x')", "SELECT pg_switch_wal()"]
            {
                // It fails when the disk is full.
                let _ = execute(&mut owner, statement).await;
            }
        }
    }

    /// Kills the server process of one connection of the service, and waits until the server has ended
    /// all others, because it recovers then. Does nothing when there is none.
    pub(crate) async fn kill_backend(&self) {
        let mut owner = self.owner().await.expect("a connection");
        let id: Option<i32> = sqlx::query_scalar(
            "SELECT pid FROM pg_stat_activity WHERE usename = 'service' ORDER BY random() LIMIT 1",
        )
        .fetch_optional(&mut owner)
        .await
        .expect("a process id");
        let Some(id) = id.and_then(Pid::from_raw) else { return };
        if kill_process(id, Signal::KILL).is_ok() {
            while execute(&mut owner, "SELECT 1").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        }
    }

    /// Puts the server into recovery, as a standby whose primary is away, and waits until it answers.
    pub(crate) async fn enter_recovery(&mut self) {
        self.stop(Signal::INT);
        let file = self.data.join("standby.signal");
        fs::write(&file, "").expect("a file");
        self.programs.own(&file);
        let begin = Instant::now();
        while !self.is_in_recovery().await {
            assert!(begin.elapsed() < START_LIMIT, "no recovery: {}", self.log.display());
            self.start_if_ended();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn is_in_recovery(&self) -> bool {
        let Ok(mut owner) = self.owner().await else { return false };
        let is_in_recovery = sqlx::query_scalar("SELECT pg_is_in_recovery()");
        is_in_recovery.fetch_one(&mut owner).await.unwrap_or(false)
    }

    /// Promotes the server.
    pub(crate) async fn promote(&mut self) {
        let begin = Instant::now();
        let mut owner = loop {
            self.start_if_ended();
            if let Ok(owner) = self.owner().await {
                break owner;
            }
            let is_late = begin.elapsed() > START_LIMIT;
            assert!(!is_late, "no connection for the promotion: {}", self.log.display());
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        // It fails after the promotion.
        let _ = execute(&mut owner, "SELECT pg_promote(false)").await;
        self.start().await;
    }

    /// Waits for a moment in which no other session has an open statement or transaction.
    pub(crate) async fn wait_until_idle(&self) {
        let mut owner = self.owner().await.expect("a connection");
        let begin = Instant::now();
        loop {
            let open: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM pg_stat_activity
                 WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
                 AND (state <> 'idle' OR xact_start IS NOT NULL)",
            )
            .fetch_one(&mut owner)
            .await
            .expect("a count");
            if open == 0 {
                return;
            }
            assert!(begin.elapsed() < START_LIMIT, "{open} sessions stay in a transaction");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop(Signal::QUIT);
    }
}

/// True until the process has ended. It may be a zombie then, until its new parent looks.
fn is_running(process: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero()));
    let state = stat.ok().and_then(|stat| stat.rsplit(") ").next()?.chars().next());
    state.is_some_and(|state| state != 'Z')
}

/// Runs one statement.
pub(crate) async fn execute(
    connection: &mut PgConnection,
    statement: &str,
) -> Result<(), sqlx::Error> {
    let statement = sqlx::AssertSqlSafe(statement.to_owned());
    sqlx::raw_sql(statement).execute(connection).await.map(drop)
}
