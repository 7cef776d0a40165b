//! Announces the end of connections while this instance stops or is drained.
//!
//! A connection that is kept open leads to one instance. A client behind a load balancer that
//! distributes connections would use it until the listener closes, and lose a request that crosses
//! the end of the connection. With `Connection: close` (RFC 9112, section 9.6), it opens another
//! connection, which the load balancer gives to another instance. HTTP/2 has GOAWAY for this, which
//! loses no request (RFC 9113, section 6.8).

use actix_web::{
    Error,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{ConnectionType, Version},
    middleware::Next,
    web::Data,
};

use super::state::HttpState;

/// Middleware that makes each response the last one of its connection, once a shutdown or a drain has
/// begun.
pub(super) async fn announce(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let mut response = next.call(request).await?;
    let state = response.request().app_data::<Data<HttpState>>();
    let is_leaving =
        state.is_some_and(|state| state.readiness.is_stopping() || state.readiness.is_draining());
    if is_leaving && response.request().version() < Version::HTTP_2 {
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
    }
    Ok(response)
}
