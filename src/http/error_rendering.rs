//! Renders every failed request as an error object
//! (docs/reference/wire-contract.md#d1-error-object), and logs it once.
//!
//! Failures come from middlewares, extractors, handlers and the router, and `ResponseError` cannot
//! see the request. This middleware is outside all of these layers.

use actix_cors::CorsError;
use actix_web::{
    Error, HttpMessage, HttpRequest, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web::Data,
};

use super::{
    error::{
        ApiError, BodyFault, ErrorKind, MissingRight,
        response::{ErrorResponse, head_of_page, head_with_challenges},
    },
    localization::Language,
    negotiation,
    pages::{error_page, login, new_password, required_change},
    request_id::RequestId,
    soap::faults,
    state::HttpState,
    user::list,
};

/// Middleware that renders failed responses.
pub(super) async fn render(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let mut response = next.call(request).await?.map_into_boxed_body();
    if let Some(kind) = failure(&response) {
        let mut rendered = envelope(&kind, response.request());
        // Keep the headers of inner layers, such as those of CORS.
        let own: Vec<_> = rendered.headers().keys().cloned().collect();
        for (name, value) in response.headers().iter().filter(|(name, _)| !own.contains(name)) {
            rendered.headers_mut().append(name.clone(), value.clone());
        }
        response = response.into_response(rendered);
    }
    Ok(response)
}

/// The error of a failed response. Errors of other types than ours come from actix-web.
fn failure(response: &ServiceResponse<BoxBody>) -> Option<ErrorKind> {
    let error = response.response().error()?;
    if let Some(error) = error.as_error::<ApiError>() {
        error.log();
        return Some(error.kind.clone());
    }
    if error.as_error::<CorsError>().is_some() {
        let refused = ApiError::from(ErrorKind::Forbidden(MissingRight::CrossOrigin));
        refused.log();
        return Some(refused.kind);
    }
    let status = response.status();
    tracing::error!(http.status = status.as_u16(), %error, "actix-web returned an unexpected error");
    Some(if status.is_client_error() { BodyFault::Framework.into() } else { ErrorKind::Internal })
}

fn envelope(kind: &ErrorKind, request: &HttpRequest) -> HttpResponse {
    let state = request.app_data::<Data<HttpState>>();
    if let Some(page) = state.and_then(|state| {
        let head = || head_of_page(kind, &state.challenges);
        required_change::page_of(kind, head(), request, state)
            .or_else(|| login::page_of(kind, head(), request, state))
            .or_else(|| new_password::page_of(kind, head(), request, state))
            .or_else(|| error_page::page_of(kind, head(), request, state))
    }) {
        return page;
    }
    let challenges = state.map(|state| state.challenges.as_slice()).unwrap_or_default();
    let head = || head_with_challenges(kind, challenges);
    if let Some(fault) = state.and_then(|state| faults::fault_of(kind, head(), request, state)) {
        return fault;
    }
    let extensions = request.extensions();
    let request_id = extensions.get::<RequestId>().map(RequestId::as_str).unwrap_or_default();
    let message = Language::of(request.headers()).error(kind);
    let body = ErrorResponse::new(kind, message, request_id);
    negotiation::write(head(), &list::headers_of_error(request), &body)
}
