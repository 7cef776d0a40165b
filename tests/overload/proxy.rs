//! A way to PostgreSQL on which things go wrong: slow, silent, or cut.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{UnixListener, UnixStream},
    sync::watch,
};

/// What the way does at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Open,
    /// Everything takes so long, each way.
    Slow(Duration),
    /// Nothing gets through and nothing is lost.
    Silent,
    /// Every connection is closed, and none is taken.
    Cut,
}

/// The proxy; it ends with the runtime.
#[derive(Clone)]
pub(crate) struct Proxy {
    way: Arc<watch::Sender<Way>>,
}

impl Proxy {
    /// Listens in `folder` as PostgreSQL would, in front of the socket in `behind`.
    pub(crate) fn start(folder: &Path, behind: &Path) -> Self {
        let listener = UnixListener::bind(folder.join(".s.PGSQL.5432")).unwrap();
        let behind = behind.join(".s.PGSQL.5432");
        let way = Arc::new(watch::Sender::new(Way::Open));
        tokio::spawn(accept(listener, behind, Arc::clone(&way)));
        Self { way }
    }

    pub(crate) fn set(&self, way: Way) {
        self.way.send_replace(way);
    }
}

async fn accept(listener: UnixListener, behind: PathBuf, way: Arc<watch::Sender<Way>>) {
    loop {
        let (front, _) = listener.accept().await.unwrap();
        if *way.borrow() == Way::Cut {
            continue;
        }
        let mut cut = way.subscribe();
        let (behind, way) = (behind.clone(), way.subscribe());
        tokio::spawn(async move {
            let back = UnixStream::connect(behind).await.unwrap();
            let ((front_in, front_out), (back_in, back_out)) =
                (front.into_split(), back.into_split());
            tokio::select! {
                () = forward(front_in, back_out, way.clone()) => {}
                () = forward(back_in, front_out, way) => {}
                _ = cut.wait_for(|way| *way == Way::Cut) => {}
            }
        });
    }
}

async fn forward(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut way: watch::Receiver<Way>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let now = *way.borrow();
        if let Way::Slow(delay) = now {
            tokio::time::sleep(delay).await;
        }
        let _ = way.wait_for(|way| *way != Way::Silent).await;
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
