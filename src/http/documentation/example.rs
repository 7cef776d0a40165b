//! Examples as pages show them: the text of a request and of its response.

use actix_web::http::StatusCode;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use crate::http::examples::Example;

/// Everything except the unreserved characters (RFC 3986, section 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// One example.
pub(super) struct ExampleView {
    pub(super) title: String,
    pub(super) request: String,
    pub(super) answer: String,
    pub(super) is_shortened: bool,
}

impl ExampleView {
    /// The example of an operation with this method and path.
    pub(super) fn new(method: &str, path: &str, base_path: &str, example: &Example) -> Self {
        let status = StatusCode::from_u16(example.status).ok();
        let reason = status.and_then(|status| status.canonical_reason()).unwrap_or_default();
        let caller = match example.caller.as_str() {
            "administrator" => "an administrator",
            "user" => "a user",
            "ticket" => "a user with a ticket",
            "session" => "a user with a session",
            _ => "an anonymous caller",
        };
        let line = format!("{} {base_path}{}", method.to_uppercase(), url(path, example));
        let answer = format!("{} {reason}", example.status);
        Self {
            title: format!("{} {reason}, for {caller}", example.status),
            request: message(line, example.body_type.as_deref(), example.body.as_ref()),
            answer: message(answer, example.answer_type.as_deref(), example.answer.as_ref()),
            is_shortened: example.is_shortened,
        }
    }
}

/// The example that a caller wants to repeat: the first one that achieved something, or else the
/// first one.
pub(super) fn main_example(examples: &[Example]) -> Option<&Example> {
    let has_content = |answer: &Value| match answer {
        Value::Null | Value::Bool(false) => false,
        Value::Array(items) => !items.is_empty(),
        Value::Bool(true) | Value::Number(_) | Value::String(_) | Value::Object(_) => true,
    };
    let achieves = |example: &&Example| {
        example.is_success() && example.answer.as_ref().is_none_or(has_content)
    };
    examples.iter().find(achieves).or_else(|| examples.first())
}

/// A path with the arguments of an example, and its query.
pub(super) fn url(path: &str, example: &Example) -> String {
    let fill = |path: String, (name, value): (&String, &Value)| {
        path.replace(&format!("{{{name}}}"), &escaped(&plain(value)))
    };
    let path = example.path.iter().fold(path.to_owned(), fill);
    let pair =
        |(name, value): (&String, &Value)| format!("{}={}", escaped(name), escaped(&plain(value)));
    let query: Vec<_> = example.query.iter().map(pair).collect();
    if query.is_empty() { path } else { format!("{path}?{}", query.join("&")) }
}

/// A body as text: indented JSON, or the text itself.
pub(super) fn body_text(media_type: &str, body: &Value) -> String {
    let text = body.as_str().filter(|_| !media_type.contains("json"));
    let json = || serde_json::to_string_pretty(body).unwrap_or_default();
    text.map_or_else(json, str::to_owned)
}

/// An argument as text, without the quotes of JSON.
pub(super) fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn message(line: String, media_type: Option<&str>, body: Option<&Value>) -> String {
    match (media_type, body) {
        (Some(media_type), Some(body)) => {
            format!("{line}\nContent-Type: {media_type}\n\n{}", body_text(media_type, body))
        }
        _ => line,
    }
}

fn escaped(text: &str) -> String {
    utf8_percent_encode(text, ESCAPED).to_string()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_are_escaped_in_the_url() {
        let example: Example = serde_json::from_value(json!({
            "caller": "administrator",
            "path": { "user": "a/b" },
            "query": { "$filter": "name eq 'x'", "$top": 10 },
            "status": 200,
        }))
        .unwrap();
        let expected = "/api/v1/User/a%2Fb?%24filter=name%20eq%20%27x%27&%24top=10";
        assert_eq!(url("/api/v1/User/{user}", &example), expected);
    }
}
