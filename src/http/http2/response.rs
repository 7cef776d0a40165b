//! Sends a response of actix-web with the h2 crate.

use std::{future::poll_fn, pin::pin, time::Duration};

use actix_http::{Response, header::HttpDate};
use actix_web::{
    body::{BodySize, MessageBody},
    http::{
        StatusCode,
        header::{CONNECTION, CONTENT_LENGTH, DATE, HeaderName, TRANSFER_ENCODING, UPGRADE},
    },
    web::Bytes,
};
use h2::{Reason, SendStream, server::SendResponse};
use tokio::time::{Instant, timeout_at};

use super::unsent::Unsent;
use crate::{clock, http::transport::WRITE_STEP};

/// Headers of HTTP/1.1 connections, which HTTP/2 forbids (RFC 9113, section 8.2.2).
const CONNECTION_HEADERS: [HeaderName; 5] = [
    CONNECTION,
    TRANSFER_ENCODING,
    UPGRADE,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
];

/// The largest piece of a body in one frame, in bytes.
const FRAME: usize = 16 * 1024;

/// Why a response was not sent completely.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SendError {
    /// The client reset the stream or closed the connection.
    Closed,
    /// The client did not allow to send the body in time.
    TimedOut,
    /// The application failed to produce the body.
    Body,
}

/// Sends a response. The client may take the timeout of the window to accept each [`WRITE_STEP`] of
/// the body.
///
/// # Errors
/// See [`SendError`].
pub(super) async fn send_response<B: MessageBody>(
    response: Response<B>,
    respond: &mut SendResponse<Bytes>,
    is_head: bool,
    window: Window<'_>,
) -> Result<(), SendError> {
    let (response, body) = response.into_parts();
    let size = body.size();
    let head = convert_head(response.head(), size).ok_or(SendError::Body)?;
    let has_body = !is_head && !size.is_eof() && !is_bodiless(response.status());
    let mut stream = respond.send_response(head, !has_body).map_err(|_| SendError::Closed)?;
    if !has_body {
        return Ok(());
    }
    let sent = send_body(body, &mut stream, window).await;
    match sent {
        Ok(()) | Err(SendError::Closed) => {}
        Err(SendError::TimedOut) => stream.send_reset(Reason::CANCEL),
        Err(SendError::Body) => stream.send_reset(Reason::INTERNAL_ERROR),
    }
    sent
}

async fn send_body<B: MessageBody>(
    body: B,
    stream: &mut SendStream<Bytes>,
    mut window: Window<'_>,
) -> Result<(), SendError> {
    let mut body = pin!(body);
    while let Some(chunk) = poll_fn(|context| body.as_mut().poll_next(context)).await {
        let mut chunk = chunk.map_err(|_| SendError::Body)?;
        let mut counted = window.unsent.count(chunk.len());
        while !chunk.is_empty() {
            let capacity = window.reserve(stream, chunk.len().min(FRAME)).await?;
            let piece = chunk.split_to(capacity.min(chunk.len()));
            window.sent += piece.len();
            counted.set(chunk.len());
            stream.send_data(piece, false).map_err(|_| SendError::Closed)?;
        }
    }
    stream.send_data(Bytes::new(), true).map_err(|_| SendError::Closed)
}

/// The flow control of a response, with a deadline that single bytes do not extend.
pub(super) struct Window<'a> {
    unsent: &'a Unsent,
    timeout: Duration,
    deadline: Instant,
    /// The bytes that were sent since the deadline was set.
    sent: usize,
}

impl<'a> Window<'a> {
    /// The window of a response that begins now.
    pub(super) fn new(timeout: Duration, unsent: &'a Unsent) -> Self {
        Self { unsent, timeout, deadline: Instant::now() + timeout, sent: 0 }
    }

    /// Waits until the client accepts up to `wanted` bytes; the number that it accepts.
    async fn reserve(
        &mut self,
        stream: &mut SendStream<Bytes>,
        wanted: usize,
    ) -> Result<usize, SendError> {
        if self.sent >= WRITE_STEP {
            self.sent = 0;
            self.deadline = Instant::now() + self.timeout;
        }
        let _waiting = self.unsent.wait();
        stream.reserve_capacity(wanted);
        let capacity = poll_fn(|context| stream.poll_capacity(context));
        let capacity = timeout_at(self.deadline, capacity).await;
        capacity.map_err(|_| SendError::TimedOut)?.and_then(Result::ok).ok_or(SendError::Closed)
    }
}

/// True for a status whose response never has a body.
fn is_bodiless(status: StatusCode) -> bool {
    matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// Converts the head; `None` when a header is invalid.
fn convert_head(head: &actix_http::ResponseHead, size: BodySize) -> Option<http::Response<()>> {
    let mut response = http::Response::new(());
    *response.status_mut() = http::StatusCode::from_u16(head.status.as_u16()).ok()?;
    let headers = response.headers_mut();
    for (name, value) in &head.headers {
        if CONNECTION_HEADERS.contains(name) || name == CONTENT_LENGTH {
            continue;
        }
        let name = http::HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
        headers.append(name, http::HeaderValue::from_bytes(value.as_bytes()).ok()?);
    }
    if let BodySize::Sized(length) = size
        && !is_bodiless(head.status)
    {
        headers.insert(http::header::CONTENT_LENGTH, length.into());
    }
    if !head.headers.contains_key(DATE) {
        let date = HttpDate::from(std::time::SystemTime::from(clock::now())).to_string();
        headers.insert(http::header::DATE, http::HeaderValue::from_str(&date).ok()?);
    }
    Some(response)
}
