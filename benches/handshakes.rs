//! Measures the CPU time that a TLS handshake costs the service, full and resumed, compared with
//! nginx on the same cores in the same run. `script/bench handshakes` runs it.
//!
//! Both servers have one worker, the same certificate (ECDSA, P-256), protocol, key exchange
//! (X25519) and cipher suites, and answer one small request on each connection. The cost of a
//! handshake is the difference to such a connection without TLS. Rounds alternate between the
//! servers, so that other load on the machine affects both alike.

#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::panic,
    reason = "a benchmark stops at the first error, and prints its results"
)]
#![expect(dead_code, reason = "the overload tests use the rest of the load generator")]

#[path = "../tests/load/load.rs"]
mod load;
#[path = "../tests/api/support/ports.rs"]
mod ports;
#[path = "../tests/load/process.rs"]
mod process;
#[path = "../tests/api/support/server.rs"]
mod server;
#[path = "../tests/load/service.rs"]
mod service;
#[path = "../tests/load/tls.rs"]
mod tls;

use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::{Child, Command},
    sync::Arc,
    time::Duration,
};

use load::{Connection, count, request};
use ports::free_port;
use process::precise_cpu_seconds;
use service::Installation;
use tls::{ServerCertificate, connect};
use tokio_rustls::rustls::{
    ClientConfig, HandshakeKind, SupportedProtocolVersion,
    client::Resumption,
    version::{TLS12, TLS13},
};

/// Connections of each kind in each round.
const CONNECTIONS: usize = 500;

const ROUNDS: usize = 8;

/// A kind of connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Full(&'static SupportedProtocolVersion),
    Resumed(&'static SupportedProtocolVersion),
}

const KINDS: [(&str, Kind); 5] = [
    ("no TLS", Kind::Plain),
    ("TLS 1.3, full", Kind::Full(&TLS13)),
    ("TLS 1.3, resumed", Kind::Resumed(&TLS13)),
    ("TLS 1.2, full", Kind::Full(&TLS12)),
    ("TLS 1.2, resumed", Kind::Resumed(&TLS12)),
];

/// A server under test.
struct Target {
    process: u32,
    plain: SocketAddr,
    secure: SocketAddr,
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(measure());
}

async fn measure() {
    let folder = tempfile::tempdir().expect("a folder");
    let certificate = ServerCertificate::create(folder.path());
    let mut installation = Installation::prepare(1, 1).await;
    installation.start_instance();
    installation.start_instance_with(&certificate.settings());
    let [plain, secure] = installation.addresses()[..] else { panic!("two instances") };
    let processes = installation.services();
    let nginx = Nginx::start(folder.path(), &certificate);
    // The service answers plain connections and those with TLS in two processes.
    let servers = [
        ("credential-keeper", [processes[0], processes[1]], plain, secure),
        ("nginx", [nginx.child.id(); 2], nginx.plain, nginx.secure),
    ];
    let mut costs = [[0.0; KINDS.len()]; 2];
    for round in 0..=ROUNDS {
        for (server, (_, processes, plain, secure)) in servers.iter().enumerate() {
            for (kind, (_, connection)) in KINDS.iter().enumerate() {
                let is_plain = *connection == Kind::Plain;
                let process = processes[usize::from(!is_plain)];
                let target = Target { process, plain: *plain, secure: *secure };
                let cost = target.cost(*connection, &certificate).await;
                // The first round warms up.
                if round > 0 {
                    costs[server][kind] += cost / count(ROUNDS * CONNECTIONS) * 1e6;
                }
            }
        }
    }
    print(&costs);
    installation.stop_instances();
}

