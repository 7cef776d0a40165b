//! Examples of calls: requests and responses that a test recorded (tests/api/examples.rs). They fill
//! the OpenAPI document and the pages below `/docs`.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// The recorded calls, by the id of their operation.
const RECORDED: &str = include_str!("../../assets/examples.json");

/// Examples by the id of their operation.
pub(super) type Examples = BTreeMap<String, Vec<Example>>;

/// A request, and the response to it.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Example {
    /// Who sent the request: `administrator`, `user`, `ticket`, `session` or `anonymous`.
    pub(super) caller: String,
    /// The parameters in the path.
    #[serde(default)]
    pub(super) path: Map<String, Value>,
    /// The parameters in the query.
    #[serde(default)]
    pub(super) query: Map<String, Value>,
    pub(super) body: Option<Value>,
    /// The media type of the body.
    pub(super) body_type: Option<String>,
    pub(super) status: u16,
    /// The content of the response; a text unless it is JSON.
    #[serde(default, deserialize_with = "present")]
    pub(super) answer: Option<Value>,
    /// The media type of the response.
    pub(super) answer_type: Option<String>,
    /// True when the recorded content is only a part of the response.
    #[serde(default)]
    pub(super) is_shortened: bool,
}

impl Example {
    /// True for a request that was not refused.
    pub(super) fn is_success(&self) -> bool {
        self.status < 400
    }
}

/// A value that is present, also when it is null.
fn present<'input, D: Deserializer<'input>>(input: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(input).map(Some)
}

/// Reads the examples. A test makes sure that each operation has one.
pub(super) fn examples() -> Examples {
    serde_json::from_str(RECORDED).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recorded_examples_can_be_read() {
        serde_json::from_str::<Examples>(RECORDED).unwrap();
    }
}
