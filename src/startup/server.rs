//! One web server: started, and stopped without losing what it accepted.

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

/// Connections of a worker beyond its share: those that are just being closed to make room.
const EXCESS: usize = 64;

/// How long a connection may take to close.
const DISCONNECT_TIMEOUT: Duration = Duration::from_secs(1);

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

/// Starts a web server on a listener. Its connections are in `registry`.
pub(super) fn serve<F, A, B>(
    listener: TcpListener,
    shutdown_timeout: Duration,
    timeouts: PhaseTimeouts,
    registry: &Arc<ConnectionRegistry>,
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
            // A caller that closes its side has gone away; its work is cancelled.
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
        // Ours is smaller, and makes room instead of letting new connections wait. This one keeps the
        // accepting thread from taking in more than there are descriptors for.
        .max_concurrent_connections(maximum.div_ceil(waiting_threads()) + EXCESS)
        .shutdown_timeout(shutdown_timeout.as_secs())
        .listen("http", listener, accept)
        .map_err(StartError::Server)?
        .run();
    let handle = server.handle();
    Ok(Running { handle, server: tokio::spawn(server) })
}

/// A new connection with its place and deadlines. Where there is no place, it is closed.
fn register(
    socket: TcpStream,
    timeouts: PhaseTimeouts,
    registry: &Arc<ConnectionRegistry>,
) -> Result<(TimedStream<TcpStream>, Option<SocketAddr>), DispatchError> {
    let peer = socket.peer_addr().ok();
    let registration = registry.register(peer.map(|peer| peer.ip()));
    let registration =
        registration.ok_or_else(|| DispatchError::Io(io::ErrorKind::ConnectionRefused.into()))?;
    // Answers are short: the system need not wait for more.
    let _ = socket.set_nodelay(true);
    Ok((TimedStream::new(socket, timeouts, registration), peer))
}

/// Logs what the web server answers on its own, before any request reaches the application.
fn log_failure(error: DispatchError) -> DispatchError {
    if let DispatchError::Parse(cause) = &error {
        let status = if matches!(cause, ParseError::TooLarge) { 431 } else { 400 };
        tracing::info!(
            http.status = status,
            cause = cause as &dyn std::error::Error,
            "a request could not be read"
        );
    }
    error
}
