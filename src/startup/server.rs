//! Runs a web server and stops it gracefully.

use std::{
    future::{Future, ready},
    io::{self, ErrorKind},
    net::{IpAddr, SocketAddr, TcpListener},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

use actix_http::{HttpService, KeepAlive, error::DispatchError};
use actix_server::{GracefulShutdownSignal, ServerBuilder};
use actix_service::{IntoServiceFactory, Service, ServiceFactoryExt, fn_factory, map_config};
use actix_web::{
    App, Error,
    body::MessageBody,
    dev::{AppConfig, ServerHandle, ServiceFactory, ServiceRequest, ServiceResponse, fn_service},
};
use futures_util::{FutureExt, future::Either};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    task::JoinHandle,
};
use tokio_rustls::{LazyConfigAcceptor, rustls::server::Acceptor, server::TlsStream};

use super::{error::StartError, threads::web_threads};
use crate::{
    http::{
        CheckedStream, ConnectionRegistry, FrameLimitedStream, Http2Options, PhaseTimeouts,
        RequestProgress, TimedStream, limit_unsent, serve_http2,
    },
    security::tls::ServerTls,
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
    has_ended: bool,
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
                self.has_ended = true;
                Err(ended_early(ended.map_err(task_failed).and_then(|ended| ended)))
            }
        }
    }

    /// Closes the listener, finishes accepted requests and stops.
    pub(super) async fn stop(self) -> Result<(), StartError> {
        if self.has_ended {
            return Ok(());
        }
        self.handle.stop(true).await;
        self.server.await.map_err(task_failed).and_then(|ended| ended).map_err(StartError::Server)
    }
}

/// The error of a server that ended before it was stopped.
fn ended_early(ended: io::Result<()>) -> StartError {
    let unexpected = || io::Error::other("stopped unexpectedly");
    StartError::Server(ended.err().unwrap_or_else(unexpected))
}

/// The connections of a listener: their limits, and TLS.
#[derive(Clone)]
pub(super) struct Transport {
    pub(super) timeouts: PhaseTimeouts,
    /// True if responses that the application does not make have HSTS for this peer.
    pub(super) has_hsts: Arc<dyn Fn(Option<IpAddr>) -> bool + Send + Sync>,
    pub(super) registry: Arc<ConnectionRegistry>,
    /// `None`: plain HTTP.
    pub(super) tls: Option<Arc<ServerTls>>,
}

impl Transport {
    /// A stream of HTTP/1.1 that passes on only well-formed requests.
    fn checked<S>(
        &self,
        stream: S,
        peer: Option<SocketAddr>,
        progress: Rc<RequestProgress>,
    ) -> CheckedStream<S> {
        let has_hsts = (self.has_hsts)(peer.map(|peer| peer.ip()));
        CheckedStream::new(stream, progress, has_hsts)
    }
}

/// Starts a web server on a listener, and returns when its workers accept connections.
pub(super) fn serve<F, A, B>(
    listener: TcpListener,
    shutdown_timeout: Duration,
    transport: Transport,
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
    let builder = ServerBuilder::new()
        .disable_signals()
        .workers(web_threads())
        // The limit of the registry is smaller and evicts idle connections instead of queueing new
        // ones. This limit protects the file descriptors.
        .max_concurrent_connections(transport.registry.maximum().div_ceil(web_threads()) + EXCESS)
        .shutdown_timeout(shutdown_timeout.as_secs());
    let shutdown = builder.graceful_shutdown_signal();
    let builder = match transport.tls.clone() {
        None => builder.listen("http", listener, move || {
            let transport = transport.clone();
            let http = http1(build(), &shutdown);
            fn_service(move |socket| ready(register(socket, &transport))).and_then(http)
        }),
        Some(tls) => builder.listen("https", listener, move || {
            let (transport, tls) = (transport.clone(), Arc::clone(&tls));
            let https = protocols(build.clone(), &transport, &shutdown);
            fn_service(move |socket| accept(socket, transport.clone(), Arc::clone(&tls)))
                .and_then(https)
        }),
    };
    let mut server = builder.map_err(StartError::Server)?.run();
    let handle = server.handle();
    // The first poll starts the workers, and each of them builds the application.
    if let Some(ended) = (&mut server).now_or_never() {
        return Err(ended_early(ended));
    }
    Ok(RunningServer { handle, server: tokio::spawn(server), has_ended: false })
}

/// Serves HTTP/1.1 on streams of any kind.
fn http1<S, A, B>(
    application: App<A>,
    shutdown: &GracefulShutdownSignal,
) -> impl ServiceFactory<
    (CheckedStream<S>, Option<SocketAddr>),
    Config = (),
    Response = (),
    Error = DispatchError,
    InitError = (),
