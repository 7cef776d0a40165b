//! A cluster that a real Patroni manages, with the configuration of the documentation: Patroni
//! notices failures itself, promotes, and brings a former primary back.

use std::{
    fs::{self, File},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};
use sqlx::{Connection as _, PgConnection};

use crate::{
    document,
    network::{Machine, Network, run},
    pair::{Fault, wait_for_state},
    process::descendants,
    proxy,
};

/// The password of each database role of the test.
const PASSWORD: &str = "of-the-test";

/// How long a cluster may take to start, or to be complete again.
const PATIENCE: Duration = Duration::from_secs(180);

/// The faults that Patroni handles here. It restarts a frozen server only after its own timeouts.
pub(crate) const FAULTS: [Fault; 3] = [Fault::Kill, Fault::Cut, Fault::Switchover];

/// A machine with Patroni and its server.
struct Member {
    machine: Machine,
    folder: PathBuf,
    patroni: Option<Child>,
}

/// Both members, and etcd, which decides which one is the primary. Fields are dropped in this order.
pub(crate) struct Cluster {
    members: [Member; 2],
    etcd: Child,
    folder: tempfile::TempDir,
    _network: Network,
}

impl Cluster {
    /// Starts etcd and both members.
    pub(crate) fn start() -> Self {
        let network = Network::create();
        let folder = tempfile::tempdir().unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        fs::set_permissions(folder.path(), mode).unwrap();
        let etcd = start_etcd(folder.path());
        let member = |name, address| Member::new(Machine::start(name, address), folder.path());
        let mut members = [member("a", "10.0.0.11"), member("b", "10.0.0.12")];
        for member in &mut members {
            member.start();
        }
        Self { members, etcd, folder, _network: network }
    }

    /// The folder for files of other programs.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The URL of the primary, through HAProxy.
    pub(crate) fn url() -> String {
        format!("postgres://postgres:{PASSWORD}@{}/postgres?sslmode=disable", proxy::ADDRESS)
    }

