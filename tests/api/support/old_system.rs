//! An old system that users move from: an HTTPS server that verifies signatures by itself.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;
use tempfile::TempDir;
use tokio_rustls::rustls::{
    ServerConfig, ServerConnection, StreamOwned,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
};

use super::{TestAuthority, TestCertificate, replace};

/// What the old system does with a request.
#[derive(Clone)]
pub(crate) enum Reply {
    /// Verifies the signature; then 401, or 200 with the body that this function makes of the login
    /// name and the password.
    Verify(fn(&str, &str) -> String),
    /// Sends exactly this.
    Raw(Vec<u8>),
    /// Sends this after a time.
    Late(Duration, Vec<u8>),
    /// Sends nothing for a minute.
    Nothing,
    /// Closes the connection at once.
    Close,
}

/// A request that the old system received.
#[derive(Debug, Clone)]
pub(crate) struct OldSystemRequest {
    /// The request line and the headers.
    pub(crate) head: String,
    pub(crate) body: Value,
    pub(crate) is_signed: bool,
    /// True for one that was answered with a failure.
    pub(crate) is_refused: bool,
}

struct Shared {
    reply: Mutex<Reply>,
    requests: Mutex<Vec<OldSystemRequest>>,
    tls: Mutex<Arc<ServerConfig>>,
    key: Mutex<Vec<u8>>,
}

/// The server. It listens until the test process ends.
pub(crate) struct OldSystem {
    address: SocketAddr,
    pub(crate) authority: TestAuthority,
    folder: TempDir,
    shared: Arc<Shared>,
}

/// The key that both sides have.
const KEY: [u8; 32] = [7; 32];

/// Accepts everybody with the password `NAME, old password`. Knows only names that start with a
/// letter before `u`.
pub(crate) fn verify_by_name(name: &str, password: &str) -> String {
    let result = match name.chars().next() {
        Some('u'..) => "unknown",
        _ if password == old_password(name) => "accepted",
        _ => "rejected",
    };
    format!(r#"{{"result":"{result}"}}"#)
}

/// The password of a user of [`verify_by_name`].
pub(crate) fn old_password(name: &str) -> String {
    format!("{name}, old password")
}

/// A whole answer of HTTP.
pub(crate) fn http_reply(status: &str, content_type: &str, body: &str) -> Reply {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nConnection: close\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    Reply::Raw([head.as_bytes(), body.as_bytes()].concat())
}

/// The same answer, after a time.
pub(crate) fn late(time: Duration, reply: Reply) -> Reply {
    let Reply::Raw(bytes) = reply else { panic!("no bytes") };
    Reply::Late(time, bytes)
}

impl OldSystem {
    /// Starts a server that verifies logins with [`verify_by_name`].
    pub(crate) fn start() -> Self {
        let authority = TestAuthority::new();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            reply: Mutex::new(Reply::Verify(verify_by_name)),
            requests: Mutex::default(),
            tls: Mutex::new(server_config(&authority.issue(&["localhost"]))),
            key: Mutex::new(KEY.to_vec()),
        });
        let of_thread = Arc::clone(&shared);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let (shared, connection) = (Arc::clone(&of_thread), connection.unwrap());
                // Errors are ignored: the client may have closed.
                std::thread::spawn(move || drop(shared.serve(connection)));
            }
        });
        let server = Self { address, authority, folder: tempfile::tempdir().unwrap(), shared };
        replace(&server.path("ca.crt"), &server.authority.certificate(), 0o444);
        server.write_keys(&[&KEY]);
        server
    }

    /// A file of the settings.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes the keys that the service signs with.
    pub(crate) fn write_keys(&self, keys: &[&[u8]]) {
        let line = |key: &&[u8]| format!("whsec_{}\n", STANDARD.encode(key));
        replace(&self.path("key"), &keys.iter().map(line).collect::<String>(), 0o400);
    }

    /// The settings of the service.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        let path = |name: &str| self.path(name).to_str().unwrap().to_owned();
        [
            ("HOOK_URL", format!("https://localhost:{}/verify", self.address.port())),
            ("HOOK_KEY_FILE", path("key")),
            ("HOOK_CA_FILE", path("ca.crt")),
            ("HOOK_TIMEOUT_SECONDS", "2".to_owned()),
        ]
        .map(|(name, value)| (format!("KEEPER__MIGRATION__{name}"), value))
        .into()
    }

    /// Changes what the old system does with later requests.
    pub(crate) fn set_reply(&self, reply: Reply) {
        *self.shared.reply.lock().unwrap() = reply;
    }

    /// Changes the certificate.
    pub(crate) fn set_certificate(&self, certificate: &TestCertificate) {
        *self.shared.tls.lock().unwrap() = server_config(certificate);
    }

    /// Changes the key that the old system verifies signatures with.
    pub(crate) fn set_key(&self, key: &[u8]) {
        *self.shared.key.lock().unwrap() = key.to_vec();
    }

    /// The requests so far.
    pub(crate) fn requests(&self) -> Vec<OldSystemRequest> {
        self.shared.requests.lock().unwrap().clone()
    }
}

