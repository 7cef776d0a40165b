//! An HTTP server of key sets that counts its requests.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio_rustls::rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{TestCertificate, old_system::server_config};

/// What the server sends, and how long it waits before.
#[derive(Clone)]
struct Response {
    text: String,
    delay: Duration,
}

/// A server with one answer for every request. It listens until the test process ends.
pub(crate) struct KeyServer {
    address: SocketAddr,
    answer: Arc<Mutex<Response>>,
    request_count: Arc<AtomicUsize>,
    has_tls: bool,
}

impl KeyServer {
    /// Starts a server that answers with this status line, headers and body.
    pub(crate) fn start(head: &str, body: &str) -> Self {
        Self::start_with(head, body, None)
    }

    /// Starts a server that answers over TLS, with this certificate for `localhost`.
    pub(crate) fn start_with_tls(certificate: &TestCertificate, body: &str) -> Self {
        Self::start_with("200 OK", body, Some(server_config(certificate)))
    }

    fn start_with(head: &str, body: &str, tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            answer: Arc::new(Mutex::new(Response {
                text: response(head, body),
                delay: Duration::ZERO,
            })),
            request_count: Arc::default(),
            has_tls: tls.is_some(),
        };
        let (answer, request_count) =
            (Arc::clone(&server.answer), Arc::clone(&server.request_count));
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let connection = connection.unwrap();
                let answer = answer.lock().unwrap().clone();
                // Errors are ignored: the client may have closed.
                let _ = match tls.clone() {
                    None => serve(connection, &answer, &request_count),
                    Some(config) => serve_with_tls(config, connection, &answer, &request_count),
                };
            }
        });
        server
    }

    /// The URL of the key set.
    pub(crate) fn url(&self) -> String {
        if self.has_tls {
            return format!("https://localhost:{}/jwks", self.address.port());
        }
        format!("http://{}/jwks", self.address)
    }

    /// The number of requests so far.
    pub(crate) fn request_count(&self) -> usize {
        self.request_count.load(Ordering::SeqCst)
    }

    /// Changes the answer to later requests.
    pub(crate) fn set_answer(&self, head: &str, body: &str) {
        self.answer.lock().unwrap().text = response(head, body);
    }

    /// Delays the answers to later requests.
    pub(crate) fn set_delay(&self, delay: Duration) {
        self.answer.lock().unwrap().delay = delay;
    }
}

fn response(head: &str, body: &str) -> String {
    format!("HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}

/// Answers one request. One read gets the whole of it.
fn serve(
    mut stream: impl Read + Write,
    answer: &Response,
    request_count: &AtomicUsize,
) -> std::io::Result<()> {
    let read = stream.read(&mut [0; 4096])?;
    request_count.fetch_add(usize::from(read > 0), Ordering::SeqCst);
    std::thread::sleep(answer.delay);
    stream.write_all(answer.text.as_bytes())?;
    stream.flush()
}

fn serve_with_tls(
    config: Arc<ServerConfig>,
    connection: TcpStream,
    answer: &Response,
    request_count: &AtomicUsize,
) -> std::io::Result<()> {
    let mut stream = StreamOwned::new(ServerConnection::new(config).unwrap(), connection);
    serve(&mut stream, answer, request_count)?;
    stream.conn.send_close_notify();
    stream.flush()
}
