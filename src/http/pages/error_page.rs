//! Errors as pages, for browsers that ask for a page.

use actix_web::{HttpMessage, HttpRequest, HttpResponse, HttpResponseBuilder, http::StatusCode};
use askama::Template;

use super::{frame::PageFrame, html};
use crate::http::{error::ErrorKind, negotiation, request_id::RequestId, state::HttpState};

/// The beginnings of paths for programs. Their errors are error objects, also in a browser.
const PROGRAMS: [&str; 5] = ["/api", "/keeper", "/remote", "/openapi.json", "/assets"];

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorTemplate {
    frame: PageFrame,
    title: String,
    message: String,
    request_id: String,
}

/// The page with an error; `None` for a request of a program.
pub(in crate::http) fn page_of(
    kind: &ErrorKind,
    response: HttpResponseBuilder,
    request: &HttpRequest,
    state: &HttpState,
) -> Option<HttpResponse> {
    if !negotiation::accepts_page(request.headers()) || is_for_programs(request, state) {
        return None;
    }
    let frame = PageFrame::of(request, state).ok()?;
    let status = kind.row().status;
    let key = match status {
        _ if matches!(kind, ErrorKind::ReadOnly) => "page-error-maintenance",
        StatusCode::FORBIDDEN => "page-error-forbidden",
        StatusCode::NOT_FOUND => "page-error-not-found",
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => "page-error-busy",
        status if status.is_server_error() => "page-error-internal",
        _ => "page-error-request",
    };
    let title = frame.text(key);
    let message = frame.language().error(kind);
    let extensions = request.extensions();
    let request_id = extensions.get::<RequestId>().map(RequestId::as_str).unwrap_or_default();
    let request_id = request_id.to_owned();
    html::page(response, &ErrorTemplate { frame, title, message, request_id }).ok()
}

fn is_for_programs(request: &HttpRequest, state: &HttpState) -> bool {
    let path = request.uri().path().to_ascii_lowercase();
    let base_path = state.base_path.to_ascii_lowercase();
    let Some(path) = path.strip_prefix(&base_path) else { return true };
    PROGRAMS.iter().any(|start| path.starts_with(start))
}
