//! Metrics, on the operations listener only: they tell strangers how busy this service is.

use actix_web::{
    HttpResponse,
    web::{self, Data, ServiceConfig},
};

use super::{
    HttpState,
    error::{ApiError, ErrorKind},
};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The one route.
pub(super) fn configure(config: &mut ServiceConfig) {
    config.route("/metrics", web::get().to(metrics));
}

/// `GET /metrics`: everything that is measured, for Prometheus.
async fn metrics(state: Data<HttpState>) -> Result<HttpResponse, ApiError> {
    let text = state.service.service().metrics().map_err(|_| ErrorKind::Internal)?;
    Ok(HttpResponse::Ok().content_type(OPEN_METRICS).body(text))
}
