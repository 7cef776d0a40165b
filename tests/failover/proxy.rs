//! HAProxy in front of both servers, with the configuration of the documentation. Beside each
//! server, a process answers `GET /primary` as the interface of Patroni does.

use std::{
    fs,
    path::Path,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use sqlx::{Connection as _, PgConnection};

use crate::{document, pair::Pair};

const AGENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/failover/role.py");

/// The address at which HAProxy listens.
pub(crate) const ADDRESS: &str = "127.0.0.1:5000";

/// The processes; dropping them ends them.
pub(crate) struct Proxy {
    processes: Vec<Child>,
}

impl Proxy {
    /// Starts HAProxy in front of a pair, and waits until it has found the primary.
    pub(crate) async fn start(pair: &Pair) -> Self {
        let agents = pair.nodes().iter().map(|node| {
            let mut command = node.machine.command("python3");
            command.arg(AGENT).arg(node.socket_folder());
            command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("Python")
        });
        let mut processes: Vec<_> = agents.collect();
        processes.push(start_haproxy(pair.folder()));
        let proxy = Self { processes };
        proxy.wait_for_primary().await;
        proxy
    }

    /// Starts HAProxy in front of servers whose manager has the interface itself.
    pub(crate) fn start_alone(folder: &Path) -> Self {
        Self { processes: vec![start_haproxy(folder)] }
    }

    async fn wait_for_primary(&self) {
        let url = format!("postgres://keeper@{ADDRESS}/postgres?sslmode=disable");
        let until = Instant::now() + Duration::from_secs(30);
        while PgConnection::connect(&url).await.is_err() {
            assert!(Instant::now() < until, "HAProxy found no primary within 30 s");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

fn start_haproxy(folder: &Path) -> Child {
    let configuration = folder.join("haproxy.cfg");
    fs::write(&configuration, document::block("haproxy.cfg")).unwrap();
    let log = fs::File::create(folder.join("haproxy.log")).unwrap();
    let mut command = Command::new("haproxy");
    command.arg("-db").arg("-f").arg(configuration).stdout(log.try_clone().unwrap()).stderr(log);
    command.stdin(Stdio::null()).spawn().expect("HAProxy")
}

impl Drop for Proxy {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
