//! A server of key sets: one answer for whoever asks, counted.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

/// It listens as long as the test's process lives.
pub(crate) struct KeyServer {
    address: SocketAddr,
    answer: Arc<Mutex<String>>,
    asked: Arc<AtomicUsize>,
}

impl KeyServer {
    /// Answers with this status line, headers and body.
    pub(crate) fn start(head: &str, body: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            address: listener.local_addr().unwrap(),
            answer: Arc::new(Mutex::new(whole(head, body))),
            asked: Arc::default(),
        };
        let (answer, asked) = (Arc::clone(&server.answer), Arc::clone(&server.asked));
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                let mut request = [0; 4096];
                // One read is a whole request here; who closes early wanted no answer.
                let _ = connection.read(&mut request);
                asked.fetch_add(1, Ordering::SeqCst);
                let _ = connection.write_all(answer.lock().unwrap().as_bytes());
            }
        });
        server
    }

    /// Where the key set is.
    pub(crate) fn url(&self) -> String {
        format!("http://{}/jwks", self.address)
    }

    /// How often somebody asked.
    pub(crate) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// From now on answers something else.
    pub(crate) fn answer(&self, head: &str, body: &str) {
        *self.answer.lock().unwrap() = whole(head, body);
    }
}

fn whole(head: &str, body: &str) -> String {
    format!("HTTP/1.1 {head}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())
}