> + use<S, A, B>
where
    S: AsyncRead + AsyncWrite + Unpin + 'static,
    A: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<B>,
            Error = Error,
            InitError = (),
        > + 'static,
    B: MessageBody + 'static,
{
    let application = application.into_factory().map_err(|error| error.error_response());
    let shutdown = shutdown.clone();
    HttpService::build()
        .graceful_shutdown_signal(move || {
            let shutdown = shutdown.clone();
            async move { shutdown.notified().await }
        })
        // The stream has the deadlines.
        .keep_alive(KeepAlive::Os)
        .client_request_timeout(Duration::ZERO)
        .client_disconnect_timeout(DISCONNECT_TIMEOUT)
        // A client that closes its side does not wait for the response; cancel its request.
        .h1_allow_half_closed(false)
        .on_connect_ext(|stream: &CheckedStream<S>, data| {
            data.insert(stream.progress());
        })
        .h1(map_config(application, |()| AppConfig::default()))
}

/// A connection with TLS whose handshake is complete.
struct SecureConnection {
    stream: TlsStream<TimedStream<TcpStream>>,
    peer: Option<SocketAddr>,
}

/// Serves HTTP/2 or HTTP/1.1, as the client and TLS agreed (ALPN).
fn protocols<F, A, B>(
    build: F,
    transport: &Transport,
    shutdown: &GracefulShutdownSignal,
) -> impl ServiceFactory<
    SecureConnection,
    Config = (),
    Response = (),
    Error = DispatchError,
    InitError = (),
> + use<F, A, B>
where
    F: Fn() -> App<A>,
    A: ServiceFactory<
            ServiceRequest,
            Config = (),
            Response = ServiceResponse<B>,
            Error = Error,
            InitError = (),
        > + 'static,
    B: MessageBody + 'static,
{
    let http1 = Rc::new(http1(build(), shutdown));
    let http2 = build().into_factory().map_err(|error| error.error_response());
    let http2 = Rc::new(map_config(http2, |()| AppConfig::default()));
    let (transport, shutdown) = (transport.clone(), shutdown.clone());
    fn_factory(move || {
        let (http1, http2) = (http1.new_service(()), http2.new_service(()));
        let (transport, shutdown) = (transport.clone(), shutdown.clone());
        async move {
            let (http1, http2) = (Rc::new(http1.await?), Rc::new(http2.await?));
            Ok(fn_service(move |connection: SecureConnection| {
                let SecureConnection { stream, peer } = connection;
                let progress = stream.get_ref().0.progress();
                if stream.get_ref().1.alpn_protocol() != Some(b"h2") {
                    let stream = transport.checked(stream, peer, progress);
                    return Either::Left(http1.call((stream, peer)));
                }
                let read = transport.timeouts.read;
                let stream = FrameLimitedStream::new(stream, Rc::clone(&progress), read);
                let options = Http2Options { peer, timeouts: transport.timeouts, progress };
                let (http2, shutdown) = (Rc::clone(&http2), shutdown.clone());
                Either::Right(async move {
                    let served = serve_http2(stream, options, http2, shutdown.notified()).await;
                    served.map_err(|error| DispatchError::Io(io::Error::other(error)))
                })
            }))
        }
    })
}

/// Registers a new connection and completes its TLS handshake.
async fn accept(
    socket: TcpStream,
    transport: Transport,
    tls: Arc<ServerTls>,
) -> Result<SecureConnection, DispatchError> {
    let (stream, peer) = register_timed(socket, &transport)?;
    let begun = LazyConfigAcceptor::new(Acceptor::default(), stream).await;
    let is_begun = begun.is_ok();
    let accepted = match begun {
        Ok(handshake) => handshake.into_stream(tls.config()).await,
        Err(error) => Err(error),
    };
    let stream = accepted.map_err(|error| {
        if is_failed_handshake(&error, is_begun) {
            let peer = peer.map(|peer| peer.ip());
            transport.registry.record_failed_handshake(&error, peer);
        }
        DispatchError::Io(error)
    })?;
    Ok(SecureConnection { stream, peer })
}

/// False for a connection that ended before its first message, as load balancers and port scanners
/// do, and for one that was evicted or timed out, which its stream records.
fn is_failed_handshake(error: &io::Error, is_begun: bool) -> bool {
    let kind = error.kind();
    let is_recorded = matches!(kind, ErrorKind::ConnectionAborted | ErrorKind::TimedOut);
    let is_ended = matches!(kind, ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset);
    !is_recorded && (is_begun || !is_ended)
}

/// Registers a new connection of plain HTTP.
fn register(
    socket: TcpStream,
    transport: &Transport,
) -> Result<(CheckedStream<TimedStream<TcpStream>>, Option<SocketAddr>), DispatchError> {
    let (stream, peer) = register_timed(socket, transport)?;
    let progress = stream.progress();
    Ok((transport.checked(stream, peer, progress), peer))
}

/// Registers a new connection and adds its timeouts. Closes it if the registry is full.
fn register_timed(
    socket: TcpStream,
    transport: &Transport,
) -> Result<(TimedStream<TcpStream>, Option<SocketAddr>), DispatchError> {
    let peer = socket.peer_addr().ok();
    let registration = transport.registry.register(peer.map(|peer| peer.ip()));
    let registration =
        registration.ok_or_else(|| DispatchError::Io(io::ErrorKind::ConnectionRefused.into()))?;
    // Disable Nagle's algorithm, which delays short responses.
    let _ = socket.set_nodelay(true);
    limit_unsent(&socket, transport.timeouts);
    Ok((TimedStream::new(socket, transport.timeouts, registration), peer))
}
