//! The page of one operation.

use askama::Template;
use serde_json::Value;

use super::{
    curl::{CurlLine, curl_lines},
    errors::ErrorList,
    example::{ExampleView, main_example},
    index::group_anchor,
    members::{Members, TypeView, Unfolder, range_of},
    reader::{Described, entries, items, media_types, resolved, schema_of, text},
    try_it::TryItView,
};
use crate::http::examples::Example;

#[derive(Template)]
#[template(path = "docs/operation.html")]
struct OperationTemplate<'page> {
    base_path: &'page str,
    id: &'page str,
    method: String,
    path: &'page str,
    summary: String,
    group: &'page str,
    group_anchor: String,
    needs_authentication: bool,
    /// The parameters in the path and the query.
    parameters: Vec<ParameterView>,
    headers: Vec<ParameterView>,
    body: Option<BodyView>,
    answers: Vec<AnswerView>,
    errors: ErrorList,
    examples: Vec<ExampleView>,
    lines: Vec<CurlLine>,
    form: Option<TryItView>,
    /// Id and path of the operation with another method on the same URL.
    twins: Vec<(String, String)>,
}

struct ParameterView {
    name: String,
    place: String,
    kind: TypeView,
    is_required: bool,
    range: String,
    description: String,
}

struct BodyView {
    is_required: bool,
    media_types: String,
    kind: Option<TypeView>,
    members: Option<Members>,
}

struct AnswerView {
    status: String,
    description: String,
    media_types: String,
    kind: Option<TypeView>,
    members: Option<Members>,
}

/// Renders the page of an operation.
///
/// # Errors
/// When the template cannot be rendered.
pub(super) fn operation_page(
    document: &Value,
    base_path: &str,
    described: Described<'_>,
    examples: &[Example],
) -> Result<String, askama::Error> {
    let mut unfolder = Unfolder::new(document, base_path);
    let example = main_example(examples);
    let (headers, parameters) = items(described.operation.get("parameters"))
        .map(|parameter| parameter_view(&unfolder, parameter))
        .partition(|parameter| parameter.place == "header");
    let responses = || entries(described.operation.get("responses"));
    let refused = responses().filter_map(|(status, _)| status.parse().ok());
    let refused: Vec<u16> = refused.filter(|status| *status >= 400).collect();
    let template = OperationTemplate {
        base_path,
        id: described.id(),
        method: described.method.to_uppercase(),
        path: described.path,
        summary: text(described.operation, "summary"),
        group: described.group(),
        group_anchor: group_anchor(described.group()),
        needs_authentication: described.needs_authentication(),
        parameters,
        headers,
        body: described.operation.get("requestBody").map(|body| body_view(&mut unfolder, body)),
        answers: responses()
            .filter(|(status, _)| !refused.iter().any(|refused| refused.to_string() == **status))
            .map(|(status, response)| {
                answer_view(&mut unfolder, status, resolved(document, response))
            })
            .collect(),
        errors: ErrorList::of_statuses(&refused),
        examples: examples
            .iter()
            .map(|example| ExampleView::new(described.method, described.path, base_path, example))
            .collect(),
        lines: example.map(|example| curl_lines(described, base_path, example)).unwrap_or_default(),
        form: example.and_then(|example| TryItView::new(described, base_path, example)),
        twins: twins(document, described),
    };
    template.render()
}

fn parameter_view(unfolder: &Unfolder<'_>, parameter: &Value) -> ParameterView {
    let schema = parameter.get("schema").unwrap_or(&Value::Null);
    ParameterView {
        name: text(parameter, "name"),
        place: text(parameter, "in"),
        kind: unfolder.kind(schema),
        is_required: parameter.get("required").and_then(Value::as_bool).unwrap_or_default(),
        range: range_of(schema),
        description: text(parameter, "description"),
    }
}

fn body_view<'page>(unfolder: &mut Unfolder<'page>, body: &'page Value) -> BodyView {
    let schema = schema_of(body);
    BodyView {
        is_required: body.get("required").and_then(Value::as_bool).unwrap_or_default(),
        media_types: media_types(body).join(", "),
        kind: schema.map(|schema| unfolder.kind(schema)),
        members: schema.and_then(|schema| unfolder.unfold(schema)),
    }
}

fn answer_view<'page>(
    unfolder: &mut Unfolder<'page>,
    status: &str,
    response: &'page Value,
) -> AnswerView {
    let schema = schema_of(response);
    AnswerView {
        status: status.to_owned(),
        description: text(response, "description"),
        media_types: media_types(response).join(", "),
        kind: schema.map(|schema| unfolder.kind(schema)),
        members: schema.and_then(|schema| unfolder.unfold(schema)),
    }
}

/// The operations with another method on the same URL.
fn twins(document: &Value, described: Described<'_>) -> Vec<(String, String)> {
    let methods = document.get("paths").and_then(|paths| paths.get(described.path));
    entries(methods)
        .filter(|(method, _)| *method != described.method)
        .map(|(method, operation)| (text(operation, "operationId"), method.to_uppercase()))
        .collect()
}
