//! One web server: started, and stopped without losing what it accepted.

use std::{future::Future, io, net::TcpListener, time::Duration};

use actix_web::{
    App, Error, HttpServer,
    body::MessageBody,
    dev::{ServerHandle, ServiceFactory, ServiceRequest, ServiceResponse},
};
use tokio::task::JoinHandle;

use super::{StartError, threads::waiting_threads};
use crate::telemetry::task_failed;

/// Connections a worker of the web server keeps at most.
const CONNECTIONS_PER_WORKER: usize = 16_384;

/// Connections that all workers together keep.
pub(super) fn maximum_connections() -> usize {
    waiting_threads() * CONNECTIONS_PER_WORKER
}

/// A web server that is running.
pub(super) struct Running {
    handle: ServerHandle,
    server: JoinHandle<io::Result<()>>,
}

impl Running {
    /// Waits for `stop`; a server that ends before it has failed.
    pub(super) async fn ended_or(
        &mut self,
        stop: impl Future<Output = ()>,
    ) -> Result<(), StartError> {
        tokio::select! {
            () = stop => Ok(()),
            ended = &mut self.server => {
                let error = ended.map_err(task_failed).and_then(|ended| ended).err();
                Err(StartError::Server(error.unwrap_or_else(|| io::Error::other("it ended"))))
            }
        }
    }
    /// Closes the listener, finishes what was accepted, and ends.
    pub(super) async fn stop(self) -> Result<(), StartError> {
        self.handle.stop(true).await;
        self.server.await.map_err(task_failed).and_then(|ended| ended).map_err(StartError::Server)
    }
}

/// Starts a web server on a listener.
pub(super) fn serve<F, A, B>(
    listener: TcpListener,
    shutdown_timeout: Duration,
    read_timeout: Duration,
    build: F,
) -> Result<Running, StartError>
where
    F: Fn() -> App<A> + Send + Clone + 'static,
    A: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<B>,
            Error = Error,
            InitError = (),
        > + 'static,
    B: MessageBody + 'static,
{
    let server = HttpServer::new(build)
        .disable_signals()
        .workers(waiting_threads())
        .max_connections(CONNECTIONS_PER_WORKER)
        .client_request_timeout(read_timeout)
        // A caller that closes its side has gone away; its work is cancelled.
        .h1_allow_half_closed(false)
        .shutdown_timeout(shutdown_timeout.as_secs())
        .listen(listener)
        .map_err(StartError::Server)?
        .run();
    let handle = server.handle();
    Ok(Running { handle, server: tokio::spawn(server) })
}
