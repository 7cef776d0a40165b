//! All servers of a run.

use std::{net::SocketAddr, path::Path};

use base64::{Engine, prelude::BASE64_STANDARD};

use crate::{
    keeper::Database,
    load::{Connection, request},
    peer::{PROGRAMS, Peer},
    server::Server,
};

/// The password of each caller.
const PASSWORD: &str = "the password of each caller";

/// The id of the first caller. All callers are administrators.
pub(crate) const FIRST_CALLER: u64 = 1000;

/// The id of the first user whose credentials are saved, and the number of these users.
pub(crate) const FIRST_TARGET: u64 = 100_000;
pub(crate) const TARGETS: u64 = 20_000;

pub(crate) const TOKEN: &str = "/api/v1/User/currentToken";
pub(crate) const PRINCIPAL: &str = "/api/v1/User/currentPrincipal";

/// The names of the servers in every table and plot; the service is the first.
pub(crate) const NAMES: [&str; 4] =
    ["Credential Keeper", PROGRAMS[0].name, PROGRAMS[1].name, PROGRAMS[2].name];

/// The number of connections that log callers in.
const LOGINS: usize = 8;

/// A running server.
pub(crate) struct Running {
    pub(crate) name: &'static str,
    pub(crate) address: SocketAddr,
    /// Its process, which may have others.
    pub(crate) process: u32,
    /// A header `Authorization` with a token for each caller.
    pub(crate) bearer: Vec<String>,
}

/// All servers of a run. Fields are dropped in this order.
pub(crate) struct Servers {
    _peers: Vec<Peer>,
    _service: Server,
    database: Database,
    pub(crate) running: Vec<Running>,
}

impl Servers {
    /// Starts each server on a database of its own.
    pub(crate) async fn start(binary: &Path, callers: usize) -> Self {
        eprintln!("starting PostgreSQL and {}", NAMES[0]);
        let database = Database::start(binary);
        let service = database.start_service(callers, PASSWORD);
        let (_, address) = service.ready.split_once("://").expect("a URL");
        let mut running =
            vec![running(NAMES[0], address.parse().expect("an address"), service.id())];
        let mut peers = Vec::new();
        for program in &PROGRAMS {
            // A signal is handled here.
            tokio::task::yield_now().await;
            eprintln!("starting {}", program.name);
            let peer = program.start(&database, callers, PASSWORD);
            running.push(running_peer(program.name, &peer));
            peers.push(peer);
        }
        for server in &running {
            answer_once(server.address).await;
        }
        Self { _peers: peers, _service: service, database, running }
    }

    /// The process id of the program that runs PostgreSQL.
    pub(crate) fn database_id(&self) -> u32 {
        self.database.id()
    }

    /// Logs every caller in to every server.
    pub(crate) async fn log_in(&mut self, callers: usize) {
        for server in &mut self.running {
            eprintln!("logging in to {}", server.name);
            let address = server.address;
            let logins = (0..LOGINS).map(async |first| {
                let mut connection = Connection::open(address).await;
                let mut headers = Vec::new();
                for caller in (first..callers).step_by(LOGINS) {
                    headers.push((caller, bearer(&mut connection, caller).await));
                }
                headers
            });
            let mut headers = futures_util::future::join_all(logins).await.concat();
            headers.sort_unstable();
            server.bearer = headers.into_iter().map(|(_, header)| header).collect();
        }
    }
}

fn running(name: &'static str, address: SocketAddr, process: u32) -> Running {
    Running { name, address, process, bearer: Vec::new() }
}

fn running_peer(name: &'static str, peer: &Peer) -> Running {
    running(name, peer.address, peer.id())
}

/// Two requests, one for each worker, so that no server loads its code later.
async fn answer_once(address: SocketAddr) {
    for _ in 0..2 {
        let mut connection = Connection::open(address).await;
        assert_eq!(connection.send(&request("GET", PRINCIPAL, "", "")).await.status, 401);
    }
}

async fn bearer(connection: &mut Connection, caller: usize) -> String {
    let answer = connection.send(&request("GET", TOKEN, &caller_basic(caller), "")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    format!("Authorization: Bearer {}\r\n", answer.body.trim().trim_matches('"'))
}

/// A header `Authorization` with the password of a caller.
pub(crate) fn caller_basic(caller: usize) -> String {
    basic(&format!("caller{caller}"), PASSWORD)
}

/// A header `Authorization` with a name and a password.
pub(crate) fn basic(name: &str, password: &str) -> String {
    let text = BASE64_STANDARD.encode(format!("{name}:{password}"));
    format!("Authorization: Basic {text}\r\n")
}
