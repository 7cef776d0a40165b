//! The tracing span of a request.

use actix_web::{
    Error, HttpMessage,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{Method, header::HeaderName},
};
use opentelemetry::KeyValue;
use tracing::{Span, field::Empty};
use tracing_actix_web::RootSpanBuilder;

use super::{
    connection::Connection,
    headers,
    request_id::{ClientRequestId, RequestId},
};
use crate::{
    clock,
    trace_context::{REQUESTS, continue_trace, with_trace_span},
};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");

/// The methods that a trace names. Another one may be any text of the client.
const KNOWN_METHODS: [Method; 7] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
];

/// The root span. It has the route's pattern, but neither the query nor headers, which may contain
/// a secret.
pub(super) struct RequestSpan;

impl RootSpanBuilder for RequestSpan {
    fn on_request_start(request: &ServiceRequest) -> Span {
        let extensions = request.extensions();
        let request_id = extensions.get::<RequestId>().map(RequestId::as_str);
        let client_id = extensions.get::<ClientRequestId>().map(ClientRequestId::as_str);
        let address = extensions.get::<Connection>().and_then(|connection| connection.address);
        let span = tracing::info_span!(
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
        );
        let parent = headers::single(request.headers(), &TRACEPARENT).ok().flatten();
        let states: Vec<_> = headers::lines(request.headers(), &TRACESTATE).collect();
        continue_trace(&span, parent, str::from_utf8(&states.join(&b',')).ok());
        span
    }

    fn on_request_end<B: MessageBody>(span: Span, outcome: &Result<ServiceResponse<B>, Error>) {
        end_trace(&span, outcome);
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

/// Ends the span of the trace: method, route and status, but no value.
fn end_trace<B>(span: &Span, outcome: &Result<ServiceResponse<B>, Error>) {
    with_trace_span(span, |trace| {
        trace.ended = Some(clock::now().into());
        let Ok(response) = outcome else {
            trace.has_failed = true;
            return;
        };
        let request = response.request();
        let is_known = KNOWN_METHODS.contains(request.method());
        let method = if is_known { request.method().to_string() } else { "_OTHER".to_owned() };
        trace.attributes.push(KeyValue::new("http.request.method", method.clone()));
        let route = request.match_pattern();
        trace.name =
            route.as_ref().map_or(method.clone(), |route| format!("{method} {route}")).into();
        trace.attributes.extend(route.map(|route| KeyValue::new("http.route", route)));
        let status = response.status();
        trace
            .attributes
            .push(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
        trace.has_failed = status.is_server_error();
    });
}
