//! `/api` and `/api/v1`: the version of the API and the list of its URLs
//! (docs/reference/wire-contract.md#other-endpoints).

use actix_web::{HttpRequest, HttpResponse, http::header::VARY, web::Data};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use wire_formats::XmlNames;

use super::{
    connection::Connection, error::ApiError, negotiation, operation::Operation, pages::docs,
    route::Route, state::HttpState,
};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The version of this service, with the vendor's member names.
#[derive(Serialize, ToSchema)]
pub(super) struct ApiVersion {
    /// The URL of version 1 of the API.
    v1: String,
    #[serde(rename = "NetServerVersion")]
    net_server_version: &'static str,
    #[serde(rename = "NetServerAssembly")]
    net_server_assembly: &'static str,
    #[serde(rename = "NetServerDate")]
    net_server_date: &'static str,
    #[serde(rename = "NetServerLabel")]
    net_server_label: &'static str,
    #[serde(rename = "NetServer")]
    net_server: &'static str,
    #[serde(rename = "Services")]
    services: &'static str,
    #[serde(rename = "ServicesCurrent")]
    services_current: &'static str,
    #[serde(rename = "Version")]
    version: &'static str,
}

impl XmlNames for ApiVersion {
    const NAME: &'static str = "ApiVersion";
    const NAMESPACE: &'static str = "";
}

/// Describes [`version`].
pub(super) fn version_operation() -> Operation {
    Operation::new("Returns the API version, as a page unless Accept prefers another format.")
        .answers_whole::<ApiVersion>(200)
        .may_be_a_page()
}

/// `GET /api`: answers with the documentation page, or with the version when `Accept` prefers JSON
/// or XML, or excludes HTML.
pub(super) async fn version(
    request: HttpRequest,
    state: Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    let mut response = HttpResponse::Ok();
    response.insert_header((VARY, "accept"));
    if !negotiation::is_preferred_to_page(request.headers()) {
        return docs::page(&request, &state, response);
    }
    let origin = Connection::of(&request).origin().unwrap_or_default();
    let version = ApiVersion {
        v1: format!("{origin}{}/api/v1", state.base_path),
        net_server_version: VERSION,
        net_server_assembly: "CredentialKeeper",
        net_server_date: "",
        net_server_label: "",
        net_server: "Credential Keeper",
        services: "User",
        services_current: "User",
        version: VERSION,
    };
    Ok(negotiation::write(response, request.headers(), &version))
}

/// Describes [`list`].
pub(super) fn list_operation() -> Operation {
    Operation::new("Lists every URL of the API with a summary of each method.")
        .answers_text("application/json")
}

/// `GET /api/v1`: lists every URL with its methods, in JSON.
pub(super) async fn list(
    request: HttpRequest,
    state: Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    Ok(state.documents.get()?.routes.answer(&request))
}

/// Serializes the list of URLs as JSON.
///
/// # Errors
/// When it cannot be serialized.
pub(super) fn list_content(routes: &[Route], base_path: &str) -> Result<String, serde_json::Error> {
    let mut urls = Map::new();
    for route in routes.iter().filter(|route| route.path.starts_with("/api/v1/")) {
        let url = format!("{base_path}{}", route.path);
        let methods = urls.entry(url).or_insert_with(|| json!({}));
        if let (Value::Object(methods), Some(operation)) = (methods, route.operation) {
            methods.insert(route.method.to_string(), operation().summary().into());
            if route.is_agent_call() {
                methods.insert("GET".to_owned(), "Describes the call.".into());
            }
        }
    }
    serde_json::to_string(&urls)
}
