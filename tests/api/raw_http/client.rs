//! Sends bytes and reads the statuses of the responses.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Duration,
};

use crate::support::TestApp;

/// How long a test waits for a response or for the end of a connection.
const PATIENCE: Duration = Duration::from_secs(30);

/// A connection of bytes.
pub(crate) struct RawClient(BufReader<TcpStream>);

impl RawClient {
    pub(crate) fn connect(app: &TestApp) -> Self {
        let stream = TcpStream::connect(app.url.strip_prefix("http://").unwrap()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    /// Sends bytes; false when the connection is closed.
    pub(crate) fn send(&self, bytes: &[u8]) -> bool {
        self.0.get_ref().write_all(bytes).is_ok()
    }

    /// Another handle of the same socket.
    pub(crate) fn socket(&self) -> TcpStream {
        self.0.get_ref().try_clone().unwrap()
    }

    /// The head of the next response; `None` at the end of the connection.
    pub(crate) fn head(&mut self) -> Option<String> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            match self.0.read_line(&mut head) {
                Ok(0) => {
                    assert_eq!(head, "", "an incomplete response");
                    return None;
                }
                Ok(_) => {}
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return None,
                Err(error) => panic!("no response after {PATIENCE:?}: {error}"),
            }
        }
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        self.0.read_exact(&mut body).unwrap();
        Some(head)
    }

    /// The status of the next response; `None` at the end of the connection.
    pub(crate) fn status(&mut self) -> Option<u16> {
        self.head().map(|head| head.split(' ').nth(1).unwrap().parse().unwrap())
    }

    /// The statuses of all responses until the end of the connection.
    pub(crate) fn statuses(&mut self) -> Vec<u16> {
        std::iter::from_fn(|| self.status()).collect()
    }
}
