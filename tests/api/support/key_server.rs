//! An HTTP server of key sets that counts its requests.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

/// A server with one answer for every request. It listens until the test process ends.
pub(crate) struct KeyServer {
    address: SocketAddr,
    answer: Arc<Mutex<String>>,
    request_count: Arc<AtomicUsize>,
}

impl KeyServer {
    /// Starts a server that answers with this status line, headers and body.
    pub(crate) fn start(head: &str, body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            answer: Arc::new(Mutex::new(response(head, body))),
            request_count: Arc::default(),
        };
        let (answer, request_count) =
            (Arc::clone(&server.answer), Arc::clone(&server.request_count));
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                let mut request = [0; 4096];
                // One read gets the whole request. Errors are ignored: the client may have closed.
                let _ = connection.read(&mut request);
                request_count.fetch_add(1, Ordering::SeqCst);
                let _ = connection.write_all(answer.lock().unwrap().as_bytes());
            }
        });
        server
    }

    /// The URL of the key set.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/jwks", self.address)
    }

    /// The number of requests so far.
    pub(crate) fn request_count(&self) -> usize {
        self.request_count.load(Ordering::SeqCst)
    }

    /// Changes the answer to later requests.
    pub(crate) fn set_answer(&self, head: &str, body: &str) {
        *self.answer.lock().unwrap() = response(head, body);
    }
}

fn response(head: &str, body: &str) -> String {
    format!("HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}
