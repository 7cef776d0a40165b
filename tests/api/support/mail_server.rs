//! Mail servers: aiosmtpd with TLS and logins, and one of which a test writes every byte.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command},
};

use serde_json::Value;
use tempfile::TempDir;

use super::{TestAuthority, free_port, replace, wait_for, wait_until_listening};

/// The name in the certificate of the server.
const HOST: &str = "localhost";

/// The login of the service as in a URL, and its password as it is.
pub(crate) const MAIL_LOGIN: &str = "keeper%40example.com:p%3Ass%20word";
pub(crate) const MAIL_PASSWORD: &str = "p:ss word";

/// A running server, private to one test. It stops with the test.
pub(crate) struct MailServer {
    folder: TempDir,
    authority: TestAuthority,
    process: Child,
    ports: [u16; 3],
}

impl MailServer {
    /// Starts a server.
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let authority = TestAuthority::new();
        authority.issue(&[HOST]).write(folder.path(), "server");
        replace(&folder.path().join("ca.pem"), &authority.certificate(), 0o444);
        fs::create_dir(folder.path().join("mails")).unwrap();
        for file in ["replies", "logins"] {
            fs::write(folder.path().join(file), "").unwrap();
        }
        let ports = [free_port(), free_port(), free_port()];
        let process = run(folder.path(), ports);
        Self { folder, authority, process, ports }
    }

    /// Stops the server.
    pub(crate) fn stop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts the server again, on the same ports.
    pub(crate) fn restart(&mut self) {
        self.process = run(self.folder.path(), self.ports);
    }

    /// Replaces the certificate by one of another authority; the server reads it at its next start.
    pub(crate) fn issue_from(&self, authority: &TestAuthority) {
        authority.issue(&[HOST]).write(self.folder.path(), "server");
    }

    /// Replaces the certificate by an expired one; the server reads it at its next start.
    pub(crate) fn issue_expired(&self) {
        self.authority.issue_expired(&[HOST]).write(self.folder.path(), "server");
    }

    /// A file in the folder of the server.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The URL with TLS from the start.
    pub(crate) fn tls_url(&self) -> String {
        format!("smtps://{MAIL_LOGIN}@{HOST}:{}", self.ports[0])
    }

    /// The URL for STARTTLS.
    pub(crate) fn start_tls_url(&self) -> String {
        format!("smtp://{MAIL_LOGIN}@{HOST}:{}", self.ports[1])
    }

    /// The URL without TLS.
    pub(crate) fn plain_url(&self) -> String {
        format!("smtp://{MAIL_LOGIN}@{HOST}:{}", self.ports[2])
    }

    /// The variables of a service that sends mails over TLS.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        [
            ("MAIL__SMTP_URL", self.tls_url()),
            ("MAIL__CA_FILE", self.path("ca.pem").to_str().unwrap().to_owned()),
            ("MAIL__FROM", "Keeper <keeper@example.com>".to_owned()),
            ("HTTP__PUBLIC_URL", "https://keeper.example".to_owned()),
        ]
        .map(|(name, value)| (format!("KEEPER__{name}"), value))
        .into()
    }

    /// Sets the replies to the next commands, such as `rcpt 450 Later` or `data drop`.
    pub(crate) fn reply_with(&self, replies: &[&str]) {
        fs::write(self.path("replies"), replies.join("\n")).unwrap();
    }

    /// The outcome of every login so far.
    pub(crate) fn logins(&self) -> Vec<String> {
        let text = fs::read_to_string(self.path("logins")).unwrap();
        text.lines().map(str::to_owned).collect()
    }

    /// Every mail so far, in order.
    pub(crate) fn mails(&self) -> Vec<Value> {
        let entries = fs::read_dir(self.path("mails")).unwrap();
        let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
        paths.sort();
        let read = |path: &PathBuf| serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        paths.iter().map(read).collect()
    }

    /// Waits for this many mails, and returns the last one.
    pub(crate) async fn wait_for_mail(&self, number: usize) -> Value {
        let description = format!("mail {number}");
        let mails = async || Some(self.mails()).filter(|mails| mails.len() >= number);
        let mut mails = wait_for(&description, mails).await;
        assert_eq!(mails.len(), number, "{mails:?}");
        mails.pop().unwrap()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn run(folder: &Path, ports: [u16; 3]) -> Child {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
    let python = target.join("test-tools/bin/python");
    assert!(python.exists(), "aiosmtpd not found; run `script/setup checks`");
    let mut server = Command::new(python)
        .arg("tests/api/support/mail_server.py")
        .arg(folder)
        .args(ports.map(|port| port.to_string()))
        .spawn()
        .unwrap();
    wait_until_listening("the mail server", &mut server, &ports);
    server
}

/// Starts a server on loopback that answers each connection with this function.
pub(crate) fn raw_mail_server(serve: impl Fn(TcpStream) + Clone + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let serve = serve.clone();
            std::thread::spawn(move || serve(connection.unwrap()));
        }
    });
    address
}

/// Sends a greeting, and these replies to the next commands; then waits for the client to close.
pub(crate) fn converse(stream: TcpStream, replies: &[&str]) {
    let mut writer = stream.try_clone().unwrap();
    let mut lines = BufReader::new(stream).lines();
    let _ = writer.write_all(b"220 localhost\r\n");
    for reply in replies {
        if lines.next().is_none_or(|line| line.is_err()) {
            return;
        }
        let _ = writer.write_all(reply.as_bytes());
    }
    while lines.next().is_some_and(|line| line.is_ok()) {}
}
