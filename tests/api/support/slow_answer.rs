//! A way to the test's database on which the answer to one statement is held back.

use std::{path::PathBuf, sync::Arc};

use sqlx::{ConnectOptions, PgPool, postgres::PgConnectOptions};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split},
    net::{TcpListener, TcpStream, UnixStream},
    sync::watch,
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Open,
    /// The next such statement closes the way back.
    Waiting(&'static str),
    Closed,
}

/// The way; it ends with the test.
pub(crate) struct SlowAnswer {
    pub(crate) url: String,
    way: Arc<watch::Sender<Way>>,
}

impl SlowAnswer {
    /// Listens in front of the server of `pool`.
    pub(crate) async fn start(pool: &PgPool) -> Self {
        let options = pool.connect_options();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut url = options.to_url_lossy();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        // A socket named there would go before the host.
        url.set_query(None);
        let way = Arc::new(watch::Sender::new(Way::Open));
        tokio::spawn(accept(listener, Server::of(&options), Arc::clone(&way)));
        Self { url: url.into(), way }
    }

    /// Holds the answer to the next `statement` back.
    pub(crate) fn hold(&self, statement: &'static str) {
        self.way.send_replace(Way::Waiting(statement));
    }

    /// Waits until an answer is held back.
    pub(crate) async fn until_held(&self) {
        self.way.subscribe().wait_for(|way| *way == Way::Closed).await.unwrap();
    }

    /// Lets everything through again.
    pub(crate) fn release(&self) {
        self.way.send_replace(Way::Open);
    }
}

/// Where PostgreSQL listens.
#[derive(Clone)]
enum Server {
    Socket(PathBuf),
    Address(String),
}

impl Server {
    fn of(options: &PgConnectOptions) -> Self {
        let port = options.get_port();
        options.get_socket().map_or_else(
            || Self::Address(format!("{}:{port}", options.get_host())),
            |folder| Self::Socket(folder.join(format!(".s.PGSQL.{port}"))),
        )
    }
}

async fn accept(listener: TcpListener, server: Server, way: Arc<watch::Sender<Way>>) {
    loop {
        let (front, _) = listener.accept().await.unwrap();
        match &server {
            Server::Socket(path) => join(front, UnixStream::connect(path).await.unwrap(), &way),
            Server::Address(address) => {
                join(front, TcpStream::connect(address).await.unwrap(), &way);
            }
        }
    }
}

fn join(
    front: TcpStream,
    back: impl AsyncRead + AsyncWrite + Send + 'static,
    way: &Arc<watch::Sender<Way>>,
) {
    let (way, answers) = (Arc::clone(way), way.subscribe());
    tokio::spawn(async move {
        let ((front_in, front_out), (back_in, back_out)) = (front.into_split(), split(back));
        tokio::select! {
            () = ask(front_in, back_out, way) => {}
            () = answer(back_in, front_out, answers) => {}
        }
    });
}

async fn ask(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    way: Arc<watch::Sender<Way>>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let text = String::from_utf8_lossy(&buffer[..length]);
        way.send_if_modified(|way| match *way {
            Way::Waiting(statement) if text.contains(statement) => {
                *way = Way::Closed;
                true
            }
            Way::Open | Way::Waiting(_) | Way::Closed => false,
        });
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

async fn answer(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut way: watch::Receiver<Way>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let _ = way.wait_for(|way| *way != Way::Closed).await;
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