/// The TLS configuration of a server with this certificate.
pub(crate) fn server_config(certificate: &TestCertificate) -> Arc<ServerConfig> {
    let chain = vec![CertificateDer::from_pem_slice(certificate.certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(certificate.key.as_bytes()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key);
    Arc::new(config.unwrap())
}

impl Shared {
    fn serve(&self, connection: TcpStream) -> std::io::Result<()> {
        if matches!(*self.reply.lock().unwrap(), Reply::Close) {
            return connection.shutdown(Shutdown::Both);
        }
        connection.set_read_timeout(Some(Duration::from_secs(60)))?;
        let tls = ServerConnection::new(Arc::clone(&self.tls.lock().unwrap())).unwrap();
        let mut stream = StreamOwned::new(tls, connection);
        let Some(mut request) = self.read(&mut stream)? else { return Ok(()) };
        // A test that saw the request may change the reply to the next one.
        let reply = self.reply.lock().unwrap().clone();
        request.is_refused = match &reply {
            Reply::Verify(_) => !request.is_signed,
            Reply::Raw(bytes) | Reply::Late(_, bytes) => !bytes.starts_with(b"HTTP/1.1 2"),
            Reply::Nothing | Reply::Close => false,
        };
        self.requests.lock().unwrap().push(request.clone());
        let reply = match reply {
            Reply::Verify(verify) => verified(verify, &request),
            Reply::Late(time, bytes) => {
                std::thread::sleep(time);
                Reply::Raw(bytes)
            }
            Reply::Nothing => {
                std::thread::sleep(Duration::from_secs(60));
                Reply::Close
            }
            reply @ (Reply::Raw(_) | Reply::Close) => reply,
        };
        if let Reply::Raw(bytes) = reply {
            stream.write_all(&bytes)?;
            stream.flush()?;
        }
        stream.conn.send_close_notify();
        stream.flush()
    }

    /// Reads a request; `None` if the client sends none.
    fn read(&self, stream: &mut impl Read) -> std::io::Result<Option<OldSystemRequest>> {
        let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
        loop {
            let length = stream.read(&mut chunk)?;
            bytes.extend_from_slice(&chunk[..length]);
            let mut headers = [httparse::EMPTY_HEADER; 32];
            let mut request = httparse::Request::new(&mut headers);
            if let Ok(httparse::Status::Complete(start)) = request.parse(&bytes) {
                let header = |name: &str| {
                    let found = request.headers.iter().find(|h| h.name.eq_ignore_ascii_case(name));
                    String::from_utf8(found.unwrap().value.to_vec()).unwrap()
                };
                let length: usize = header("content-length").parse().unwrap();
                if let Some(body) = bytes.get(start..start + length) {
                    let fields = ["webhook-id", "webhook-timestamp", "webhook-signature"];
                    return Ok(Some(OldSystemRequest {
                        head: String::from_utf8(bytes[..start].to_vec()).unwrap(),
                        body: serde_json::from_slice(body).unwrap(),
                        is_signed: self.is_signed(&fields.map(header), body),
                        is_refused: false,
                    }));
                }
            }
            if length == 0 {
                return Ok(None);
            }
        }
    }

    /// Verifies the signature and the time, as Standard Webhooks says.
    fn is_signed(&self, [id, timestamp, signatures]: &[String; 3], body: &[u8]) -> bool {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.key.lock().unwrap()).unwrap();
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
        let age = now.abs_diff(timestamp.parse().unwrap());
        age < 60 && signatures.split(' ').any(|signature| signature == expected)
    }
}

fn verified(verify: fn(&str, &str) -> String, request: &OldSystemRequest) -> Reply {
    if !request.is_signed {
        return http_reply("401 Unauthorized", "application/json", "{}");
    }
    let text = |member: &str| request.body["data"][member].as_str().unwrap_or_default();
    let body = match request.body["type"].as_str() {
        Some("ping") => r#"{"result":"pong"}"#.to_owned(),
        _ => verify(text("login_name"), text("password")),
    };
    http_reply("200 OK", "application/json; charset=utf-8", &body)
}
