//! Runs a web server and stops it gracefully.

use std::{
    future::{Future, ready},
    io,
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};

use actix_http::{
    HttpService,
    error::{DispatchError, ParseError},
};
use actix_server::ServerBuilder;
use actix_service::{IntoServiceFactory, ServiceFactoryExt, map_config};
use actix_web::{
    App, Error,
    body::MessageBody,
    dev::{AppConfig, ServerHandle, ServiceFactory, ServiceRequest, ServiceResponse, fn_service},
};
use tokio::{net::TcpStream, task::JoinHandle};

use super::{error::StartError, threads::waiting_threads};
use crate::{
    http::{ConnectionRegistry, PhaseTimeouts, TimedStream},
    telemetry::task_failed,
};

/// Additional connections per worker: evicted connections that are still closing.
const EXCESS: usize = 64;

/// The timeout for closing a connection.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// A running web server.
pub(super) struct RunningServer {
    handle: ServerHandle,
    server: JoinHandle<io::Result<()>>,
}

impl RunningServer {
    /// Runs until `stop` completes. Fails if the server ends earlier.
    pub(super) async fn run_until(
        &mut self,
        stop: impl Future<Output = ()>,
    ) -> Result<(), StartError> {
        tokio::select! {
            () = stop => Ok(()),
            ended = &mut self.server => {
                let error = ended.map_err(task_failed).and_then(|ended| ended).err();
                Err(StartError::Server(error.unwrap_or_else(|| io::Error::other("stopped unexpectedly"))))
            }
        }
    }

    /// Closes the listener, finishes accepted requests and stops.
    pub(super) async fn stop(self) -> Result<(), StartError> {
        self.handle.stop(true).await;
        self.server.await.map_err(task_failed).and_then(|ended| ended).map_err(StartError::Server)
    }
}

/// Starts a web server on a listener. `registry` tracks its connections.
pub(super) fn serve<F, A, B>(
    listener: TcpListener,
    shutdown_timeout: Duration,
    timeouts: PhaseTimeouts,
    registry: &Arc<ConnectionRegistry>,
    build: F,
) -> Result<RunningServer, StartError>
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
    let builder = ServerBuilder::new();
    let shutdown = builder.graceful_shutdown_signal();
    let registry = Arc::clone(registry);
    let maximum = registry.maximum();
    let accept = move || {
        let shutdown = shutdown.clone();
        let registry = Arc::clone(&registry);
        let application = build().into_factory().map_err(|error| error.error_response());
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let shutdown = shutdown.clone();
                async move { shutdown.notified().await }
            })
            .keep_alive(timeouts.idle)
            .client_request_timeout(timeouts.read)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            // A client that closes its side does not wait for the response; cancel its request.
            .h1_allow_half_closed(false)
            .on_connect_ext(|stream: &TimedStream<TcpStream>, data| {
                data.insert(stream.progress());
            })
            .h1(map_config(application, |()| AppConfig::default()))
            .map_err(log_failure);
        fn_service(move |socket: TcpStream| ready(register(socket, timeouts, &registry)))
            .and_then(http)
    };
    let server = builder
        .disable_signals()
        .workers(waiting_threads())
        // The limit of the registry is smaller and evicts idle connections instead of queueing new
        // ones. This limit protects the file descriptors.
        .max_concurrent_connections(maximum.div_ceil(waiting_threads()) + EXCESS)
        .shutdown_timeout(shutdown_timeout.as_secs())
        .listen("http", listener, accept)
        .map_err(StartError::Server)?
        .run();
    let handle = server.handle();
    Ok(RunningServer { handle, server: tokio::spawn(server) })
}

/// Registers a new connection and adds its timeouts. Closes it if the registry is full.
fn register(
    socket: TcpStream,
    timeouts: PhaseTimeouts,
    registry: &Arc<ConnectionRegistry>,
) -> Result<(TimedStream<TcpStream>, Option<SocketAddr>), DispatchError> {
    let peer = socket.peer_addr().ok();
    let registration = registry.register(peer.map(|peer| peer.ip()));
    let registration =
        registration.ok_or_else(|| DispatchError::Io(io::ErrorKind::ConnectionRefused.into()))?;
    // Disable Nagle's algorithm, which delays short responses.
    let _ = socket.set_nodelay(true);
    Ok((TimedStream::new(socket, timeouts, registration), peer))
}

/// Logs invalid requests, which the web server answers without the application.
fn log_failure(error: DispatchError) -> DispatchError {
    if let DispatchError::Parse(cause) = &error {
        let status = if matches!(cause, ParseError::TooLarge) { 431 } else { 400 };
        tracing::info!(
            http.status = status,
            cause = cause as &dyn std::error::Error,
            "invalid HTTP request"
        );
    }
    error
}
