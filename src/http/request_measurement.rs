//! Measures every request of the API: the route that takes it, and the time until its response.

use actix_web::{
    Error, HttpMessage,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web::Data,
};

use super::{
    error::{ApiError, ErrorKind},
    request_metrics::{TakenBy, method_label},
    state::HttpState,
};

/// Notes the route that takes a request, and whether it has the method of the request.
pub(super) fn note_route(request: &ServiceRequest, path: &'static str, has_method: bool) {
    if let Some(route) = request.extensions().get::<TakenBy>() {
        route.set(path, has_method);
    }
}

/// Middleware of all requests: measures the time from their head to the head of their response.
pub(super) async fn measure(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let state = request.app_data::<Data<HttpState>>().cloned();
    let state = state.ok_or_else(|| ApiError::from(ErrorKind::Internal))?;
    let in_flight = state.requests.start(method_label(request.method()));
    request.extensions_mut().insert(in_flight.route());
    let answered = next.call(request).await;
    let status = match &answered {
        Ok(response) => response.status(),
        Err(error) => error.as_response_error().status_code(),
    };
    in_flight.end(status.as_u16());
    answered
}
