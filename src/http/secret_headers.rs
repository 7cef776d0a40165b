//! Moves headers that contain secrets out of the head of a request.
//!
//! actix-web keeps the heads of recent requests with their content, to reuse their memory. Secrets
//! are therefore removed from each head before any other middleware runs, and dropped with the
//! request. The other headers are copied, because all parts of a head share one receive buffer.

use std::rc::Rc;

use actix_web::{
    Error, HttpMessage, HttpRequest,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Uri,
        header::{HeaderMap, HeaderValue},
    },
    middleware::Next,
};

use super::headers::{self, UnreadableHeader};

/// The secret of the calling application (docs/reference/wire-contract.md#application-tokens).
pub(super) const SO_APP_TOKEN: &str = "so-apptoken";
/// The XSRF token, which a page's script copies from the session's second cookie.
pub(super) const X_XSRF_TOKEN: &str = "x-xsrf-token";

/// The names of headers with secrets.
const SECRETS: [&str; 4] = ["authorization", "cookie", SO_APP_TOKEN, X_XSRF_TOKEN];

/// The headers of a request that contain secrets. A list, because a map would reserve room for
/// dozens of headers in every waiting request.
#[derive(Clone, Default)]
pub(super) struct SecretHeaders(Rc<[(&'static str, HeaderValue)]>);

impl SecretHeaders {
    /// The value of a header; `None` when it is absent.
    ///
    /// # Errors
    /// When the header is repeated or is not text.
    pub(super) fn single(&self, name: &str) -> Result<Option<&str>, UnreadableHeader> {
        headers::single_of(self.lines(name))
    }

    /// Every value of a header, in order.
    pub(super) fn lines(&self, name: &str) -> impl Iterator<Item = &HeaderValue> {
        self.0.iter().filter(move |(given, _)| *given == name).map(|(_, value)| value)
    }

    /// Headers of a fuzz target. Names without secrets are ignored.
    #[cfg(feature = "fuzz")]
    pub(super) fn of(lines: impl Iterator<Item = (&'static str, HeaderValue)>) -> Self {
        Self(lines.filter(|(name, _)| SECRETS.contains(name)).collect())
    }

    /// Every header with its name.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &HeaderValue)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }
}

/// Middleware that runs before all others and moves secrets out of the head.
pub(super) async fn extract_secret_headers(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    // A new map, because the one of actix-web reserves room for more headers than most requests
    // have.
    let (mut secrets, mut others) = (Vec::new(), HeaderMap::new());
    for (name, value) in request.headers() {
        // A copy of a valid header value is valid.
        let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) else { continue };
        match SECRETS.into_iter().find(|secret| name == secret) {
            Some(name) => secrets.push((name, value)),
            None => others.append(name.clone(), value),
        }
    }
    *request.headers_mut() = others;
    if let Ok(uri) = request.uri().to_string().parse::<Uri>() {
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
    request.extensions_mut().insert(SecretHeaders(secrets.into()));
    next.call(request).await
}

/// The headers of a request that contain secrets.
pub(super) fn secret_headers(request: &HttpRequest) -> SecretHeaders {
    request.extensions().get::<SecretHeaders>().cloned().unwrap_or_default()
}
