//! The OpenAPI 3.1 document, made from the route table and the wire types.

mod operation;
mod parameters;
mod schemas;

use actix_web::http::Method;
use utoipa::openapi::{
    ComponentsBuilder, Info, OpenApi, OpenApiBuilder, Paths, Server, ServerBuilder,
    path::HttpMethod, schema::Components, security as described,
};

pub(super) use self::operation::Operation;
use self::{
    operation::{refusals, schemes},
    schemas::with_schemas_of,
};
use super::{
    api::{description_operation, is_agent_call},
    error_rendering::ErrorResponse,
    routes::{Access, Route, routes},
};

const DESCRIPTION: &str = "Keeps the login credentials of users. Speaks the credential slice of \
    the SuperOffice WebAPI; everything under /keeper is an addition of this service.\n\n\
    Paths and names of members and parameters match without regard to case. Requests may be \
    written in any of the listed media types, and answers come in the one that Accept prefers; \
    what cannot be had is answered in the format of the request, or in JSON.";

/// The document of an installation with that base path.
pub(crate) fn document(base_path: &str) -> OpenApi {
    let mut paths = Paths::new();
    let mut schemas = Vec::new();
    with_schemas_of::<ErrorResponse<'static>>(&mut schemas);
    for route in routes() {
        let Some(operation) = &route.operation else { continue };
        let operation = operation();
        operation.add_schemas(&mut schemas);
        if let Some(method) = method(&route) {
            paths.add_path_operation(route.path, vec![method], operation.describe(&route));
        }
        if is_agent_call(&route) {
            let described = Route { method: Method::GET, access: Access::Anybody, ..route };
            let operation = description_operation().describe(&described);
            paths.add_path_operation(described.path, vec![HttpMethod::Get], operation);
        }
    }
    let components = refusals()
        .fold(ComponentsBuilder::new().schemas_from_iter(schemas), |components, (name, refusal)| {
            components.response(name, refusal)
        })
        .build();
    let components = with_security(components);
    let mut info = Info::new("Credential Keeper", env!("CARGO_PKG_VERSION"));
    info.description = Some(DESCRIPTION.to_owned());
    OpenApiBuilder::new()
        .info(info)
        .servers(Some([server(base_path)]))
        .paths(paths)
        .components(Some(components))
        .build()
}

/// The document as text, for the committed copy.
pub(crate) fn document_text(base_path: &str) -> Result<String, serde_json::Error> {
    document(base_path).to_pretty_json()
}

fn server(base_path: &str) -> Server {
    ServerBuilder::new().url(if base_path.is_empty() { "/" } else { base_path }).build()
}

fn method(route: &Route) -> Option<HttpMethod> {
    match route.method.as_str() {
        "GET" => Some(HttpMethod::Get),
        "POST" => Some(HttpMethod::Post),
        "DELETE" => Some(HttpMethod::Delete),
        _ => None,
    }
}

fn with_security(mut components: Components) -> Components {
    let key = |header: &str, description: &str| {
        described::SecurityScheme::ApiKey(described::ApiKey::Header(
            described::ApiKeyValue::with_description(header, description),
        ))
    };
    components.add_security_scheme(
        schemes::BASIC,
        described::SecurityScheme::Http(described::Http::new(described::HttpAuthScheme::Basic)),
    );
    components.add_security_scheme(
        schemes::BEARER,
        described::SecurityScheme::Http(described::Http::new(described::HttpAuthScheme::Bearer)),
    );
    components.add_security_scheme(
        schemes::SO_TICKET,
        key("Authorization", "`SOTicket 7T:…`: a ticket, as it is."),
    );
    let cookie = described::ApiKeyValue::with_description(
        "ASP.NET_SessionId",
        "The session of a browser that signed in at /login; needs X-XSRF-TOKEN as well.",
    );
    components.add_security_scheme(
        schemes::SESSION,
        described::SecurityScheme::ApiKey(described::ApiKey::Cookie(cookie)),
    );
    components.add_security_scheme(
        schemes::XSRF,
        key("X-XSRF-TOKEN", "The value of the cookie XSRF-TOKEN, or of the pages' hidden input."),
    );
    components
}
