//! Responses that are pages.

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    http::header::{CONTENT_SECURITY_POLICY, LOCATION, REFERRER_POLICY, X_FRAME_OPTIONS},
};
use askama::Template;

use crate::http::{error::ApiError, error::ErrorKind, state::HttpState};

/// Allows only the style sheet and the forms of this service: no scripts, frames or other hosts.
const POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

/// Renders a page.
pub(in crate::http) fn page(
    mut response: HttpResponseBuilder,
    template: &impl Template,
) -> Result<HttpResponse, ApiError> {
    let html = template.render().map_err(|_| ErrorKind::Internal)?;
    protect(&mut response);
    Ok(response.content_type("text/html; charset=utf-8").body(html))
}

/// Adds the security headers of a page.
pub(in crate::http) fn protect(response: &mut HttpResponseBuilder) {
    response
        .insert_header((CONTENT_SECURITY_POLICY, POLICY))
        .insert_header((REFERRER_POLICY, "same-origin"))
        .insert_header((X_FRAME_OPTIONS, "DENY"));
}

/// Redirects with 303 to a path of this service.
pub(in crate::http) fn redirect(state: &HttpState, path: &str) -> HttpResponse {
    let location = format!("{}{path}", state.base_path);
    HttpResponse::SeeOther().insert_header((LOCATION, location)).finish()
}
