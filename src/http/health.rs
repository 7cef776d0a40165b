//! Health checks for load balancers and containers.

use std::sync::Arc;

use actix_web::{
    HttpResponse,
    http::Method,
    web::{self, Data, ServiceConfig},
};

use super::{route::answering, state::HttpState};
use crate::{
    domain::client_info::FairnessKey,
    service::operations::instance::{Instance, Readiness},
};

/// Registers the health routes.
pub(super) fn configure(config: &mut ServiceConfig) {
    config
        .route("/health/live", answering(web::to(live), &Method::GET))
        .route("/health/ready", answering(web::to(ready), &Method::GET));
}

/// `GET /health/live`: 200 while the process runs.
async fn live() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("live\n")
}

/// `GET /health/ready`: 200 when this instance can serve requests, else 503.
async fn ready(state: Data<HttpState>) -> HttpResponse {
    let respond = |mut response: actix_web::HttpResponseBuilder, text: &str| {
        response.content_type("text/plain; charset=utf-8").body(text.to_owned())
    };
    if state.readiness.is_stopping() {
        return respond(HttpResponse::ServiceUnavailable(), "stopping\n");
    }
    if state.readiness.is_draining() {
        return respond(HttpResponse::ServiceUnavailable(), "draining\n");
    }
    let readiness = state.service.run(FairnessKey::Service, |instance: Arc<Instance>| async move {
        instance.check_readiness().await
    });
    match readiness.await {
        Ok(Ok(Readiness::Full)) => respond(HttpResponse::Ok(), "ready\n"),
        Ok(Ok(Readiness::WithoutStandby)) => {
            tracing::warn!("changes wait for a synchronous standby of the database server");
            respond(HttpResponse::Ok(), "ready; changes wait for a synchronous standby\n")
        }
        Ok(Err(reason)) => {
            tracing::warn!(error = &reason as &dyn std::error::Error, "this instance is not ready");
            respond(HttpResponse::ServiceUnavailable(), &format!("not ready: {reason}\n"))
        }
        Err(interrupted) => {
            respond(HttpResponse::ServiceUnavailable(), &format!("not ready: {interrupted}\n"))
        }
    }
}
