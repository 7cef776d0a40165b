//! Converts a request of the h2 crate into one of actix-web.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_http::{BoxedPayloadStream, Payload, Request, error::PayloadError};
use actix_web::{
    http::{
        Method, Uri, Version,
        header::{CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING},
    },
    web::Bytes,
};
use futures_util::Stream;
use h2::RecvStream;

/// Converts a request; `None` for one that RFC 9113 calls malformed.
pub(super) fn convert_request(request: http::Request<RecvStream>) -> Option<Request> {
    let (parts, body) = request.into_parts();
    if !has_one_host(&parts) {
        return None;
    }
    let mut headers = HeaderMap::with_capacity(parts.headers.len());
    for (name, value) in &parts.headers {
        let name = HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
        headers.append(name, HeaderValue::from_bytes(value.as_bytes()).ok()?);
    }
    let payload = if body.is_end_stream() {
        Payload::None
    } else {
        // The application finds a body of unknown length as in HTTP/1.1.
        if !headers.contains_key(CONTENT_LENGTH) {
            headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        }
        let stream: BoxedPayloadStream = Box::pin(Body(body));
        Payload::Stream { payload: stream }
    };
    let mut request = Request::with_payload(payload);
    let head = request.head_mut();
    head.method = Method::from_bytes(parts.method.as_str().as_bytes()).ok()?;
    head.uri = parts.uri.to_string().parse::<Uri>().ok()?;
    head.version = Version::HTTP_2;
    head.headers = headers;
    Some(request)
}

/// True unless `Host` names another host than `:authority` (RFC 9113, section 8.3.1).
fn has_one_host(parts: &http::request::Parts) -> bool {
    let Some(authority) = parts.uri.authority() else { return true };
    let is_same = |value: &[u8]| value.eq_ignore_ascii_case(authority.as_str().as_bytes());
    let mut headers = parts.headers.iter();
    headers.all(|(name, value)| name != http::header::HOST || is_same(value.as_bytes()))
}

/// The body of a request.
struct Body(RecvStream);

impl Stream for Body {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let Some(data) = ready!(self.0.poll_data(context)) else { return Poll::Ready(None) };
        let failed = |error: h2::Error| PayloadError::Io(io::Error::other(error));
        Poll::Ready(Some(data.map_err(failed).and_then(|data| {
            // Returns the bytes to the flow-control window of the client.
            self.0.flow_control().release_capacity(data.len()).map_err(failed)?;
            Ok(data)
        })))
    }
}
