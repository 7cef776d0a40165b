//! Adds the recorded examples to the operations of the document.

use utoipa::openapi::{RefOr, content::Content, example::ExampleBuilder, path::Operation};

use crate::http::examples::{Example, Examples};

/// Adds the examples of an operation to the body of its request and to its responses.
pub(super) fn add_examples(operation: &mut Operation, examples: &Examples) {
    let id = operation.operation_id.as_deref().unwrap_or_default();
    let recorded = examples.get(id).into_iter().flatten();
    let successful = recorded.filter(|example| example.is_success());
    for (index, example) in successful.enumerate() {
        let name = format!("example{}", index + 1);
        add_request(operation, &name, example);
        add_response(operation, &name, example);
    }
}

fn add_request(operation: &mut Operation, name: &str, example: &Example) {
    let (Some(body), Some(media_type)) = (&example.body, &example.body_type) else { return };
    if let Some(RefOr::T(request)) = &mut operation.request_body
        && let Some(content) = request.content.get_mut(media_type)
    {
        add(content, name, body);
    }
}

/// A part of a response is no example of it.
fn add_response(operation: &mut Operation, name: &str, example: &Example) {
    let (Some(answer), Some(media_type)) = (&example.answer, &example.answer_type) else { return };
    let response = operation.responses.responses.get_mut(&example.status.to_string());
    if let Some(RefOr::T(response)) = response
        && let Some(content) = response.content.get_mut(media_type)
        && !example.is_shortened
    {
        add(content, name, answer);
    }
}

fn add(content: &mut RefOr<Content>, name: &str, value: &serde_json::Value) {
    if let RefOr::T(content) = content {
        let example = ExampleBuilder::new().value(Some(value.clone())).build();
        content.examples.insert(name.to_owned(), RefOr::T(example));
    }
}
