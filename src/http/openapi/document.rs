//! Builds the OpenAPI 3.1 document from the route table and the wire types.

use actix_web::http::Method;
use utoipa::openapi::{
    ComponentsBuilder, Info, OpenApi, OpenApiBuilder, Paths, Server, ServerBuilder,
    path::HttpMethod,
};

use super::{
    examples::add_examples, paths::describe, responses::refusals, schemas::with_schemas_of,
    schemes::add_schemes,
};
use crate::http::{
    agents::description,
    error::response::ErrorResponse,
    examples::examples,
    route::{Access, Route},
};

const DESCRIPTION: &str = "Stores the login credentials of users. Implements the credential part of \
    the SuperOffice WebAPI; every path under /keeper is an addition of this service.\n\n\
    Paths, member names and parameter names are case-insensitive. A request body may have any of the \
    listed media types. The response has the media type that Accept prefers; when it prefers an \
    unsupported one, the response has the media type of the request, or JSON.";

/// The document of an installation with that base path.
pub(in crate::http) fn document(routes: &[Route], base_path: &str) -> OpenApi {
    let mut paths = Paths::new();
    let mut schemas = Vec::new();
    let examples = examples();
    with_schemas_of::<ErrorResponse<'static>>(&mut schemas);
    for route in routes {
        let Some(operation) = route.operation else { continue };
        let operation = operation();
        operation.add_schemas(&mut schemas);
        if let Some(method) = method(route) {
            let mut described = describe(&operation, route);
            add_examples(&mut described, &examples);
            paths.add_path_operation(route.path, vec![method], described);
        }
        if route.is_agent_call() {
            let description = Route {
                method: Method::GET,
                access: Access::Anybody,
                operation: Some(description::operation),
                ..*route
            };
            let mut operation = describe(&description::operation(), &description);
            add_examples(&mut operation, &examples);
            paths.add_path_operation(route.path, vec![HttpMethod::Get], operation);
        }
    }
    let components = ComponentsBuilder::new().schemas_from_iter(schemas);
    let mut components = refusals()
        .fold(components, |components, (name, refusal)| components.response(name, refusal))
        .build();
    add_schemes(&mut components);
    let mut info = Info::new("Credential Keeper", env!("CARGO_PKG_VERSION"));
    info.description = Some(DESCRIPTION.to_owned());
    OpenApiBuilder::new()
        .info(info)
        .servers(Some([server(base_path)]))
        .paths(paths)
        .components(Some(components))
        .build()
}

fn server(base_path: &str) -> Server {
    ServerBuilder::new().url(if base_path.is_empty() { "/" } else { base_path }).build()
}

fn method(route: &Route) -> Option<HttpMethod> {
    match route.method.as_str() {
        "GET" => Some(HttpMethod::Get),
        "POST" => Some(HttpMethod::Post),
        "PUT" => Some(HttpMethod::Put),
        "DELETE" => Some(HttpMethod::Delete),
        _ => None,
    }
}
