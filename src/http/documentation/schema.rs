//! The page of one schema: its members, and the operations that use it.

use askama::Template;
use serde_json::Value;

use super::{
    members::{Members, Unfolder, range_of},
    reader::{operations, text, type_of},
};

#[derive(Template)]
#[template(path = "docs/schema.html")]
struct SchemaTemplate<'page> {
    base_path: &'page str,
    name: &'page str,
    description: String,
    /// Type and range of a schema without members.
    kind: String,
    range: String,
    members: Option<Members>,
    /// Id, method and path of the operations that use the schema directly.
    users: Vec<(&'page str, String, &'page str)>,
}

/// Renders the page of a schema.
///
/// # Errors
/// When the template cannot be rendered.
pub(super) fn schema_page(
    document: &Value,
    base_path: &str,
    name: &str,
    schema: &Value,
) -> Result<String, askama::Error> {
    let reference = format!("\"#/components/schemas/{name}\"");
    let users = operations(document)
        .filter(|described| described.operation.to_string().contains(&reference))
        .map(|user| (user.id(), user.method.to_uppercase(), user.path));
    let template = SchemaTemplate {
        base_path,
        name,
        description: text(schema, "description"),
        kind: type_of(schema),
        range: range_of(schema),
        members: Unfolder::new(document, base_path).unfold_carrier(name, schema),
        users: users.collect(),
    };
    template.render()
}
