//! The form that sends a request from the page of an operation. It works with JavaScript only.

use serde_json::Value;

use super::{
    example::{body_text, plain},
    members::range_of,
    reader::{Described, items, text, type_of},
};
use crate::http::examples::Example;

/// The beginnings of the names of calls that change nothing. All other calls ask for confirmation.
const HARMLESS: [&str; 6] = ["Get", "Find", "Is", "Can", "Validate", "CreateDefault"];

/// The form of one operation.
pub(super) struct TryItView {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) needs_session: bool,
    /// True for a call that may change or delete something.
    pub(super) asks_first: bool,
    pub(super) fields: Vec<FieldView>,
    /// The media type and the example of the body.
    pub(super) body: Option<(String, String)>,
}

/// One parameter in the path or the query.
pub(super) struct FieldView {
    pub(super) name: String,
    pub(super) place: String,
    pub(super) hint: String,
    pub(super) is_required: bool,
    pub(super) value: String,
}

impl TryItView {
    /// The form with the arguments of an example; `None` if a session does not authenticate the
    /// request.
    pub(super) fn new(
        described: Described<'_>,
        base_path: &str,
        example: &Example,
    ) -> Option<Self> {
        if described.needs_authentication() && !described.accepts("Session") {
            return None;
        }
        let parameters = items(described.operation.get("parameters"));
        let body = example.body_type.clone().zip(example.body.as_ref());
        Some(Self {
            method: described.method.to_uppercase(),
            path: format!("{base_path}{}", described.path),
            needs_session: described.needs_authentication(),
            asks_first: asks_first(described),
            fields: parameters.filter_map(|parameter| field(parameter, example)).collect(),
            body: body.map(|(media_type, body)| {
                let text = body_text(&media_type, body);
                (media_type, text)
            }),
        })
    }
}

/// The input of a parameter; `None` for a header.
fn field(parameter: &Value, example: &Example) -> Option<FieldView> {
    let place = text(parameter, "in");
    let arguments = match place.as_str() {
        "path" => &example.path,
        "query" => &example.query,
        _ => return None,
    };
    let name = text(parameter, "name");
    let schema = parameter.get("schema").unwrap_or(&Value::Null);
    let hint = [text(parameter, "description"), type_of(schema), range_of(schema)];
    let parts: Vec<_> = hint.into_iter().filter(|part| !part.is_empty()).collect();
    Some(FieldView {
        value: arguments.get(&name).map(plain).unwrap_or_default(),
        hint: parts.join(" · "),
        is_required: parameter.get("required").and_then(Value::as_bool).unwrap_or_default(),
        name,
        place,
    })
}

/// True for a call that may change or delete something.
fn asks_first(described: Described<'_>) -> bool {
    let name = described.path.rsplit('/').next().unwrap_or_default();
    // Whole words, because `Issue` is not `Is`.
    let is_word = |rest: &str| !rest.starts_with(|next: char| next.is_lowercase());
    let is_harmless =
        HARMLESS.iter().any(|beginning| name.strip_prefix(beginning).is_some_and(is_word));
    described.method != "get" && !(described.method == "post" && is_harmless)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_that_change_something_ask_first() {
        for (method, path, expected) in [
            ("get", "/api/v1/User", false),
            ("delete", "/api/v1/User/{user}", true),
            ("put", "/api/v1/User/{user}", true),
            ("post", "/api/v1/User", true),
            ("post", "/api/v1/User/Validate", false),
            ("post", "/api/v1/Agents/User/GetUser", false),
            ("post", "/api/v1/Agents/User/DeleteUser", true),
            ("post", "/api/v1/Agents/User/CreateExternalUser", true),
            ("delete", "/api/v1/Agents/User/GetUser", true),
            ("post", "/api/v1/Agents/User/IssueTicket", true),
            ("post", "/api/v1/Agents/User/CancelTicket", true),
        ] {
            let described = Described { method, path, operation: &Value::Null };
            assert_eq!(asks_first(described), expected, "{method} {path}");
        }
    }
}
