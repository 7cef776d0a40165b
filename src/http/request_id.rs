//! Names each request: in the log, in the audit chain, in error bodies and in `X-Request-Id`.

use actix_web::{
    Error, HttpMessage,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::header::{HeaderName, HeaderValue},
    middleware::Next,
};
use uuid::Uuid;

use super::headers;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The name of a request: the caller's own when it matches `[A-Za-z0-9-]{1,64}`, else ours.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(String);

impl RequestId {
    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    fn of(request: &ServiceRequest) -> Self {
        let given = headers::single(request.headers(), &X_REQUEST_ID).ok().flatten();
        let is_plain = |text: &&str| {
            (1..=64).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        Self(given.filter(is_plain).map_or_else(|| Uuid::new_v4().to_string(), str::to_owned))
    }
}

/// Middleware that names the request and puts the name into the answer.
pub(super) async fn assign(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let id = RequestId::of(&request);
    let header = HeaderValue::from_str(id.as_str());
    request.extensions_mut().insert(id);
    let mut response = next.call(request).await?;
    if let Ok(header) = header {
        response.headers_mut().insert(X_REQUEST_ID, header);
    }
    Ok(response)
}
