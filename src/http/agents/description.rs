//! `GET` on the URL of an agent call: describes the call and never executes it
//! (docs/reference/wire-contract.md#other-endpoints and
//! docs/reference/wire-contract.md#d23-get-on-an-agent-call).

use serde_json::json;

use crate::http::{constant::ConstantAnswer, operation::Operation, route::Route};

/// The operation of a description.
pub(in crate::http) fn operation() -> Operation {
    Operation::new("Describes the call without executing it.").answers_text("application/json")
}

/// The description of an agent call.
pub(in crate::http) fn description(route: &Route, base_path: &str) -> ConstantAnswer {
    let pointer = route.path.replace('~', "~0").replace('/', "~1");
    let method = route.method.as_str();
    let description = json!({
        "Name": route.path.rsplit('/').next(),
        "Method": method,
        "Description": route.operation.map(|operation| operation().summary()),
        "Reference": format!("{base_path}/openapi.json#/paths/{pointer}/{}", method.to_lowercase()),
    });
    ConstantAnswer::new("application/json", description.to_string())
}
