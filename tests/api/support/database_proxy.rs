//! A proxy in front of the test's database that can hold back the reply to one statement, and can
//! swallow what arrives on the connections that are open.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use sqlx::{ConnectOptions, PgPool, postgres::PgConnectOptions};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split},
    net::{TcpListener, TcpStream, UnixStream},
    sync::watch,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReplyMode {
    Forward,
    /// Replies are held from the next statement on that contains this text.
    HoldAfter(&'static str),
    Hold,
}

/// The proxy; it stops with the test.
pub(crate) struct DatabaseProxy {
    pub(crate) url: String,
    mode: Arc<watch::Sender<ReplyMode>>,
    half_open: Arc<HalfOpen>,
}

/// Which connections swallow packets.
#[derive(Default)]
struct HalfOpen {
    /// The number of accepted connections.
    accepted: AtomicU64,
    /// Connections with a lower number swallow packets.
    below: AtomicU64,
    /// The number of messages of the service that were swallowed.
    swallowed: AtomicU64,
}

impl DatabaseProxy {
    /// Listens in front of the server of `pool`.
    pub(crate) async fn start(pool: &PgPool) -> Self {
        let options = pool.connect_options();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut url = options.to_url_lossy();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        // A socket in the query would take precedence over the host.
        url.set_query(None);
        let mode = Arc::new(watch::Sender::new(ReplyMode::Forward));
        let half_open = Arc::<HalfOpen>::default();
        let upstream = Upstream::from_options(&options);
        tokio::spawn(accept(listener, upstream, Arc::clone(&mode), Arc::clone(&half_open)));
        Self { url: url.into(), mode, half_open }
    }

    /// Holds back the reply to the next statement that contains `statement`.
    pub(crate) fn hold_reply_to(&self, statement: &'static str) {
        self.mode.send_replace(ReplyMode::HoldAfter(statement));
    }

    /// Swallows everything that arrives on the connections that are open now, as a firewall does that
    /// forgot them. Returns how many there are or were.
    pub(crate) fn swallow_open_connections(&self) -> u64 {
        let accepted = self.half_open.accepted.load(Ordering::SeqCst);
        self.half_open.below.store(accepted, Ordering::SeqCst);
        accepted
    }

    /// The number of messages of the service that were swallowed.
    pub(crate) fn swallowed(&self) -> u64 {
        self.half_open.swallowed.load(Ordering::SeqCst)
    }

    /// Waits until a reply is held back.
    pub(crate) async fn wait_until_held(&self) {
        self.mode.subscribe().wait_for(|mode| *mode == ReplyMode::Hold).await.unwrap();
    }

    /// Forwards the held reply and all later ones.
    pub(crate) fn release(&self) {
        self.mode.send_replace(ReplyMode::Forward);
    }
}

/// The address of PostgreSQL.
#[derive(Clone)]
enum Upstream {
    Socket(PathBuf),
    Address(String),
}

impl Upstream {
    fn from_options(options: &PgConnectOptions) -> Self {
        let port = options.get_port();
        options.get_socket().map_or_else(
            || Self::Address(format!("{}:{port}", options.get_host())),
            |folder| Self::Socket(folder.join(format!(".s.PGSQL.{port}"))),
        )
    }
}

async fn accept(
    listener: TcpListener,
    upstream: Upstream,
    mode: Arc<watch::Sender<ReplyMode>>,
    half_open: Arc<HalfOpen>,
) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let number = half_open.accepted.fetch_add(1, Ordering::SeqCst);
        let half_open = (number, Arc::clone(&half_open));
        match &upstream {
            Upstream::Socket(path) => {
                forward(client, UnixStream::connect(path).await.unwrap(), &mode, half_open);
            }
            Upstream::Address(address) => {
                forward(client, TcpStream::connect(address).await.unwrap(), &mode, half_open);
            }
        }
    }
}

fn forward(
    client: TcpStream,
    server: impl AsyncRead + AsyncWrite + Send + 'static,
    mode: &Arc<watch::Sender<ReplyMode>>,
    half_open: (u64, Arc<HalfOpen>),
) {
    let (mode, reply_mode) = (Arc::clone(mode), mode.subscribe());
    tokio::spawn(async move {
        let (client_read, client_write) = client.into_split();
        let (server_read, server_write) = split(server);
        tokio::select! {
            () = forward_statements(client_read, server_write, mode, half_open) => {}
            () = forward_replies(server_read, client_write, reply_mode) => {}
        }
    });
}

async fn forward_statements(
    mut client: impl AsyncRead + Unpin,
    mut server: impl AsyncWrite + Unpin,
    mode: Arc<watch::Sender<ReplyMode>>,
    (number, half_open): (u64, Arc<HalfOpen>),
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = client.read(&mut buffer).await {
        if number < half_open.below.load(Ordering::SeqCst) {
            half_open.swallowed.fetch_add(1, Ordering::SeqCst);
            continue;
        }
        let text = String::from_utf8_lossy(&buffer[..length]);
        mode.send_if_modified(|mode| match *mode {
            ReplyMode::HoldAfter(statement) if text.contains(statement) => {
                *mode = ReplyMode::Hold;
                true
            }
            ReplyMode::Forward | ReplyMode::HoldAfter(_) | ReplyMode::Hold => false,
        });
        if server.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

async fn forward_replies(
    mut server: impl AsyncRead + Unpin,
    mut client: impl AsyncWrite + Unpin,
    mut mode: watch::Receiver<ReplyMode>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = server.read(&mut buffer).await {
        let _ = mode.wait_for(|mode| *mode != ReplyMode::Hold).await;
        if client.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
