//! Refuses changes while the service is read-only (`maintenance.read_only`).

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

/// Middleware of every route that changes something: 503 while the service is read-only.
pub(super) async fn refuse(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let state = request.app_data::<Data<HttpState>>();
    if state.is_some_and(|state| state.is_read_only) {
        // As in authentication: a body that came with the head is read, and the connection is kept.
        tokio::task::yield_now().await;
        return Ok(request.error_response(ApiError::from(ErrorKind::ReadOnly)));
    }
    Ok(next.call(request).await?.map_into_boxed_body())
}
