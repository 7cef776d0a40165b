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
use crate::service::operations::maintenance::{Change, ChangesRefused};

/// Middleware of every route that changes something: 503 while changes are refused. Otherwise the
/// request counts as a change in progress until its response is made and the database has answered.
pub(super) async fn refuse(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let state = request.app_data::<Data<HttpState>>();
    let begun = state.map_or(Err(ErrorKind::Internal), |state| begin_change(state));
    match begun {
        Ok(change) => Ok(change.include(next.call(request)).await?.map_into_boxed_body()),
        Err(reason) => {
            // As in authentication: a body that came with the head is read, and the connection is
            // kept.
            tokio::task::yield_now().await;
            Ok(request.error_response(ApiError::from(reason)))
        }
    }
}

/// Begins a change, or says why changes are refused.
fn begin_change(state: &HttpState) -> Result<Change, ErrorKind> {
    state.maintenance.begin_change().map_err(|refused| match refused {
        ChangesRefused::ReadOnly => ErrorKind::ReadOnly,
        ChangesRefused::AuditStreamFull => ErrorKind::AuditStreamFull,
    })
}
