//! Everything that knows the web framework.
//!
//! The way of a request, outermost first: request id, who is at the other end, trace, error
//! rendering, cross-origin rules, head limits, the connection's headers, hosts, path case, then the route; authentication is
//! middleware of each route that needs it and comes before the body is read. Handlers parse, call
//! one use case and answer.

mod agents;
mod api;
mod authentication;
#[cfg(feature = "bench")]
pub(crate) mod bench_support;
mod carriers;
mod connection;
mod constant;
mod cors;
mod documents;
mod error;
mod error_rendering;
mod head_limits;
mod headers;
mod health;
mod hosts;
mod keeper;
mod localisation;
mod metrics;
mod negotiation;
mod openapi;
mod pages;
mod path_case;
mod query;
mod request_context;
mod request_id;
mod routes;
mod secret_headers;
mod state;
mod transport;
mod user;
mod vendor_names;

use std::rc::Rc;

use actix_web::{
    App, HttpRequest, HttpResponse, Route as Handler,
    body::MessageBody,
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    guard,
    http::Method,
    middleware::{Condition, from_fn},
    web::{self, ServiceConfig},
};
use tracing_actix_web::TracingLogger;

pub use self::routes::{Access, RouteDescription, describe_routes};
pub(crate) use self::{
    authentication::challenges,
    connection::Connection,
    documents::{DocumentError, Documents},
    openapi::document_text as openapi_document,
    request_id::{ClientRequestId, RequestId},
    state::{HttpState, Readiness},
    transport::{ConnectionLimits, ConnectionRegistry, PhaseTimeouts, TimedStream},
};
use self::{
    error::{ApiError, ErrorKind},
    routes::{Route, routes},
};
use crate::telemetry::RootSpan;

/// The application of one worker.
pub(crate) fn application(
    state: web::Data<HttpState>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    let shared = state.clone();
    let origins = state.cors_origins.clone();
    App::new()
        .app_data(state)
        .configure(move |config| configure(config, &shared))
        .wrap(from_fn(path_case::fold))
        .wrap(from_fn(hosts::check))
        .wrap(from_fn(connection::check))
        .wrap(from_fn(head_limits::check))
        .wrap(Condition::new(!origins.is_empty(), cors::middleware(origins)))
        .wrap(from_fn(error_rendering::render))
        .wrap(TracingLogger::<RootSpan>::new())
        .wrap(from_fn(connection::identify))
        .wrap(from_fn(request_id::assign))
        .wrap(from_fn(secret_headers::extract_secret_headers))
        .wrap(from_fn(transport::track))
}

/// The application of the operations listener: health and metrics, nothing that needs a right.
pub(crate) fn operations_application(
    state: web::Data<HttpState>,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    App::new()
        .app_data(state)
        .configure(health::configure)
        .configure(metrics::configure)
        .default_service(web::to(unknown_route))
        .wrap(from_fn(error_rendering::render))
        .wrap(from_fn(request_id::assign))
        .wrap(from_fn(transport::track))
}

fn configure(config: &mut ServiceConfig, state: &HttpState) {
    let mut routes = routes();
    while let Some(first) = routes.first() {
        let path = first.path;
        let (of_path, rest) = routes.into_iter().partition(|route| route.path == path);
        register(config, &state.base_path, of_path);
        routes = rest;
    }
    if state.serves_health {
        health::configure(config);
    }
    config.default_service(web::to(unknown_route));
}

/// One path with its methods; any other method is 405 with `Allow`. An agent's call describes
/// itself to GET.
fn register(config: &mut ServiceConfig, base_path: &str, routes: Vec<Route>) {
    let mut allowed: Vec<String> = routes.iter().map(|route| route.method.to_string()).collect();
    let path = routes.first().map_or("", |route| route.path);
    let mut resource = web::resource(path_case::folded_path(&format!("{base_path}{path}")));
    if let Some(route) = routes.iter().find(|route| api::is_agent_call(route)) {
        let description = Rc::new(api::description(route, base_path));
        allowed.push(Method::GET.to_string());
        let describe =
            web::to(move |request: HttpRequest| std::future::ready(description.answer(&request)));
        resource = resource.route(answering(describe, &Method::GET));
    }
    for route in routes {
        let (access, work) = (route.access, route.work);
        let handler: Handler = answering((route.handler)(), &route.method);
        // The last one wrapped around it comes first.
        let limited = handler.wrap(from_fn(head_limits::check_length));
        resource = resource.route(match access {
            Access::Anybody => limited,
            Access::Authenticated | Access::Agent => limited.wrap(from_fn(move |request, next| {
                authentication::authenticate((access, work), request, next)
            })),
        });
    }
    if allowed.iter().any(|method| method == Method::GET.as_str()) {
        allowed.push(Method::HEAD.to_string());
    }
    let allow = allowed.join(", ");
    config.service(resource.default_service(web::to(move || {
        let refused = ApiError::from(ErrorKind::MethodNotAllowed { allow: allow.clone() });
        std::future::ready(Err::<HttpResponse, _>(refused))
    })));
}

/// A handler for a method; what answers GET answers HEAD (RFC 9110, section 9.1), and the web
/// server leaves the body out.
fn answering(handler: Handler, method: &Method) -> Handler {
    if *method == Method::GET {
        handler.guard(guard::Any(guard::Get()).or(guard::Head()))
    } else {
        handler.method(method.clone())
    }
}

async fn unknown_route() -> Result<HttpResponse, ApiError> {
    Err(ErrorKind::UnknownRoute.into())
}
