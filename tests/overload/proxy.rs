//! A proxy in front of PostgreSQL that injects faults: delays, silence and disconnects.

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

/// The fault that the proxy injects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    None,
    /// Delays all data in both directions.
    Delay(Duration),
    /// Holds all data back without losing any.
    Silence,
    /// Closes all connections and accepts no new ones.
    Disconnect,
}

/// A handle to the proxy, which runs until the runtime ends.
#[derive(Clone)]
pub(crate) struct Proxy {
    fault: Arc<watch::Sender<Fault>>,
}

impl Proxy {
    /// Listens on a socket in `folder`, like PostgreSQL, and forwards to the socket in `database`.
    pub(crate) fn start(folder: &Path, database: &Path) -> Self {
        let listener = UnixListener::bind(folder.join(".s.PGSQL.5432")).unwrap();
        let database = database.join(".s.PGSQL.5432");
        let fault = Arc::new(watch::Sender::new(Fault::None));
        tokio::spawn(accept(listener, database, Arc::clone(&fault)));
        Self { fault }
    }

    pub(crate) fn set_fault(&self, fault: Fault) {
        self.fault.send_replace(fault);
    }
}

async fn accept(listener: UnixListener, database: PathBuf, fault: Arc<watch::Sender<Fault>>) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        if *fault.borrow() == Fault::Disconnect {
            continue;
        }
        let mut disconnect = fault.subscribe();
        let (database, fault) = (database.clone(), fault.subscribe());
        tokio::spawn(async move {
            let server = UnixStream::connect(database).await.unwrap();
            let ((client_reader, client_writer), (server_reader, server_writer)) =
                (client.into_split(), server.into_split());
            tokio::select! {
                () = forward(client_reader, server_writer, fault.clone()) => {}
                () = forward(server_reader, client_writer, fault) => {}
                _ = disconnect.wait_for(|fault| *fault == Fault::Disconnect) => {}
            }
        });
    }
}

async fn forward(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut fault: watch::Receiver<Fault>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let current = *fault.borrow();
        if let Fault::Delay(delay) = current {
            tokio::time::sleep(delay).await;
        }
        let _ = fault.wait_for(|fault| *fault != Fault::Silence).await;
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}
