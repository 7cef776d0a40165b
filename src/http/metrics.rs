//! Metrics, on the operations listener only: they tell strangers how busy this service is.

use actix_web::{
    HttpResponse,
    http::Method,
    web::{self, Data, ServiceConfig},
};

use prometheus_client::{
    metrics::{counter::ConstCounter, gauge::ConstGauge},
    registry::Registry,
};

use super::{
    error::{ApiError, ErrorKind},
    route::answering,
    state::HttpState,
    transport::TransportCounts,
};
use crate::service::operations::instance::Instance;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The one route.
pub(super) fn configure(config: &mut ServiceConfig) {
    config.route("/metrics", answering(web::to(metrics), &Method::GET));
}

/// `GET /metrics`: everything that is measured, for Prometheus.
async fn metrics(state: Data<HttpState>) -> Result<HttpResponse, ApiError> {
    let register = |registry: &mut Registry| register(registry, state.connections.counts());
    let text =
        state.service.get::<Instance>().metrics(register).map_err(|_| ErrorKind::Internal)?;
    Ok(HttpResponse::Ok().content_type(OPEN_METRICS).body(text))
}

fn register(registry: &mut Registry, counts: TransportCounts) {
    for (name, help, number) in [
        ("connections", "Open connections of callers", counts.open),
        ("connections_maximum", "Connections of callers there may be", counts.maximum),
    ] {
        let gauge = ConstGauge::new(i64::try_from(number).unwrap_or(i64::MAX));
        registry.register(name, help, gauge);
    }
    for (name, help, number) in [
        (
            "connections_evicted",
            "Connections without a request in progress, closed to make room for new ones",
            counts.evicted,
        ),
        (
            "connections_refused",
            "Connections refused because all others had a request in progress",
            counts.refused,
        ),
        (
            "request_timeouts",
            "Connections closed because a request did not arrive in time",
            counts.request_timeouts,
        ),
        (
            "response_timeouts",
            "Connections closed because an answer was not read in time",
            counts.response_timeouts,
        ),
    ] {
        registry.register(name, help, ConstCounter::new(number));
    }
}
