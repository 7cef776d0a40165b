//! Headers with secrets, apart from all others.
//!
//! The web server keeps the heads of the last requests, to use their memory again, with everything
//! that was in them. So what proves who asks is taken out of each head before anything else is done,
//! and goes with the request; what stays in the head is copied, because the parts of a head share the
//! one buffer that the whole of it arrived in.

use actix_web::{
    Error, HttpMessage, HttpRequest,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Uri,
        header::{AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
};

/// The secret of the program that asks (protocol.md 3).
pub(super) const SO_APP_TOKEN: &str = "so-apptoken";
/// What a page's script copies out of the session's second cookie.
pub(super) const X_XSRF_TOKEN: &str = "x-xsrf-token";

/// The headers of a request that prove something.
struct Presented(HeaderMap);

/// Middleware, before all others, that takes secrets out of the head.
pub(super) async fn hold(
    mut request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let (mut presented, mut others) = (HeaderMap::new(), HeaderMap::new());
    for (name, value) in request.headers() {
        // A header's value is one already; a copy of it is one as well.
        let Ok(value) = HeaderValue::from_bytes(value.as_bytes()) else { continue };
        let into = if is_secret(name) { &mut presented } else { &mut others };
        into.append(name.clone(), value);
    }
    *request.headers_mut() = others;
    if let Ok(uri) = request.uri().to_string().parse::<Uri>() {
        request.match_info_mut().get_mut().update(&uri);
        request.head_mut().uri = uri;
    }
    request.extensions_mut().insert(Presented(presented));
    next.call(request).await
}

/// The headers that prove something.
pub(super) fn presented(request: &HttpRequest) -> HeaderMap {
    request.extensions().get::<Presented>().map(|held| held.0.clone()).unwrap_or_default()
}

fn is_secret(name: &HeaderName) -> bool {
    *name == AUTHORIZATION || *name == COOKIE || *name == SO_APP_TOKEN || *name == X_XSRF_TOKEN
}
