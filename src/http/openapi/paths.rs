//! Describes each operation in the OpenAPI document.

use std::collections::BTreeSet;

use utoipa::openapi::{
    Content, ContentBuilder, Object, OneOfBuilder, Ref, RefOr, Required, ResponseBuilder, Schema,
    Type,
    encoding::EncodingBuilder,
    path::{self, OperationBuilder, ParameterIn, ParameterStyle},
    request_body::{RequestBody, RequestBodyBuilder},
    security::SecurityRequirement,
};
use wire_formats::{Format, media_type};

use super::{
    parameters::{id_parameter, ids_in_path, keeper_reason, parameters},
    responses::{fault, object_content, refusal, refusal_name, text_content},
    schemas::Typed,
    schemes::{self, requirement, requirements},
};
use crate::http::{
    error::{BodyFault, ErrorKind, MissingRight},
    operation::{Answer, Operation},
    route::{Access, Route},
};

/// Describes the operation of a route for the OpenAPI document.
pub(super) fn describe(operation: &Operation, route: &Route) -> path::Operation {
    let id = route.path.trim_start_matches('/').replace('/', ".").replace("api.v1.", "");
    let id = id.replace(['{', '}', '-'], "");
    let mut described = OperationBuilder::new()
        .operation_id(Some(format!("{}.{id}", route.method.as_str().to_lowercase())))
        .summary(Some(operation.summary))
        .tag(tag(route));
    if let Some(typed) = &operation.body {
        described = described.request_body(Some(request_body(operation, typed)));
    }
    if operation.is_soap {
        let body = RequestBodyBuilder::new().content("text/xml", text_content());
        described = described.request_body(Some(body.required(Some(Required::True)).build()));
    }
    let in_path = ids_in_path(route).map(|name| {
        let description = if name == "user" { "The user's id or login name." } else { "" };
        id_parameter(name, ParameterIn::Path, description)
    });
    let ids = in_path.chain(
        operation
            .query
            .iter()
            .map(|(name, description)| id_parameter(name, ParameterIn::Query, description)),
    );
    described = ids.fold(described, OperationBuilder::parameter);
    let reason = operation.takes_reason.then(keeper_reason);
    let own = operation.parameters.iter().cloned().chain(reason);
    described = own.fold(described, OperationBuilder::parameter);
    let is_selectable = match &operation.answer {
        Answer::Negotiated { is_selectable, .. } => Some(*is_selectable),
        // Errors are in the language of the request, too.
        Answer::Nothing => Some(false),
        answer @ Answer::Text(_) if answer.is_page() => Some(false),
        Answer::Text(_) => (route.access != Access::Anybody).then_some(false),
    };
    let common = is_selectable.map(|is_selectable| parameters(route, is_selectable));
    described = common.into_iter().flatten().fold(described, OperationBuilder::parameter);
    described = security(operation, route).into_iter().fold(described, OperationBuilder::security);
    responses(described, operation, route).build()
}

/// Adds the responses: a success, what forms and conditions get instead, and refusals.
fn responses(
    mut described: OperationBuilder,
    operation: &Operation,
    route: &Route,
) -> OperationBuilder {
    let (status, response) = success(operation);
    described = described.response(status, response);
    for status in refused_statuses(operation, route) {
        let response = if operation.is_soap {
            fault(status).into()
        } else if operation.may_refuse_with_a_page() {
            refusal(status).content("text/html", text_content()).build().into()
        } else {
            RefOr::Ref(Ref::from_response_name(refusal_name(status)))
        };
        described = described.response(status.to_string(), response);
    }
    if operation.may_be_a_page && matches!(operation.answer, Answer::Nothing) {
        let response = ResponseBuilder::new().description("The page, if the request is a form.");
        described =
            described.response("200", response.content("text/html", text_content()).build());
    }
    if operation.redirects_forms {
        let response = ResponseBuilder::new().description("Redirects a form to the next page.");
        described = described.response("303", response.build());
    }
    if operation.may_be_unmodified {
        let response = ResponseBuilder::new().description("Not changed since If-Modified-Since.");
        described = described.response("304", response.build());
    }
    described
}

/// What authenticates a request: one of these.
fn security(operation: &Operation, route: &Route) -> Vec<SecurityRequirement> {
    if let Some(scheme) = operation.only_scheme {
        vec![requirement(scheme)]
    } else if route.access != Access::Anybody {
        requirements().into()
    } else if operation.takes_session {
        vec![requirement(schemes::SESSION), SecurityRequirement::default()]
    } else {
        Vec::new()
    }
}

