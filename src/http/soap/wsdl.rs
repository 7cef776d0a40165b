//! `GET /Remote/Services88/SoPrincipal.svc?wsdl`: the WSDL of the served operations
//! (docs/reference/wire-contract.md#d30-soap).

use actix_web::{HttpRequest, HttpResponse, web::Data};
use askama::Template;

use super::vocabulary::{OperationName, PATH, SERVICE};
use crate::http::{
    connection::Connection,
    error::{ApiError, ErrorKind},
    operation::Operation,
    state::HttpState,
};

#[derive(Template)]
#[template(path = "soap/wsdl.xml")]
struct WsdlTemplate {
    service: &'static str,
    operations: [OperationName; 3],
    /// The URL of the service.
    address: String,
}

/// Describes [`wsdl`].
pub(in crate::http) fn operation() -> Operation {
    Operation::new("Returns the WSDL of the SOAP login, also with `?wsdl` or `?singleWsdl`.")
        .answers_text("text/xml")
}

/// Returns the WSDL in one document, whose address is the URL that the client used.
pub(in crate::http) async fn wsdl(
    request: HttpRequest,
    state: Data<HttpState>,
) -> Result<HttpResponse, ApiError> {
    let origin = Connection::of(&request).origin().unwrap_or_default();
    let address = format!("{origin}{}{PATH}", state.base_path);
    let template = WsdlTemplate { service: SERVICE, operations: OperationName::ALL, address };
    let xml = template.render().map_err(|error| ApiError::caused(ErrorKind::Internal, error))?;
    Ok(HttpResponse::Ok().content_type("text/xml; charset=utf-8").body(xml))
}
