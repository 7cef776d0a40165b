//! Refuses changes while the service is read-only (`maintenance.read_only`), and while too many audit
//! events are undelivered (`audit.when_full`).

use actix_web::{
    Error,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    middleware::Next,
    web::Data,
};

use super::{
    error::{ApiError, ErrorKind},
    state::HttpState,
};

/// Middleware of every route that changes something: 503 while changes are refused.
pub(super) async fn refuse(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let state = request.app_data::<Data<HttpState>>();
    if let Some(reason) = state.and_then(|state| reason(state)) {
        // As in authentication: a body that came with the head is read, and the connection is kept.
        tokio::task::yield_now().await;
        return Ok(request.error_response(ApiError::from(reason)));
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}

/// Why changes are refused; `None`: they are not.
fn reason(state: &HttpState) -> Option<ErrorKind> {
    if state.is_read_only {
        return Some(ErrorKind::ReadOnly);
    }
    state.pressure.refuses_changes().then_some(ErrorKind::AuditStreamFull)
}