fn request_body(operation: &Operation, typed: &Typed) -> RequestBody {
    let required = if operation.is_body_required { Required::True } else { Required::False };
    let mut body = RequestBodyBuilder::new().required(Some(required));
    for (essence, format) in media_type::request_types() {
        let is_form = format == Format::Form;
        // A list is no form, and a patch changes the members of an object.
        let is_for_objects = is_form || essence.contains("patch");
        if operation.has_form || !is_for_objects {
            body = body.content(essence, body_content(operation, typed, is_form));
        }
    }
    body.build()
}

/// A body in one media type. Forms have no null and put the names of nested members in brackets.
fn body_content(operation: &Operation, typed: &Typed, is_form: bool) -> Content {
    if is_form {
        let encoding =
            || EncodingBuilder::new().style(Some(ParameterStyle::DeepObject)).explode(Some(true));
        return typed
            .nested_members
            .iter()
            .fold(ContentBuilder::new().schema(Some(typed.inline.clone())), |content, name| {
                content.encoding(name.as_str(), encoding().build())
            })
            .build();
    }
    if operation.is_body_required {
        return Content::new(Some(typed.schema.clone()));
    }
    let null = RefOr::T(Schema::from(Object::with_type(Type::Null)));
    let either = OneOfBuilder::new().item(typed.schema.clone()).item(null).build();
    Content::new(Some(RefOr::T(Schema::from(either))))
}

/// The content of a document: JSON lines are a text.
fn content_of(media_type: &str) -> Content {
    let is_text = media_type.starts_with("text/") || media_type == "application/jsonl";
    if is_text { text_content() } else { object_content() }
}

/// Status and response of a successful request.
fn success(operation: &Operation) -> (String, utoipa::openapi::Response) {
    let response = ResponseBuilder::new();
    match &operation.answer {
        Answer::Nothing => ("204".to_owned(), response.description("Success.").build()),
        Answer::Text(media_types) => {
            let response = media_types
                .iter()
                .fold(response.description("The document."), |response, media_type| {
                    response.content(*media_type, content_of(media_type))
                });
            ("200".to_owned(), response.build())
        }
        Answer::Negotiated { status, typed, .. } => {
            let mut response = media_type::response_types().fold(
                response.description("Success."),
                |response, supported| {
                    response.content(supported.essence, Content::new(Some(typed.schema.clone())))
                },
            );
            if operation.may_be_a_page {
                response = response.content("text/html", text_content());
            }
            (status.to_string(), response.build())
        }
    }
}

/// The error statuses of an operation.
fn refused_statuses(operation: &Operation, route: &Route) -> BTreeSet<u16> {
    let mut kinds = vec![
        ErrorKind::MalformedBody(BodyFault::Framework),
        ErrorKind::BodyTooLarge,
        ErrorKind::UriTooLong,
        ErrorKind::HeadersTooLarge,
        ErrorKind::MisdirectedRequest,
        ErrorKind::ProxyRequired,
        ErrorKind::Internal,
        ErrorKind::DatabaseUnavailable,
        ErrorKind::ShuttingDown,
    ];
    if operation.body.is_some() || operation.is_soap || !operation.query.is_empty() {
        kinds.extend(ErrorKind::of_bodies());
    }
    if route.access != Access::Anybody {
        kinds.extend([
            ErrorKind::Unauthenticated,
            ErrorKind::XsrfMissing,
            ErrorKind::XsrfWrong,
            ErrorKind::Forbidden(MissingRight::OnlineSession),
            ErrorKind::TooManyAttempts { retry_after: None },
            ErrorKind::KeyUnavailable,
            ErrorKind::OldSystemUnavailable,
            ErrorKind::DirectoryUnavailable,
            ErrorKind::PasswordChangeRequired,
        ]);
    }
    if route.access == Access::Agent {
        kinds.push(ErrorKind::ApplicationNotTrusted);
    }
    let kinds = kinds.iter().chain(&operation.refusals);
    let mut statuses: BTreeSet<_> = kinds.map(|kind| kind.row().status.as_u16()).collect();
    if operation.is_soap {
        // Faults about messages have status 500.
        statuses.remove(&400);
    }
    statuses
}

/// The tag that groups a route in the document.
fn tag(route: &Route) -> &'static str {
    let is_under = |prefix: &str| route.path.starts_with(prefix);
    if is_under("/Remote/") {
        "SOAP"
    } else if is_under("/api/v1/Agents/") {
        "User agent"
    } else if is_under("/api/v1/User") {
        "User"
    } else if is_under("/keeper/") {
        "Additions of this service"
    } else {
        "Pages and documents"
    }
}
