//! Headers with secrets, apart from all others.
//!
//! The web server keeps the heads of the last requests, to use their memory again, with everything
//! that was in them. So what proves who asks is taken out of each head before anything else is done,
//! and goes with the request; what stays in the head is copied, because the parts of a head share the
//! one buffer that the whole of it arrived in.

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

/// The secret of the program that asks (protocol.md 3).
pub(super) const SO_APP_TOKEN: &str = "so-apptoken";
/// What a page's script copies out of the session's second cookie.
pub(super) const X_XSRF_TOKEN: &str = "x-xsrf-token";

/// The headers that prove something.
const SECRETS: [&str; 4] = ["authorization", "cookie", SO_APP_TOKEN, X_XSRF_TOKEN];

/// The headers of a request that prove something; a list, because a map would be room for dozens in
/// every request that waits.
#[derive(Clone, Default)]
pub(super) struct SecretHeaders(Rc<[(&'static str, HeaderValue)]>);

impl SecretHeaders {
    /// The value of the header of that name; `None` when it is absent.
    ///
    /// # Errors
    /// When there are several, or it is not text.
    pub(super) fn single(&self, name: &str) -> Result<Option<&str>, UnreadableHeader> {
        headers::single_of(self.lines(name))
    }

    /// The values of every header of that name, in their order.
    pub(super) fn lines(&self, name: &str) -> impl Iterator<Item = &HeaderValue> {
        self.0.iter().filter(move |(given, _)| *given == name).map(|(_, value)| value)
    }

    /// All of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &HeaderValue)> {
        self.0.iter().map(|(name, value)| (*name, value))
    }
}

/// Middleware, before all others, that takes secrets out of the head.
pub(super) async fn extract_secret_headers(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    // The map that the web server made has room for more headers than most requests have.
    let (mut secrets, mut others) = (Vec::new(), HeaderMap::new());
    for (name, value) in request.headers() {
        // A header's value is one already; a copy of it is one as well.
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

/// The headers that prove something.
pub(super) fn secret_headers(request: &HttpRequest) -> SecretHeaders {
    request.extensions().get::<SecretHeaders>().cloned().unwrap_or_default()
}
