//! `/openapi.json`, and `/docs`: the OpenAPI document as an HTML page.

use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web::Data};
use askama::Template;
use serde_json::Value;

use super::html;
use crate::http::{
    error::ErrorKind, localization::Language, operation::Operation, state::HttpState,
};

#[derive(Template)]
#[template(path = "docs.html")]
struct DocsTemplate<'page> {
    base_path: &'page str,
    version: &'static str,
    /// The tags of the supported languages.
    languages: String,
    operations: Vec<OperationView>,
    schemas: Vec<SchemaView>,
    errors: Vec<ErrorView>,
}

/// One operation, as the page shows it.
struct OperationView {
    anchor: String,
    method: String,
    path: String,
    summary: String,
    needs_authentication: bool,
    body: Option<TypeView>,
    answers: Vec<(String, String, Option<TypeView>)>,
}

/// A type, and the carrier on this page that it links to.
struct TypeView {
    text: String,
    carrier: Option<String>,
}

/// One carrier, as the page shows it.
struct SchemaView {
    name: String,
    description: String,
    members: Vec<(String, String, String)>,
}

/// One code, as the page shows it.
struct ErrorView {
    status: u16,
    code: &'static str,
    error_type: &'static str,
    text: String,
}

/// Describes [`openapi`].
pub(in crate::http) fn openapi_operation() -> Operation {
    Operation::new("Returns this document.").answers_text("application/json")
}

/// `GET /openapi.json`.
pub(in crate::http) async fn openapi(request: HttpRequest, state: Data<HttpState>) -> HttpResponse {
    state.documents.openapi.answer(&request)
}

/// Describes [`docs`].
pub(in crate::http) fn docs_operation() -> Operation {
    Operation::new("Returns this document as an HTML page.").answers_text("text/html")
}

/// `GET /`: redirects to the documentation, because the service prints this URL when it is ready.
pub(in crate::http) async fn redirect_to_docs(state: Data<HttpState>) -> HttpResponse {
    html::redirect(&state, "/docs")
}

/// `GET /docs`.
pub(in crate::http) async fn docs(request: HttpRequest, state: Data<HttpState>) -> HttpResponse {
    page(&request, &state, HttpResponse::Ok())
}

/// Writes the page into a response.
pub(in crate::http) fn page(
    request: &HttpRequest,
    state: &HttpState,
    response: HttpResponseBuilder,
) -> HttpResponse {
    state.documents.page.answer_with(request, response)
}

/// Renders the OpenAPI document as an HTML page.
///
/// # Errors
/// When the template cannot be rendered.
pub(in crate::http) fn page_content(
    document: &Value,
    base_path: &str,
) -> Result<String, askama::Error> {
    let template = DocsTemplate {
        base_path,
        version: env!("CARGO_PKG_VERSION"),
        languages: Language::tags().join(", "),
        operations: operations(document),
        schemas: schemas(document),
        errors: errors(),
    };
    template.render()
}

fn operations(document: &Value) -> Vec<OperationView> {
    let mut views = Vec::new();
    for (path, methods) in members(document.get("paths")) {
        for (method, operation) in members(Some(methods)) {
            let answers = members(operation.get("responses")).map(|(status, response)| {
                let response = resolved(document, response);
                (status.clone(), text(response, "description"), schema_of(response))
            });
            views.push(OperationView {
                anchor: text(operation, "operationId"),
                method: method.to_uppercase(),
                path: path.clone(),
                summary: text(operation, "summary"),
                needs_authentication: operation.get("security").is_some(),
                body: operation.get("requestBody").and_then(schema_of),
                answers: answers.collect(),
            });
        }
    }
    views
}

fn schemas(document: &Value) -> Vec<SchemaView> {
    let view = |(name, schema): (&String, &Value)| SchemaView {
        name: name.clone(),
        description: text(schema, "description"),
        members: members(schema.get("properties"))
            .map(|(name, member)| (name.clone(), type_of(member), text(member, "description")))
            .collect(),
    };
    members(document.pointer("/components/schemas")).map(view).collect()
}

fn errors() -> Vec<ErrorView> {
    let language = Language::Unasked;
    let view = |kind: &ErrorKind| {
        let row = kind.row();
        ErrorView {
            status: row.status.as_u16(),
            code: row.code,
            error_type: row.error_type,
            text: language.error(kind),
        }
    };
    ErrorKind::samples().iter().map(view).collect()
}

/// Resolves a reference.
fn resolved<'document>(document: &'document Value, value: &'document Value) -> &'document Value {
    let reference = value.get("$ref").and_then(Value::as_str);
    let target = reference.and_then(|reference| document.pointer(reference.strip_prefix('#')?));
    target.unwrap_or(value)
}

/// The type of a body or a response. Every media type has the same one.
fn schema_of(body: &Value) -> Option<TypeView> {
    let (_, content) = members(body.get("content")).next()?;
    let schema = content.get("schema")?;
    Some(TypeView { text: type_of(schema), carrier: carrier_of(schema) })
}

/// The carrier that a schema refers to, also as an alternative or as the items of a list.
fn carrier_of(schema: &Value) -> Option<String> {
    if schema.get("$ref").is_some() {
        return Some(type_of(schema));
    }
    let choices = schema.get("oneOf").and_then(Value::as_array).into_iter().flatten();
    choices.chain(schema.get("items")).find_map(carrier_of)
}

/// A short name of the type of a schema.
fn type_of(schema: &Value) -> String {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        return reference.rsplit('/').next().unwrap_or_default().to_owned();
    }
    if let Some(choices) = schema.get("oneOf").and_then(Value::as_array) {
        return choices.iter().map(type_of).collect::<Vec<_>>().join(" or ");
    }
    let name = match schema.get("type") {
        Some(Value::String(name)) => name.clone(),
        Some(Value::Array(names)) => {
            names.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or ")
        }
        _ => String::new(),
    };
    match schema.get("items") {
        Some(items) => format!("list of {}", type_of(items)),
        None => name,
    }
}

fn members(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flatten()
}

fn text(value: &Value, name: &str) -> String {
    // The page shows plain text, so the backticks of Markdown are removed.
    value.get(name).and_then(Value::as_str).unwrap_or_default().replace('`', "")
}
