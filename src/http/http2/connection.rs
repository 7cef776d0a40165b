//! One HTTP/2 connection: accepts streams, runs their requests, and ends gracefully.

use std::{future::poll_fn, net::SocketAddr, pin::pin, rc::Rc};

use actix_http::{Request, Response};
use actix_service::Service;
use actix_web::{
    body::{BoxBody, MessageBody},
    web::Bytes,
};
use futures_util::{FutureExt, StreamExt, stream::FuturesUnordered};
use h2::{
    Reason, RecvStream,
    server::{Builder, SendResponse},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::{Instant, sleep_until},
};

use super::{
    held::{Held, Share},
    request::convert_request,
    response::{SendError, Window, send_response},
    unsent::Unsent,
};
use crate::http::transport::{CutOff, PhaseTimeouts, RequestProgress, linger};

/// The maximum number of requests in progress on one connection (RFC 9113, section 6.5.2,
/// recommends at least 100).
const MAXIMUM_STREAMS: u32 = 100;

/// The bytes that a client may send on a stream, and on the connection, before the application
/// reads them.
const STREAM_WINDOW: u32 = 64 * 1024;
const CONNECTION_WINDOW: u32 = 128 * 1024;

/// The maximum size of the headers of a request, as RFC 9113 counts them: 32 more bytes for each
/// header. It leaves room for every request that [`head_limits`](crate::http::head_limits) accepts:
/// 8 KiB of path, 32 KiB of headers, and 28 more bytes for each of up to 290 headers. The h2 crate
/// answers 431 to larger ones.
const HEADER_LIST: u32 = 48 * 1024;

/// The maximum number of streams that the client resets before they are accepted, and of streams
/// that this side resets because of errors of the client (CVE-2023-44487 and CVE-2025-8671).
const MAXIMUM_RESETS: usize = 20;

/// The maximum number of bytes of one response that wait for their turn on the connection.
const SEND_BUFFER: usize = 64 * 1024;

/// The connection that [`serve_http2`] serves.
pub(crate) struct Http2Options {
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) timeouts: PhaseTimeouts,
    pub(crate) progress: Rc<RequestProgress>,
}

/// Serves the requests of a connection until the client closes it, it is idle for too long, or
/// `shutdown` completes. Requests in progress then finish first. A client that still sends can read
/// the reason of the end.
///
/// # Errors
/// When the connection fails or the client violates the protocol.
pub(crate) async fn serve_http2<I, S, B>(
    mut stream: I,
    options: Http2Options,
    service: Rc<S>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), h2::Error>
where
    I: AsyncRead + AsyncWrite + Unpin,
    S: Service<Request>,
    S::Error: Into<Response<BoxBody>>,
    S::Response: Into<Response<B>>,
    B: MessageBody,
{
    let served = serve_streams(&mut stream, &options, &*service, shutdown).await;
    linger(&mut stream, &options.progress).await;
    served
}

