//! A closed-loop load generator: each connection sends its next request after the previous answer.

use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

/// A persistent connection. It sends requests verbatim and parses no more of an answer than needed,
/// so that the load generator uses little CPU time.
pub(crate) struct Connection<S = TcpStream> {
    stream: S,
    buffer: Vec<u8>,
}

/// An answer of the service.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        Self { stream, buffer: Vec::with_capacity(4096) }
    }

    /// Connects from an address of the loopback network, as if from another machine.
    pub(crate) async fn open_from(source: [u8; 4], address: SocketAddr) -> Self {
        let socket = tokio::net::TcpSocket::new_v4().expect("a socket");
        socket.bind((source, 0).into()).expect("a source address");
        let stream = socket.connect(address).await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        Self { stream, buffer: Vec::with_capacity(4096) }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// A connection on an open stream.
    pub(crate) fn on(stream: S) -> Self {
        Self { stream, buffer: Vec::with_capacity(4096) }
    }

    pub(crate) async fn send(&mut self, request: &str) -> Answer {
        self.write(request).await;
        self.receive().await
    }

    /// Sends a request without waiting for its answer.
    pub(crate) async fn write(&mut self, request: &str) {
        self.stream.write_all(request.as_bytes()).await.expect("a request sent");
        // A stream with TLS may have buffered it.
        self.stream.flush().await.expect("a request sent");
    }

    /// Waits for the answer to the request that was sent last.
    pub(crate) async fn receive(&mut self) -> Answer {
        self.buffer.clear();
        loop {
            if let Some(answer) = parse_answer(&self.buffer) {
                return answer;
            }
            let read = self.stream.read_buf(&mut self.buffer).await.expect("an answer");
            assert_ne!(read, 0, "the connection was closed");
        }
    }
}

/// Parses an answer; returns `None` while it is incomplete.
fn parse_answer(bytes: &[u8]) -> Option<Answer> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut response = httparse::Response::new(&mut headers);
    let length = match response.parse(bytes).expect("an HTTP answer") {
        httparse::Status::Complete(length) => length,
        httparse::Status::Partial => return None,
    };
    let status = response.code?;
    let header = response.headers.iter().find(|h| h.name.eq_ignore_ascii_case("content-length"));
    let content: usize = match header {
        Some(header) => std::str::from_utf8(header.value).ok()?.parse().ok()?,
        None => 0,
    };
    let body = bytes.get(length..length + content)?;
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    Some(Answer { status, head: text(&bytes[..length]), body: text(body) })
}

/// A request with a JSON body, or without a body.
pub(crate) fn request(method: &str, path: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    let body_headers = if body.is_empty() {
        String::from("Content-Length: 0\r\n")
    } else {
        format!("Content-Type: application/json\r\nContent-Length: {length}\r\n")
    };
    format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}{body_headers}\r\n{body}")
}

/// A save for one of the target users.
pub(crate) fn save(authorization: &str, user_id: u64, value: &str) -> String {
    let body = format!(r#"{{"UserId":{user_id},"Credential":{{"Value":"{value}"}}}}"#);
    request("POST", "/api/v1/Agents/User/SaveCredential", authorization, &body)
}

/// The results of one round of load.
#[derive(Debug, Default)]
pub(crate) struct Round {
    /// The time of each acknowledged request.
    pub(crate) acknowledged: Vec<Duration>,
    /// The time of each request that was refused with 503.
    pub(crate) refused: Vec<Duration>,
    pub(crate) elapsed: Duration,
}

impl Round {
    pub(crate) fn per_second(&self) -> f64 {
        count(self.acknowledged.len()) / self.elapsed.as_secs_f64()
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.acknowledged.extend(other.acknowledged);
        self.refused.extend(other.refused);
        self.elapsed += other.elapsed;
    }
}

/// A quantile of the times, in milliseconds. Sorts the times.
pub(crate) fn milliseconds(times: &mut [Duration], quantile: f64) -> f64 {
    times.sort_unstable();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an index into a list"
    )]
    let index = (count(times.len()) * quantile) as usize;
    times.get(index.min(times.len().saturating_sub(1))).map_or(f64::NAN, |t| t.as_secs_f64() * 1e3)
}

/// Sends the requests that `next` returns until the given time; pauses briefly after a refusal.
pub(crate) async fn run(
    mut connection: Connection,
    until: Instant,
    mut next: impl FnMut(u64) -> String,
) -> Round {
    let mut round = Round::default();
    let mut number = 0;
    while Instant::now() < until {
        let request = next(number);
        number += 1;
        let start = Instant::now();
        let answer = connection.send(&request).await;
        match answer.status {
            200 => round.acknowledged.push(start.elapsed()),
            503 => {
                round.refused.push(start.elapsed());
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            _ => panic!("{answer:?}"),
        }
    }
    round
}

#[expect(clippy::cast_precision_loss, reason = "counts far below 2^52")]
pub(crate) fn count(number: usize) -> f64 {
    number as f64
}
