//! Assigns an id to each request, for the log, the audit log, error responses and `X-Request-Id`.
//!
//! The service always generates the id; a caller that chose it could reuse one id for many changes
//! in the audit log. An id that the caller sends is logged in addition.

use actix_web::{
    Error, HttpMessage,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{HeaderMap, HeaderName, HeaderValue},
    middleware::Next,
};
use uuid::Uuid;

use super::headers;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The id of a request.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(String);

impl RequestId {
    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The request id that the caller sent, for the log. It matches `[A-Za-z0-9-]{1,64}`.
#[derive(Debug, Clone)]
pub(crate) struct ClientRequestId(String);

impl ClientRequestId {
    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// `None` when the header is absent, repeated or has another form.
    fn of(headers: &HeaderMap) -> Option<Self> {
        let given = headers::single(headers, &X_REQUEST_ID).ok().flatten()?;
        let is_plain = (1..=64).contains(&given.len())
            && given.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        is_plain.then(|| Self(given.to_owned()))
    }
}

/// Middleware that assigns the id and adds it to the response.
pub(super) async fn assign(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let id = RequestId(Uuid::new_v4().to_string());
    let header = HeaderValue::from_str(id.as_str());
    if let Some(client_id) = ClientRequestId::of(request.headers()) {
        request.extensions_mut().insert(client_id);
    }
    request.extensions_mut().insert(id);
    let mut response = next.call(request).await?;
    if let Ok(header) = header {
        response.headers_mut().insert(X_REQUEST_ID, header);
    }
    Ok(response)
}