/// Serves the requests of a connection until GOAWAY was sent, or the connection failed.
async fn serve_streams<I, S, B>(
    stream: I,
    options: &Http2Options,
    service: &S,
    shutdown: impl Future<Output = ()>,
) -> Result<(), h2::Error>
where
    I: AsyncRead + AsyncWrite + Unpin,
    S: Service<Request>,
    S::Error: Into<Response<BoxBody>>,
    S::Response: Into<Response<B>>,
    B: MessageBody,
{
    options.progress.set_http2();
    let connection = builder().handshake::<_, Bytes>(stream).await;
    let mut connection = connection.inspect_err(|error| record_error(error, &options.progress))?;
    let (held, unsent) = (Held::default(), Unsent::new(&options.progress));
    let mut requests = FuturesUnordered::new();
    let mut shutdown = pin!(shutdown.fuse());
    // A new connection has the time of a request head.
    let mut idle = pin!(sleep_until(Instant::now() + options.timeouts.read));
    let (mut is_ending, mut is_flooded) = (false, false);
    loop {
        tokio::select! {
            // Requests come before the connection, whose stream then knows whether they wait.
            biased;
            Some(()) = requests.next(), if !requests.is_empty() => {
                if requests.is_empty() {
                    idle.as_mut().reset(Instant::now() + options.timeouts.idle);
                }
            }
            () = &mut shutdown, if !is_ending => {
                connection.graceful_shutdown();
                is_ending = true;
            }
            () = options.progress.flooded(), if !is_flooded => {
                connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
                is_flooded = true;
            }
            () = &mut idle, if requests.is_empty() && !is_ending => {
                connection.graceful_shutdown();
                is_ending = true;
            }
            accepted = poll_fn(|context| {
                let accepted = connection.poll_accept(context);
                // The connection may have sent a part of a response.
                unsent.give_turn();
                accepted
            }) => {
                let Some(accepted) = accepted else { return Ok(()) };
                if let (Err(error), false) = (&accepted, is_flooded) {
                    record_error(error, &options.progress);
                }
                let (request, mut respond) = accepted?;
                if let Some(share) = held.admit(&request, &mut respond) {
                    requests.push(answer(request, respond, share, options, &unsent, service));
                } else {
                    options.progress.record(CutOff::RefusedStream);
                }
            }
        }
    }
}

/// Counts a connection that the h2 crate ended because of what the client sent.
fn record_error(error: &h2::Error, progress: &RequestProgress) {
    if error.is_library() {
        let is_flood = error.reason() == Some(Reason::ENHANCE_YOUR_CALM);
        progress.record(if is_flood { CutOff::FrameFlood } else { CutOff::InvalidRequest });
    }
}

fn builder() -> Builder {
    let mut builder = Builder::new();
    builder
        .max_concurrent_streams(MAXIMUM_STREAMS)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(HEADER_LIST)
        .max_pending_accept_reset_streams(MAXIMUM_RESETS)
        .max_local_error_reset_streams(Some(MAXIMUM_RESETS))
        // Without a table of earlier headers, no secret stays in memory after its request.
        .header_table_size(0)
        .max_send_buffer_size(SEND_BUFFER);
    builder
}

/// Runs one request, when there is room for its response, and sends the response. Cancels the
/// request when the client resets its stream.
async fn answer<S, B>(
    request: http::Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    _share: Share,
    options: &Http2Options,
    unsent: &Unsent,
    service: &S,
) where
    S: Service<Request>,
    S::Error: Into<Response<BoxBody>>,
    S::Response: Into<Response<B>>,
    B: MessageBody,
{
    let Http2Options { peer, timeouts, progress } = options;
    let is_head = request.method() == http::Method::HEAD;
    // Also for a malformed request: its end restarts the idle timer of the dispatcher, and the
    // deadline of the stream follows that timer.
    let _in_progress = progress.start();
    let Some(mut request) = convert_request(request) else {
        progress.record(CutOff::InvalidRequest);
        respond.send_reset(Reason::PROTOCOL_ERROR);
        return;
    };
    request.head_mut().peer_addr = *peer;
    progress.attach(&request);
    let called = async {
        let waiting = unsent.wait();
        unsent.turn().await;
        drop(waiting);
        service.call(request).await
    };
    let response = tokio::select! {
        response = called => response,
        _ = poll_fn(|context| respond.poll_reset(context)) => return,
    };
    let window = Window::new(timeouts.write, unsent);
    let sent = match response {
        Ok(response) => send_response(response.into(), &mut respond, is_head, window).await,
        Err(error) => send_response(error.into(), &mut respond, is_head, window).await,
    };
    match sent {
        Ok(()) => progress.note_answered(),
        Err(SendError::Closed) => {}
        Err(SendError::TimedOut) => progress.record(CutOff::ResponseTimeout),
        Err(SendError::Body) => tracing::error!("the body of a response failed"),
    }
}