    /// A connection to the primary.
    pub(crate) async fn connect() -> PgConnection {
        let until = Instant::now() + PATIENCE;
        loop {
            match PgConnection::connect(&Self::url()).await {
                Ok(connection) => return connection,
                Err(error) => assert!(Instant::now() < until, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until writes wait for the standby.
    pub(crate) async fn wait_for_standby(&self) {
        let mut connection = Self::connect().await;
        wait_for_state(&mut connection, "quorum", "sync_state").await;
    }

    /// The member that is the primary.
    pub(crate) async fn primary(&self) -> usize {
        let address: String = sqlx::query_scalar("SELECT host(inet_server_addr())")
            .fetch_one(&mut Self::connect().await)
            .await
            .unwrap();
        let is_at = |member: &Member| member.machine.address == address;
        self.members.iter().position(is_at).expect("a member")
    }

    /// Lets a member fail. The processes of a killed server end; its Patroni stays.
    pub(crate) fn fail(&mut self, member: usize, fault: Fault) {
        let member = &mut self.members[member];
        match fault {
            Fault::Kill => member.kill_server(),
            Fault::Cut => member.machine.cut(),
            Fault::Switchover => member.hand_over(),
            Fault::Freeze => panic!("not a fault of this test"),
        }
    }

    /// Waits until a member is the primary, and returns when it was.
    pub(crate) async fn wait_for_promotion(&self, member: usize) -> Instant {
        let address = self.members[member].machine.address;
        let url = format!("postgres://postgres:{PASSWORD}@{address}/postgres?sslmode=disable");
        let until = Instant::now() + PATIENCE;
        let mut connection = PgConnection::connect(&url).await.expect("the standby");
        loop {
            let is_primary: bool = sqlx::query_scalar("SELECT NOT pg_is_in_recovery()")
                .fetch_one(&mut connection)
                .await
                .unwrap();
            if is_primary {
                return Instant::now();
            }
            assert!(Instant::now() < until, "the standby was not promoted");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends the network cut of a member.
    pub(crate) fn reconnect(&self, member: usize) {
        self.members[member].machine.reconnect();
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for member in &mut self.members {
            if let Some(mut patroni) = member.patroni.take() {
                let _ = patroni.kill();
                let _ = patroni.wait();
            }
            member.kill_server();
        }
        let _ = self.etcd.kill();
        let _ = self.etcd.wait();
    }
}

impl Member {
    fn new(machine: Machine, folder: &Path) -> Self {
        let folder = folder.join(machine.name);
        fs::create_dir(&folder).unwrap();
        let own = |text: String| {
            text.replace("name: a\n", &format!("name: {}\n", machine.name))
                .replace("10.0.0.11", machine.address)
                .replace("/var/lib/postgresql/keeper", &format!("{}/files", folder.display()))
                .replace("/var/run/postgresql", &folder.display().to_string())
        };
        fs::write(folder.join("patroni.yml"), own(document::block("patroni.yml"))).unwrap();
        run(Command::new("chown").arg("-R").arg("postgres:").arg(&folder));
        Self { machine, folder, patroni: None }
    }

    fn start(&mut self) {
        let log = File::create(self.folder.join("patroni.log")).unwrap();
        let mut command = self.program("patroni");
        command.arg(self.folder.join("patroni.yml")).stdin(Stdio::null());
        let started = command.stdout(log.try_clone().unwrap()).stderr(log).spawn();
        self.patroni = Some(started.expect("Patroni"));
    }

    /// A program of Patroni, as the user of the server.
    fn program(&self, name: &str) -> Command {
        let folder = std::env::var_os("FAILOVER_PATRONI").expect("FAILOVER_PATRONI");
        let mut command = self.machine.command("setpriv");
        command.args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]);
        command.arg(Path::new(&folder).join(name)).current_dir(&self.folder);
        command.env("HOME", &self.folder);
        for role in ["SUPERUSER", "REPLICATION", "REWIND"] {
            command.env(format!("PATRONI_{role}_PASSWORD"), PASSWORD);
        }
        command
    }

    fn hand_over(&self) {
        let mut command = self.program("patronictl");
        command.arg("-c").arg(self.folder.join("patroni.yml"));
        run(command.args(["switchover", "keeper", "--force", "--leader", self.machine.name]));
    }

    fn kill_server(&self) {
        let pid_file = fs::read_to_string(self.folder.join("files/postmaster.pid"));
        let pid = pid_file.ok().and_then(|text| text.lines().next()?.parse::<u32>().ok());
        let Some(server) = pid else { return };
        let children = descendants(server);
        for process in i32::try_from(server).into_iter().chain(children).filter_map(Pid::from_raw) {
            // A session may have ended meanwhile.
            let _ = kill_process(process, Signal::KILL);
        }
    }
}

fn start_etcd(folder: &Path) -> Child {
    let log = File::create(folder.join("etcd.log")).unwrap();
    let mut command = Command::new("etcd");
    command.arg("--data-dir").arg(folder.join("etcd"));
    for (option, url) in [
        ("--listen-client-urls", "http://10.0.0.1:2379"),
        ("--advertise-client-urls", "http://10.0.0.1:2379"),
        ("--listen-peer-urls", "http://10.0.0.1:2380"),
        ("--initial-advertise-peer-urls", "http://10.0.0.1:2380"),
        ("--initial-cluster", "default=http://10.0.0.1:2380"),
    ] {
        command.args([option, url]);
    }
    command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
    let etcd = command.spawn().expect("etcd");
    let until = Instant::now() + PATIENCE;
    while TcpStream::connect("10.0.0.1:2379").is_err() {
        assert!(Instant::now() < until, "etcd did not start");
        std::thread::sleep(Duration::from_millis(50));
    }
    etcd
}
