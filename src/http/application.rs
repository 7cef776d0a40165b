//! Assembles the actix-web application of one worker: routes, middlewares and their order.

use std::rc::Rc;

use actix_web::{
    App, HttpRequest, HttpResponse, Route as Handler,
    body::MessageBody,
    dev::{ServiceFactory, ServiceRequest, ServiceResponse},
    http::Method,
    middleware::{Condition, Next, from_fn},
    web::{self, ServiceConfig},
};
use tracing_actix_web::TracingLogger;

use super::{
    agents::description,
    authentication, connection, cors,
    current_state::CurrentState,
    error::{ApiError, ErrorKind},
    error_rendering, head_limits, health, hosts, maintenance, metrics,
    pages::page_session::authenticate_page,
    path_case, recent_errors, request_id, request_measurement,
    request_span::RequestSpan,
    response_headers,
    route::{Access, Effect, Route, answering},
    routes::routes,
    secret_headers,
    state::HttpState,
    stopping, transport,
};

/// The application of one worker.
pub(crate) fn application(
    state: CurrentState,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    let first = state.get();
    let provider = state.into_provider();
    App::new()
        .configure(move |config| configure(config, &first))
        .wrap(from_fn(path_case::fold))
        .wrap(from_fn(hosts::check))
        .wrap(from_fn(connection::check))
        .wrap(from_fn(head_limits::check))
        .wrap(cors::CorsOfState)
        .wrap(from_fn(error_rendering::render))
        .wrap(TracingLogger::<RequestSpan>::new())
        .wrap(from_fn(connection::identify))
        .wrap(from_fn(request_id::assign))
        .wrap(from_fn(secret_headers::extract_secret_headers))
        .wrap(from_fn(response_headers::add))
        .wrap(from_fn(stopping::announce))
        .wrap(from_fn(transport::track))
        .wrap(from_fn(request_measurement::measure))
        .wrap(from_fn(move |request, next: Next<_>| next.call(provider.provide(request))))
}

/// The application of the operations listener: health, metrics and the last errors, which need no
/// authentication.
pub(crate) fn operations_application(
    state: CurrentState,
) -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = actix_web::Error,
        InitError = (),
    >,
> {
    let provider = state.into_provider();
    App::new()
        .configure(health::configure)
        .configure(metrics::configure)
        .configure(recent_errors::configure)
        .default_service(web::to(unknown_route))
        .wrap(from_fn(error_rendering::render))
        .wrap(from_fn(request_id::assign))
        .wrap(from_fn(response_headers::add))
        .wrap(from_fn(transport::track))
        .wrap(from_fn(move |request, next: Next<_>| next.call(provider.provide(request))))
}

fn configure(config: &mut ServiceConfig, state: &HttpState) {
    let mut routes = routes();
    while let Some(first) = routes.first() {
        let path = first.path;
        let (same_path, rest) = routes.into_iter().partition(|route| route.path == path);
        register(config, &state.base_path, same_path);
        routes = rest;
    }
    if state.serves_health {
        health::configure(config);
    }
    config.default_service(web::to(unknown_route));
}

/// Registers one path with its methods. Other methods are refused with 405 and `Allow`. GET on the
/// URL of an agent call answers with a description of the call.
fn register(config: &mut ServiceConfig, base_path: &str, routes: Vec<Route>) {
    let mut allowed: Vec<String> = routes.iter().map(|route| route.method.to_string()).collect();
    let path = routes.first().map_or("", |route| route.path);
    let mut resource = web::resource(path_case::folded_path(&format!("{base_path}{path}")));
    if let Some(route) = routes.iter().find(|route| route.is_agent_call()) {
        let description = Rc::new(description::description(route, base_path));
        allowed.push(Method::GET.to_string());
        let describe =
            web::to(move |request: HttpRequest| std::future::ready(description.answer(&request)));
        resource = resource.route(answering(describe, &Method::GET));
    }
    for route in routes {
        let Route { access, work, receives_file, effect, .. } = route;
        let handler: Handler = answering((route.handler)(), &route.method);
        // actix-web runs the last added middleware first, so authentication precedes this check.
        let has_limit = !receives_file;
        let limited = handler.wrap(Condition::new(has_limit, from_fn(head_limits::check_length)));
        let authenticated = match access {
            Access::Anybody => limited,
            Access::Authenticated | Access::Agent => limited.wrap(from_fn(move |request, next| {
                authentication::authenticate(access, work, request, next)
            })),
            Access::Page => limited.wrap(from_fn(move |request, next| {
                authenticate_page(work, receives_file, request, next)
            })),
        };
        // The last one runs first: a change is refused before its caller costs a hash.
        let is_change = effect == Effect::Changes;
        let held = authenticated.wrap(Condition::new(is_change, from_fn(maintenance::refuse)));
        resource = resource.route(held);
    }
    if allowed.iter().any(|method| method == Method::GET.as_str()) {
        allowed.push(Method::HEAD.to_string());
    }
    let allow = allowed.join(", ");
    let resource = resource.default_service(web::to(move || {
        let refused = ApiError::from(ErrorKind::MethodNotAllowed { allow: allow.clone() });
        std::future::ready(Err::<HttpResponse, _>(refused))
    }));
    config.service(resource.wrap(from_fn(move |request: ServiceRequest, next: Next<_>| {
        let has_method = allowed.iter().any(|method| method == request.method().as_str());
        request_measurement::note_route(&request, path, has_method);
        next.call(request)
    })));
}

async fn unknown_route() -> Result<HttpResponse, ApiError> {
    Err(ErrorKind::UnknownRoute.into())
}
