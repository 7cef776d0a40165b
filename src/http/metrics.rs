//! Metrics for Prometheus, on the operations listener only: the load of this service is not public.

use actix_web::{
    HttpRequest, HttpResponse,
    http::Method,
    web::{self, Data, ServiceConfig},
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::ConstCounter,
        family::Family,
        gauge::{ConstGauge, Gauge},
    },
    registry::{Registry, Unit},
};

use time::OffsetDateTime;

use super::{
    compression,
    error::{ApiError, ErrorKind},
    request_metrics::RequestMetrics,
    route::answering,
    state::{HttpState, ListenerCertificate},
    transport::TransportCounts,
};
use crate::service::operations::instance::Instance;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Registers the route.
pub(super) fn configure(config: &mut ServiceConfig) {
    config.route("/metrics", answering(web::to(metrics), &Method::GET));
}

/// `GET /metrics`: every metric, in the `OpenMetrics` format.
async fn metrics(state: Data<HttpState>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    let register = |registry: &mut Registry| {
        register(registry, state.connections.counts());
        state.requests.register(registry);
        register_certificates(registry, &state.certificates);
    };
    let text =
        state.service.get::<Instance>().metrics(register).map_err(|_| ErrorKind::Internal)?;
    let packed = compression::accepts_gzip(&request)
        .then(|| compression::compressed_once(text.as_bytes()))
        .flatten();
    let mut response = HttpResponse::Ok();
    response.content_type(OPEN_METRICS);
    compression::set_varying(&mut response);
    let Some(packed) = packed else { return Ok(response.body(text)) };
    compression::set_compressed(&mut response);
    Ok(response.body(packed))
}

/// Registers the metrics of an instance with one request and one certificate, for documents: a family
/// without samples would be omitted.
pub(crate) fn register_example_metrics(registry: &mut Registry) {
    register(registry, TransportCounts::default());
    RequestMetrics::example().register(registry);
    let expires_at = Box::new(|| Some(OffsetDateTime::UNIX_EPOCH));
    register_certificates(registry, &[ListenerCertificate { listener: "http", expires_at }]);
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ListenerLabels {
    listener: &'static str,
}

fn register_certificates(registry: &mut Registry, certificates: &[ListenerCertificate]) {
    let expiry: Family<ListenerLabels, Gauge> = Family::default();
    for ListenerCertificate { listener, expires_at } in certificates {
        if let Some(end) = expires_at() {
            expiry.get_or_create(&ListenerLabels { listener }).set(end.unix_timestamp());
        }
    }
    let help = "Time when the first certificate of a listener expires";
    registry.register_with_unit("certificate_expiry_timestamp", help, Unit::Seconds, expiry);
}

fn register(registry: &mut Registry, counts: TransportCounts) {
    for (name, help, number) in [
        ("connections", "Open client connections of the API", counts.open),
        ("connections_maximum", "Maximum number of client connections of the API", counts.maximum),
    ] {
        let gauge = ConstGauge::new(i64::try_from(number).unwrap_or(i64::MAX));
        registry.register(name, help, gauge);
    }
    for (name, help, number) in [
        (
            "connections_evicted",
            "Idle connections that were closed to make room for new ones",
            counts.evicted,
        ),
        (
            "connections_refused",
            "Connections that were refused because every other connection was busy",
            counts.refused,
        ),
        (
            "request_timeouts",
            "Connections that were closed because a request timed out",
            counts.request_timeouts,
        ),
        (
            "response_timeouts",
            "Connections that were closed because the client did not read a response in time",
            counts.response_timeouts,
        ),
        (
            "tls_handshake_failures",
            "Connections that were closed because the TLS handshake failed",
            counts.failed_handshakes,
        ),
        (
            "invalid_requests",
            "Requests that were refused because they were malformed, ambiguous or too large",
            counts.invalid_requests,
        ),
        (
            "frame_floods",
            "Connections that were closed because the client sent too many HTTP/2 frames",
            counts.frame_floods,
        ),
        (
            "streams_refused",
            "HTTP/2 requests that were refused because their connection had no room for them",
            counts.refused_streams,
        ),
    ] {
        let help = format!("{help}, on both listeners");
        registry.register(name, help, ConstCounter::new(number));
    }
}