fn print(costs: &[[f64; KINDS.len()]; 2]) {
    println!("CPU time of the server for each connection with one request, in microseconds;");
    println!("in brackets without the cost of a connection without TLS");
    println!("  {:<18} {:>18} {:>18} {:>7}", "", "credential-keeper", "nginx", "ratio");
    for (kind, (name, connection)) in KINDS.iter().enumerate() {
        let [ours, nginx] = [costs[0][kind], costs[1][kind]];
        let [our_handshake, nginx_handshake] = [ours - costs[0][0], nginx - costs[1][0]];
        let ratio = match connection {
            Kind::Plain => ours / nginx,
            Kind::Full(_) | Kind::Resumed(_) => our_handshake / nginx_handshake,
        };
        println!(
            "  {name:<18} {ours:>9.0} ({our_handshake:>6.0}) {nginx:>9.0} ({nginx_handshake:>6.0}) \
             {ratio:>7.2}"
        );
    }
}

impl Target {
    /// The CPU seconds of the server for all connections of a round.
    async fn cost(&self, kind: Kind, certificate: &ServerCertificate) -> f64 {
        let exchange = request("GET", "/missing", "", "");
        let config = |version, resumption| {
            let mut config = certificate.client_for("http/1.1", &[version]);
            config.resumption = resumption;
            Arc::new(config)
        };
        let (config, expected) = match kind {
            Kind::Plain => {
                let before = precise_cpu_seconds(self.process);
                for _ in 0..CONNECTIONS {
                    let mut connection = Connection::open(self.plain).await;
                    assert_eq!(connection.send(&exchange).await.status, 404);
                }
                return self.settled(before).await;
            }
            Kind::Full(version) => (config(version, Resumption::disabled()), HandshakeKind::Full),
            Kind::Resumed(version) => {
                let config = config(version, Resumption::in_memory_sessions(8));
                self.exchange(&config, &exchange).await;
                (config, HandshakeKind::Resumed)
            }
        };
        let before = precise_cpu_seconds(self.process);
        for _ in 0..CONNECTIONS {
            assert_eq!(self.exchange(&config, &exchange).await, expected);
        }
        self.settled(before).await
    }

    /// Connects, sends a request and reads its answer; the kind of its handshake.
    async fn exchange(&self, config: &Arc<ClientConfig>, exchange: &str) -> HandshakeKind {
        let stream = connect(config, self.secure).await;
        let kind = stream.get_ref().1.handshake_kind().expect("a handshake");
        let mut connection = Connection::on(stream);
        assert_eq!(connection.send(exchange).await.status, 404);
        kind
    }

    /// The CPU seconds since `before`, once the server has closed the last connection.
    async fn settled(&self, before: f64) -> f64 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        precise_cpu_seconds(self.process) - before
    }
}

/// nginx with one worker, which answers 404 to every request.
struct Nginx {
    child: Child,
    plain: SocketAddr,
    secure: SocketAddr,
}

impl Nginx {
    fn start(folder: &Path, certificate: &ServerCertificate) -> Self {
        let address = || SocketAddr::from(([127, 0, 0, 1], free_port()));
        let [plain, secure] = [address(), address()];
        let configuration = folder.join("nginx.conf");
        let text = format!(
            "worker_processes 1; daemon off; user root; pid {folder}/nginx.pid;
             error_log {folder}/nginx.log;
             events {{ worker_connections 4096; }}
             http {{
                 access_log off;
                 server {{ listen {plain}; return 404; }}
                 server {{
                     listen {secure} ssl;
                     ssl_certificate {certificate};
                     ssl_certificate_key {key};
                     ssl_protocols TLSv1.2 TLSv1.3;
                     ssl_ecdh_curve X25519:prime256v1;
                     ssl_session_tickets on;
                     return 404;
                 }}
             }}",
            folder = folder.display(),
            certificate = certificate.certificate.display(),
            key = certificate.key.display()
        );
        fs::write(&configuration, text).expect("written");
        let child = Command::new("nginx").arg("-c").arg(&configuration).spawn();
        let child = child.expect("nginx is installed");
        let nginx = Self { child, plain, secure };
        while std::net::TcpStream::connect(secure).is_err() {
            std::thread::sleep(Duration::from_millis(20));
        }
        nginx
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The master process stops its worker at SIGTERM.
        let id = rustix::process::Pid::from_child(&self.child);
        let _ = rustix::process::kill_process(id, rustix::process::Signal::TERM);
        let _ = self.child.wait();
    }
}
