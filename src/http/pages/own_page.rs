//! Restricts login and logout to the pages of this service.

use actix_web::{
    HttpRequest,
    http::header::{HeaderName, ORIGIN},
};

use crate::http::{
    connection::Connection,
    error::{ErrorKind, MissingRight},
    headers,
};

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Refuses a request from a page of another site, according to Fetch Metadata or `Origin`.
///
/// # Errors
/// [`MissingRight::ForeignPage`].
pub(super) fn require_own_page(request: &HttpRequest) -> Result<(), ErrorKind> {
    let header = |name| headers::single(request.headers(), name);
    let is_own = match (header(&SEC_FETCH_SITE), header(&ORIGIN)) {
        (Ok(Some(site)), Ok(_)) => matches!(site, "same-origin" | "none"),
        (Ok(None), Ok(Some(origin))) => {
            Connection::of(request).origin().is_some_and(|own| own.eq_ignore_ascii_case(origin))
        }
        (Ok(None), Ok(None)) => true,
        // No browser repeats these headers or sends values that are not UTF-8.
        (Err(_), _) | (_, Err(_)) => false,
    };
    if is_own { Ok(()) } else { Err(ErrorKind::Forbidden(MissingRight::ForeignPage)) }
}
