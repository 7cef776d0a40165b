//! Collectors of traces and logs: rotel, and a front before it that encrypts, fails or is slow.

use std::{
    fs::{self, File},
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    time::Duration,
};

use tempfile::TempDir;
use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{TestCertificate, free_port, old_system::server_config, wait_until_listening};

/// A collector with OTLP over HTTP that prints what it receives. It stops with the test.
pub(crate) struct Collector {
    folder: TempDir,
    process: Option<Child>,
    port: u16,
}

impl Collector {
    /// Starts a collector.
    pub(crate) fn start() -> Self {
        let mut collector = Self::stopped();
        collector.restart();
        collector
    }

    /// A collector that is not started yet.
    pub(crate) fn stopped() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), process: None, port: free_port() }
    }

    /// Starts the collector on its port.
    pub(crate) fn restart(&mut self) {
        let output = File::options().create(true).append(true).open(self.output()).unwrap();
        let mut process = Command::new(installed())
            .args(["start", "--exporter", "blackhole", "--disable-batching"])
            .args(["--debug-log", "traces", "--debug-log", "logs"])
            .args(["--debug-log-verbosity", "detailed"])
            .args(["--otlp-http-endpoint", &format!("127.0.0.1:{}", self.port)])
            .args(["--otlp-grpc-endpoint", &format!("127.0.0.1:{}", free_port())])
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        wait_until_listening("the collector", &mut process, &[self.port]);
        self.process = Some(process);
    }

    /// The URL for the settings.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Everything that the collector has received so far.
    pub(crate) fn received(&self) -> String {
        fs::read_to_string(self.output()).unwrap_or_default()
    }

    /// Waits until the collector has received all of these texts.
    pub(crate) fn wait_for(&self, texts: &[&str]) -> String {
        let mut received = String::new();
        for _ in 0..300 {
            received = self.received();
            if texts.iter().all(|text| received.contains(text)) {
                return received;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        let missing: Vec<_> = texts.iter().filter(|text| !received.contains(**text)).collect();
        panic!("the collector did not receive {missing:?}: {received}");
    }

    fn output(&self) -> PathBuf {
        self.folder.path().join("output")
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        if let Some(process) = &mut self.process {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

/// The program, which `script/setup checks` installs.
fn installed() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let versions = fs::read_dir(target.join("test-tools/lib")).into_iter().flatten().flatten();
    let mut programs =
        versions.map(|version| version.path().join("site-packages/rotel/rotel-agent"));
    let program = programs.find(|program| program.exists());
    program.unwrap_or_else(|| panic!("rotel not found; run `script/setup checks`"))
}

/// What the front does with a request.
#[derive(Clone)]
pub(crate) enum FrontReply {
    /// Passes it to the collector with this URL, and its answer back.
    Forward(String),
    /// Answers with this status line.
    Status(&'static str),
    /// Takes a batch, except for five items, as it says in the answer. The reason of each answer
    /// begins with this text, and has another number.
    Reject(&'static str),
    /// Sends nothing for a minute.
    Nothing,
}

/// An HTTP server before a collector. It listens until the test process ends.
pub(crate) struct CollectorFront {
    address: SocketAddr,
    has_tls: bool,
    tls: Arc<Mutex<Option<Arc<ServerConfig>>>>,
    reply: Arc<Mutex<FrontReply>>,
    heads: Arc<Mutex<Vec<String>>>,
}

impl CollectorFront {
    /// Starts a front, with TLS and a certificate for `localhost` if there is one.
    pub(crate) fn start(certificate: Option<&TestCertificate>, reply: FrontReply) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let tls = Arc::new(Mutex::new(certificate.map(server_config)));
        let front = Self {
            address: listener.local_addr().unwrap(),
            has_tls: certificate.is_some(),
            tls: Arc::clone(&tls),
            reply: Arc::new(Mutex::new(reply)),
            heads: Arc::default(),
        };
        let (reply, heads) = (Arc::clone(&front.reply), Arc::clone(&front.heads));
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                let tls = tls.lock().unwrap().clone();
                let (reply, heads) = (Arc::clone(&reply), Arc::clone(&heads));
                // Errors are ignored: the client may have closed.
                std::thread::spawn(move || match tls {
                    None => serve(&mut connection, &reply, &heads),
                    Some(tls) => {
                        let tls = ServerConnection::new(tls).unwrap();
                        let mut stream = StreamOwned::new(tls, connection);
                        serve(&mut stream, &reply, &heads)?;
                        stream.conn.send_close_notify();
                        stream.flush()
                    }
                });
            }
        });
        front
    }

    /// The URL for the settings.
    pub(crate) fn url(&self) -> String {
        let scheme = if self.has_tls { "https" } else { "http" };
        format!("{scheme}://localhost:{}", self.address.port())
    }

    /// Changes the certificate.
    pub(crate) fn set_certificate(&self, certificate: &TestCertificate) {
        *self.tls.lock().unwrap() = Some(server_config(certificate));
    }

    /// Changes what the front does with later requests.
    pub(crate) fn set_reply(&self, reply: FrontReply) {
        *self.reply.lock().unwrap() = reply;
    }

    /// The request lines and headers so far.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

fn serve(
    stream: &mut (impl Read + Write),
    reply: &Mutex<FrontReply>,
    heads: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let Some((head, body)) = read(stream)? else { return Ok(()) };
    let number = {
        let mut heads = heads.lock().unwrap();
        heads.push(head.clone());
        heads.len()
    };
    let reply = reply.lock().unwrap().clone();
    let answer = match reply {
        FrontReply::Forward(url) => forward(&url, &head, &body)?,
        FrontReply::Status(status) => {
            let rest = "Connection: close\r\nContent-Length: 0\r\n\r\n";
            format!("HTTP/1.1 {status}\r\n{rest}").into_bytes()
        }
        FrontReply::Reject(reason) => {
            let reason = field(2, format!("{reason}: {number}").as_bytes());
            let body = field(1, &[&b"\x08\x05"[..], reason.as_slice()].concat());
            let head = format!(
                "HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\n\
                 Connection: close\r\nContent-Length: {}\r\n\r\n",
                body.len()
            );
            [head.as_bytes(), &body].concat()
        }
        FrontReply::Nothing => {
            std::thread::sleep(Duration::from_secs(60));
            return Ok(());
        }
    };
    stream.write_all(&answer)?;
    stream.flush()
}

/// A field of Protocol Buffers with less than 128 bytes.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).unwrap();
    [&[(number << 3) | 2, length][..], bytes].concat()
}

/// Sends a request to a collector, and returns its whole answer.
fn forward(url: &str, head: &str, body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut collector = TcpStream::connect(url.strip_prefix("http://").unwrap())?;
    let head = head.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    collector.write_all(&[head.as_bytes(), body].concat())?;
    let mut answer = Vec::new();
    collector.read_to_end(&mut answer)?;
    Ok(answer)
}

/// Reads a request; `None` if the client sends none.
fn read(stream: &mut impl Read) -> std::io::Result<Option<(String, Vec<u8>)>> {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        let length = stream.read(&mut chunk)?;
        if length == 0 {
            return Ok(None);
        }
        bytes.extend_from_slice(&chunk[..length]);
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut request = httparse::Request::new(&mut headers);
        if let Ok(httparse::Status::Complete(start)) = request.parse(&bytes) {
            let found =
                request.headers.iter().find(|h| h.name.eq_ignore_ascii_case("content-length"));
            let value = found.map_or(&b"0"[..], |header| header.value);
            let expected: usize = std::str::from_utf8(value).unwrap().parse().unwrap();
            if bytes.len() >= start + expected {
                let body = bytes.split_off(start);
                return Ok(Some((String::from_utf8(bytes).unwrap(), body)));
            }
        }
    }
}
