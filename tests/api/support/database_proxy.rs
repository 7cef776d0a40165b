//! A proxy in front of the test's database that can hold back or lose the reply to one statement,
//! swallow everything on the connections that are open, and drop every packet.

use std::{
    os::fd::AsFd,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use sqlx::{ConnectOptions, PgPool, postgres::PgConnectOptions};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split},
    net::{TcpListener, TcpStream, UnixStream},
    sync::watch,
};

use super::packet_loss::drop_arriving;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ReplyMode {
    Forward,
    /// Replies are held from the next statement on that contains this text.
    HoldAfter(&'static str),
    Hold,
    /// As `Forward`; held replies are lost with their connections.
    Lose,
}

/// The proxy; it stops with the test.
pub(crate) struct DatabaseProxy {
    pub(crate) url: String,
    mode: Arc<watch::Sender<ReplyMode>>,
    half_open: Arc<HalfOpen>,
    /// True: every segment of the service is dropped before TCP sees it, also those of new
    /// connections.
    is_cut: Arc<watch::Sender<bool>>,
    /// True: connections are closed.
    is_away: Arc<watch::Sender<bool>>,
}

/// Which connections swallow packets, and how late the others are.
#[derive(Default)]
struct HalfOpen {
    /// The number of accepted connections.
    accepted: AtomicU64,
    /// Connections with a lower number swallow packets.
    below: AtomicU64,
    /// The number of messages of the service that were swallowed.
    swallowed: AtomicU64,
    /// The delay of each message of the server, in milliseconds.
    delay: AtomicU64,
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
        let is_cut = Arc::new(watch::Sender::new(false));
        let is_away = Arc::new(watch::Sender::new(false));
        let modes = Modes {
            mode: Arc::clone(&mode),
            is_cut: is_cut.subscribe(),
            is_away: is_away.subscribe(),
        };
        tokio::spawn(accept(listener, upstream, modes, Arc::clone(&half_open)));
        Self { url: url.into(), mode, half_open, is_cut, is_away }
    }

    /// Cuts the service off: nothing that it sends is acknowledged.
    pub(crate) fn cut_off(&self) {
        self.is_cut.send_replace(true);
    }

    /// Holds back the reply to the next statement that contains `statement`.
    pub(crate) fn hold_reply_to(&self, statement: &'static str) {
        self.mode.send_replace(ReplyMode::HoldAfter(statement));
    }

    /// Swallows everything on the connections that are open now, in both directions, as a firewall does
    /// that forgot them. Returns how many there are or were.
    pub(crate) fn swallow_open_connections(&self) -> u64 {
        let accepted = self.half_open.accepted.load(Ordering::SeqCst);
        self.half_open.below.store(accepted, Ordering::SeqCst);
        accepted
    }

    /// The number of messages of the service that were swallowed.
    pub(crate) fn swallowed(&self) -> u64 {
        self.half_open.swallowed.load(Ordering::SeqCst)
    }

    /// Delays each message of the server from now on.
    pub(crate) fn delay_replies(&self, delay: Duration) {
        let delay = u64::try_from(delay.as_millis()).unwrap();
        self.half_open.delay.store(delay, Ordering::SeqCst);
    }

    /// Closes all connections, and new ones at once, as a server that is away; or does so no longer.
    pub(crate) fn set_away(&self, is_away: bool) {
        self.is_away.send_replace(is_away);
    }

    /// Waits until a reply is held back.
    pub(crate) async fn wait_until_held(&self) {
        self.mode.subscribe().wait_for(|mode| *mode == ReplyMode::Hold).await.unwrap();
    }

    /// Forwards the held reply and all later ones.
    pub(crate) fn release(&self) {
        self.mode.send_replace(ReplyMode::Forward);
    }

    /// Closes the connections whose replies are held, without the replies.
    pub(crate) fn lose(&self) {
        self.mode.send_replace(ReplyMode::Lose);
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

/// What each connection does.
#[derive(Clone)]
struct Modes {
    mode: Arc<watch::Sender<ReplyMode>>,
    is_cut: watch::Receiver<bool>,
    is_away: watch::Receiver<bool>,
}

async fn wait_until_set(flag: &mut watch::Receiver<bool>) {
    // The proxy may have ended.
    let _ = flag.wait_for(|is_set| *is_set).await;
}

async fn accept(
    listener: TcpListener,
    upstream: Upstream,
    mut modes: Modes,
    half_open: Arc<HalfOpen>,
) {
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = wait_until_set(&mut modes.is_cut) => {
                drop_arriving(&listener, 100);
                return std::future::pending().await;
            }
        };
        let (client, _) = accepted.unwrap();
        if *modes.is_away.borrow() {
            continue;
        }
        let number = half_open.accepted.fetch_add(1, Ordering::SeqCst);
        let half_open = (number, Arc::clone(&half_open));
        match &upstream {
            Upstream::Socket(path) => {
                forward(client, UnixStream::connect(path).await.unwrap(), &modes, half_open);
            }
            Upstream::Address(address) => {
                forward(client, TcpStream::connect(address).await.unwrap(), &modes, half_open);
            }
        }
    }
}

fn forward(
    client: TcpStream,
    server: impl AsyncRead + AsyncWrite + Send + 'static,
    modes: &Modes,
    half_open: (u64, Arc<HalfOpen>),
) {
    let (mode, reply_mode) = (Arc::clone(&modes.mode), modes.mode.subscribe());
    let (mut is_cut, mut is_away) = (modes.is_cut.clone(), modes.is_away.clone());
    tokio::spawn(async move {
        let duplicate = client.as_fd().try_clone_to_owned().unwrap();
        let (client_read, client_write) = client.into_split();
        let (server_read, server_write) = split(server);
        tokio::select! {
            () = forward_statements(client_read, server_write, mode, half_open.clone()) => {}
            () = forward_replies(server_read, client_write, reply_mode, half_open) => {}
            () = wait_until_set(&mut is_away) => {}
            () = wait_until_set(&mut is_cut) => {
                drop_arriving(&duplicate, 100);
                std::future::pending::<()>().await;
            }
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
            ReplyMode::Forward | ReplyMode::HoldAfter(_) | ReplyMode::Hold | ReplyMode::Lose => {
                false
            }
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
    (number, half_open): (u64, Arc<HalfOpen>),
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = server.read(&mut buffer).await {
        if number < half_open.below.load(Ordering::SeqCst) {
            continue;
        }
        let delay = half_open.delay.load(Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(delay)).await;
        let is_held = *mode.borrow_and_update() == ReplyMode::Hold;
        let _ = mode.wait_for(|mode| *mode != ReplyMode::Hold).await;
        if is_held && *mode.borrow() == ReplyMode::Lose {
            return;
        }
        if client.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
