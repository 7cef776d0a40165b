//! A directory server of which a test writes every byte.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use tempfile::TempDir;

use super::{BIND_PASSWORD, replace};

/// The tags of requests.
pub(crate) const BIND: u8 = 0x60;
pub(crate) const SEARCH: u8 = 0x63;
pub(crate) const EXTENDED: u8 = 0x77;

/// At the end of an answer: close the connection after it. Not sent.
const CLOSE: &[u8] = b"close the connection";

/// Returns the bytes to send for the content of a message. `None`: close.
type Respond = dyn Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync;

/// A server on loopback, without TLS. It listens until the test process ends.
pub(crate) struct RawDirectory {
    address: SocketAddr,
    folder: TempDir,
    seen: Arc<Seen>,
    closed: Arc<AtomicUsize>,
}

/// What the server has received.
#[derive(Default)]
struct Seen {
    binds: AtomicUsize,
    bytes: Mutex<Vec<u8>>,
}

impl RawDirectory {
    /// Starts a server that answers the tag and the id of each message.
    pub(crate) fn start(
        respond: impl Fn(u8, u8) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        Self::with_requests(move |request| {
            // A message is a sequence of the id, with one byte, and the operation.
            let [2, 1, id, tag, ..] = *request else { return None };
            respond(tag, id)
        })
    }

    /// Starts a server that answers the whole content of each message.
    pub(crate) fn with_requests(
        respond: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let folder = tempfile::tempdir().unwrap();
        replace(&folder.path().join("password"), BIND_PASSWORD, 0o400);
        let address = listener.local_addr().unwrap();
        let server = Self { address, folder, seen: Arc::default(), closed: Arc::default() };
        let respond: Arc<Respond> = Arc::new(respond);
        let (seen, closed) = (Arc::clone(&server.seen), Arc::clone(&server.closed));
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                let (respond, seen) = (Arc::clone(&respond), Arc::clone(&seen));
                let closed = Arc::clone(&closed);
                std::thread::spawn(move || {
                    serve(connection.unwrap(), &*respond, &seen);
                    closed.fetch_add(1, Ordering::SeqCst);
                });
            }
        });
        server
    }

    /// A server that accepts every bind, and answers searches.
    pub(crate) fn answering(
        respond: impl Fn(u8) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> Self {
        Self::start(move |tag, id| match tag {
            BIND => Some(result(id, 0x61, 0)),
            _ => respond(id),
        })
    }

    /// A server that accepts every bind, and closes the connection after it answers a search.
    pub(crate) fn closing(respond: impl Fn(u8) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::start(move |tag, id| match tag {
            BIND => Some(result(id, 0x61, 0)),
            _ => Some([respond(id), CLOSE.to_vec()].concat()),
        })
    }

    /// The number of binds so far.
    pub(crate) fn binds(&self) -> usize {
        self.seen.binds.load(Ordering::SeqCst)
    }

    /// Everything that was received so far.
    pub(crate) fn sent(&self) -> Vec<u8> {
        self.seen.bytes.lock().unwrap().clone()
    }

    /// The number of connections that ended so far.
    pub(crate) fn closed(&self) -> usize {
        self.closed.load(Ordering::SeqCst)
    }

    /// The file with the password of the service.
    pub(crate) fn password_file(&self) -> PathBuf {
        self.folder.path().join("password")
    }

    /// The variables of a service that searches this server.
    pub(crate) fn variables(&self) -> Vec<(String, String)> {
        [
            ("URL", format!("ldap://{}", self.address)),
            ("START_TLS", "false".to_owned()),
            ("BIND_DN", "cn=keeper".to_owned()),
            ("PASSWORD_FILE", self.password_file().to_str().unwrap().to_owned()),
            ("USER_BASE_DN", "dc=test".to_owned()),
            ("GROUP_BASE_DN", "dc=test".to_owned()),
            ("CONNECT_TIMEOUT_SECONDS", "1".to_owned()),
            ("SEARCH_TIMEOUT_SECONDS", "1".to_owned()),
        ]
        .map(|(name, value)| (format!("KEEPER__DIRECTORY__{name}"), value))
        .into()
    }
}

fn serve(mut connection: TcpStream, respond: &Respond, seen: &Seen) {
    while let Some(request) = read_message(&mut connection) {
        if request.get(3) == Some(&BIND) {
            seen.binds.fetch_add(1, Ordering::SeqCst);
        }
        seen.bytes.lock().unwrap().extend(&request);
        // The next id would have two bytes.
        let is_last = request.get(2) == Some(&0x7f);
        let Some(bytes) = respond(&request) else { return };
        // The client may have closed the connection.
        let (bytes, closes) = match bytes.strip_suffix(CLOSE) {
            Some(bytes) => (bytes, true),
            None => (bytes.as_slice(), false),
        };
        if connection.write_all(bytes).is_err() || closes || is_last {
            return;
        }
    }
}

/// The content of one message; `None` at the end.
fn read_message(connection: &mut TcpStream) -> Option<Vec<u8>> {
    let mut head = [0; 2];
    connection.read_exact(&mut head).ok()?;
    let mut length = usize::from(head[1]);
    if length >= 0x80 {
        let mut following = vec![0; length - 0x80];
        connection.read_exact(&mut following).ok()?;
        length = following.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
    }
    let mut content = vec![0; length];
    connection.read_exact(&mut content).ok()?;
    Some(content)
}

/// An element of BER.
pub(crate) fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x84], &length[..], content].concat()
}

/// A message with this id and operation.
pub(crate) fn message(id: u8, operation: &[u8]) -> Vec<u8> {
    element(0x30, &[&[2, 1, id], operation].concat())
}

/// A message with a result.
pub(crate) fn result(id: u8, tag: u8, code: u8) -> Vec<u8> {
    message(id, &element(tag, &[0x0a, 1, code, 4, 0, 4, 0]))
}

/// The end of a search.
pub(crate) fn done(id: u8, code: u8) -> Vec<u8> {
    result(id, 0x65, code)
}

/// The end of a page of a search; with an empty cookie, of the last one.
pub(crate) fn page_done(id: u8, cookie: &[u8]) -> Vec<u8> {
    let value = element(0x30, &[&[2, 1, 0], &element(4, cookie)[..]].concat());
    let control = [element(4, b"1.2.840.113556.1.4.319"), element(4, &value)].concat();
    let done = element(0x65, &[0x0a, 1, 0, 4, 0, 4, 0]);
    message(id, &[done, element(0xa0, &element(0x30, &control))].concat())
}

/// An entry with attributes of one value each.
pub(crate) fn entry(id: u8, dn: &str, attributes: &[(&str, &[u8])]) -> Vec<u8> {
    let attribute = |(name, value): &(&str, &[u8])| {
        let values = element(0x31, &element(4, value));
        element(0x30, &[element(4, name.as_bytes()), values].concat())
    };
    let attributes: Vec<u8> = attributes.iter().flat_map(attribute).collect();
    let content = [element(4, dn.as_bytes()), element(0x30, &attributes)].concat();
    message(id, &element(0x64, &content))
}
