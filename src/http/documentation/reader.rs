//! Reads the OpenAPI document.

use serde_json::Value;

/// The methods that operations of this service have.
pub(super) const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

/// An operation with its method and path.
#[derive(Clone, Copy)]
pub(super) struct Described<'document> {
    pub(super) method: &'document str,
    pub(super) path: &'document str,
    pub(super) operation: &'document Value,
}

impl<'document> Described<'document> {
    /// The id of the operation.
    pub(super) fn id(self) -> &'document str {
        self.operation.get("operationId").and_then(Value::as_str).unwrap_or_default()
    }

    /// The group of the operation: its tag, or the descriptions of agent calls.
    pub(super) fn group(self) -> &'document str {
        if self.is_description() {
            return DESCRIPTIONS;
        }
        let tag = self.operation.pointer("/tags/0").and_then(Value::as_str);
        tag.unwrap_or_default()
    }

    /// True for `GET` on the URL of an agent call.
    pub(super) fn is_description(self) -> bool {
        self.method == "get" && self.path.starts_with(AGENT_CALLS)
    }

    /// True for an operation that only authenticated callers may use.
    pub(super) fn needs_authentication(self) -> bool {
        let is_scheme = |scheme: &Value| scheme.as_object().is_some_and(|names| !names.is_empty());
        let schemes = self.operation.get("security").and_then(Value::as_array);
        schemes.is_some_and(|schemes| schemes.iter().all(is_scheme))
    }

    /// True for an operation that accepts this authentication scheme.
    pub(super) fn accepts(self, scheme: &str) -> bool {
        items(self.operation.get("security")).any(|names| names.get(scheme).is_some())
    }
}

/// The prefix of the calls of the agent.
pub(super) const AGENT_CALLS: &str = "/api/v1/Agents/User/";
/// The name of the group of descriptions.
pub(super) const DESCRIPTIONS: &str = "Descriptions of calls";

/// Every operation, in the order of the document.
pub(super) fn operations(document: &Value) -> impl Iterator<Item = Described<'_>> {
    entries(document.get("paths")).flat_map(|(path, methods)| {
        entries(Some(methods))
            .filter(|(method, _)| METHODS.contains(&method.as_str()))
            .map(move |(method, operation)| Described { method, path, operation })
    })
}

/// Every schema with its name.
pub(super) fn schemas(document: &Value) -> impl Iterator<Item = (&String, &Value)> {
    entries(document.pointer("/components/schemas"))
}

/// The members of an object; none if it is no object.
pub(super) fn entries(value: Option<&Value>) -> impl Iterator<Item = (&String, &Value)> {
    value.and_then(Value::as_object).into_iter().flatten()
}

/// The items of a list; none if it is no list.
pub(super) fn items(value: Option<&Value>) -> impl Iterator<Item = &Value> {
    value.and_then(Value::as_array).into_iter().flatten()
}

/// A member that is a text, without the backticks of Markdown, because pages show plain text.
pub(super) fn text(value: &Value, name: &str) -> String {
    value.get(name).and_then(Value::as_str).unwrap_or_default().replace('`', "")
}

/// Resolves a reference.
pub(super) fn resolved<'document>(
    document: &'document Value,
    value: &'document Value,
) -> &'document Value {
    let reference = value.get("$ref").and_then(Value::as_str);
    let target = reference.and_then(|reference| document.pointer(reference.strip_prefix('#')?));
    target.unwrap_or(value)
}

/// The schema of a body. All media types have the same one, except that a form has it inline.
pub(super) fn schema_of(body: &Value) -> Option<&Value> {
    let content = body.get("content")?;
    let json = content.get("application/json");
    json.or_else(|| entries(Some(content)).map(|(_, content)| content).next())?.get("schema")
}

/// The names of the media types of a body.
pub(super) fn media_types(body: &Value) -> Vec<String> {
    entries(body.get("content")).map(|(name, _)| name.clone()).collect()
}

/// The carrier that a schema refers to, also as an alternative or as the items of a list.
pub(super) fn carrier_of(schema: &Value) -> Option<&str> {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        return reference.rsplit('/').next();
    }
    items(schema.get("oneOf")).chain(schema.get("items")).find_map(carrier_of)
}

/// A short name of the type of a schema.
pub(super) fn type_of(schema: &Value) -> String {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        return reference.rsplit('/').next().unwrap_or_default().to_owned();
    }
    if schema.get("oneOf").is_some() {
        return items(schema.get("oneOf")).map(type_of).collect::<Vec<_>>().join(" or ");
    }
    let types = match schema.get("type") {
        Some(Value::String(name)) => vec![name.as_str()],
        Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    };
    let name = |name: &&str| match (schema.get("items"), *name) {
        (Some(item), "array") => format!("list of {}", type_of(item)),
        (_, name) => name.to_owned(),
    };
    types.iter().map(name).collect::<Vec<_>>().join(" or ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn types_have_short_names() {
        let user = json!({ "$ref": "#/components/schemas/User" });
        for (schema, name, carrier) in [
            (json!({ "type": "string" }), "string", None),
            (json!({ "type": ["integer", "null"] }), "integer or null", None),
            (user.clone(), "User", Some("User")),
            (json!({ "oneOf": [user, { "type": "null" }] }), "User or null", Some("User")),
            (json!({ "type": "array", "items": user }), "list of User", Some("User")),
            (
                json!({ "type": ["array", "null"], "items": user }),
                "list of User or null",
                Some("User"),
            ),
            (json!({}), "", None),
        ] {
            assert_eq!((type_of(&schema).as_str(), carrier_of(&schema)), (name, carrier));
        }
    }
}
