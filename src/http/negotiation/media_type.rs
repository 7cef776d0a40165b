//! Chooses formats from the headers of a request (docs/reference/wire-contract.md#media-types and
//! docs/reference/wire-contract.md#format-of-the-response).

use actix_web::http::header::{ACCEPT, ACCEPT_CHARSET, CONTENT_TYPE, HeaderMap};
use wire_formats::{
    Charset, Format,
    media_type::{self, ResponseType},
};

use crate::http::headers;

/// Format and charset of the request body; `None` when its media type is missing or not supported.
pub(super) fn body_format(headers: &HeaderMap) -> Option<(Format, Charset)> {
    media_type::body_format(content_type(headers))
}

/// Media type and charset of the response.
pub(super) fn answer_format(headers: &HeaderMap) -> (ResponseType, Charset) {
    let content_type = content_type(headers);
    (
        media_type::response_format(headers::list(headers, &ACCEPT), content_type),
        media_type::response_charset(headers::list(headers, &ACCEPT_CHARSET), content_type),
    )
}

/// True when the client prefers a format of the API to a page, or excludes pages.
pub(in crate::http) fn is_preferred_to_page(headers: &HeaderMap) -> bool {
    media_type::is_preferred_to_html(headers::list(headers, &ACCEPT))
}

/// True when the client accepts a page explicitly, as browsers do, and prefers no format of the API.
pub(in crate::http) fn accepts_page(headers: &HeaderMap) -> bool {
    let mut types = headers::list(headers, &ACCEPT).map(media_type::split_weight);
    types.any(|(essence, weight)| weight > 0 && essence.eq_ignore_ascii_case("text/html"))
        && !is_preferred_to_page(headers)
}

/// True when the request body is a form.
pub(in crate::http) fn is_form(headers: &HeaderMap) -> bool {
    body_format(headers).is_some_and(|(format, _)| format == Format::Form)
}

/// The value of `Content-Type`; `None` when the header is missing or repeated.
pub(in crate::http) fn content_type(headers: &HeaderMap) -> Option<&[u8]> {
    let mut lines = headers::lines(headers, &CONTENT_TYPE);
    let line = lines.next()?;
    lines.next().is_none().then_some(line)
}
