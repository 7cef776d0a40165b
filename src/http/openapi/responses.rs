//! The error responses of the OpenAPI document: one for each status of the error table.

use std::collections::BTreeSet;

use utoipa::openapi::{
    Content, HeaderBuilder, Object, Ref, RefOr, Response, ResponseBuilder, Schema, Type,
};
use wire_formats::media_type;

use crate::http::error::ErrorKind;

/// The headers of error responses, by status.
const HEADERS: [(u16, &str); 4] =
    [(401, "WWW-Authenticate"), (429, "Retry-After"), (503, "Retry-After"), (405, "Allow")];

/// The error response of every status, by the name that operations refer to.
pub(super) fn refusals() -> impl Iterator<Item = (String, Response)> {
    let samples = ErrorKind::samples();
    let statuses: BTreeSet<u16> = samples.iter().map(|kind| kind.row().status.as_u16()).collect();
    statuses.into_iter().map(|status| (refusal_name(status), refusal(status).build()))
}

/// The name of the error response with a status.
pub(super) fn refusal_name(status: u16) -> String {
    format!("Error{status}")
}

/// The error response with a status; its description lists the codes.
pub(super) fn refusal(status: u16) -> ResponseBuilder {
    let described = described(status, format!("Code {}.", codes(&[status])));
    media_type::response_types().fold(described, |response, supported| {
        response.content(supported.essence, Content::new(Some(Ref::from_schema_name("Error"))))
    })
}

/// The SOAP fault with a status.
pub(super) fn fault(status: u16) -> Response {
    // Faults about messages have status 500 instead of 400.
    let codes = if status == 500 { codes(&[400, 500]) } else { codes(&[status]) };
    let description = format!("A SOAP fault with code {codes}.");
    described(status, description).content("text/xml", text_content()).build()
}

/// The codes of some statuses.
fn codes(statuses: &[u16]) -> String {
    let samples = ErrorKind::samples();
    let rows = samples.iter().map(ErrorKind::row);
    let rows = rows.filter(|row| statuses.contains(&row.status.as_u16()));
    let codes: BTreeSet<_> = rows.map(|row| format!("`{}`", row.code)).collect();
    codes.into_iter().collect::<Vec<_>>().join(", ")
}

/// A response with the headers of errors with this status.
fn described(status: u16, description: String) -> ResponseBuilder {
    let mut response = ResponseBuilder::new().description(description);
    for (_, header) in HEADERS.into_iter().filter(|(owner, _)| *owner == status) {
        let text = Object::with_type(Type::String);
        response = response.header(header, HeaderBuilder::new().schema(Some(text)).build());
    }
    response
}

/// Content that is a JSON object.
pub(super) fn object_content() -> Content {
    Content::new(Some(RefOr::T(Schema::from(Object::with_type(Type::Object)))))
}

/// Content that is text.
pub(super) fn text_content() -> Content {
    Content::new(Some(RefOr::T(Schema::from(Object::with_type(Type::String)))))
}
