//! Responses that the transport sends itself, because no request reaches the application.

use std::fmt::Write;

use actix_web::http::StatusCode;
use time::format_description::well_known::Rfc2822;

use super::http1::Violation;
use crate::{
    clock,
    http::response_headers::{ResponseKind, headers_of},
};

/// The status for a violation.
pub(super) fn status_of(violation: Violation) -> StatusCode {
    match violation {
        Violation::Malformed => StatusCode::BAD_REQUEST,
        Violation::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
    }
}

/// A response without a body, after which the connection is closed.
pub(super) fn own_answer(status: StatusCode, has_hsts: bool) -> String {
    let mut answer = format!(
        "HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\ncache-control: no-store\r\n"
    );
    let kind = ResponseKind { has_hsts, ..ResponseKind::default() };
    let date = clock::now().format(&Rfc2822).ok();
    // RFC 9110 names the zone GMT.
    let date = date.and_then(|date| Some(format!("{} GMT", date.strip_suffix(" +0000")?)));
    let date = date.as_deref().map(|date| ("date".to_owned(), date));
    let headers = headers_of(kind).map(|(name, value)| (name.to_string(), value));
    for (name, value) in date.into_iter().chain(headers) {
        // Writing to a string does not fail.
        let _ = write!(answer, "{name}: {value}\r\n");
    }
    answer + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_own_answer_is_complete() {
        let answer = own_answer(StatusCode::BAD_REQUEST, false);
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n"));
        assert!(answer.contains(" GMT\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n"), "{answer}");
    }
}
