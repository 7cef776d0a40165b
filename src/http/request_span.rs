//! The tracing span of a request.

use actix_web::{
    Error, HttpMessage,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
};
use tracing::{Span, field::Empty};
use tracing_actix_web::RootSpanBuilder;

use super::{
    connection::Connection,
    request_id::{ClientRequestId, RequestId},
};
use crate::telemetry::REQUESTS;

/// The root span. It has the route's pattern, but neither the query nor headers, which may contain
/// a secret.
pub(super) struct RequestSpan;

impl RootSpanBuilder for RequestSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let extensions = request.extensions();
        let request_id = extensions.get::<RequestId>().map(RequestId::as_str);
        let client_id = extensions.get::<ClientRequestId>().map(ClientRequestId::as_str);
        let address = extensions.get::<Connection>().and_then(|connection| connection.address);
        tracing::info_span!(
            target: REQUESTS,
            "request",
            request.id = request_id,
            request.client_id = client_id,
            http.method = %request.method(),
            client.address = address.map(|address| address.to_string()),
            auth.scheme = Empty,
            principal.id = Empty,
            user.id = Empty,
            credential.type = Empty,
        )
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, Error>) {
        let _entered = span.enter();
        match outcome {
            Ok(response) => tracing::info!(
                target: REQUESTS,
                {
                    http.route = response.request().match_pattern(),
                    http.status = response.status().as_u16(),
                },
                "answered"
            ),
            Err(error) => tracing::error!(target: REQUESTS, %error, "not answered"),
        }
    }
}
