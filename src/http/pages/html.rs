//! Responses that are pages.

use actix_web::{HttpResponse, HttpResponseBuilder, http::header::LOCATION};
use askama::Template;

use crate::http::{error::ApiError, error::ErrorKind, state::HttpState};

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
    let location = format!("{}{path}", state.base_path);
    HttpResponse::SeeOther().insert_header((LOCATION, location)).finish()
}
