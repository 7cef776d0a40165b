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
    request_metrics::{AnswerLabels, NO_ROUTE, method_label},
    state::HttpState,
};

/// The path of the route that took a request, as in the route table.
struct TakenBy(&'static str);

/// Notes the route that takes a request.
pub(super) fn note_route(request: &ServiceRequest, path: &'static str) {
    request.extensions_mut().insert(TakenBy(path));
}

/// Middleware of all requests: measures the time from their head to the head of their response.
pub(super) async fn measure(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let state = request.app_data::<Data<HttpState>>().cloned();
    let state = state.ok_or_else(|| ApiError::from(ErrorKind::Internal))?;
    let method = method_label(request.method());
    let in_flight = state.requests.start();
    let answered = next.call(request).await;
    let (route, status) = match &answered {
        Ok(response) => (route(response.request()), response.status()),
        Err(error) => (NO_ROUTE, error.as_response_error().status_code()),
    };
    in_flight.end(&AnswerLabels { route, method, status: status.as_u16() });
    answered
}

/// The route that took a request.
pub(super) fn route(request: &impl HttpMessage) -> &'static str {
    request.extensions().get::<TakenBy>().map_or(NO_ROUTE, |taken| taken.0)
}
