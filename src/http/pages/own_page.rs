//! Which page sends a request: signing in and out is for our own ones.

use actix_web::{HttpRequest, http::header::ORIGIN};

use crate::http::{
    connection::Connection,
    error::{ErrorKind, MissingRight},
};

/// Refuses what a browser says that a page of another site sends (Fetch Metadata, else `Origin`).
pub(super) fn require_own_page(request: &HttpRequest) -> Result<(), ErrorKind> {
    let header = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap_or(""));
    let is_own = match (header("sec-fetch-site"), header(ORIGIN.as_str())) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            Connection::of(request).origin().is_some_and(|own| own.eq_ignore_ascii_case(origin))
        }
        (None, None) => true,
    };
    if is_own { Ok(()) } else { Err(ErrorKind::Forbidden(MissingRight::ForeignPage)) }
}
