//! Parses the host of a request.

use actix_web::http::uri::Authority;

/// A host with an optional port; `None` when it is invalid.
pub(super) fn parse_host(text: &str) -> Option<String> {
    let is_host = text.parse::<Authority>().is_ok() && !text.contains('@');
    is_host.then(|| text.to_owned())
}
