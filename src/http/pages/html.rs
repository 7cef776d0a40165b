//! Responses that are pages.

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::{StatusCode, header::LOCATION},
};
use askama::Template;

use crate::http::{
    error::{ApiError, ErrorKind, response::head},
    state::HttpState,
};

/// Renders a page.
pub(in crate::http) fn page(
    mut response: HttpResponseBuilder,
    template: &impl Template,
) -> Result<HttpResponse, ApiError> {
    let html = template.render().map_err(|_| ErrorKind::Internal)?;
    Ok(response.content_type("text/html; charset=utf-8").body(html))
}

/// Redirects with 303 to a path of this service.
pub(in crate::http) fn redirect(state: &HttpState, path: &str) -> HttpResponse {
    redirect_to(&format!("{}{path}", state.base_path))
}

/// Redirects with 303 to a URL of this service.
pub(super) fn redirect_to(url: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((LOCATION, url)).finish()
}

/// Logs the error of a form, and returns the head of the response that shows the form again.
///
/// # Errors
/// The error itself when the session has ended: `error_rendering` then shows the login page.
pub(in crate::http) fn refused(
    error: ApiError,
) -> Result<(HttpResponseBuilder, ErrorKind), ApiError> {
    if error.kind.row().status == StatusCode::UNAUTHORIZED {
        return Err(error);
    }
    error.log();
    Ok((head(&error.kind), error.kind))
}
