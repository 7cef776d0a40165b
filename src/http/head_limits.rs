//! Limits on the head of a request and on its `Content-Length`
//! (docs/reference/wire-contract.md#d25-limits).

use actix_web::{
    Error,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::header::{AUTHORIZATION, CONTENT_LENGTH, HeaderValue},
    middleware::Next,
};

use super::{
    error::{ApiError, ErrorKind},
    headers, negotiation,
    secret_headers::secret_headers,
};

// The limits are in bytes.
const MAXIMUM_HEADERS: usize = 32 * 1024;
const MAXIMUM_AUTHORIZATION: usize = 16 * 1024;
const MAXIMUM_BODY: u64 = negotiation::MAXIMUM_BODY as u64;
const MAXIMUM_URI: usize = 8 * 1024;

/// The bytes of a header line apart from name and value: colon, space and CRLF.
const HEADER_OVERHEAD: usize = 4;

/// Middleware that refuses oversized heads.
pub(super) async fn check(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    if let Some(kind) = excess(&request) {
        return Ok(request.error_response(ApiError::from(kind)));
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}

fn excess(request: &ServiceRequest) -> Option<ErrorKind> {
    let uri = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if uri > MAXIMUM_URI {
        return Some(ErrorKind::UriTooLong);
    }
    let secret_headers = secret_headers(request.request());
    let others = request.headers().iter().map(|(name, value)| (name.as_str(), value));
    let sizes = others
        .chain(secret_headers.iter())
        .map(|(name, value)| name.len() + value.len() + HEADER_OVERHEAD);
    let headers: usize = sizes.sum();
    let authorization = secret_headers.lines(AUTHORIZATION.as_str()).map(HeaderValue::len).max();
    let is_too_large =
        headers > MAXIMUM_HEADERS || authorization.is_some_and(|size| size > MAXIMUM_AUTHORIZATION);
    is_too_large.then_some(ErrorKind::HeadersTooLarge)
}

/// Middleware of a route: refuses a `Content-Length` that is too large, even when the handler reads
/// no body. It runs after authentication.
pub(super) async fn check_length(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    // actix-web refuses a repeated or invalid length.
    let length = headers::single(request.headers(), &CONTENT_LENGTH).ok().flatten();
    let length = length.and_then(|length| length.parse::<u64>().ok());
    if length.is_some_and(|length| length > MAXIMUM_BODY) {
        return Ok(request.error_response(ApiError::from(ErrorKind::BodyTooLarge)));
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}
