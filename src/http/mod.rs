//! Everything that knows the web framework.
//!
//! The way of a request, outermost first: request id, trace, error rendering, head limits, hosts,
//! path case, then the route; authentication is middleware of each route that needs it and comes
//! before the body is read. Handlers parse, call one use case and answer.

mod agents;
mod authentication;
mod error;
mod error_rendering;
mod head_limits;
mod health;
mod hosts;
mod keeper;
mod localisation;
mod negotiation;
mod path_case;
mod request_id;
mod routes;
mod state;
mod user;

use actix_web::{
    App, HttpResponse, Route as Handler,
    body::MessageBody,
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    middleware::from_fn,
    web::{self, ServiceConfig},
};
use tracing_actix_web::TracingLogger;

pub use self::routes::{Access, RouteDescription, describe_routes};
pub(crate) use self::{
    authentication::challenges,
    request_id::RequestId,
    state::{HttpState, Readiness},
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
    let with_health = state.serves_health;
    App::new()
        .app_data(state)
        .configure(move |config| configure(config, with_health))
        .wrap(from_fn(path_case::fold))
        .wrap(from_fn(hosts::check))
        .wrap(from_fn(head_limits::check))
        .wrap(from_fn(error_rendering::render))
        .wrap(TracingLogger::<RootSpan>::new())
        .wrap(from_fn(request_id::assign))
}

/// The application of the operations listener: health, and nothing that needs a right.
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
        .default_service(web::to(unknown_route))
        .wrap(from_fn(error_rendering::render))
        .wrap(from_fn(request_id::assign))
}

fn configure(config: &mut ServiceConfig, with_health: bool) {
    let mut routes = routes();
    while let Some(first) = routes.first() {
        let path = first.path;
        let (of_path, rest) = routes.into_iter().partition(|route| route.path == path);
        register(config, path, of_path);
        routes = rest;
    }
    if with_health {
        health::configure(config);
    }
    config.default_service(web::to(unknown_route));
}

/// One path with its methods, for authenticated callers; any other method is 405 with `Allow`.
fn register(config: &mut ServiceConfig, path: &'static str, routes: Vec<Route>) {
    let allow = routes.iter().map(|route| route.method.as_str()).collect::<Vec<_>>().join(", ");
    let mut resource = web::resource(path.to_lowercase());
    for route in routes {
        let handler: Handler = (route.handler)();
        resource = resource.route(handler.method(route.method));
    }
    let resource = resource.default_service(web::to(move || {
        let refused = ApiError::from(ErrorKind::MethodNotAllowed { allow: allow.clone() });
        std::future::ready(Err::<HttpResponse, _>(refused))
    }));
    config.service(resource.wrap(from_fn(authentication::authenticate)));
}

async fn unknown_route() -> Result<HttpResponse, ApiError> {
    Err(ErrorKind::UnknownRoute.into())
}
