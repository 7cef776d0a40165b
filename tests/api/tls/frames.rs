//! Writes and reads single HTTP/2 frames, for connections that no client library would make.

use std::time::Duration;

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::client::TlsStream;

use super::TlsApp;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// How long a test waits for a frame or for the end of a connection.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// The bytes of a frame.
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Header fields as literals without indexing (RFC 7541, section 6.2.2), without Huffman coding.
pub(super) fn fields(fields: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| {
        let length = u8::try_from(text.len()).ok().filter(|length| *length < 127);
        [&[length.unwrap()], text.as_bytes()].concat()
    };
    fields.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

/// The headers of a request.
pub(super) fn request(method: &str, path: &str) -> Vec<u8> {
    fields(&[
        (":method", method),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", path),
    ])
}

/// A frame that was received.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) kind: u8,
    pub(super) flags: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

impl Received {
    /// The error code of `RST_STREAM` or `GOAWAY`.
    pub(super) fn error(&self) -> u32 {
        let start = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[start..start + 4].try_into().unwrap())
    }
}

/// A connection of single frames.
pub(super) struct FrameClient(TlsStream<TcpStream>);

impl FrameClient {
    /// Connects, and sends the preface and these settings.
    pub(super) async fn connect(app: &TlsApp, settings: &[u8]) -> Self {
        let mut client = Self(app.connect(&[b"h2"]).await);
        client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        client.send(&frame(SETTINGS, 0, 0, settings)).await;
        client
    }

    /// Sends bytes; false when the connection is closed or the server does not read.
    pub(super) async fn send(&mut self, bytes: &[u8]) -> bool {
        let sent = async {
            self.0.write_all(bytes).await?;
            self.0.flush().await
        };
        timeout(Duration::from_secs(5), sent).await.is_ok_and(|sent| sent.is_ok())
    }

    /// The next frame; `None` at the end of the connection.
    pub(super) async fn receive(&mut self) -> Option<Received> {
        timeout(PATIENCE, self.read()).await.unwrap()
    }

    async fn read(&mut self) -> Option<Received> {
        let mut header = [0; 9];
        self.0.read_exact(&mut header).await.ok()?;
        let length = u32::from_be_bytes([0, header[0], header[1], header[2]]);
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.0.read_exact(&mut payload).await.ok()?;
        let stream = u32::from_be_bytes(header[5..].try_into().unwrap());
        Some(Received { kind: header[3], flags: header[4], stream, payload })
    }

    /// Discards what was received; false at the end of the connection.
    pub(super) async fn is_open(&mut self) -> bool {
        let mut bytes = [0; 4096];
        loop {
            match timeout(Duration::from_millis(1), self.0.read(&mut bytes)).await {
                Err(_) => return true,
                Ok(Ok(size)) if size > 0 => {}
                Ok(_) => return false,
            }
        }
    }

    /// All frames until the end of the connection.
    pub(super) async fn receive_all(&mut self) -> Vec<Received> {
        let mut received = Vec::new();
        while let Some(frame) = self.receive().await {
            received.push(frame);
        }
        received
    }
}
