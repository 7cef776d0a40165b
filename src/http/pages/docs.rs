//! `/openapi.json`, and the API documentation at `/docs` and below.

use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web::Data};
use askama::Template;

use super::html;
use crate::http::{
    error::{ApiError, ErrorKind},
    operation::Operation,
    state::HttpState,
};

#[derive(Template)]
#[template(path = "docs/unknown.html")]
struct UnknownTemplate<'page> {
    base_path: &'page str,
}

/// Describes [`openapi`].
pub(in crate::http) fn openapi_operation() -> Operation {
    Operation::new("Returns this document.").answers_text("application/json")
}

/// `GET /openapi.json`.
pub(in crate::http) async fn openapi(
    request: HttpRequest,
    state: Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    Ok(state.documents.get()?.openapi.answer(&request))
}

/// Describes [`docs`].
pub(in crate::http) fn docs_operation() -> Operation {
    Operation::new("Returns this document as an HTML page, with a page for each operation below.")
        .answers_text("text/html")
}

/// `GET /`: redirects to the documentation, because the service prints this URL when it is ready.
pub(in crate::http) async fn redirect_to_docs(state: Data<HttpState>) -> HttpResponse {
    html::redirect(&state, "/docs")
}

/// `GET /docs`.
pub(in crate::http) async fn docs(
    request: HttpRequest,
    state: Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    page(&request, &state, HttpResponse::Ok())
}

/// Writes the index of the documentation into a response.
///
/// # Errors
/// When it cannot be built.
pub(in crate::http) fn page(
    request: &HttpRequest,
    state: &HttpState,
    response: HttpResponseBuilder,
) -> Result<HttpResponse, ApiError> {
    Ok(state.documents.get()?.page.answer_with(request, response))
}

/// `GET /docs/errors`.
pub(in crate::http) async fn errors(
    request: HttpRequest,
    state: Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    site_page(&request, &state, "errors")
}

/// `GET /docs/schemas/{name}`.
pub(in crate::http) async fn schema(
    request: HttpRequest,
    state: Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    let name = request.match_info().query("name");
    site_page(&request, &state, &format!("schemas/{name}"))
}

/// `GET /docs/{operation}`.
pub(in crate::http) async fn operation(
    request: HttpRequest,
    state: Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    site_page(&request, &state, request.match_info().query("operation"))
}

/// The page at a path below `/docs/`, or a page with status 404.
fn site_page(
    request: &HttpRequest,
    state: &HttpState,
    path: &str,
) -> Result<HttpResponse, ApiError> {
    let documents = state.documents.get()?;
    let page = documents.site.page(path, &documents.openapi).map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "a page cannot be rendered");
        ErrorKind::Internal
    })?;
    match page {
        Some(page) => Ok(page.answer(request)),
        None => {
            html::page(HttpResponse::NotFound(), &UnknownTemplate { base_path: &state.base_path })
        }
    }
}

/// True for a request to the documentation, whose pages have a script.
pub(in crate::http) fn is_docs_page(request: &HttpRequest, base_path: &str) -> bool {
    let pattern = request.match_pattern().unwrap_or_default();
    // A base path has the same length in the lower case of patterns.
    let path = pattern.get(base_path.len()..).unwrap_or_default();
    matches!(path, "/docs" | "/api") || path.starts_with("/docs/")
}
